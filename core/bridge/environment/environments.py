"""Find, check, make and remove the worker's environment."""

from __future__ import annotations

import os
import re
import shutil
import subprocess  # nosec B404: a check starts the interpreter once
import sys
import time
from pathlib import Path
from typing import Callable, List, Optional, Tuple

from ..clean_environment import clean_environment
from ..errors import EnvironmentNotReadyError
from ..folder_size import folder_size
from ..home import environments_folder, make_home_folder
from ..job_folders import runs_a_job
from ..part_files import FULL_DISK_ERRORS
from .command import CommandRunner
from .failures import NO_DISK_SPACE
from .installer import Installer
from .interpreter import BaseInterpreter, find_base_interpreter
from .layout import environment_python
from .lock import InstallSize, Lock, read_lock
from .manifest import Marker, damaged_packages, read_marker, remove_marker, write_manifest
from .one_at_a_time import one_at_a_time
from .own_interpreter import check_own_interpreter, own_interpreter
from .report import HOW_TO_MAKE_IT, MANAGED, EnvironmentReport

NOT_MADE = f"Fairweather's Python environment has not been made yet; {HOW_TO_MAKE_IT}."
START_SECONDS = 20
REMOVE_TRIES = 5
_MANAGED_NAME = re.compile(r"[0-9a-f]{12}-py\d+\.\d+")


def find_worker_python(chosen: str = "") -> Path:
    """The interpreter that runs the worker, found without starting it.

    FAIRWEATHER_PYTHON comes first, then ``chosen`` (the user's setting), then the managed
    environment of this lock.

    Raises:
        EnvironmentNotReadyError: there is none; the sentence says how to make it.
    """
    own = own_interpreter(chosen)
    if own:
        return own
    whole = _whole_environment(read_lock())
    if not whole:
        raise EnvironmentNotReadyError(NOT_MADE)
    return environment_python(whole[0])


def check_worker_python(chosen: str = "") -> Path:
    """The interpreter of ``find_worker_python``, after a look at its packages (about 0.1 s).

    Raises:
        EnvironmentNotReadyError: there is none, or a package is missing, altered or too old.
    """
    own = own_interpreter(chosen)
    if own:
        problems = check_own_interpreter(own).problems
        if problems:
            raise EnvironmentNotReadyError(
                f"Your own Python cannot be used: {_first_of(problems)}; the algorithm Environment "
                "with the action check lists all that it needs."
            )
        return own
    whole = _whole_environment(read_lock())
    if not whole:
        raise EnvironmentNotReadyError(NOT_MADE)
    problems = damaged_packages(whole[0])
    if problems:
        raise EnvironmentNotReadyError(
            f"Fairweather's Python environment is damaged ({_first_of(problems)}); "
            f"{HOW_TO_MAKE_IT}."
        )
    return environment_python(whole[0])


def check_environment(chosen: str = "") -> EnvironmentReport:
    """What is installed, and every missing or altered package.

    Of the managed environment each file's presence, size and time are compared with the manifest;
    of the user's own interpreter each package's name and version with the lock.
    """
    try:
        own = own_interpreter(chosen)
    except EnvironmentNotReadyError as error:
        return EnvironmentReport("own", problems=(str(error),))
    if own:
        return check_own_interpreter(own)
    whole = _whole_environment(read_lock())
    if not whole:
        return EnvironmentReport(MANAGED, problems=(NOT_MADE,))
    return _check_managed(*whole)


def create_environment(
    progress: Callable[[float, str], None], is_cancelled: Callable[[], bool], chosen: str = ""
) -> EnvironmentReport:
    """Make the managed environment, unless it is there and undamaged; with progress in percent.

    Where the user has named an interpreter of their own, nothing is installed and that one is
    checked.

    Raises:
        CancelledError: cancelled; nothing half-made stays behind.
        EnvironmentNotReadyError: it cannot be made; the sentence says what to do.
        OutputError: others could harm the user of FAIRWEATHER_HOME there.
    """
    present = check_environment(chosen)
    if present.ready or present.kind != MANAGED:
        return present
    lock = read_lock()
    base = find_base_interpreter()
    progress(0.0, _announcement(lock.size))
    home = environments_folder()
    try:
        _check_disk_space(home, lock.size)
        make_home_folder(home)
        with one_at_a_time(
            home,
            lambda: progress(0.0, "Another QGIS is at work on the environment; waiting for it"),
            is_cancelled,
        ):
            report = check_environment(chosen)
            if not report.ready:
                _remove_half_made(home)
                folder = home / _environment_name(lock, base)
                if runs_a_job(folder):
                    raise EnvironmentNotReadyError(
                        f"The environment {folder} is damaged and a run uses it, so that it cannot "
                        "be made anew now; end the runs that use it, and try again."
                    )
                _make(folder, lock, base, progress, is_cancelled)
                report = check_environment(chosen)
                if not report.ready:
                    remove_folder(folder, quietly=True)
                    raise EnvironmentNotReadyError(
                        "The environment, or the plugin, was changed while it was made "
                        f"({_first_of(report.problems)}); make it once more."
                    )
    except OSError as error:
        raise EnvironmentNotReadyError(_why_not_written(home, error)) from error
    progress(100.0, f"The environment is ready: {report.size / 1e6:.0f} MB in {home}")
    return report


def old_environments() -> List[Path]:
    """The folders of environments of other versions, and of those that were not made to the end."""
    home = environments_folder()
    try:
        folders = _managed_folders(home)
    except OSError:
        return []
    whole = _whole_environment(read_lock())
    return [folder for folder in folders if not whole or folder != whole[0]]


