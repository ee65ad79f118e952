"""The Python to make the environment from, on made-up folder layouts of every installation."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from fairweather.core.bridge.environment import interpreter as module
from fairweather.core.bridge.environment.installer import _point_to_standard_library
from fairweather.core.bridge.environment.interpreter import (
    BaseInterpreter,
    RunningPython,
    find_base_interpreter,
    probe_interpreter,
    python_candidates,
)
from fairweather.core.bridge.errors import EnvironmentNotReadyError

WHEEL = Path("pip.whl")
posix_only = pytest.mark.skipif(sys.platform == "win32", reason="needs a shell script as a program")


def make_files(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def found(root, python):
    return [path.relative_to(root).as_posix() for path in python_candidates(python)]


def test_linux_distribution(tmp_path):
    make_files(tmp_path, "usr/bin/python3.12", "usr/bin/python3", "usr/bin/qgis")
    python = RunningPython("linux", tmp_path / "usr", tmp_path / "usr/bin/qgis", (3, 12))
    assert found(tmp_path, python) == ["usr/bin/python3.12", "usr/bin/python3"]


def test_linux_where_path_names_another_python(tmp_path):
    make_files(tmp_path, "usr/bin/python3.11", "pyenv/bin/python3")
    python = RunningPython("linux", tmp_path / "usr", tmp_path / "pyenv/bin/python3", (3, 11))
    assert found(tmp_path, python) == ["usr/bin/python3.11", "pyenv/bin/python3"]


def test_linux_without_an_executable(tmp_path):
    make_files(tmp_path, "usr/bin/python3.13")
    python = RunningPython("linux", tmp_path / "usr", Path(), (3, 13))
    assert found(tmp_path, python) == ["usr/bin/python3.13"]


@pytest.mark.parametrize("root", ["OSGeo4W", "Program Files/QGIS 3.40.4"])
def test_windows_osgeo4w_and_standalone(tmp_path, root):
    make_files(
        tmp_path / root,
        "bin/qgis-bin.exe",
        "bin/python3.exe",
        "apps/Python312/python.exe",
        "apps/Python39/python.exe",
    )
    folder = tmp_path / root
    python = RunningPython("win32", folder / "apps/Python312", folder / "bin/qgis-bin.exe", (3, 12))
    assert found(folder, python) == [
        "apps/Python312/python.exe",
        "apps/Python39/python.exe",
        "bin/python3.exe",
    ]


def test_windows_with_a_wrong_prefix_finds_the_same_version_by_the_qgis_program(tmp_path):
    make_files(
        tmp_path, "bin/qgis-bin.exe", "apps/Python39/python.exe", "apps/Python312/python.exe"
    )
    python = RunningPython("win32", tmp_path / "nowhere", tmp_path / "bin/qgis-bin.exe", (3, 12))
    assert found(tmp_path, python)[0] == "apps/Python312/python.exe"


def test_windows_conda(tmp_path):
    make_files(tmp_path, "envs/qgis/python.exe", "envs/qgis/Library/bin/qgis.exe")
    python = RunningPython(
        "win32", tmp_path / "envs/qgis", tmp_path / "envs/qgis/Library/bin/qgis.exe", (3, 13)
    )
    assert found(tmp_path, python) == ["envs/qgis/python.exe"]


def test_macos_bundle_with_its_python_in_bin(tmp_path):
    contents = tmp_path / "Applications/QGIS-LTR.app/Contents"
    make_files(contents, "MacOS/QGIS", "MacOS/bin/python3.9", "MacOS/bin/python3")
    python = RunningPython("darwin", contents / "MacOS", contents / "MacOS/QGIS", (3, 9))
    assert found(contents, python) == ["MacOS/bin/python3.9", "MacOS/bin/python3"]


def test_macos_bundle_with_a_framework(tmp_path):
    contents = tmp_path / "QGIS.app/Contents"
    framework = "Frameworks/Python.framework/Versions/3.12"
    make_files(contents, "MacOS/QGIS", f"{framework}/bin/python3.12")
    python = RunningPython("darwin", contents / framework, contents / "MacOS/QGIS", (3, 12))
    assert found(contents, python) == [f"{framework}/bin/python3.12"]


def test_macos_newer_bundle_needs_to_be_told_its_library(tmp_path):
    contents = tmp_path / "QGIS-final-4_0_3.app/Contents"
    make_files(contents, "MacOS/QGIS-final-4_0_3", "MacOS/python3.12", "MacOS/python")
    python = RunningPython(
        "darwin", contents / "Frameworks", contents / "MacOS/QGIS-final-4_0_3", (3, 12)
    )

    def starts_with_home_only(path, home):
        return BaseInterpreter(path, (3, 12, 10), WHEEL, home) if home else None

    chosen = find_base_interpreter(python, starts_with_home_only)
    assert chosen.executable == contents / "MacOS/python3.12"
    assert chosen.environment()["PYTHONHOME"] == str(contents / "Frameworks")
    assert "-I" not in chosen.command("-m", "venv")  # which would ignore PYTHONHOME


@pytest.mark.parametrize("system", ["linux", "win32", "darwin"])
def test_the_qgis_program_is_never_run(tmp_path, system):
    make_files(tmp_path, "bin/qgis-bin.exe", "QGIS.app/Contents/MacOS/QGIS", "bin/pythonw.exe")
    for program in ("bin/qgis-bin.exe", "QGIS.app/Contents/MacOS/QGIS", "bin/pythonw.exe"):
        assert found(tmp_path, RunningPython(system, tmp_path, tmp_path / program, (3, 12))) == []


def interpreters(*answers):
    waiting = list(answers)

    def probe(path, home):
        return waiting.pop(0)

    return probe


def two_candidates(tmp_path):
    make_files(tmp_path, "bin/python3.12", "bin/python3")
    return RunningPython("linux", tmp_path, Path(), (3, 12))


def test_a_candidate_that_does_not_start_is_passed_over(tmp_path):
    works = BaseInterpreter(tmp_path / "bin/python3", (3, 12, 1), WHEEL)
    assert find_base_interpreter(two_candidates(tmp_path), interpreters(None, works)) == works


@pytest.mark.parametrize(
    ("version", "pip_wheel", "words"),
    [
        (
            (3, 9, 5),
            WHEEL,
            "QGIS's Python is 3.9.5, and the environment needs Python 3.11 or newer",
        ),
        ((3, 12, 1), None, "sudo apt install python3-venv"),
    ],
)
def test_what_is_missing_is_said(tmp_path, version, pip_wheel, words):
    answer = BaseInterpreter(tmp_path / "bin/python3", version, pip_wheel)
    with pytest.raises(EnvironmentNotReadyError) as caught:
        find_base_interpreter(two_candidates(tmp_path), interpreters(answer, answer))
    assert words in str(caught.value)
    assert ("FAIRWEATHER_PYTHON" in str(caught.value)) == bool(pip_wheel)


def test_no_python_at_all(tmp_path):
    nowhere = RunningPython("linux", tmp_path, Path(), (3, 12))
    with pytest.raises(EnvironmentNotReadyError, match=r"No Python was found.*FAIRWEATHER_PYTHON"):
        find_base_interpreter(nowhere)


def script(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


@posix_only
@pytest.mark.parametrize("text", ["exit 1", "echo hello", "echo '{}'", "echo '[1]'"])
def test_a_program_that_is_no_python_is_not_believed(tmp_path, text):
    assert probe_interpreter(script(tmp_path / "python3", text), None) is None


@posix_only
def test_a_python_without_venv_is_recognised(tmp_path):
    answer = json.dumps({"version": [3, 12, 3], "pip_wheel": None})
    script(tmp_path / "bin/python3.12", f"echo '{answer}'")
    with pytest.raises(EnvironmentNotReadyError, match="python3-venv"):
        find_base_interpreter(RunningPython("linux", tmp_path, Path(), (3, 12)))


def test_a_hostile_environment_does_not_reach_the_probe(monkeypatch):
    for name in ("PYTHONHOME", "PYTHONPATH", "PYTHONEXECUTABLE", "LD_LIBRARY_PATH", "PROJ_LIB"):
        monkeypatch.setenv(name, "/nowhere")
    assert find_base_interpreter().version >= (3, 11)


def test_the_running_python_is_found_and_outside_any_virtual_environment():
    base = find_base_interpreter()
    asked = subprocess.run(
        base.command("-c", "import sys; print(sys.prefix == sys.base_prefix)"),
        capture_output=True,
        text=True,
        check=True,
    )
    assert asked.stdout.strip() == "True"


@posix_only
def test_an_environment_finds_a_library_that_lies_apart_from_the_program(tmp_path):
    """The newer macOS bundle, made of this Python: MacOS/python3.x and Frameworks/lib/python3.x."""
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    contents = tmp_path / "QGIS.app" / "Contents"
    program = contents / "MacOS" / f"python{version}"
    program.parent.mkdir(parents=True)
    shutil.copy(Path(sys.base_prefix) / "bin" / f"python{version}", program)
    library = contents / "Frameworks" / "lib" / f"python{version}"
    library.parent.mkdir(parents=True)
    library.symlink_to(Path(os.__file__).parent)
    base = probe_interpreter(program, contents / "Frameworks")
    assert base is not None

    folder = tmp_path / "made"
    make = base.command("-m", "venv", "--without-pip", str(folder))
    subprocess.run(make, env=base.environment(), check=True)
    _point_to_standard_library(folder, base.home)

    code = "import os, sys; print(os.path.dirname(os.__file__)); print(sys.prefix)"
    asked = [str(folder / "bin" / "python"), "-I", "-c", code]
    answer = subprocess.run(asked, capture_output=True, text=True, check=True)
    assert answer.stdout.split() == [str(library), str(folder)]


def test_a_python_that_hangs_is_given_up(monkeypatch, tmp_path):
    if sys.platform == "win32":
        pytest.skip("needs a shell script as a program")
    monkeypatch.setattr(module, "PROBE_SECONDS", 0.2)
    assert probe_interpreter(script(tmp_path / "python3", "exec sleep 5"), None) is None
