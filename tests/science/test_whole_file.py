"""A file appears whole or not at all."""

import errno
import os
import shutil
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
import rasterio
from fairweather.core.bridge.errors import NoScenesError, OutputError
from fairweather.core.bridge.part_files import has_part, remove_parts
from fairweather.core.science import whole_file as module
from fairweather.core.science.whole_file import check_target, whole_file
from rasterio.shutil import delete


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "výsledky a b"
    folder.mkdir()
    return folder


@pytest.fixture
def scratch(tmp_path):
    return tmp_path / "job-1"


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def fail_half_way(target, scratch, error):
    with whole_file(target, scratch) as path:
        path.write_bytes(b"half")
        raise error


def test_the_file_appears_at_the_end_under_its_name(folder, scratch):
    target = folder / "a.tif"
    with whole_file(target, scratch) as path:
        path.write_bytes(b"new")
        assert path == folder / ".a.tif.job-1.part"
        assert not target.exists()
    assert target.read_bytes() == b"new"
    assert names(folder) == ["a.tif"]


def test_a_former_file_is_replaced_only_by_a_whole_one(folder, scratch):
    target = folder / "a.tif"
    target.write_bytes(b"former")
    with pytest.raises(ZeroDivisionError):
        fail_half_way(target, scratch, ZeroDivisionError)
    assert target.read_bytes() == b"former"
    assert names(folder) == ["a.tif"]
    with whole_file(target, scratch) as path:
        path.write_bytes(b"new")
    assert target.read_bytes() == b"new"


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, NoScenesError, MemoryError])
def test_every_exception_passes_and_leaves_nothing(folder, scratch, error):
    with pytest.raises(error):
        fail_half_way(folder / "a.tif", scratch, error)
    assert names(folder) == []


def test_what_a_driver_writes_beside_the_part_goes_too(folder, scratch):
    with whole_file(folder / "a.tif", scratch) as path:
        path.write_bytes(b"new")
        Path(f"{path}.aux.xml").write_text("statistics")
        (folder / ".a.tif.job-2.part").write_text("another run's")
    assert names(folder) == [".a.tif.job-2.part", "a.tif"]


def test_a_file_that_was_never_written_is_an_error_and_keeps_the_former(folder, scratch):
    target = folder / "a.tif"
    target.write_bytes(b"former")
    with pytest.raises(FileNotFoundError), whole_file(target, scratch):
        pass
    assert target.read_bytes() == b"former"


def test_a_missing_folder_is_named_before_anything_is_written(folder, scratch):
    with (
        pytest.raises(OutputError, match=r"no such does not exist; make it"),
        whole_file(folder / "no such" / "a.tif", scratch),
    ):
        pytest.fail("the body must not run")


def test_a_folder_in_place_of_the_file_is_named(folder, scratch):
    with pytest.raises(OutputError, match="is a folder"):
        check_target(folder, scratch)


def test_a_name_that_is_too_long_is_told(folder, scratch):
    with pytest.raises(OutputError, match="name is too long"):
        check_target(folder / ("a" * 250 + ".tif"), scratch)


def test_a_folder_that_cannot_be_written_is_named(folder, scratch, monkeypatch):
    def refuse(self, *arguments, **options):
        raise PermissionError(errno.EACCES, "denied", str(self))

    monkeypatch.setattr(Path, "write_bytes", refuse)
    with pytest.raises(OutputError, match="not writable"):
        check_target(folder / "a.tif", scratch)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_folder_is_named(folder, scratch):
    folder.chmod(0o500)
    with pytest.raises(OutputError, match="not writable"):
        check_target(folder / "a.tif", scratch)
    folder.chmod(0o700)


def test_a_full_disk_is_told_before_any_work(folder, scratch, monkeypatch):
    def write_some(path, _content):
        path.touch()
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", write_some)
    with pytest.raises(OutputError, match="the disk is full; make room"):
        check_target(folder / "a.tif", scratch)
    assert names(folder) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's full device")
def test_a_full_disk_is_told_by_its_error(folder, scratch):
    def write():
        with whole_file(folder / "a.tif", scratch) as path:
            path.symlink_to("/dev/full")
            path.write_bytes(b"x")

    with pytest.raises(OutputError, match="disk is full"):
        write()
    assert names(folder) == []


def test_a_full_disk_is_told_though_the_library_does_not(folder, scratch, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(1000, 1000, 0))
    with pytest.raises(OutputError, match="disk is full"), whole_file(folder / "a", scratch):
        raise RuntimeError("write failed")


