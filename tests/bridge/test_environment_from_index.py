"""The real lock from the real index (or what pip is set to): slow, and skipped without one."""

import os
import signal
import stat
import subprocess
import sys
import time
import uuid
from pathlib import Path

import psutil
import pytest
import run_stages
from fairweather.core.bridge.environment import environments as module
from fairweather.core.bridge.environment import installer
from fairweather.core.bridge.environment.environments import (
    check_environment,
    create_environment,
    find_worker_python,
    remove_environment,
)
from fairweather.core.bridge.environment.lock import read_lock
from fairweather.core.bridge.errors import EnvironmentNotReadyError

pytestmark = pytest.mark.slow
SECONDS_TO_INSTALL = 300
SECONDS_OF_A_LOOK = 0.02
WITH_SIGNALS = ("env", "--default-signal=INT,TERM")
IMPORTS = "distributed, geopandas, jinja2, odc.stac, pystac_client, rasterio, rioxarray, xarray"


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A fresh FAIRWEATHER_HOME and a HOME in which nothing may appear."""
    monkeypatch.delenv("FAIRWEATHER_PYTHON", raising=False)
    monkeypatch.delenv("UV_CACHE_DIR", raising=False)
    monkeypatch.delenv("PIP_CACHE_DIR", raising=False)
    monkeypatch.setenv("FAIRWEATHER_HOME", str(tmp_path / "fairweather home"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.fixture
def part_of_the_lock(tmp_path, monkeypatch):
    """The real lock's uv and two small packages."""
    lock = read_lock()
    path = tmp_path / "requirements.txt"
    path.write_text(
        "# size linux-x86_64 download=20000000 installed=40000000\n"
        + "".join(map(lock.only, ("affine", "attrs", "uv"))),
        encoding="utf-8",
    )
    monkeypatch.setattr(module, "read_lock", lambda: read_lock(path))
    return path


def create(steps=None):
    def progress(percent, text):
        if steps is not None:
            steps.append(text)

    try:
        return create_environment(progress, lambda: False)
    except EnvironmentNotReadyError as error:
        if "cannot be reached" in str(error):
            pytest.skip("no package index can be reached")
        raise


def test_the_whole_environment_is_made_with_uv(home):
    steps = []
    report = create(steps)
    assert report.ready
    assert not any("pip" in text for text in steps)
    expected = read_lock().versions
    for name, version in report.packages.items():
        assert version in expected[name.lower().replace("_", "-")], name

    started = time.process_time()  # whatever else the machine does
    assert check_environment().ready
    assert time.process_time() - started < 2
    started = time.process_time()
    python = find_worker_python()
    assert time.process_time() - started < 0.05

    subprocess.run([python, "-I", "-c", f"import {IMPORTS}"], check=True)
    assert check_environment().ready  # using it is no damage
    next(python.parents[1].rglob("xarray/core/dataset.py")).unlink()
    assert check_environment().problems[0] == "xarray has 1 missing file."
    # pip asks rustc for its version, which makes a folder where rustup is installed
    assert {path.name for path in home.iterdir()} <= {".rustup"}
    assert remove_environment() > 300e6


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc")
@pytest.mark.parametrize(
    ("number", "code", "words"),
    [
        (signal.SIGINT, 130, "Cancelled; nothing half-made stays behind.\n"),
        (signal.SIGTERM, -signal.SIGTERM, ""),
    ],
    ids=["SIGINT", "SIGTERM"],
)
def test_a_cancel_while_packages_are_installed(
    home, plugin_root, tmp_path, wait_until, number, code, words
):
    """Of the whole lock, when the first package has its place: the next time all goes well."""
    if subprocess.run([*WITH_SIGNALS, "true"], check=False, capture_output=True).returncode:
        pytest.skip("needs GNU's env, by which nothing is ignored that who starts this ignores")
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    variables = {**os.environ, run_stages.RUN: uuid.uuid4().hex, "TMPDIR": str(temporary)}
    stage = run_stages.Stage("environment", {}, variables, _has_a_package, tmp_path)
    launch = [sys.executable, plugin_root / "core" / "launch.py", "environment", "create"]
    with subprocess.Popen(
        [*WITH_SIGNALS, *launch], env=variables, cwd=temporary,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    ) as process:  # fmt: skip
        try:
            wait_until(lambda: process.poll() is not None or stage.is_reached(), SECONDS_TO_INSTALL)
            if process.poll() is not None and "cannot be reached" in process.stderr.read():
                pytest.skip("no package index can be reached")
            assert process.poll() is None
            assert len(stage.processes()) > 1
            used = _seconds_to_end(process, stage, number, wait_until)
            errors = process.stderr.read()
        finally:
            process.kill()
    assert used < run_stages.SECONDS_TO_CANCEL
    assert (process.returncode, errors) == (code, words)
    assert list(temporary.iterdir()) == []
    assert {path.name for path in home.iterdir()} <= {".rustup"}
    left = list(Path(os.environ["FAIRWEATHER_HOME"]).glob("environments/*-py*"))
    if number == signal.SIGINT:
        assert left == []
    else:
        # What a process that was ended has no time to remove is not taken for an environment.
        assert not check_environment().ready
        assert create().ready


