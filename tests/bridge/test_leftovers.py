"""What killed runs leave is found, bounded and removed, and nothing that is in use."""

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import steady_time
from fairweather.core.bridge import days_of_use, job_folders, leftovers, owned_folders
from fairweather.core.bridge.errors import OutputError
from fairweather.core.bridge.file_lock import NoLocksError, try_lock
from fairweather.core.bridge.folder_size import folder_size
from fairweather.core.bridge.home import fonts_folder, jobs_folder, unfinished_folder
from fairweather.core.bridge.job_folders import (
    all_job_folders,
    job_folder,
    join_job,
    note_job,
    read_job_note,
)
from fairweather.core.bridge.leftovers import (
    bound_unfinished,
    find_leftovers,
    remove_leftovers,
    tidy_up,
    write_title,
)
from fairweather.core.bridge.owned_folders import claim, is_in_use, remove_unless_in_use
from fairweather.core.bridge.part_files import former_path, part_path, remove_parts
from left_behind import key_of, killed_job, unfinished_composite

LAUNCH = Path(__file__).resolve().parents[2] / "core" / "launch.py"
DAY = 24 * 3600

HOLDER = """
import importlib.util, pathlib, sys, time
spec = importlib.util.spec_from_file_location("launch", sys.argv[1])
launch = importlib.util.module_from_spec(spec); spec.loader.exec_module(launch)
launch.load_package()
from fairweather.core.bridge.job_folders import job_folder, note_job
from fairweather.core.bridge.part_files import former_path, part_path, remove_parts
target = pathlib.Path(sys.argv[2])
with job_folder() as folder:
    note_job(folder, [target], sys.executable)
    (folder / "tiles").write_bytes(bytes(1000))
    part_path(target, folder).write_text("half")
    print(folder, flush=True)
    time.sleep(60)
"""


@pytest.fixture
def job(tmp_path):
    """A process with a job folder and a part file of the output ``made.tif``."""
    target = tmp_path / "made.tif"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, LAUNCH, target], stdout=subprocess.PIPE, encoding="utf-8"
    )
    holder.folder = Path(holder.stdout.readline().strip())
    yield holder
    holder.kill()
    holder.wait()
    holder.stdout.close()


def kill(holder):
    holder.kill()
    holder.wait()


def unfinished(name, size=100, age=0.0):
    """An unfinished composite with ``size`` bytes of blocks, whose run began ``age`` s ago."""
    folder = unfinished_composite(name)
    (folder / "name").write_text(name)
    (folder / "block-0-0.bin").write_bytes(bytes(size))
    write_title(folder, {})
    moment = max(0, time.time() - age)
    for path in (folder / "title.json", folder):
        os.utime(path, (moment, moment))
    return folder


def names():
    return sorted((path / "name").read_text() for path in unfinished_folder().iterdir())


def test_a_running_job_is_left_alone_and_a_killed_one_removed(job, tmp_path):
    tidy_up()
    assert job.folder.is_dir()
    assert part_path(tmp_path / "made.tif", job.folder).exists()
    assert [found.is_in_use for found in find_leftovers()] == [True]
    assert remove_leftovers() == 0
    kill(job)
    assert [found.is_in_use for found in find_leftovers()] == [False]
    tidy_up()
    assert list(tmp_path.iterdir()) == []
    assert all_job_folders() == []


def test_a_job_whose_worker_lives_is_left_alone(tmp_path):
    folder = jobs_folder() / "job-deadqgis"
    folder.mkdir(parents=True)
    lock = join_job(folder)
    tidy_up()
    assert folder.is_dir()
    lock.release()
    tidy_up()
    assert not folder.exists()


def test_files_of_others_beside_an_output_stay(job, tmp_path):
    others = [tmp_path / "made.tif", tmp_path / ".made.tif.job-other.part", tmp_path / "x.part"]
    for path in others:
        path.write_text("theirs")
    kill(job)
    tidy_up()
    assert sorted(tmp_path.iterdir()) == sorted(others)


def test_what_could_not_be_put_back_is_at_the_next_start(tmp_path, monkeypatch):
    """The right to name files was lost between a folder's two names."""
    target = tmp_path / "catalogue"
    target.mkdir()
    (target / "catalog.json").write_text("old")
    rename = Path.rename
    with job_folder() as folder:
        note_job(folder, [target], sys.executable)
        (folder / "tiles").write_bytes(bytes(1000))
        (folder / "more").mkdir()
        target.rename(former_path(target, folder))
        monkeypatch.setattr(Path, "rename", _refuse)
        remove_parts(target, folder)
    assert {path.name for path in folder.iterdir()} == {"job.json", "owner.lock"}
    assert not target.exists()

    monkeypatch.setattr(Path, "rename", rename)
    tidy_up()
    assert (target / "catalog.json").read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]
    assert all_job_folders() == []


