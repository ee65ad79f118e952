"""Find the Python that the environment is made from: the one that QGIS itself runs.

Inside QGIS ``sys.executable`` is the QGIS program on Windows and macOS, and on Linux the first
``python3`` on PATH, which may be another one or none. So the interpreter is looked for where each
kind of installation keeps it, and each candidate is run before it is believed.
"""

from __future__ import annotations

import json
import re
import subprocess  # nosec B404: each candidate must be run to be believed
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Dict, Iterator, List, Optional, Tuple

from ..clean_environment import clean_environment
from ..errors import EnvironmentNotReadyError
from .lock import OLDEST_PYTHON

# Python brings a wheel of pip for new environments: in ensurepip, or where the distribution keeps
# it. Debian takes venv and ensurepip out, into the package python3-venv.
PROBE = """
import glob, importlib.util, json, os, sys, sysconfig
wheels = []
ensurepip = importlib.util.find_spec("ensurepip")
if ensurepip and importlib.util.find_spec("venv"):
    bundled = os.path.join(os.path.dirname(ensurepip.origin), "_bundled")
    for folder in (sysconfig.get_config_var("WHEEL_PKG_DIR"), bundled):
        wheels += sorted(glob.glob(os.path.join(folder, "pip-*.whl"))) if folder else []
print(json.dumps({"version": sys.version_info[:3], "pip_wheel": (wheels or [None])[0]}))
"""
PROBE_SECONDS = 20
OWN_PYTHON_HINT = (
    "install one yourself with the packages of requirements.txt and name it in FAIRWEATHER_PYTHON"
)
_PYTHON_NAME = re.compile(r"python(\d+(\.\d+)?)?(\.exe)?", re.IGNORECASE)


@dataclass(frozen=True)
class RunningPython:
    """What the running Python says of itself.

    ``system`` is ``sys.platform``, ``prefix`` is ``sys.base_prefix``, ``executable`` is
    ``sys.executable``, and ``version`` is major and minor.
    """

    system: str
    prefix: Path
    executable: Path
    version: Tuple[int, int]


@dataclass(frozen=True)
class BaseInterpreter:
    """A Python that was run.

    ``pip_wheel`` is the pip that it gives to new environments, None where it cannot make any.
    ``home`` is what PYTHONHOME must say for it to start, where it cannot find its own standard
    library (QGIS's newer macOS bundles), else None.
    """

    executable: Path
    version: Tuple[int, int, int]
    pip_wheel: Optional[Path]
    home: Optional[Path] = None

    @property
    def version_text(self) -> str:
        """``3.11.2``."""
        return ".".join(str(part) for part in self.version)

    def command(self, *arguments: str) -> List[str]:
        """The command line that runs it, apart from the user's own packages."""
        return [str(self.executable), "-s" if self.home else "-I", *arguments]

    def environment(self) -> Dict[str, str]:
        """The environment variables to run it with."""
        variables = clean_environment()
        if self.home:
            variables["PYTHONHOME"] = str(self.home)
        return variables


def running_python() -> RunningPython:
    """The Python that runs this."""
    return RunningPython(
        system=sys.platform,
        prefix=Path(sys.base_prefix),
        executable=Path(getattr(sys, "_base_executable", None) or sys.executable or ""),
        version=(sys.version_info[0], sys.version_info[1]),
    )


def python_candidates(python: RunningPython) -> List[Path]:
    """Files that may be the interpreter, the most likely first; all exist and are called python."""
    if python.system == "win32":
        places = _windows_places(python)
    elif python.system == "darwin":
        places = _macos_places(python)
    else:
        places = _names_in(python.prefix / "bin", python.version)
    found = [*places, python.executable]
    return [
        path
        for path in dict.fromkeys(found)
        if _PYTHON_NAME.fullmatch(path.name) and path.is_file()
    ]


