"""`launch.py environment`: one sentence and a code, whatever the disk, the output or the home."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
from fairweather.core.bridge.environment import (
    clean,
    command_line,
    environments,
    find_worker_python,
    list_leftovers,
    one_at_a_time,
    remove_environment,
)
from fairweather.core.bridge.errors import EnvironmentNotReadyError
from fairweather.core.bridge.home import environments_folder, make_home_folder
from refused_places import refuse

OLD = "0123456789ab-py3.11"
posix = pytest.mark.skipif(os.name != "posix", reason="needs a shell and POSIX's permissions")


@pytest.fixture
def old(monkeypatch):
    monkeypatch.delenv("FAIRWEATHER_PYTHON", raising=False)
    folder = environments_folder() / OLD
    make_home_folder(folder)
    return folder


def deny(*_, **__):
    raise PermissionError(errno.EACCES, "Permission denied", "a file")


@pytest.mark.parametrize("name", ["try_lock", "remove_marker", "rmtree"])
def test_environments_of_another_user(old, monkeypatch, capsys, name):
    """In a home that a group shares, one has made what another may not remove."""
    places = {
        "try_lock": one_at_a_time,
        "remove_marker": environments,
        "rmtree": environments.shutil,
    }
    monkeypatch.setattr(places[name], name, deny)
    monkeypatch.setattr(environments.time, "sleep", lambda _: None)
    with pytest.raises(
        EnvironmentNotReadyError, match=r"Permission denied: a file.*; end the runs"
    ):
        remove_environment()
    assert [found.title for found in list_leftovers()] == [OLD]
    assert clean() == 0
    assert command_line.main(["clean"]) == 0
    assert f"Old environment: {OLD}" in capsys.readouterr().out
    assert command_line.main(["remove"]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_environments_that_cannot_be_listed(old, monkeypatch):
    listed = Path.iterdir

    def list_or_deny(path):
        return deny() if path == old.parent else listed(path)

    monkeypatch.setattr(Path, "iterdir", list_or_deny)
    assert list_leftovers() == []
    assert clean() == 0
    with pytest.raises(EnvironmentNotReadyError, match="cannot be removed"):
        remove_environment()


def test_a_disk_that_fails_is_a_sentence(old, monkeypatch, capsys):
    def fail():
        raise OSError(errno.EIO, "Input/output error", "a file")

    monkeypatch.setattr(command_line, "list_leftovers", fail)
    assert command_line.main(["clean"]) == 1
    said = capsys.readouterr().err
    assert said == "a file cannot be used (Input/output error); see to it, and try again.\n"


@pytest.fixture
def in_shell(plugin_root):
    """A function: run an action with its output somewhere."""

    def run(redirected, action="check"):
        command = [sys.executable, "-I", "-S", plugin_root / "core" / "launch.py"]
        command = ["sh", "-c", f'"$@" {redirected}', "sh", *command, "environment", action]
        return subprocess.run(command, capture_output=True, encoding="utf-8", check=False)

    return run


@posix
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no disk that is full")
def test_an_output_that_is_full(old, in_shell):
    done = in_shell("> /dev/full", "clean")
    assert done.returncode == 1
    assert done.stderr.startswith("What there was to tell could not be written (No space left")
    assert done.stderr.count("\n") == 1
    assert not old.exists()


@posix
@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_an_output_that_is_closed(old, in_shell, closed):
    done = in_shell(closed, "clean")
    assert "Traceback" not in done.stderr + done.stdout
    assert done.returncode == 0
    assert not old.exists()


@posix
def test_a_reader_who_leaves(old, in_shell):
    done = in_shell("| true", "clean")
    assert done.stderr == ""
    assert not old.exists()


@posix
def test_letters_that_the_output_does_not_have(old, in_shell, monkeypatch, tmp_path):
    monkeypatch.setenv("FAIRWEATHER_PYTHON", str(tmp_path / "č \udc80"))
    monkeypatch.setenv("LC_ALL", "POSIX")
    done = in_shell("")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "FAIRWEATHER_PYTHON names" in done.stderr


@posix
@pytest.mark.parametrize("name", ["~nobody-of-that-name/python", "n" * 300, "locked/bin/python"])
def test_an_own_python_that_cannot_be_looked_at(old, monkeypatch, tmp_path, name):
    refuse(monkeypatch, tmp_path / "locked")
    named = name if name.startswith("~") else str(tmp_path / name)
    monkeypatch.setenv("FAIRWEATHER_PYTHON", named)
    with pytest.raises(
        EnvironmentNotReadyError, match="is no Python interpreter; correct"
    ) as raised:
        find_worker_python()
    assert named in str(raised.value)
    monkeypatch.delenv("FAIRWEATHER_PYTHON")
    with pytest.raises(EnvironmentNotReadyError, match="is no Python interpreter; correct"):
        find_worker_python(named)
