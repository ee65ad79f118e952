"""Making, finding, checking and removing environments; small ones, from a folder of wheels."""

import base64
import hashlib
import os
import shutil
import subprocess
import sys
import time
import zipfile
from collections import namedtuple
from pathlib import Path

import pytest
from fairweather.core.bridge.environment import environments as module
from fairweather.core.bridge.environment import interpreter, own_interpreter
from fairweather.core.bridge.environment.environments import (
    check_environment,
    check_worker_python,
    create_environment,
    find_worker_python,
    remove_environment,
)
from fairweather.core.bridge.environment.interpreter import BaseInterpreter
from fairweather.core.bridge.environment.lock import read_lock
from fairweather.core.bridge.errors import CancelledError, EnvironmentNotReadyError

posix_only = pytest.mark.skipif(sys.platform == "win32", reason="needs a shell script as a program")
DiskUsage = namedtuple("DiskUsage", "total used free")
CLOSED_INDEX = "http://127.0.0.1:9/simple"
LAUNCH = Path(__file__).resolve().parents[2] / "core" / "launch.py"


def make_wheel(folder, name, version):
    """A wheel of one module; its hash is returned."""
    info = f"{name}-{version}.dist-info"
    contents = {
        f"{name}.py": "VALUE = 1\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\n"
        "Tag: py3-none-any\n",
    }
    record = ""
    for path, text in contents.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=")
        record += f"{path},sha256={digest.decode()},{len(text)}\n"
    wheel = folder / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, text in {**contents, f"{info}/RECORD": f"{record}{info}/RECORD,,\n"}.items():
            archive.writestr(path, text)
    return hashlib.sha256(wheel.read_bytes()).hexdigest()


