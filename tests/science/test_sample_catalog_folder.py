"""Where the sample catalogue is written: whole or not at all, and never over other files."""

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
from fairweather.core.bridge.errors import InvalidRequestError, OutputError
from fairweather.core.bridge.request import SampleCatalogRequest
from fairweather.core.science.reporter import RecordingReporter
from fairweather.core.science.sample_catalog import job, rasters, scenes
from fairweather.core.science.sample_catalog.job import run_sample_catalog
from fairweather.core.science.sample_catalog.landscape import Land
from fairweather.core.science.sample_catalog.own_files import find_other_file


def make(folder, days=12):
    scratch = folder.parent / "scratch"
    scratch.mkdir(exist_ok=True)
    request = SampleCatalogRequest(str(folder), days)
    return Path(run_sample_catalog(request, RecordingReporter(), scratch)["CATALOG"])


@pytest.mark.parametrize("days", [-1, 0, 11, 147])
def test_days_out_of_range(tmp_path, days):
    with pytest.raises(InvalidRequestError, match="from 12 to 146"):
        make(tmp_path / "catalogue", days)
    assert not (tmp_path / "catalogue").exists()


def test_folder_must_be_named(tmp_path):
    with pytest.raises(InvalidRequestError, match="FOLDER is empty"):
        run_sample_catalog(SampleCatalogRequest("", 12), RecordingReporter(), tmp_path)


@pytest.fixture
def quick(monkeypatch):
    """Writing a catalogue without its scenes, for tests of the folder alone."""

    def write(folder, days, reporter):
        content = {"id": "fairweather-sample", "days": days}
        (folder / "catalog.json").write_text(json.dumps(content))

    monkeypatch.setattr(job, "write_catalog", write)


def test_a_former_catalogue_is_replaced_and_nothing_else_is_left(tmp_path, quick):
    folder = tmp_path / "catalogue"
    make(folder, 12)
    (folder / "truth").mkdir()
    for name in ("truth/.DS_Store", "Thumbs.db"):  # somebody looked into it
        (folder / name).write_bytes(b"x")
    assert json.loads(make(folder, 13).read_text())["days"] == 13
    assert not (folder / "truth").exists()
    assert {path.name for path in tmp_path.iterdir()} == {"catalogue", "scratch"}


def test_an_empty_folder_is_used(tmp_path, quick):
    (tmp_path / "new folder ünï").mkdir()
    assert make(tmp_path / "new folder ünï").is_file()


@pytest.mark.parametrize("name", ["my work.txt", "catalog.json"])
def test_other_content_is_never_touched(tmp_path, quick, name):
    folder = tmp_path / "catalogue"
    folder.mkdir()
    (folder / name).write_text('{"id": "mine"}')
    with pytest.raises(InvalidRequestError, match="other files"):
        make(folder)
    assert [path.name for path in folder.iterdir()] == [name]


def test_a_users_file_in_a_former_catalogue_is_never_touched(tmp_path, quick):
    folder = tmp_path / "catalogue"
    make(folder)
    (folder / "my composite.tif").write_text("mine")
    with pytest.raises(InvalidRequestError, match="other files"):
        make(folder)
    assert (folder / "my composite.tif").read_text() == "mine"


@pytest.fixture
def without_pixels(monkeypatch):
    """A catalogue has all its files and all its documents, but there is nothing in its rasters."""

    def see(maker, satellite_pass):
        names = (*scenes.BAND_RESOLUTIONS, "scl")
        pixels = {name: np.ones((4, 4), np.uint8) for name in names}
        return scenes.Scene(maker.tile, satellite_pass, pixels)

    def write(path, *_, **__):
        path.touch()

    monkeypatch.setattr(scenes.SceneMaker, "__init__", _keep_tile)
    monkeypatch.setattr(scenes.SceneMaker, "make", see)
    monkeypatch.setattr(rasters, "write_cog", write)
    monkeypatch.setattr(rasters, "_write_thumbnail", lambda _, path: path.touch())


def _keep_tile(maker, tile, _clouds):
    maker.tile = tile
    nothing = np.zeros((1, 1), np.uint16)
    maker.lands = {resolution: Land(nothing, nothing) for resolution in (10, 20)}


@pytest.fixture
def catalogue(tmp_path, without_pixels):
    return make(tmp_path / "catalogue").parent


def contents(folder):
    return {path: path.is_file() and path.read_bytes() for path in folder.rglob("*")}


SCENE = "fairweather-sample/SAMPLE_S2A_T33VXC_20240103T100031_L2A"


STRANGERS = (
    "truth/my_composite.tif",
    "truth/curves.json.bak",
    "fairweather-sample/notes.txt",
    "fairweather-sample/SAMPLE_S2A_T33VXC_20240104T100031_L2A/red.tif",
    f"{SCENE}/red_2.tif",
    f"{SCENE}/mine/red.tif",
    f"{SCENE}/truth/curves.json",
    "truth/truth/curves.json",
    "fairweather-sample/catalog.json",
    ".mine",
    "area.qmd",
)


def test_a_users_file_anywhere_in_a_former_catalogue_is_never_touched(catalogue):
    for name in STRANGERS:
        mine = catalogue / name
        has_folder = mine.parent.is_dir()
        mine.parent.mkdir(exist_ok=True)
        mine.write_text("mine")
        before = contents(catalogue)
        with pytest.raises(InvalidRequestError, match=r"holds other files.*; give an") as raised:
            make(catalogue)
        told = str(raised.value).partition("(")[2].partition(")")[0]
        assert told == (name if has_folder else mine.parent.relative_to(catalogue).as_posix())
        assert contents(catalogue) == before
        mine.unlink()
        if not has_folder:
            mine.parent.rmdir()
    make(catalogue)