def remove_environment() -> int:
    """Remove every managed environment, this lock's and older ones; the bytes freed are returned.

    Raises:
        EnvironmentNotReadyError: one of them is in use or protected.
        OutputError: others could harm the user of FAIRWEATHER_HOME there.
    """
    home = environments_folder()
    if not home.is_dir():
        return 0
    freed = 0
    try:
        with one_at_a_time(home, lambda: None, lambda: False):
            folders = _managed_folders(home)
            used = [folder for folder in folders if runs_a_job(folder)]
            if used:
                raise EnvironmentNotReadyError(_why_not_removed(home, f"a run uses {used[0]}"))
            for folder in folders:
                size = folder_size(folder)
                remove_folder(folder)
                freed += size
    except OSError as error:
        reason = f"{error.strerror}: {error.filename}"
        raise EnvironmentNotReadyError(_why_not_removed(home, reason)) from error
    return freed


def _first_of(problems: Tuple[str, ...]) -> str:
    """The first sentence as a clause, and how many there are beside it."""
    others = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return problems[0].rstrip(".") + others


def _environment_name(lock: Lock, base: BaseInterpreter) -> str:
    return f"{lock.digest}-py{base.version[0]}.{base.version[1]}"


def _managed_folders(home: Path) -> List[Path]:
    return sorted(path for path in home.iterdir() if _MANAGED_NAME.fullmatch(path.name))


def _remove_half_made(home: Path) -> None:
    """Nobody else makes one now: those without a marker are of processes that were killed."""
    for folder in _managed_folders(home):
        if read_marker(folder) is None and not runs_a_job(folder):
            remove_folder(folder, quietly=True)


def _whole_environment(lock: Lock) -> Optional[Tuple[Path, Marker]]:
    """The folder and marker of an environment of this lock that was made to its end."""
    same_python = f"{lock.digest}-py{sys.version_info[0]}.{sys.version_info[1]}"
    folders = environments_folder().glob(f"{lock.digest}-py*")
    for folder in sorted(folders, key=lambda path: (path.name != same_python, path.name)):
        marker = read_marker(folder)
        usable = marker and marker.lock == lock.digest and _is_there(Path(marker.base))
        if marker and usable and _is_there(environment_python(folder)):
            return folder, marker
    return None


def _is_there(path: Path) -> bool:
    """Not, where nobody can look."""
    return os.path.exists(path)  # noqa: PTH110


def _check_managed(folder: Path, marker: Marker) -> EnvironmentReport:
    python = environment_python(folder)
    problems = damaged_packages(folder)
    if not problems and not _starts(python):
        problems = (f"{python} does not start.",)
    if problems:
        problems = (
            *problems,
            f"The environment is damaged and must be made anew: {HOW_TO_MAKE_IT}.",
        )
    return EnvironmentReport(
        MANAGED, python, marker.python_version, problems, marker.packages, marker.size
    )


def _starts(python: Path) -> bool:
    try:
        subprocess.run(  # nosec B603: the environment's own Python
            [str(python), "-I", "-c", "import ssl, sqlite3"],
            env=clean_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=START_SECONDS,
            check=True,
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return True


def _make(
    folder: Path,
    lock: Lock,
    base: BaseInterpreter,
    progress: Callable[[float, str], None],
    is_cancelled: Callable[[], bool],
) -> None:
    remove_folder(folder)
    work = folder / "work"
    try:
        work.mkdir(parents=True)
        runner = CommandRunner(base, work, is_cancelled)
        Installer(folder, work, lock, base, runner, progress).install()
        progress(95.0, "Writing down what was installed")
        remove_folder(work)
        write_manifest(folder, lock.digest, base.version_text, base.executable)
    except BaseException:
        remove_folder(folder, quietly=True)
        raise


def remove_folder(folder: Path, quietly: bool = False) -> None:
    """Remove an environment: out of use at once, then file by file.

    On Windows a virus scanner may hold a new file for a moment, so it is tried again.
    """
    if not folder.exists():
        return
    for attempt in range(REMOVE_TRIES):
        try:
            remove_marker(folder)
            shutil.rmtree(folder)
            return
        except OSError:
            if attempt + 1 < REMOVE_TRIES:
                time.sleep(0.2)
            elif not quietly:
                raise


def _announcement(size: InstallSize) -> str:
    return (
        f"Making the environment: about {size.download / 1e6:.0f} MB to download, "
        f"{_bytes_needed(size) / 1e6:.0f} MB on disk"
    )


def _bytes_needed(size: InstallSize) -> int:
    return int(1.2 * size.installed)  # with byte code


def _check_disk_space(home: Path, size: InstallSize) -> None:
    existing = next(folder for folder in (home, *home.parents) if folder.exists())
    free = shutil.disk_usage(existing).free
    needed = _bytes_needed(size) + size.download
    if free < needed:
        raise EnvironmentNotReadyError(
            f"The environment needs {needed / 1e6:.0f} MB and the disk of {home} has "
            f"{free / 1e6:.0f} MB free; free some space or set FAIRWEATHER_HOME to a folder on "
            f"another disk."
        )


def _why_not_removed(home: Path, reason: str) -> str:
    return (
        f"The environments in {home} cannot be removed ({reason}); end the runs that use them, or "
        "have it done by the user to whom they belong."
    )


def _why_not_written(home: Path, error: OSError) -> str:
    if error.errno in FULL_DISK_ERRORS:
        return f"{NO_DISK_SPACE.sentence}."
    return (
        f"The environment cannot be written to {home} ({error.strerror}); set FAIRWEATHER_HOME to "
        f"a folder that you may write to."
    )
