"""Making the environment on a disk that fails at each write, and while the plugin is replaced."""

import os
import pkgutil
import sys
from pathlib import Path

import failing_disk as disks
import pytest
from fairweather.core.bridge.environment import environments as module
from fairweather.core.bridge.environment.command import CommandRunner
from fairweather.core.bridge.environment.environments import (
    check_environment,
    create_environment,
    find_worker_python,
)
from fairweather.core.bridge.environment.interpreter import BaseInterpreter
from fairweather.core.bridge.errors import EnvironmentNotReadyError
from fairweather.core.bridge.part_files import FULL_DISK_ERRORS

THIS_PYTHON = BaseInterpreter(Path(sys.executable), sys.version_info[:3], pip_wheel=None)


class InProcessInstaller:
    """Writes what an installation writes, by Python, so that each write can fail."""

    def __init__(self, folder, work, *_):
        self._folder, self._work = folder, work

    def install(self):
        (self._work / "requirements.txt").write_text("smallpackage==1.5")
        python = module.environment_python(self._folder)
        python.parent.mkdir(parents=True)
        python.write_text("")
        package = self._folder / "lib" / "python3.11" / "site-packages" / "smallpackage"
        package.mkdir(parents=True)
        for name in ("__init__.py", "code.py"):
            (package / name).write_text("VALUE = 1\n")


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.delenv("FAIRWEATHER_PYTHON", raising=False)
    monkeypatch.setenv("FAIRWEATHER_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(module, "Installer", InProcessInstaller)
    monkeypatch.setattr(module, "find_base_interpreter", lambda: THIS_PYTHON)
    monkeypatch.setattr(module, "_starts", lambda _: True)
    monkeypatch.setattr(module.time, "sleep", lambda _: None)
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def create(home, fault="", at=0):
    """Make the environment; the sentence with which it failed, and the steps taken."""
    disk = disks.FailingDisk((home,), fault, at, home / "environments")
    with disks.failing(disk):
        try:
            create_environment(lambda *_: None, lambda: False)
        except EnvironmentNotReadyError as error:
            return str(error), disk.steps
    return "", disk.steps


@pytest.mark.parametrize("fault", disks.FAULTS)
def test_a_write_that_fails_leaves_no_environment_and_one_sentence(home, fault):
    at, steps = 0, range(1)
    while at <= len(steps):
        at += 1
        for path in (home / "environments").glob("*-py*"):
            module.remove_folder(path)
        sentence, steps = create(home, fault, at)
        folders = list((home / "environments").glob("*-py*"))
        if sentence:
            assert folders == [], (at, steps[at - 1])
            assert "\n" not in sentence
            assert "; " in sentence
            with pytest.raises(EnvironmentNotReadyError):
                find_worker_python()
        elif folders:
            assert check_environment().ready, (at, steps[at - 1])
    assert at > 10
    assert create(home)[0] == ""
    assert check_environment().ready


def test_a_plugin_that_is_removed_meanwhile_is_not_needed(tmp_path, monkeypatch):
    runner = CommandRunner(THIS_PYTHON, tmp_path, lambda: False)

    def gone(*_):
        raise FileNotFoundError

    monkeypatch.setattr(pkgutil, "get_data", gone)
    outcome = runner.run([sys.executable, "-c", "print('done')"], {})
    assert outcome.output.strip() == "done"


@pytest.mark.skipif(os.name != "posix", reason="limits the size of files as POSIX can")
@pytest.mark.slow
@pytest.mark.parametrize("most_bytes", [100, 4_000, 60_000, 400_000])
def test_files_that_cannot_grow_are_one_sentence(tmp_path, monkeypatch, most_bytes):
    """The programs venv, pip and uv, too, meet such a disk."""
    resource = pytest.importorskip("resource")
    monkeypatch.delenv("FAIRWEATHER_PYTHON", raising=False)
    monkeypatch.setenv("FAIRWEATHER_HOME", str(tmp_path / "home"))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, before[1]))
    try:
        with pytest.raises(EnvironmentNotReadyError) as caught:
            create_environment(lambda *_: None, lambda: False)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "\n" not in str(caught.value)
    assert list((tmp_path / "home" / "environments").glob("*-py*")) == []


@pytest.mark.parametrize("number", FULL_DISK_ERRORS)
def test_a_full_disk_and_a_quota_are_told_alike(home, monkeypatch, number):
    def fail(_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(module, "make_home_folder", fail)
    assert create(home)[0] == f"{module.NO_DISK_SPACE.sentence}."