def test_a_users_empty_folder_in_a_former_catalogue_is_never_touched(catalogue):
    (catalogue / "truth" / "mine").mkdir()
    with pytest.raises(InvalidRequestError, match=r"other files .*truth/mine"):
        make(catalogue)
    assert (catalogue / "truth" / "mine").is_dir()


def test_a_users_file_that_comes_while_the_catalogue_is_made_is_never_touched(
    catalogue, monkeypatch
):
    write, mine = job.write_catalog, catalogue / "truth" / "mine.txt"

    def write_meanwhile(*arguments):
        write(*arguments)
        mine.write_text("mine")

    monkeypatch.setattr(job, "write_catalog", write_meanwhile)
    before = contents(catalogue)
    with pytest.raises(InvalidRequestError, match=r"other files .*truth/mine\.txt"):
        make(catalogue)
    assert contents(catalogue) == {**before, mine: b"mine"}
    assert {path.name for path in catalogue.parent.iterdir()} == {"catalogue", "scratch"}


needs_links = pytest.mark.skipif(os.name != "posix", reason="Windows lets not everybody make links")


@needs_links
def test_links_in_a_former_catalogue_are_a_users(catalogue, tmp_path):
    work = tmp_path / "work"
    (catalogue / "truth").rename(work)
    (catalogue / "truth").symlink_to(work)
    with pytest.raises(InvalidRequestError, match=r"other files .*\(truth\)"):
        make(catalogue)
    (catalogue / "truth").unlink()
    work.rename(catalogue / "truth")
    assert find_other_file(catalogue) is None
    (catalogue / "truth" / "curves.json").unlink()
    os.mkfifo(catalogue / "truth" / "curves.json")
    with pytest.raises(InvalidRequestError, match=r"other files .*truth/curves\.json"):
        make(catalogue)


def test_what_gdal_leaves_beside_the_rasters_of_a_former_catalogue_goes_with_them(catalogue):
    for raster in catalogue.rglob("*.[tp][in][fg]"):
        for ending in (".aux.xml", ".ovr", ".msk"):
            Path(f"{raster}{ending}").write_text("of that raster")
    assert find_other_file(catalogue) is None
    make(catalogue)
    assert not list(catalogue.rglob("*.aux.xml"))


@pytest.mark.parametrize("days", [12, 74, pytest.param(146, marks=pytest.mark.slow)])
def test_every_file_of_every_length_is_its_own(tmp_path, without_pixels, days):
    folder = make(tmp_path / "catalogue", days).parent
    assert len(list(folder.glob("fairweather-sample/*/red.tif"))) == 2 * days - 1
    assert len(list(folder.glob("truth/*"))) == 9
    assert find_other_file(folder) is None


@needs_links
@pytest.mark.parametrize("is_there", [True, False])
def test_of_a_folder_that_is_a_link_what_it_leads_to_is_replaced(tmp_path, quick, is_there):
    real, link = tmp_path / "another disk" / "real", tmp_path / "catalogue"
    real.parent.mkdir()
    if is_there:
        make(real, 12)
        (real.parent / "scratch").rmdir()
    link.symlink_to(real)
    assert make(link, 13) == link / "catalog.json"
    assert link.is_symlink()
    assert json.loads((real / "catalog.json").read_text())["days"] == 13
    assert [path.name for path in real.parent.iterdir()] == ["real"]
    assert {path.name for path in tmp_path.iterdir()} == {"another disk", "catalogue", "scratch"}


def test_a_file_in_the_way(tmp_path):
    (tmp_path / "catalogue").write_text("mine")
    with pytest.raises(InvalidRequestError, match="is a file"):
        make(tmp_path / "catalogue")


def test_a_missing_parent(tmp_path):
    with pytest.raises(OutputError, match="does not exist"):
        run_sample_catalog(
            SampleCatalogRequest(str(tmp_path / "no" / "catalogue"), 12),
            RecordingReporter(),
            tmp_path,
        )


@pytest.mark.skipif(
    sys.platform == "win32" or (hasattr(os, "geteuid") and os.geteuid() == 0),
    reason="a folder's write permission stops neither root nor Windows",
)
def test_a_folder_that_cannot_be_written(tmp_path):
    tmp_path.joinpath("scratch").mkdir()
    tmp_path.chmod(0o555)
    try:
        with pytest.raises(OutputError, match="cannot be written"):
            make(tmp_path / "catalogue")
    finally:
        tmp_path.chmod(0o755)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (OSError(28, "No space left on device"), pytest.raises(OutputError, match="is full")),
        (PermissionError(13, "Permission denied"), pytest.raises(OutputError, match="denied")),
        (KeyError("a bug"), pytest.raises(KeyError, match="a bug")),
    ],
)
def test_a_failure_leaves_nothing_and_keeps_the_former(
    tmp_path, quick, monkeypatch, error, expected
):
    folder = tmp_path / "catalogue"
    former = make(folder).read_bytes()

    def fail(part, days, reporter):
        (part / "half.tif").write_text("half")
        raise error

    monkeypatch.setattr(job, "write_catalog", fail)
    with expected:
        make(folder)
    assert (folder / "catalog.json").read_bytes() == former
    assert {path.name for path in tmp_path.iterdir()} == {"catalogue", "scratch"}


@pytest.mark.parametrize("name", ["a" * 300, "a" * 250, "a\0b"])
def test_a_name_that_no_disk_takes_is_told(tmp_path, name):
    request = SampleCatalogRequest(str(tmp_path / name), 12)
    with pytest.raises(OutputError, match=r"name is .*; choose a"):
        run_sample_catalog(request, RecordingReporter(), tmp_path / "job-1")
    assert list(tmp_path.iterdir()) == []