def test_a_target_that_is_in_use_says_to_close_it(folder, scratch, monkeypatch):
    def refuse(self, target):
        raise PermissionError(errno.EACCES, "in use")

    monkeypatch.setattr(module.Path, "replace", refuse)
    with (
        pytest.raises(OutputError, match="close the layers"),
        whole_file(folder / "a.tif", scratch) as path,
    ):
        path.write_bytes(b"new")
    assert names(folder) == []


def test_a_relative_target_stays_where_it_was_meant(folder, scratch, monkeypatch, tmp_path):
    monkeypatch.chdir(folder)
    with whole_file(Path("a.tif"), scratch) as path:
        path.write_bytes(b"new")
        monkeypatch.chdir(tmp_path)
    assert (folder / "a.tif").read_bytes() == b"new"


@pytest.mark.parametrize("name", ["a" * 300, "a" * 250, ".", "..", "/", "", "a\0b", "a/" * 3000])
def test_parts_of_any_name_are_removed(folder, scratch, monkeypatch, name):
    monkeypatch.chdir(folder)
    for target in (Path(name), folder / name):
        remove_parts(target, scratch)
        assert not has_part(target, scratch)
    assert names(folder) == []


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("a" * 300 + ".tif", "its name is too long; choose a shorter one"),
        ("ž" * 120 + ".tif", "its name is too long; choose a shorter one"),
        ("a/" * 3000 + "b.tif", "its name is too long; choose a shorter one"),
        (".", "is a folder; give the name of a file"),
        ("/", "is a folder; give the name of a file"),
        ("", "is a folder; give the name of a file"),
        ("a\0b.tif", "its name is none; choose another one"),
    ],
)
def test_what_is_wrong_with_a_name_is_told(folder, scratch, monkeypatch, name, words):
    monkeypatch.chdir(folder)
    with pytest.raises(OutputError, match=words), whole_file(Path(name), scratch):
        pytest.fail("the body must not run")
    assert names(folder) == []


@pytest.mark.skipif(not Path("/proc/self").is_dir(), reason="needs Linux's files about processes")
def test_a_folder_that_holds_no_files_is_not_called_full(scratch):
    with pytest.raises(OutputError, match="choose another folder") as raised:
        check_target(Path("/proc/self/a.tif"), scratch)
    assert "full" not in str(raised.value)


needs_links = pytest.mark.skipif(os.name != "posix", reason="Windows lets not everybody make links")


@needs_links
@pytest.mark.parametrize("is_there", [True, False])
def test_of_a_link_what_it_leads_to_is_replaced(folder, scratch, tmp_path, is_there):
    real = tmp_path / "another disk" / "real.tif"
    real.parent.mkdir()
    link = folder / "a.tif"
    link.symlink_to(real)
    if is_there:
        real.write_bytes(b"former")
    with whole_file(link, scratch) as path:
        path.write_bytes(b"new")
        assert path == real.parent / ".real.tif.job-1.part"
        assert names(folder) == ["a.tif"]
    assert real.read_bytes() == b"new"
    assert link.is_symlink()
    assert names(real.parent) == ["real.tif"]


@needs_links
def test_a_link_that_leads_to_no_folder_is_told(folder, scratch, tmp_path):
    (folder / "a.tif").symlink_to(tmp_path / "away" / "a.tif")
    (folder / "round").symlink_to("round")
    with pytest.raises(OutputError, match="away does not exist"):
        check_target(folder / "a.tif", scratch)
    (folder / "b.tif").symlink_to(folder / "round" / "b.tif")
    with pytest.raises(OutputError, match="round does not exist"):
        check_target(folder / "b.tif", scratch)
    assert names(folder) == ["a.tif", "b.tif", "round"]


@pytest.mark.skipif(os.name != "posix", reason="devices and pipes with names are POSIX's")
@pytest.mark.parametrize("is_linked", [True, False])
def test_a_pipe_is_never_replaced(folder, scratch, is_linked):
    pipe = folder / "pipe"
    os.mkfifo(pipe)
    target = folder / "a.tif" if is_linked else pipe
    if is_linked:
        target.symlink_to(pipe)
    with pytest.raises(OutputError, match="a device, a pipe or a socket; give the name of a file"):
        check_target(target, scratch)
    assert pipe.is_fifo()
    assert names(folder) == sorted({"pipe", target.name})