def _refuse(*_):
    raise PermissionError


@pytest.mark.parametrize(
    "note", ["", "{", "[]", '{"outputs": 3, "python": "x"}', '{"outputs": []}']
)
def test_a_job_with_a_torn_note_or_none_is_removed(note):
    folder = killed_job()
    (folder / "job.json").write_text(note)
    tidy_up()
    assert not folder.exists()


def test_a_note_tells_absolute_paths(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("out").mkdir()
    note_job(tmp_path, [Path("out/č.tif")], "/usr/bin/python3")
    note = read_job_note(tmp_path)
    assert note.outputs == (tmp_path / "out" / "č.tif",)
    assert note.python == Path("/usr/bin/python3")


def test_a_drive_that_does_not_answer_holds_no_run_up(monkeypatch):
    over = threading.Event()
    monkeypatch.setattr(leftovers, "SECONDS_TO_TIDY", 0.1)
    monkeypatch.setattr(leftovers, "all_job_folders", lambda: [over.wait(10)][:0])
    stopwatch = steady_time.Stopwatch()
    tidy_up()
    assert stopwatch.stop() < 1
    over.set()


def test_a_folder_swept_before_it_is_claimed_is_made_anew(monkeypatch):
    swept = []
    make = job_folders.tempfile.mkdtemp

    def make_and_sweep(**options):
        folder = make(**options)
        if len(swept) < 3:
            swept.append(remove_unless_in_use(Path(folder)))
        return folder

    monkeypatch.setattr(job_folders.tempfile, "mkdtemp", make_and_sweep)
    with job_folder() as folder:
        assert folder.is_dir()
        assert is_in_use(folder)
    assert len(swept) == 3
    assert all_job_folders() == []


def test_many_jobs_and_sweepers_at_once_never_lose_a_folder():
    failures = []

    def work():
        for _ in range(40):
            with job_folder() as folder:
                (folder / "mine").write_text("x")
                time.sleep(0.001)
                if not (folder / "mine").exists():
                    failures.append(folder)

    def sweep():
        while any(worker.is_alive() for worker in workers):
            tidy_up()

    workers = [threading.Thread(target=work) for _ in range(4)]
    sweepers = [threading.Thread(target=sweep) for _ in range(2)]
    for thread in (*workers, *sweepers):
        thread.start()
    for thread in (*workers, *sweepers):
        thread.join()
    assert failures == []
    assert all_job_folders() == []


def test_without_locks_jobs_run_and_nothing_is_swept(monkeypatch):
    def no_locks(path):
        path.touch()
        raise NoLocksError(37, "No locks available")

    monkeypatch.setattr(owned_folders, "try_lock", no_locks)
    with job_folder() as folder:
        tidy_up()
        assert folder.is_dir()
    assert not folder.exists()


def test_a_home_that_cannot_be_written_is_one_sentence(monkeypatch, tmp_path):
    (tmp_path / "home").write_text("a file")
    monkeypatch.setenv("FAIRWEATHER_HOME", str(tmp_path / "home"))
    with pytest.raises(OutputError, match="cannot be written"), job_folder():
        pass


def test_what_no_run_has_gone_on_with_for_14_days_is_removed(runs_on):
    unfinished("old")
    for day in range(leftovers.MOST_DAYS):
        runs_on(day, times=3)
    unfinished("new")
    runs_on(leftovers.MOST_DAYS - 1)
    assert names() == ["new", "old"]
    runs_on(leftovers.MOST_DAYS)
    assert names() == ["new"]


def test_days_without_a_run_do_not_count(runs_on):
    unfinished("before a long holiday", age=100 * DAY)
    runs_on(0)
    runs_on(200)
    assert names() == ["before a long holiday"]


def test_going_on_with_it_makes_it_new(runs_on):
    folder = unfinished("it")
    for day in range(leftovers.MOST_DAYS):
        runs_on(day)
    write_title(folder, {"bands": "red", "dates": "2024", "output": "made.tif"})
    for day in range(30, 30 + leftovers.MOST_DAYS):
        runs_on(day)
    assert names() == ["it"]
    runs_on(60)
    assert names() == []


@pytest.mark.parametrize("wrong_by", [365, -365, 10_000, 20, -20])
def test_a_clock_that_is_wrong_for_a_while_costs_no_work(runs_on, wrong_by):
    unfinished("of today")
    unfinished("of then", age=-wrong_by * DAY)
    for wrong in (wrong_by, 0, wrong_by, 0):
        runs_on(wrong, times=20)
    assert names() == ["of then", "of today"]


@pytest.mark.parametrize("age", [-10_000 * DAY, -DAY, 10_000 * DAY])
def test_a_file_of_the_future_is_not_kept_for_ever(runs_on, age):
    unfinished("it", age=age)
    for day in range(leftovers.MOST_DAYS + 1):
        runs_on(day)
    assert names() == []


def test_days_in_use_do_not_count(runs_on):
    lock = claim(unfinished("in use", age=99 * DAY))
    for day in range(3 * leftovers.MOST_DAYS):
        runs_on(day)
    lock.release()
    runs_on(100)
    assert names() == ["in use"]


@pytest.mark.parametrize("content", ["", "{", "3", '{"a": 1}', "[1, null]", "\xff"])
def test_a_torn_list_of_days_is_begun_anew(runs_on, content):
    folder = unfinished("torn")
    (folder / days_of_use.DAYS_FILE).write_bytes(content.encode("latin-1"))
    for day in range(leftovers.MOST_DAYS):
        runs_on(day)
    assert names() == ["torn"]
    runs_on(50)
    assert names() == []


def test_a_disk_that_takes_no_note_removes_nothing(runs_on, monkeypatch):
    unfinished("it")

    def refuse(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(days_of_use, "write_whole", refuse)
    for day in range(3 * leftovers.MOST_DAYS):
        runs_on(day)
    assert names() == ["it"]


def test_the_oldest_go_first_when_all_take_too_much(runs_on):
    for number in range(5):
        unfinished(f"{number} days", size=1000, age=number * DAY)
    runs_on(0)
    unfinished("begun since", size=1000, age=99 * DAY)
    freed = bound_unfinished(3500, leftovers.MOST_DAYS)
    assert names() == ["0 days", "1 days", "begun since"]
    assert 3000 <= freed < 3100


def test_cleaning_tells_the_bytes_and_leaves_what_is_in_use(job):
    folder = unfinished("it", size=5000)
    write_title(folder, {"bands": "red", "dates": "2024", "output": "<č>.tif"})
    lock = claim(unfinished("in use", size=300))
    cache = fonts_folder()
    cache.mkdir(parents=True)
    (cache / "fonts.json").write_bytes(bytes(700))
    found = {leftover.folder.name: leftover for leftover in find_leftovers()}
    assert found[key_of("it")].title == "red of 2024 for <č>.tif"
    assert found[job.folder.name].title == "made.tif"
    assert {name for name, one in found.items() if one.is_in_use} == {
        key_of("in use"), job.folder.name, "matplotlib"
    }  # fmt: skip
    before = folder_size(unfinished_folder().parent)
    freed = remove_leftovers()
    assert freed == before - folder_size(unfinished_folder().parent)
    assert names() == ["in use"]
    assert job.folder.is_dir()
    assert cache.is_dir()
    kill(job)
    lock.release()
    remove_leftovers()
    assert find_leftovers() == []


@pytest.mark.parametrize("content", ["", "[1]", '{"bands": "x"}', "\xff", '"a"'])
def test_a_torn_title_is_no_error(content):
    folder = unfinished("torn")
    (folder / "title.json").write_bytes(content.encode("latin-1"))
    assert [found.title for found in find_leftovers()] == [folder.name]


def test_a_long_title_is_cut():
    folder = unfinished("long")
    write_title(folder, {"bands": "x" * 5000, "dates": "", "output": ""})
    assert len(find_leftovers()[0].title) == 300
    assert json.loads((folder / "title.json").read_text())["bands"] == "x" * 5000


def test_a_lock_on_a_file_that_was_removed_is_none(tmp_path, monkeypatch):
    path = tmp_path / "owner.lock"
    lock = owned_folders.try_lock
    held = try_lock(path)
    path.unlink()
    fresh = try_lock(path)
    assert fresh is not None  # a new file, which has nothing to do with the old one
    assert lock(path) is None
    held.release()
    fresh.release()
