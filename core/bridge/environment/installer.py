"""Make an environment in an empty folder: ``venv``, then uv from the lock, then all the rest.

Where uv has no wheel for this system, or does not start, plain pip does the same, more slowly.
Whatever happens here, the caller marks the folder as whole or removes it.
"""

from __future__ import annotations

import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Dict, List

from ..clean_environment import clean_environment
from ..errors import EnvironmentNotReadyError
from ..folder_size import folder_size
from .command import CommandRunner, Outcome
from .failures import recognise_failure
from .interpreter import OWN_PYTHON_HINT, BaseInterpreter
from .layout import environment_program, environment_python, site_packages
from .lock import Lock
from .package_settings import pip_environment, read_pip_settings, uv_environment, uv_options

MEASURE_EVERY = 10  # polls of the runner: measuring a large folder takes tens of milliseconds
UV_START, PACKAGES_START, COMPILE_START = 8.0, 14.0, 85.0
HASHED_WHEELS = ("--require-hashes", "--only-binary", ":all:")
RUN_PIP = (
    "import runpy, sys; sys.path.insert(0, sys.argv.pop(1)); "
    "runpy.run_module('pip', run_name='__main__', alter_sys=True)"
)
# The packages' own tests are two fifths of the source; nobody runs them here
NOT_COMPILED = r"[/\\]tests?[/\\]"


