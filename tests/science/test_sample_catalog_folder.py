"""Where the sample catalogue is written: whole or not at all, and never over other files."""

import json
import os
import sys
from pathlib import Path

import pytest
from fairweather.core.bridge.errors import InvalidRequestError, OutputError
from fairweather.core.bridge.request import SampleCatalogRequest
from fairweather.core.science.reporter import RecordingReporter
from fairweather.core.science.sample_catalog import job
from fairweather.core.science.sample_catalog.job import run_sample_catalog


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
