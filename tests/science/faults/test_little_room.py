"""A composite that the output's disk plainly cannot hold is refused before anything is read."""

import errno
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import shapely
from fairweather.core.bridge.errors import OutputError
from fairweather.core.bridge.home import unfinished_folder
from fairweather.core.science.composite import room
from fairweather.core.science.imagery.estimate import bytes_in_words
from left_behind import unfinished_composite
from small_job import assert_same_pixels

# Two bands of float32, of which 85 % are left after compression.
ESTIMATE = 64 * 128 * 2 * 4 * 0.85


@pytest.fixture
def disks(monkeypatch, tmp_path):
    """Sets what is free on the output's disk; ``is_one`` says that scratch files are there too."""

    def set_disks(free, is_one=False, scratch=10**12):
        monkeypatch.setattr(room, "_is_same_disk", lambda *_: is_one)

        def usage(path):
            is_output = is_one or "scratch" not in str(path)
            return SimpleNamespace(free=int(free) if is_output else int(scratch))

        monkeypatch.setattr(shutil, "disk_usage", usage)

    return set_disks


@pytest.mark.parametrize(("is_one", "needed"), [(False, ESTIMATE), (True, 2 * ESTIMATE)])
def test_what_plainly_does_not_fit_is_refused_before_a_pixel_is_read(
    small_job, server, disks, is_one, needed
):
    free = 0.2 * needed
    disks(free, is_one)
    with pytest.raises(OutputError) as caught:
        small_job.run()
    text = str(caught.value)
    assert f"about {bytes_in_words(needed)}" in text
    assert f"{bytes_in_words(free)} are free" in text
    assert str(small_job.folder) in text
    assert text.endswith(".")
    assert "\n" not in text
    # Planning asks for one file's header.
    assert server.requests <= 2
    assert not list(small_job.folder.glob("*composite*"))


def test_tiles_that_plainly_do_not_fit_are_refused_too(small_job, server, disks):
    disks(10**12, scratch=0.2 * ESTIMATE)
    with pytest.raises(OutputError, match=r"does not fit.*set FAIRWEATHER_HOME to a larger disk"):
        small_job.run()
    assert server.requests <= 2
    assert not list(small_job.folder.glob("*composite*"))


def test_tiles_that_may_fit_are_made_with_a_warning(small_job, disks):
    """Uncompressed they would take all that is free: but they are not."""
    disks(10**12, scratch=0.9 * ESTIMATE)
    found = small_job.run()
    assert_same_pixels(found.pixels, small_job.oracle())
    told = [text for text in found.warnings if "may not fit" in text]
    assert len(told) == 1
    assert "set FAIRWEATHER_HOME to a larger disk" in told[0]


@pytest.mark.parametrize(("share", "is_warned"), [(0.3, True), (0.95, True), (1.05, False)])
def test_what_may_fit_after_all_is_made_with_a_warning(small_job, disks, share, is_warned):
    disks(share * ESTIMATE)
    found = small_job.run()
    assert_same_pixels(found.pixels, small_job.oracle())
    told = [text for text in found.warnings if "may not fit" in text]
    assert len(told) == is_warned
    if is_warned:
        assert f"{bytes_in_words(share * ESTIMATE)} are free" in told[0]


@pytest.mark.parametrize("share", [0.1, 0.5, 2.0])
def test_a_dry_run_says_so_in_log_and_report(small_job, disks, share):
    disks(share * ESTIMATE)
    report = small_job.folder / "report.html"
    warnings = small_job.dry_run(report=str(report))
    told = [text for text in warnings if "are free" in text]
    assert len(told) == (share < 1)
    page = report.read_text("utf-8")
    assert ("are free" in page) == (share < 1)
    if share < 1:
        assert bytes_in_words(ESTIMATE) in told[0]
        assert ("may not fit" in told[0]) == (share > 0.25)


def test_a_disk_that_says_nothing_or_zero_refuses_nothing(small_job, disks, monkeypatch):
    """Some network drives tell that nothing is free; that files can be written was tried before."""
    for is_one in (False, True):
        disks(0, is_one)
        assert not [text for text in small_job.dry_run() if "fit" in text]
    disks(0)
    assert not [text for text in small_job.run().warnings if "fit" in text]
    monkeypatch.setattr(room, "_is_same_disk", lambda *_: False)
    usage = shutil.disk_usage

    def refuse(path):
        if "scratch" in str(path):
            return usage(path)
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(shutil, "disk_usage", refuse)
    assert not [text for text in small_job.run().warnings if "fit" in text]


def test_unfinished_composites_that_give_way_count_as_free(small_job, disks):
    folder = unfinished_composite("another")
    (folder / "block-0-0.bin").write_bytes(bytes(int(3 * ESTIMATE)))
    disks(0.3 * ESTIMATE, is_one=True)
    assert not [text for text in small_job.dry_run() if "are free" in text]


def test_a_users_own_folder_beside_them_gives_no_way(small_job, disks):
    folder = unfinished_folder() / "novel"
    folder.mkdir(parents=True)
    (folder / "chapter.txt").write_bytes(bytes(int(3 * ESTIMATE)))
    disks(0.3 * ESTIMATE, is_one=True)
    with pytest.raises(OutputError, match="does not fit"):
        small_job.run()
    assert [path.name for path in folder.iterdir()] == ["chapter.txt"]


def test_where_no_scene_lies_nothing_is_written(small_job, disks, server):
    """An area ten times as wide as its scenes: a tenth of it takes room."""
    wide = shapely.box(500_000, 4_999_360, 500_000 + 10 * 1280, 5_000_000)
    small_job.box = lambda: wide
    disks(0.5 * ESTIMATE)
    found = small_job.run()
    assert found.pixels.shape[2] > 1200
    assert np.isfinite(found.pixels[0, :, :128]).any()


def test_an_output_folder_that_is_not_there_yet(small_job, disks):
    disks(0.1 * ESTIMATE)
    told = small_job.dry_run(output=str(small_job.folder / "not" / "there" / "made.tif"))
    assert any("are free" in text for text in told)


def test_disks_are_told_apart(tmp_path):
    assert room._is_same_disk(tmp_path, tmp_path / "..")
    assert not room._is_same_disk(tmp_path, tmp_path / "not there")