@pytest.fixture
def small_lock(tmp_path, monkeypatch):
    """A lock of one made-up package, whose wheel is in a folder, and no index."""
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    digest = make_wheel(wheels, "smallpackage", "1.5")
    path = tmp_path / "requirements.txt"
    path.write_text(
        "# size linux-x86_64 download=1000 installed=4000\n"
        f"smallpackage==1.5 \\\n    --hash=sha256:{digest}\n",
        encoding="utf-8",
    )
    for name in [name for name in os.environ if name.startswith(("PIP_", "UV_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    monkeypatch.delenv("FAIRWEATHER_PYTHON", raising=False)
    monkeypatch.setenv("FAIRWEATHER_HOME", str(tmp_path / "höme with spaces"))
    monkeypatch.setattr(module, "read_lock", lambda: read_lock(path))
    return path


class Recorder:
    """Collects progress; cancels when it is told what to wait for."""

    def __init__(self, cancel_at=None):
        self.steps = []
        self.cancel_at = cancel_at

    def progress(self, percent, text):
        self.steps.append((percent, text))

    def is_cancelled(self):
        return self.cancel_at is not None and any(self.cancel_at in text for _, text in self.steps)


def create(recorder=None):
    recorder = recorder or Recorder()
    return create_environment(recorder.progress, recorder.is_cancelled)


def environments():
    home = Path(os.environ["FAIRWEATHER_HOME"]) / "environments"
    return [path for path in home.iterdir() if path.is_dir()] if home.is_dir() else []


def fake_environment(name, base=sys.executable, lock=None):
    """What an environment looks like to ``find_worker_python``."""
    folder = Path(os.environ["FAIRWEATHER_HOME"]) / "environments" / name
    python = module.environment_python(folder)
    python.parent.mkdir(parents=True)
    python.touch()
    module.write_manifest(folder, lock or name.partition("-")[0], "3.12.0", Path(base))
    return folder


def test_without_an_environment_the_sentence_says_how_to_make_it(small_lock):
    with pytest.raises(EnvironmentNotReadyError, match="qgis_process run fairweather:environment"):
        find_worker_python()
    report = check_environment()
    assert not report.ready
    assert report.kind == "managed"
    assert "ACTION=create" in report.problems[0]


@pytest.mark.slow
def test_an_environment_is_made_found_checked_damaged_made_anew_and_removed(small_lock):
    recorder = Recorder()
    report = create(recorder)
    assert report.ready
    assert report.packages["smallpackage"] == "1.5"
    assert report.size > 1_000
    percents = [percent for percent, _ in recorder.steps]
    assert percents == sorted(percents)
    assert (percents[0], percents[-1]) == (0, 100)
    assert "to download" in recorder.steps[0][1]

    python = find_worker_python()
    assert python == report.python
    code = "import smallpackage, sys; print(smallpackage.VALUE, sys.prefix)"
    answer = subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == f"1 {python.parents[1]}"
    assert not (python.parents[1] / "work").exists()

    again = Recorder()
    assert create(again).ready
    assert again.steps == []  # there is nothing to do

    module_file = next(python.parents[1].rglob("smallpackage.py"))
    module_file.write_text("VALUE = 2\n")
    damaged = check_environment()
    assert not damaged.ready
    assert damaged.problems[0] == "smallpackage has 1 altered file."
    assert create().ready
    assert next(python.parents[1].rglob("smallpackage.py")).read_text() == "VALUE = 1\n"

    assert remove_environment() > report.size
    assert environments() == []
    assert remove_environment() == 0


def test_finding_takes_less_than_50_ms(small_lock):
    digest = read_lock().digest
    module_read_lock = module.read_lock
    module.read_lock = read_lock  # the project's own, which is long
    try:
        folder = fake_environment(f"{digest}-py3.12")
        started = time.process_time()  # whatever else the machine does
        assert find_worker_python() == module.environment_python(folder)
        assert time.process_time() - started < 0.05
    finally:
        module.read_lock = module_read_lock


def test_a_half_made_environment_is_never_found(small_lock):
    folder = fake_environment(f"{module.read_lock().digest}-py3.12")
    assert find_worker_python() == module.environment_python(folder)
    (folder / "environment.json").unlink()
    with pytest.raises(EnvironmentNotReadyError):
        find_worker_python()


def test_an_environment_of_another_lock_is_not_found(small_lock):
    fake_environment("0123456789ab-py3.12")
    digest = module.read_lock().digest
    fake_environment(f"{digest}-py3.13", lock="0123456789ab")
    with pytest.raises(EnvironmentNotReadyError):
        find_worker_python()


def test_an_environment_whose_base_was_uninstalled_is_not_found(small_lock, tmp_path):
    fake_environment(f"{module.read_lock().digest}-py3.12", base=tmp_path / "gone" / "python")
    with pytest.raises(EnvironmentNotReadyError):
        find_worker_python()


def test_a_damaged_environment_is_never_run(small_lock):
    folder = fake_environment(f"{module.read_lock().digest}-py3.12")
    assert check_worker_python() == module.environment_python(folder)
    module.environment_python(folder).write_text("altered")
    with pytest.raises(EnvironmentNotReadyError, match=r"is damaged \(.*\); run .*ACTION=create"):
        check_worker_python()


def test_an_own_interpreter_without_the_packages_is_never_run(small_lock, monkeypatch):
    monkeypatch.setenv("FAIRWEATHER_PYTHON", sys.executable)
    monkeypatch.setattr(
        own_interpreter, "ASK_PACKAGES", 'print(\'{"version": [3], "packages": {}}\')'
    )
    with pytest.raises(EnvironmentNotReadyError, match="Your own Python cannot be used: "):
        check_worker_python()


def test_an_interpreter_that_no_longer_starts_is_damage(small_lock):
    fake_environment(f"{module.read_lock().digest}-py3.12")
    report = check_environment()
    assert "does not start" in report.problems[0]
    assert "made anew" in report.problems[-1]


def test_remove_leaves_what_is_not_an_environment(small_lock):
    fake_environment("0123456789ab-py3.12")
    other = Path(os.environ["FAIRWEATHER_HOME"]) / "environments" / "my notes"
    other.mkdir()
    assert remove_environment() > 0
    assert environments() == [other]


@pytest.mark.slow
def test_cancel_leaves_nothing_half_made(small_lock):
    with pytest.raises(CancelledError):
        create(Recorder(cancel_at="Fetching the installer"))
    assert environments() == []


def test_a_full_disk_is_said_before_anything_is_made(small_lock, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: DiskUsage(10_000, 9_000, 1_000))
    with pytest.raises(EnvironmentNotReadyError, match=r"needs 0 MB .*set FAIRWEATHER_HOME"):
        create()
    assert environments() == []


def test_a_disk_that_fills_up_meanwhile_is_one_sentence(small_lock, monkeypatch):
    def fails(self):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.Installer, "install", fails)
    with pytest.raises(EnvironmentNotReadyError, match="disk filled up"):
        create()
    assert environments() == []


def test_a_home_that_cannot_be_written_is_one_sentence(small_lock, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("FAIRWEATHER_HOME", str(tmp_path / "file" / "home"))
    with pytest.raises(EnvironmentNotReadyError, match="cannot be written"):
        create()


@pytest.mark.slow
def test_a_refused_hash_installs_nothing(small_lock):
    text = small_lock.read_text()
    small_lock.write_text(text[:-5] + ("0000\n" if text[-5:] != "0000\n" else "1111\n"))
    with pytest.raises(EnvironmentNotReadyError, match="hash differs"):
        create()
    assert environments() == []


@pytest.mark.slow
def test_no_network_is_one_sentence(small_lock, monkeypatch):
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.setenv("PIP_RETRIES", "1")
    monkeypatch.setenv("PIP_INDEX_URL", CLOSED_INDEX)
    with pytest.raises(EnvironmentNotReadyError, match="index cannot be reached"):
        create()
    assert environments() == []


@pytest.mark.slow
def test_no_network_by_uvs_settings_is_the_same(small_lock, monkeypatch):
    monkeypatch.delenv("PIP_NO_INDEX")
    monkeypatch.delenv("PIP_FIND_LINKS")
    monkeypatch.setenv("PIP_RETRIES", "1")
    monkeypatch.setenv("UV_DEFAULT_INDEX", CLOSED_INDEX)
    with pytest.raises(EnvironmentNotReadyError, match="index cannot be reached"):
        create()


@pytest.mark.slow
def test_an_index_without_the_package_is_one_sentence(small_lock, tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "nothing here"))
    with pytest.raises(EnvironmentNotReadyError, match="no ready-made package"):
        create()


@pytest.mark.parametrize(
    ("version", "pip_wheel", "words"),
    [((3, 10, 12), Path("pip.whl"), "FAIRWEATHER_PYTHON"), ((3, 12, 1), None, "python3-venv")],
)
def test_a_python_that_will_not_do_is_said_at_once(
    small_lock, monkeypatch, version, pip_wheel, words
):
    def probe(path, home):
        return BaseInterpreter(path, version, pip_wheel)

    monkeypatch.setattr(interpreter, "probe_interpreter", probe)
    with pytest.raises(EnvironmentNotReadyError, match=words):
        create()
    assert environments() == []


@pytest.mark.slow
def test_two_at_once_do_not_harm_each_other(small_lock):
    code = (
        "import importlib.util, pathlib, sys\n"
        f"spec = importlib.util.spec_from_file_location('launch', {str(LAUNCH)!r})\n"
        "launch = importlib.util.module_from_spec(spec); spec.loader.exec_module(launch)\n"
        "launch.load_package()\n"
        "from fairweather.core.bridge.environment import environments as module\n"
        "from fairweather.core.bridge.environment.lock import read_lock\n"
        f"module.read_lock = lambda: read_lock(pathlib.Path({str(small_lock)!r}))\n"
        "show = lambda percent, text: print(text, flush=True)\n"
        "print('ready', module.create_environment(show, lambda: False).ready)\n"
    )
    both = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    outputs = [process.communicate(timeout=120)[0] for process in both]
    assert all("ready True" in output for output in outputs)
    assert sum("Making a virtual environment" in output for output in outputs) == 1
    assert len(environments()) == 1
    assert check_environment().ready


# The user's own interpreter


@posix_only
def test_the_variable_wins_over_the_setting(small_lock, tmp_path, monkeypatch):
    for name in ("one", "two"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    assert find_worker_python(str(tmp_path / "one")) == tmp_path / "one"
    monkeypatch.setenv("FAIRWEATHER_PYTHON", str(tmp_path / "two"))
    assert find_worker_python(str(tmp_path / "one")) == tmp_path / "two"


@posix_only
def test_the_folder_of_an_environment_will_do(small_lock, tmp_path):
    python = tmp_path / "conda" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\n")
    python.chmod(0o755)
    assert find_worker_python(str(tmp_path / "conda")) == python


def test_what_is_no_interpreter_is_said(small_lock, tmp_path, monkeypatch):
    with pytest.raises(EnvironmentNotReadyError, match=r"setting .* no Python interpreter"):
        find_worker_python(str(tmp_path / "nothing"))
    monkeypatch.setenv("FAIRWEATHER_PYTHON", str(tmp_path))
    with pytest.raises(EnvironmentNotReadyError, match="FAIRWEATHER_PYTHON names"):
        find_worker_python()
    assert "FAIRWEATHER_PYTHON names" in check_environment().problems[0]


def test_this_interpreter_has_what_the_lock_asks_for(small_lock, monkeypatch):
    """The tests' own environment is one that a user might name."""
    monkeypatch.setenv("FAIRWEATHER_PYTHON", sys.executable)
    report = check_environment()
    assert report.problems == ()
    assert report.kind == "own"
    assert report.python_version == ".".join(map(str, sys.version_info[:3]))
    assert report.packages["xarray"]
    assert create() == report  # nothing is installed into it, nor beside it
    assert environments() == []


def test_each_missing_or_old_package_is_named():
    problems = own_interpreter.package_problems(
        ["dask", "numpy", "xarray"],
        {"numpy": "1.26.4", "xarray": "2026.1.0"},
        {
            "dask": frozenset({"2026.8.0"}),
            "numpy": frozenset({"2.4.6", "2.5.5"}),
            "xarray": frozenset({"2026.9.0"}),
        },
    )
    assert problems == [
        "dask is missing; install version 2026.",
        "numpy is 1.26.4; install version 2 instead.",
    ]


@posix_only
def test_an_own_interpreter_that_is_too_old_or_broken_is_said(small_lock, tmp_path, monkeypatch):
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\necho \'{"version": [3, 9, 1], "packages": {}}\'\n')
    python.chmod(0o755)
    monkeypatch.setenv("FAIRWEATHER_PYTHON", str(python))
    problems = check_environment().problems
    assert "is Python 3.9.1; 3.11 or newer is needed" in problems[0]
    assert any(problem.startswith("rasterio is missing") for problem in problems)
    python.write_text("#!/bin/sh\nexit 1\n")
    assert "does not start" in check_environment().problems[0]