def _seconds_to_end(process, stage, number, wait_until):
    """Cancel: the installer is gone in time, then all; the seconds of the processor it took.

    Thousands of files are removed meanwhile: on a busy machine that takes its time. There, a look
    whether the installer is gone takes longer, too: looks are counted.
    """
    seconds = []
    own = psutil.Process(process.pid)

    def has_ended():
        seconds.append(sum(own.cpu_times()[:2]))
        return process.poll() is not None

    assert not has_ended()
    process.send_signal(number)
    for _ in range(int(run_stages.SECONDS_TO_CANCEL / SECONDS_OF_A_LOOK)):
        if stage.processes() in ([], [process.pid]):
            break
        time.sleep(SECONDS_OF_A_LOOK)
    else:
        pytest.fail("the installer was not gone in time")
    wait_until(has_ended, 10 * run_stages.SECONDS_TO_CANCEL)
    assert stage.processes() == []
    return seconds[-1] - seconds[0]


def _has_a_package():
    """Whether uv has begun to put packages where they are imported from: all but its own."""
    homes = Path(os.environ["FAIRWEATHER_HOME"]).glob("environments/*-py*")
    packages = (home.glob("lib/python*/site-packages/[!_u]*") for home in homes)
    return any(path.is_dir() for found in packages for path in found)


def test_pip_takes_over_where_uv_does_not_start(home, part_of_the_lock, tmp_path, monkeypatch):
    if sys.platform == "win32":
        pytest.skip("needs a shell script as a program")
    broken = tmp_path / "uv"
    broken.write_text("#!/bin/sh\necho 'cannot execute: required file not found'\nexit 127\n")
    broken.chmod(broken.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setattr(installer, "environment_program", lambda *_: broken)
    steps = []
    report = create(steps)
    assert report.ready
    assert report.packages["affine"] in read_lock().versions["affine"]
    assert any("installing with pip" in text for text in steps)


def test_uv_refuses_another_hash(home, part_of_the_lock):
    text = part_of_the_lock.read_text(encoding="utf-8")
    attrs = read_lock().only("attrs")
    damaged = "".join(_with_another_hash(line) + "\n" for line in attrs.splitlines())
    part_of_the_lock.write_text(text.replace(attrs, damaged), encoding="utf-8")
    with pytest.raises(EnvironmentNotReadyError, match="hash differs"):
        create()
    folders = Path(os.environ["FAIRWEATHER_HOME"], "environments").glob("*-py*")
    assert list(folders) == []


def test_uv_is_told_pips_folder_of_wheels_and_no_index(
    home, part_of_the_lock, tmp_path, monkeypatch
):
    wheels = tmp_path / "wheels"
    download = ["-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
    program = Path(sys.base_prefix) / "bin" / f"python{sys.version_info[0]}.{sys.version_info[1]}"
    done = subprocess.run(
        [program, *download, "--require-hashes", "-r", part_of_the_lock, "-d", wheels],
        check=False,
    )
    if done.returncode:
        pytest.skip("no package index can be reached, or the base interpreter has no pip")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    steps = []
    assert create(steps).ready
    assert not any("installing with pip" in text for text in steps)


def _with_another_hash(line):
    head, marker, rest = line.partition("sha256:")
    return head + marker + rest[:64][::-1] + rest[64:] if marker else line