def find_base_interpreter(
    python: Optional[RunningPython] = None,
    probe: Optional[Callable[[Path, Optional[Path]], Optional[BaseInterpreter]]] = None,
) -> BaseInterpreter:
    """The interpreter to make the environment from.

    Raises:
        EnvironmentNotReadyError: none is found, none is new enough, or none has ``venv``.
    """
    python = python or running_python()
    probe = probe or probe_interpreter
    working = []
    for path in python_candidates(python):
        interpreter = probe(path, None) or (
            probe(path, python.prefix) if python.system == "darwin" else None
        )
        if interpreter is None:
            continue
        if interpreter.version >= OLDEST_PYTHON and interpreter.pip_wheel:
            return interpreter
        working.append(interpreter)
    raise EnvironmentNotReadyError(_why_none(working))


def probe_interpreter(path: Path, home: Optional[Path]) -> Optional[BaseInterpreter]:
    """The interpreter at ``path`` if it starts (with PYTHONHOME ``home``), else None."""
    unknown = BaseInterpreter(path, (0, 0, 0), None, home)
    try:
        answer = subprocess.run(  # nosec B603: a Python of this machine, with arguments of our own
            unknown.command("-c", PROBE),
            env=unknown.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PROBE_SECONDS,
            check=True,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
        content = json.loads(answer.stdout)
        major, minor, micro = content["version"]
        pip_wheel = Path(content["pip_wheel"]) if content["pip_wheel"] else None
    except (OSError, subprocess.SubprocessError, ValueError, KeyError, TypeError):
        return None
    return BaseInterpreter(path, (major, minor, micro), pip_wheel, home)


def _windows_places(python: RunningPython) -> List[Path]:
    # OSGeo4W and the standalone installer alike: bin\qgis-bin.exe and apps\Python312\python.exe
    root = python.executable.parent.parent
    apps = sorted((root / "apps").glob("Python3*"), reverse=True)
    same_version = f"Python{python.version[0]}{python.version[1]}"
    apps.sort(key=lambda folder: folder.name != same_version)
    folders = [python.prefix, *apps, python.prefix.parent.parent / "bin", root / "bin"]
    return [folder / name for folder in folders for name in ("python.exe", "python3.exe")]


def _macos_places(python: RunningPython) -> List[Path]:
    folders = [python.prefix / "bin"]
    for contents in _bundle_contents(python):
        framework = contents / "Frameworks" / "Python.framework" / "Versions"
        folders += [
            contents / "MacOS" / "bin",
            contents / "MacOS",
            contents / "Frameworks" / "bin",
            framework / f"{python.version[0]}.{python.version[1]}" / "bin",
            framework / "Current" / "bin",
            contents / "Resources" / "python" / "bin",
        ]
    return [path for folder in folders for path in _names_in(folder, python.version)]


def _bundle_contents(python: RunningPython) -> Iterator[Path]:
    for place in (python.executable, python.prefix):
        for folder in (place, *place.parents):
            if folder.name == "Contents" and folder.parent.suffix == ".app":
                yield folder


def _names_in(folder: Path, version: Tuple[int, int]) -> List[Path]:
    return [folder / f"python{version[0]}.{version[1]}", folder / f"python{version[0]}"]


def _why_none(working: List[BaseInterpreter]) -> str:
    oldest = ".".join(str(part) for part in OLDEST_PYTHON)
    new_enough = [each for each in working if each.version >= OLDEST_PYTHON]
    if new_enough:
        return (
            f"The Python at {new_enough[0].executable} has no venv; install it (on Debian and "
            f"Ubuntu: sudo apt install python3-venv) and create the environment again."
        )
    if working:
        return (
            f"QGIS's Python is {working[0].version_text}, and the environment needs Python "
            f"{oldest} or newer; {OWN_PYTHON_HINT}."
        )
    return (
        f"No Python was found to make the environment from, and it needs Python {oldest} or "
        f"newer; {OWN_PYTHON_HINT}."
    )