@dataclass(frozen=True)
class Installer:
    """Installs ``lock`` into ``folder``, which exists and is empty.

    ``work`` is a folder inside it for what is only needed meanwhile: on the same disk, so that
    packages are linked and not copied.
    """

    folder: Path
    work: Path
    lock: Lock
    base: BaseInterpreter
    runner: CommandRunner
    progress: Callable[[float, str], None]

    def install(self) -> None:
        """Install everything.

        Raises:
            CancelledError: the user cancelled.
            EnvironmentNotReadyError: it failed; the sentence says what to do.
        """
        self.progress(1.0, f"Making a virtual environment with Python {self.base.version_text}")
        self._make_virtual_environment()
        self.progress(UV_START, "Fetching the installer uv")
        settings = read_pip_settings(self._pip("config", "list").output)
        if not (self._fetch_uv(settings) and self._install_with_uv(settings)):
            self._install_with_pip()
        self.progress(COMPILE_START, "Compiling byte code, so that every later start is quick")
        packages = map(str, site_packages(self.folder))
        self._python("-m", "compileall", "-q", "-j", "0", "-x", NOT_COMPILED, *packages)

    def _make_virtual_environment(self) -> None:
        make = self.base.command("-m", "venv", "--without-pip", str(self.folder))
        self._check(self.runner.run(make, self.base.environment()))
        if self.base.home:
            _point_to_standard_library(self.folder, self.base.home)
        outcome = self._python("-c", "import ssl")
        if not outcome.succeeded:
            raise EnvironmentNotReadyError(
                f"The Python at {self.base.executable} makes environments that do not start; "
                f"{OWN_PYTHON_HINT}."
            )

    def _fetch_uv(self, settings: Dict[str, str]) -> bool:
        """Whether the lock's uv is there now.

        Raises:
            EnvironmentNotReadyError: the index cannot be used, not by pip either.
        """
        requirements = self.work / "uv-requirements.txt"
        requirements.write_text(self.lock.only("uv"), encoding="utf-8")
        users_own = shutil.which("uv")  # it knows an index that only uv.toml names
        install = ["install", *HASHED_WHEELS, "--requirement", str(requirements)]
        if users_own and self._uv(users_own, settings, install).succeeded:
            return True
        return self._succeeded(self._pip(*_install(requirements)))

    def _install_with_uv(self, settings: Dict[str, str]) -> bool:
        uv = str(environment_program(self.folder, "uv"))
        if not Path(uv).is_file():
            return False
        self.progress(PACKAGES_START, "Downloading and installing packages")
        requirements = self.work / "requirements.txt"
        requirements.write_text("".join(self.lock.requirements), encoding="utf-8")
        sync = ["sync", *HASHED_WHEELS, str(requirements)]
        return self._succeeded(self._uv(uv, settings, sync, self._watch_growth()))

    def _uv(
        self,
        uv: str,
        settings: Dict[str, str],
        arguments: List[str],
        on_wait: Callable[[], None] = lambda: None,
    ) -> Outcome:
        own_cache = {"UV_CACHE_DIR": str(self.work / "cache")}
        variables = {**own_cache, **uv_environment(self._variables(), settings)}
        variables["UV_COMPILE_BYTECODE"] = "0"  # done for both installers alike
        into = ["--python", str(environment_python(self.folder))]
        command = [uv, "pip", *arguments, *into, *uv_options(settings)]
        return self.runner.run(command, variables, on_wait)

    def _install_with_pip(self) -> None:
        self.progress(PACKAGES_START, "uv cannot be used here; installing with pip takes a minute")
        requirements = self.work / "pip-requirements.txt"
        requirements.write_text(self.lock.without("uv"), encoding="utf-8")
        self._check(self._pip(*_install(requirements), on_wait=self._watch_growth()))

    def _pip(self, *arguments: str, on_wait: Callable[[], None] = lambda: None) -> Outcome:
        """Run the pip that came with Python, for the environment but not installed in it."""
        folder = self.work / "pip"
        if not folder.is_dir() and self.base.pip_wheel:
            with zipfile.ZipFile(self.base.pip_wheel) as wheel:
                wheel.extractall(folder)
        return self._python("-c", RUN_PIP, str(folder), *arguments, on_wait=on_wait)

    def _python(self, *arguments: str, on_wait: Callable[[], None] = lambda: None) -> Outcome:
        command = [str(environment_python(self.folder)), "-I", *arguments]
        return self.runner.run(command, pip_environment(self._variables()), on_wait)

    def _variables(self) -> Dict[str, str]:
        temporary = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(self.work))
        return {**clean_environment(), **temporary}

    def _check(self, outcome: Outcome) -> None:
        if not outcome.succeeded:
            raise EnvironmentNotReadyError(f"{recognise_failure(outcome.output).sentence}.")

    def _succeeded(self, outcome: Outcome) -> bool:
        """Whether it went well; False means that pip may still succeed.

        Raises:
            EnvironmentNotReadyError: it failed, and pip would, too.
        """
        if outcome.succeeded:
            return True
        failure = recognise_failure(outcome.output)
        if failure.is_final:
            raise EnvironmentNotReadyError(f"{failure.sentence}.")
        return False

    def _watch_growth(self) -> Callable[[], None]:
        """Tell how far the installation is, from what it has written so far."""
        expected = self.lock.size.installed
        polls = 0
        furthest = 0.0

        def measure() -> None:
            nonlocal polls, furthest
            polls += 1
            if polls % MEASURE_EVERY:
                return
            # uv unpacks into its cache, in the work folder, and then links the files
            in_work = folder_size(self.work)
            written = max(in_work, folder_size(self.folder) - in_work)
            furthest = max(furthest, min(1.0, written / expected))
            percent = PACKAGES_START + (COMPILE_START - PACKAGES_START) * furthest
            megabytes = f"{written / 1e6:.0f} of about {expected / 1e6:.0f} MB"
            self.progress(percent, f"Downloading and installing packages: {megabytes} on disk")

        return measure


def _install(requirements: Path) -> List[str]:
    return [
        *("install", *HASHED_WHEELS, "--no-deps", "--no-compile", "--progress-bar", "off"),
        *("--requirement", str(requirements)),
    ]


def _point_to_standard_library(folder: Path, home: Path) -> None:
    """Let the environment's Python find the standard library without PYTHONHOME.

    Python looks for it from the folder ``home`` in pyvenv.cfg upwards. In QGIS's macOS bundle the
    program lies in ``Contents/MacOS`` and the library in ``Contents/Frameworks/lib``.
    """
    configuration = folder / "pyvenv.cfg"
    lines = configuration.read_text(encoding="utf-8").splitlines()
    changed = [f"home = {home / 'bin'}" if line.startswith("home = ") else line for line in lines]
    configuration.write_text("\n".join(changed) + "\n", encoding="utf-8")