def write_raster(path, value):
    pixels = np.full((512, 512), value, np.uint8)
    with rasterio.open(
        path, "w", driver="GTiff", width=512, height=512, count=1, dtype="uint8",
        crs="EPSG:32633", transform=rasterio.Affine(10, 0, 0, 0, -10, 0),
    ) as dataset:  # fmt: skip
        dataset.write(pixels, 1)


def write_beside(path):
    """Overviews, a mask and metadata of a raster, each in a file beside it, as GDAL makes them."""
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=False, TIFF_USE_OVR=True),
        rasterio.open(path, "r+") as dataset,
    ):
        dataset.write_mask(np.arange(512 * 512).reshape(512, 512) % 2 == 0)
        dataset.build_overviews([2, 4])
    Path(f"{path}.aux.xml").write_text(
        '<PAMDataset><PAMRasterBand band="1"><Metadata><MDI key="STATISTICS_MEAN">9</MDI>'
        "</Metadata></PAMRasterBand></PAMDataset>"
    )


def as_read(path):
    """What GDAL tells of a raster: its pixels, those of an overview, its mask, its statistics."""
    with rasterio.open(path) as dataset:
        small = dataset.read(1, out_shape=(128, 128))
        return dataset.read(1), small, dataset.read_masks(1), dataset.tags(1)


@pytest.mark.parametrize("name", ["a.tif", "a b č.TIFF"])
def test_what_lay_beside_the_former_raster_tells_nothing_of_the_new_one(folder, scratch, name):
    target = folder / name
    write_raster(target, 7)
    write_beside(target)
    beside = {".msk", ".ovr", ".aux.xml"}
    assert beside <= {path.removeprefix(name) for path in names(folder)}
    full, small, mask, tags = as_read(target)
    assert (small == 7).all()
    assert mask.mean() < 255
    assert tags
    with whole_file(target, scratch) as path:
        write_raster(path, 200)
        assert beside <= {path.removeprefix(name) for path in names(folder)}
    full, small, mask, tags = as_read(target)
    assert (full == 200).all()
    assert (small == 200).all()
    assert (mask == 255).all()
    assert not tags
    assert names(folder) == [name]


def test_all_goes_that_gdal_itself_removes_with_a_raster(folder, scratch):
    target = folder / "a.tif"
    write_raster(target, 7)
    write_beside(target)
    made = names(folder)
    delete(target, driver="GTiff")
    assert names(folder) == []  # all of it is known to GDAL
    write_raster(target, 7)
    write_beside(target)
    assert names(folder) == made
    with whole_file(target, scratch) as path:
        write_raster(path, 200)
    assert names(folder) == ["a.tif"]


def test_a_former_raster_that_stays_keeps_what_is_its_own(folder, scratch):
    target = folder / "a.tif"
    write_raster(target, 7)
    write_beside(target)
    before = {path: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(ZeroDivisionError):
        fail_half_way(target, scratch, ZeroDivisionError)
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_what_lies_beside_other_files_is_not_touched(folder, scratch):
    others = ["a.csv.ovr", "a.csv.aux.xml", "a.ovr", "b.tif.ovr", "a.tif.qml", "a.tif.txt"]
    for name in others:
        (folder / name).write_text("theirs")
    for name in ("a.csv", "a.tif"):
        with whole_file(folder / name, scratch) as path:
            path.write_bytes(b"new")
    assert names(folder) == sorted([*others, "a.csv", "a.tif"])


@needs_links
def test_what_gdal_keeps_beside_a_link_goes_too(folder, scratch, tmp_path):
    real = tmp_path / "real.tif"
    (folder / "a.tif").symlink_to(real)
    for beside in (folder / "a.tif.aux.xml", tmp_path / "real.tif.aux.xml"):
        beside.write_text("statistics")
    with whole_file(folder / "a.tif", scratch) as path:
        path.write_bytes(b"new")
    assert names(folder) == ["a.tif"]
    assert names(tmp_path) == ["real.tif", folder.name]


def test_old_overviews_that_cannot_be_removed_are_told(folder, scratch, monkeypatch):
    (folder / "a.tif.ovr").write_text("old")
    unlink = Path.unlink

    def refuse(path, **options):
        if path.suffix == ".ovr":
            raise PermissionError(errno.EACCES, "in use")
        unlink(path, **options)

    monkeypatch.setattr(Path, "unlink", refuse)
    with (
        pytest.raises(OutputError, match=r"a\.tif is written, but a\.tif\.ovr .*; close"),
        whole_file(folder / "a.tif", scratch) as path,
    ):
        path.write_bytes(b"new")
    assert names(folder) == ["a.tif", "a.tif.ovr"]
