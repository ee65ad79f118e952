"""FAIRWEATHER_HOME may be a folder that was in use before: what is the user's own there stays."""

import contextlib
import json
import os
import re
import sys
from pathlib import Path
from typing import get_args

import pytest
from fairweather.core.bridge import leftovers, owned_folders, worker_process
from fairweather.core.bridge.environment import clean, list_leftovers, remove_environment
from fairweather.core.bridge.home import fairweather_home, jobs_folder, unfinished_folder
from fairweather.core.bridge.job_folders import Kind, all_job_folders, job_folder, runs_a_job
from fairweather.core.bridge.leftovers import (
    all_unfinished,
    bound_unfinished,
    make_room_for_unfinished,
    remove_unfinished,
    tidy_up,
    write_title,
)
from left_behind import key_of, killed_job, unfinished_composite

DAYS = leftovers.MOST_DAYS + 2
OWN_FILES = (
    "worker.log",
    "results.csv",
    "jobs/2024-harvest/results.csv",
    "jobs/2024-harvest/owner.lock",
    "jobs/job-20240101/results.csv",
    "jobs/job-a1b2c3d4/job.json",
    "jobs/search-of-mine/owner.lock",
    "jobs/job-0killed_2/owner.lock",
    "jobs/scenes-ABCDEFGH/owner.lock",
    "jobs/series-12345678",
    "unfinished/novel/chapter.txt",
    "unfinished/novel/owner.lock",
    "unfinished/novel/title.json",
    f"unfinished/{key_of('pictures')}/mine.jpg",
    f"unfinished/{key_of('table')}.csv",
    "cache/mine.txt",
    "cache/fontconfig/mine",
    "environments/science/bin/python",
    "environments/0123456789ab/mine.txt",
    "downloads/mine.zip",
    "tools/mine.exe",
)


def everything():
    """Each file's content under FAIRWEATHER_HOME, and each folder."""
    found = sorted(fairweather_home().rglob("*"))
    return {path: path.read_bytes() if path.is_file() else None for path in found}


@pytest.fixture
def own_files(tmp_path):
    """All that is the user's own, and how it was."""
    for name in OWN_FILES:
        path = fairweather_home() / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('{"outputs": [], "python": "/usr/bin/python3"}', encoding="ascii")
    for name in ("jobs/empty", "unfinished/empty", "cache/empty"):
        (fairweather_home() / name).mkdir()
    if os.name == "posix":
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        (elsewhere / "owner.lock").touch()
        (elsewhere / "mine.txt").write_text("precious")
        (jobs_folder() / "job-of_links").symlink_to(elsewhere)
        (unfinished_folder() / key_of("link")).symlink_to(elsewhere)
    return everything()


def full_disk():
    assert remove_unfinished() == 0


def bound():
    assert bound_unfinished(0, 0) == 0


def room_for_more():
    make_room_for_unfinished(unfinished_folder() / key_of("new"), leftovers.MOST_BYTES)


def cleaning():
    assert clean() == 0


def a_run():
    with job_folder("series"):
        tidy_up()


def a_failed_run():
    assert worker_process._save_log("what the worker said").read_text() == "what the worker said"
    fairweather_home().joinpath("fairweather-worker.log").unlink()


WAYS = (
    tidy_up, full_disk, bound, room_for_more, cleaning, remove_environment, list_leftovers,
    a_run, a_failed_run,
)  # fmt: skip


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
def test_nothing_of_the_users_own_is_removed_or_written(own_files, way):
    way()
    # Making an environment, or removing one, is a lock of its own.
    left = everything()
    left.pop(fairweather_home() / "environments" / ".lock", None)
    assert left == own_files


def test_it_stays_however_many_days_runs_begin(own_files, runs_on):
    for day in range(DAYS):
        runs_on(day)
    assert everything() == own_files


def test_it_is_neither_listed_nor_counted(own_files):
    assert list_leftovers() == []
    assert all_job_folders() == []
    assert all_unfinished() == []
    assert not runs_a_job(Path("/usr"))


