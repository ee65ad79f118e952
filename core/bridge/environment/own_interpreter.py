"""The user's own interpreter: which one, and whether it has the packages."""

from __future__ import annotations

import json
import os
import shutil
import subprocess  # nosec B404: the interpreter is asked for its packages
from pathlib import Path
from typing import Dict, FrozenSet, List, Optional, Tuple

from ..clean_environment import clean_environment
from ..errors import EnvironmentNotReadyError
from .lock import OLDEST_PYTHON, read_direct_dependencies, read_lock
from .report import OWN, EnvironmentReport

ASK_PACKAGES = """
import importlib.metadata, json, sys
found = {}
for name in sys.argv[1:]:
    try:
        found[name] = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        pass
print(json.dumps({"version": sys.version_info[:3], "packages": found}))
"""
ASK_SECONDS = 30
INSTALLERS = ("uv",)  # only needed to make the managed environment


def own_interpreter(chosen: str) -> Optional[Path]:
    """The interpreter that FAIRWEATHER_PYTHON names, else ``chosen``; None where neither is set.

    A program, a name on PATH, or the folder of an environment.

    Raises:
        EnvironmentNotReadyError: what is named is no interpreter.
    """
    variable = os.environ.get("FAIRWEATHER_PYTHON", "").strip()
    name = variable or chosen.strip()
    if not name:
        return None
    # As it is where it begins with the name of a user who is not known.
    path = Path(os.path.expanduser(name))  # noqa: PTH111
    places = [path / "bin" / "python", path / "python.exe", path / "Scripts" / "python.exe"]
    for place in [path, *places]:
        if _is_program(place):
            return place.absolute()
    on_path = shutil.which(name)
    if on_path:
        return Path(on_path).absolute()
    source = "FAIRWEATHER_PYTHON" if variable else "The setting for your own Python"
    raise EnvironmentNotReadyError(
        f"{source} names {name}, which is no Python interpreter; correct it or empty it."
    )


def _is_program(path: Path) -> bool:
    """Whether there is one; not where nobody can look, or no disk takes the name."""
    return os.path.isfile(path) and os.access(path, os.X_OK)  # noqa: PTH113


def check_own_interpreter(python: Path) -> EnvironmentReport:
    """Whether the interpreter is new enough and has every package of the locked major version."""
    wanted = [name for name in read_direct_dependencies() if name not in INSTALLERS]
    try:
        version, packages = _ask(python, wanted)
    except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError):
        problem = f"{python} does not start as a Python interpreter; name another one."
        return EnvironmentReport(OWN, python, problems=(problem,))
    text = ".".join(str(part) for part in version)
    problems = []
    if version < OLDEST_PYTHON:
        oldest = ".".join(str(part) for part in OLDEST_PYTHON)
        problems.append(f"{python} is Python {text}; {oldest} or newer is needed.")
    problems += package_problems(wanted, packages, read_lock().versions)
    return EnvironmentReport(OWN, python, text, tuple(problems), packages)


def package_problems(
    wanted: List[str], installed: Dict[str, str], locked: Dict[str, FrozenSet[str]]
) -> List[str]:
    """A sentence for each package that is missing or of another major version than locked."""
    problems = []
    for name in wanted:
        majors = sorted({_major(version) for version in locked[name]})
        if name not in installed:
            problems.append(f"{name} is missing; install version {' or '.join(majors)}.")
        elif _major(installed[name]) not in majors:
            problems.append(
                f"{name} is {installed[name]}; install version {' or '.join(majors)} instead."
            )
    return problems


def _ask(python: Path, names: List[str]) -> Tuple[Tuple[int, ...], Dict[str, str]]:
    answer = subprocess.run(  # nosec B603: the interpreter that the user named
        [str(python), "-I", "-c", ASK_PACKAGES, *names],
        env=clean_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=ASK_SECONDS,
        check=True,
        creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
    )
    content = json.loads(answer.stdout)
    return tuple(content["version"]), content["packages"]


def _major(version: str) -> str:
    return version.partition(".")[0]
