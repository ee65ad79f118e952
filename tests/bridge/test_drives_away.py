"""What killed runs left on a drive that is away at the next start is looked for again."""

import json
import os
import sys

import pytest
from fairweather.core.bridge import leftovers
from fairweather.core.bridge.home import jobs_folder
from fairweather.core.bridge.job_folders import (
    all_job_folders,
    job_folder,
    note_job,
    read_job_note,
)
from fairweather.core.bridge.leftovers import find_leftovers, remove_leftovers, tidy_up
from fairweather.core.bridge.part_files import former_path, part_path
from left_behind import killed_job


@pytest.fixture
def drive(tmp_path):
    """A drive with a catalogue between two names, and the part of a file, of a job that is dead."""
    drive = tmp_path / "drive"
    drive.mkdir()
    folder = killed_job()
    (folder / "tiles").mkdir()
    targets = [drive / "catalogue", drive / "made.tif"]
    note_job(folder, targets, sys.executable)
    former = former_path(targets[0], folder)
    former.mkdir()
    (former / "catalog.json").write_text("old")
    part_path(targets[1], folder).write_text("half")
    return drive


def test_what_lies_on_a_drive_that_is_away_is_looked_for_until_it_is_back(drive, runs_on):
    away = drive.rename(drive.with_name("unplugged"))
    for day in range(3):
        runs_on(day, times=2)
        (folder,) = all_job_folders()
        assert {path.name for path in folder.iterdir()} <= {"job.json", "days.json", "owner.lock"}
        assert [found.title for found in find_leftovers()] == ["catalogue, made.tif"]
    away.rename(drive)
    runs_on(3)
    assert [path.name for path in drive.iterdir()] == ["catalogue"]
    assert (drive / "catalogue" / "catalog.json").read_text() == "old"
    assert all_job_folders() == []


def test_a_drive_that_never_comes_back_is_forgotten(drive, runs_on):
    drive.rename(drive.with_name("unplugged"))
    for day in range(0, 2 * leftovers.MOST_DAYS, 2):
        runs_on(day, times=3)
    assert len(all_job_folders()) == 1
    runs_on(3 * leftovers.MOST_DAYS)
    assert all_job_folders() == []
    assert find_leftovers() == []


def test_cleaning_forgets_it(drive):
    drive.rename(drive.with_name("unplugged"))
    remove_leftovers()
    assert all_job_folders() == []
    assert find_leftovers() == []


def test_a_drive_that_goes_away_while_a_run_ends_is_looked_for(tmp_path):
    drive = tmp_path / "drive"
    drive.mkdir()
    with job_folder() as folder:
        note_job(folder, [drive / "made.tif"], sys.executable)
        part_path(drive / "made.tif", folder).write_text("half")
        away = drive.rename(tmp_path / "unplugged")
    assert {path.name for path in folder.iterdir()} == {"job.json", "owner.lock"}
    away.rename(drive)
    tidy_up()
    assert list(drive.iterdir()) == []
    assert all_job_folders() == []


def test_a_folder_that_never_was_is_not_looked_for(tmp_path):
    with job_folder() as folder:
        note_job(folder, [tmp_path / "mistyped" / "made.tif"], sys.executable)
        assert read_job_note(folder).outputs == ()
    assert all_job_folders() == []


@pytest.mark.skipif(os.name != "posix", reason="Windows lets not everybody make links")
def test_what_a_killed_run_left_beside_a_links_target_goes_also_if_the_link_changes(tmp_path):
    disk, link = tmp_path / "disk", tmp_path / "made.tif"
    disk.mkdir()
    link.symlink_to(disk / "real.tif")
    folder = killed_job()
    note_job(folder, [link], sys.executable)
    part_path(link, folder).write_text("half")
    link.unlink()
    tidy_up()
    assert list(disk.iterdir()) == []
    assert all_job_folders() == []


@pytest.mark.parametrize("days", [None, ["2026-01-01"]])
def test_a_note_that_a_former_version_kept_without_a_lock_is_looked_at(drive, runs_on, days):
    (folder,) = all_job_folders()
    runs_on(0)  # removes what else the job left, and would keep the note if the drive were away
    assert list(drive.iterdir()) == [drive / "catalogue"]
    folder.mkdir()
    note_job(folder, [drive / "made.tif"], sys.executable)
    part_path(drive / "made.tif", folder).write_text("half")
    if days is not None:
        (folder / "days.json").write_text(json.dumps(days))
    assert [found.title for found in find_leftovers()] == ["made.tif"]
    (folder / "owner.lock").unlink()  # by looking whether it is in use
    runs_on(1)
    assert list(drive.iterdir()) == [drive / "catalogue"]
    assert not folder.exists()


@pytest.mark.parametrize(
    "files",
    [
        {"job.json": '{"outputs": [], "python": "p"}'},
        {"job.json": '{"name": "of mine"}'},
        {"job.json": '{"outputs": ["/a.tif"], "python": "p"}', "thesis.txt": "mine"},
        {"days.json": "[]"},
        {},
    ],
)
def test_a_folder_of_ones_own_is_none_that_a_former_version_kept(files):
    folder = jobs_folder() / "job-0killed2"
    folder.mkdir(parents=True)
    for name, text in files.items():
        (folder / name).write_text(text)
    assert all_job_folders() == []
    assert find_leftovers() == []