def test_it_stays_while_what_runs_left_beside_it_goes(own_files):
    killed, kept = killed_job(), unfinished_composite("kept")
    (killed / "tiles").write_bytes(bytes(1000))
    (kept / "block-0-0.bin").write_bytes(bytes(1000))
    write_title(kept, {})
    fonts = fairweather_home() / "cache" / "matplotlib"
    fonts.mkdir()
    (fonts / "fontlist.json").write_bytes(bytes(500))
    assert {found.folder for found in list_leftovers()} == {killed, kept, fonts}
    assert 2500 <= clean() < 2600
    assert everything() == own_files


# What is Fairweather's own


def test_the_kinds_of_jobs_are_known_by_their_names(plugin_root):
    files = [*(plugin_root / "core").rglob("*.py"), *(plugin_root / "algorithms").rglob("*.py")]
    texts = [file.read_text(encoding="utf-8") for file in files]
    used = {kind for text in texts for kind in re.findall(r'\bjob_folder\("(.*?)"\)', text)}
    assert used | {"job"} == set(get_args(Kind))
    for kind in get_args(Kind):
        with job_folder(kind) as folder:
            assert all_job_folders() == [folder]


def test_a_folder_made_and_never_claimed_goes():
    """Its process was killed in between."""
    (jobs_folder() / "search-0killed_").mkdir(parents=True)
    (unfinished_folder() / key_of("it")).mkdir(parents=True)
    tidy_up()
    assert list(jobs_folder().iterdir()) == list(unfinished_folder().iterdir()) == []


class KilledError(BaseException):
    """Ends a removal in the middle."""


@pytest.mark.parametrize("make", [killed_job, lambda: unfinished_composite("it")])
def test_a_removal_that_is_killed_at_any_step_is_ended_at_the_next_start(make, monkeypatch):
    most = 100
    for step in range(most):
        folder = make()
        for name in ("a.bin", "z.bin", "folder/b.bin"):
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_bytes(bytes(10))
        with monkeypatch.context() as patch:
            was_killed = _kill_at(patch, step)
            with contextlib.suppress(KilledError):
                owned_folders.remove_unless_in_use(folder)
        clean()
        assert not folder.exists()
        if not was_killed:
            break
    assert 3 < step < most - 1


def _kill_at(patch, step):
    """Let removal number ``step`` be the last, and not done; the list is filled then."""
    calls, was_killed = [], []
    for name in ("unlink", "rmdir"):
        real = getattr(os, name)

        def remove(*arguments, real=real, **options):
            calls.append(real)
            if len(calls) > step:
                was_killed.append(True)
                raise KilledError
            return real(*arguments, **options)

        patch.setattr(os, name, remove)
    return was_killed


def test_a_run_is_known_by_its_interpreter_before_its_worker_notes_it(fake_worker):
    """While the worker starts."""
    worker = fake_worker("""
        note("ready", "yes")
        while not os.path.exists(sys.argv[0] + ".seen"):
            time.sleep(0.01)
        send("result", values={})
    """)
    environment = Path(sys.executable).parents[1]
    seen = []

    def look():
        if worker.noted("ready").exists() and not seen:
            seen.append(runs_a_job(environment))
            worker.noted("seen").touch()

    worker.cancel_when = look
    worker.run()
    assert seen == [True]
    assert not runs_a_job(environment)


def test_a_run_is_known_through_a_link_to_its_home(tmp_path):
    home, link = tmp_path / "real home", tmp_path / "link"
    python = home / "environments" / "one" / "bin" / "python"
    python.parent.mkdir(parents=True)
    try:
        link.symlink_to(home)
    except OSError as error:
        pytest.skip(f"this disk has no links ({error})")
    with job_folder() as folder:
        for first, second in ((home, link), (link, home)):
            note = {"outputs": [], "python": str(first / python.relative_to(home))}
            (folder / "job.json").write_text(json.dumps(note), encoding="ascii")
            assert runs_a_job(second / "environments" / "one")
            assert not runs_a_job(second / "environments" / "on")
