"""`environment clean` and what `check` says is left over."""

import json
import subprocess
import sys
import threading
from dataclasses import asdict

import pytest
from fairweather.core.bridge.environment import (
    EnvironmentReport,
    clean,
    command_line,
    create_environment,
    environments,
    leftovers_in_words,
    list_leftovers,
    remove_environment,
)
from fairweather.core.bridge.environment.layout import environment_python
from fairweather.core.bridge.environment.lock import read_lock
from fairweather.core.bridge.environment.manifest import Marker
from fairweather.core.bridge.environment.one_at_a_time import one_at_a_time
from fairweather.core.bridge.errors import EnvironmentNotReadyError
from fairweather.core.bridge.home import environments_folder, jobs_folder
from fairweather.core.bridge.job_folders import job_folder, note_job
from left_behind import killed_job

OLD, HALF_MADE = "0123456789ab-py3.11", "ba9876543210-py3.12"


@pytest.fixture
def current():
    """The folder of what looks like this version's environment."""
    digest = read_lock().digest
    folder = environments_folder() / f"{digest}-py3.11"
    make_whole(folder, digest)
    return folder


def make_whole(folder, digest):
    python = environment_python(folder)
    python.parent.mkdir(parents=True)
    python.write_bytes(bytes(1000))
    marker = Marker(digest, "3.11", sys.executable, {}, 1000)
    (folder / "environment.json").write_text(json.dumps({"format": 1, **asdict(marker)}))


@pytest.fixture
def old():
    folder = environments_folder() / OLD
    make_whole(folder, OLD[:12])
    return folder


@pytest.fixture
def half_made():
    folder = environments_folder() / HALF_MADE
    (folder / "work").mkdir(parents=True)
    (folder / "work" / "uv.whl").write_bytes(bytes(2_000_000))
    return folder


def folders():
    return sorted(path.name for path in environments_folder().iterdir() if path.is_dir())


def test_clean_removes_environments_of_other_versions_and_half_made_ones(current, old, half_made):
    assert {found.title for found in list_leftovers()} == {OLD, HALF_MADE}
    freed = clean()
    assert freed > 2_001_000
    assert folders() == [current.name]
    assert list_leftovers() == []
    assert clean() == 0


def test_an_environment_whose_worker_runs_is_left_alone(current, old):
    with job_folder() as folder:
        note_job(folder, [], str(environment_python(old)))
        assert [found.is_in_use for found in list_leftovers()] == [True, True]
        assert clean() == 0
        assert old.is_dir()
    clean()
    assert not old.exists()


def test_removing_is_refused_while_a_worker_of_one_runs(current, old):
    made = sorted(environments_folder().rglob("*"))
    for environment in (current, old):
        with job_folder() as folder:
            note_job(folder, [], str(environment_python(environment)))
            words = rf"{environment.name}\); end the runs that use them"
            with pytest.raises(EnvironmentNotReadyError, match=words):
                remove_environment()
            assert {*environments_folder().rglob("*")} - {*made} <= {
                environments_folder() / ".lock"
            }
            assert {*made} <= {*environments_folder().rglob("*")}
    with job_folder() as folder:
        note_job(folder, [], sys.executable)
        assert remove_environment() > 2000
    assert folders() == []


def test_a_damaged_one_is_not_made_anew_while_a_worker_of_it_runs(half_made, monkeypatch):
    base = environments.find_base_interpreter()
    damaged = environments_folder() / environments._environment_name(read_lock(), base)
    make_whole(damaged, read_lock().digest)
    monkeypatch.delenv("FAIRWEATHER_PYTHON", raising=False)
    made = []
    monkeypatch.setattr(environments, "_make", lambda folder, *_: made.append(folder))
    with job_folder() as folder, job_folder() as other:
        note_job(folder, [], str(environment_python(damaged)))
        note_job(other, [], str(environment_python(half_made)))
        with pytest.raises(EnvironmentNotReadyError, match="end the runs that use it"):
            create_environment(lambda *_: None, lambda: False)
        assert folders() == sorted([damaged.name, half_made.name])
        assert environment_python(damaged).is_file()
    assert made == []
    with pytest.raises(EnvironmentNotReadyError, match="make it once more"):
        create_environment(lambda *_: None, lambda: False)
    assert made == [damaged]
    assert not half_made.exists()


def test_an_environment_that_is_being_made_is_left_alone(half_made):
    inside, over = threading.Event(), threading.Event()

    def make():
        with one_at_a_time(environments_folder(), lambda: None, lambda: False):
            inside.set()
            over.wait(10)

    thread = threading.Thread(target=make)
    thread.start()
    inside.wait(10)
    assert [found.is_in_use for found in list_leftovers()] == [True]
    assert clean() == 0
    over.set()
    thread.join()
    assert half_made.is_dir()
    clean()
    assert not half_made.exists()


def test_making_one_removes_what_a_killed_one_left(half_made, monkeypatch):
    ready = EnvironmentReport("managed")
    answers = iter([EnvironmentReport("managed", problems=("none",))] * 2)
    monkeypatch.setattr(environments, "check_environment", lambda _: next(answers, ready))
    monkeypatch.setattr(environments, "_make", lambda *_: None)
    create_environment(lambda *_: None, lambda: False)
    assert folders() == []


def test_where_there_is_nothing_nothing_is_said_or_made():
    assert leftovers_in_words(list_leftovers()) == []
    assert clean() == 0
    assert not environments_folder().exists()


def test_the_command_line_lists_and_cleans(half_made, capsys, monkeypatch, tmp_path):
    monkeypatch.delenv("FAIRWEATHER_PYTHON", raising=False)
    with job_folder() as folder:
        note_job(folder, [tmp_path / "composite.tif"], sys.executable)
        assert command_line.main(["check"]) == 1
        listed = capsys.readouterr().out
        assert "Left over: 2, 2 MB" in listed
        assert f"Old environment: {HALF_MADE} (2 MB)" in listed
        assert "Job: composite.tif (less than 1 MB, in use)" in listed
        assert command_line.main(["clean"]) == 0
        cleaned = capsys.readouterr().out
        assert cleaned.startswith("Removed: 2 MB (2,000,")
        assert "in use" in cleaned
        assert HALF_MADE not in cleaned
    assert command_line.main(["clean"]) == 0
    assert "Left over" not in capsys.readouterr().out


def test_clean_runs_on_the_standard_library_of_an_old_python(plugin_root):
    """Nothing but the standard library is there: `-S` leaves the packages out."""
    launch = plugin_root / "core" / "launch.py"
    killed_job()
    command = [sys.executable, "-I", "-S", launch, "environment", "clean"]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=True)
    assert done.stdout.startswith("Removed: less than 1 MB (0 bytes)")
    assert list(jobs_folder().iterdir()) == []
