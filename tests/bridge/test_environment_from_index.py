"""The real lock from the real index (or what pip is set to): slow, and skipped without one."""

import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
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
