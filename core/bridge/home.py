"""Where environments, unfinished jobs and caches live: FAIRWEATHER_HOME.

What lies there is run as code, and is removed without a question. So each of its folders is looked
at whenever it is asked for: nobody may write there but its user, root, and a group that shares it,
and not everybody may put another folder in its place.
"""

from __future__ import annotations

import os
import stat
import sys
from itertools import takewhile
from pathlib import Path
from typing import Optional

from .errors import OutputError
from .group_sharing import share_with_group
from .part_files import real_place

JOBS = "jobs"

FOR_ITS_USER = 0o700
FOR_ALL_TO_ENTER = 0o755


def fairweather_home() -> Path:
    """The folder named by FAIRWEATHER_HOME, else ``fairweather`` in the user's data folder.

    The data folder is the platform's: ``%LOCALAPPDATA%`` on Windows, ``~/Library/Application
    Support`` on macOS, ``$XDG_DATA_HOME`` or ``~/.local/share`` elsewhere. It need not exist.

    Raises:
        OutputError: the folder of a user who is not known, or one within a folder that is gone.
    """
    chosen = os.environ.get("FAIRWEATHER_HOME", "")
    try:
        return (Path(chosen).expanduser() if chosen else _usual_home()).absolute()
    except OSError as error:
        raise OutputError(
            f"FAIRWEATHER_HOME, {chosen}, begins in the folder that this run began in, and that is "
            "gone; give it the whole path of a folder."
        ) from error
    except RuntimeError as error:
        if not chosen:
            raise OutputError(
                "Your user's own folder is not known; set FAIRWEATHER_HOME to a folder."
            ) from error
        raise OutputError(
            f"FAIRWEATHER_HOME, {chosen}, names the folder of a user who is not known here; give "
            "it a path without a ~."
        ) from error


def _usual_home() -> Path:
    """The user's data folder on this platform, and the folder in it.

    Raises:
        RuntimeError: the user has none.
    """
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME", ""))
        # As the XDG Base Directory Specification has it, a relative one counts as none.
        base = base if base.is_absolute() else Path.home() / ".local" / "share"
    return base / "fairweather"


def environments_folder() -> Path:
    """Where managed environments are kept, one folder each."""
    return _trusted("environments")


def jobs_folder() -> Path:
    """Where running jobs keep their scratch files, one folder each."""
    return _trusted(JOBS)


def is_of_a_job(path: Path) -> bool:
    """Whether ``path`` lies where running jobs keep their scratch files."""
    try:
        folder = fairweather_home() / JOBS
    except OutputError:
        return False
    return real_place(folder) in real_place(path).parents


def unfinished_folder() -> Path:
    """Where the finished blocks of composites are kept until all are, one folder a composite."""
    return _trusted("unfinished")


def cache_folder() -> Path:
    """Where libraries keep what lets them start sooner, one folder a library."""
    return _trusted("cache")


def fonts_folder() -> Path:
    """What Matplotlib keeps of the computer's fonts."""
    return cache_folder() / "matplotlib"


def worker_log_file() -> Path:
    """What the last worker that failed unexpectedly wrote to stderr, kept for a bug report."""
    return fairweather_home() / "fairweather-worker.log"


def make_home_folder(folder: Path) -> None:
    """Make ``folder``, which is in FAIRWEATHER_HOME, where it is not there yet.

    A new home is its user's alone. What is made in one that a group shares is shared with the same
    group, whatever the umask; nothing is made for everybody to write.

    Raises:
        OSError: it cannot be made.
    """
    home = fairweather_home()
    missing = takewhile(lambda path: not path.is_dir(), (home, *home.parents))
    for path in reversed(list(missing)):
        path.mkdir(FOR_ITS_USER if path == home else FOR_ALL_TO_ENTER, exist_ok=True)
    mode = stat.S_IMODE(home.stat().st_mode) & ~stat.S_IWOTH
    inside = (path for path in (folder, *folder.parents) if home in path.parents)
    for path in reversed(list(takewhile(lambda path: not path.is_dir(), inside))):
        path.mkdir(mode, exist_ok=True)
        share_with_group(path, home)


def _trusted(name: str) -> Path:
    """The folder ``name`` of FAIRWEATHER_HOME, after a look at who may write there.

    Raises:
        OutputError: somebody may who could harm its user.
    """
    home = fairweather_home()
    # Whoever may rename what lies beside it may put a home of their own there.
    for parent in (home.parent, Path(os.path.realpath(home)).parent):
        _check_renamers(parent)
    # In a home that a group shares, any of them may have made what is in it.
    is_shared = _check_writers(home)
    _check_writers(home / name, is_shared)
    return home / name


def _check_renamers(parent: Path) -> None:
    """Check that nobody but its owner may rename FAIRWEATHER_HOME in ``parent``, or its group.

    Raises:
        OutputError: everybody may.
    """
    if sys.platform == "win32":
        return
    found = _look_at(parent)
    if found and found.st_mode & stat.S_IWOTH and not found.st_mode & stat.S_ISVTX:
        raise OutputError(
            f"The folder {parent}, in which FAIRWEATHER_HOME lies, can be written by everybody, "
            "who could put a folder of their own in its place; take that right away (chmod o-w, "
            "or chmod +t), or set FAIRWEATHER_HOME to a folder elsewhere."
        )


def _check_writers(folder: Path, is_shared: bool = False) -> bool:
    """Whether ``folder`` is shared with a group of its user's, where it is not known to be.

    Raises:
        OutputError: everybody may write there, or it is somebody else's and not shared.
    """
    found = _look_at(folder)
    if found is None or sys.platform == "win32":
        return is_shared
    if found.st_mode & stat.S_IWOTH:
        raise OutputError(
            f"The folder {folder} can be written by everybody, who could put programs there that "
            "then run as you; take that right away (chmod o-w), or set FAIRWEATHER_HOME to a "
            "folder of your own."
        )
    groups = {os.getegid(), *os.getgroups()}
    is_shared = is_shared or bool(found.st_mode & stat.S_IWGRP and found.st_gid in groups)
    if not is_shared and found.st_uid not in (0, os.geteuid()):
        raise OutputError(
            f"The folder {folder} belongs to another user, who could put programs there that then "
            "run as you; set FAIRWEATHER_HOME to a folder of your own, or to one that your group "
            "may write."
        )
    return is_shared


def _look_at(folder: Path) -> Optional[os.stat_result]:
    """What ``folder`` is; None where there is none, which is told by whoever needs it.

    Raises:
        OutputError: it may not be looked at, or its name is none.
    """
    try:
        return folder.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise OutputError(
            f"The folder {folder} cannot be entered ({reason}); set FAIRWEATHER_HOME to a folder "
            "of your own."
        ) from error
