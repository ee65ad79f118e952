"""Where environments, unfinished jobs and caches live: FAIRWEATHER_HOME.

What lies there is run as code, and is removed without a question. So each of its folders is looked
at whenever it is asked for: nobody may write there but its user, root, and a group that shares it.
"""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

from .errors import OutputError

FOR_ITS_USER = 0o700


def fairweather_home() -> Path:
    """The folder named by FAIRWEATHER_HOME, else ``fairweather`` in the user's data folder.

    The data folder is the platform's: ``%LOCALAPPDATA%`` on Windows, ``~/Library/Application
    Support`` on macOS, ``$XDG_DATA_HOME`` or ``~/.local/share`` elsewhere. It need not exist.

    Raises:
        OutputError: the folder of a user who is not known.
    """
    chosen = os.environ.get("FAIRWEATHER_HOME", "")
    try:
        return Path(chosen).expanduser().absolute() if chosen else _usual_home()
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
        base = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return base / "fairweather"


def environments_folder() -> Path:
    """Where managed environments are kept, one folder each."""
    return _trusted("environments")


def jobs_folder() -> Path:
    """Where running jobs keep their scratch files, one folder each."""
    return _trusted("jobs")


def unfinished_folder() -> Path:
    """Where the finished blocks of composites are kept until all are, one folder a composite."""
    return _trusted("unfinished")


def cache_folder() -> Path:
    """What libraries keep to start sooner; it may be removed at any time."""
    return _trusted("cache")


def worker_log_file() -> Path:
    """What the last worker that failed unexpectedly wrote to stderr, kept for a bug report."""
    return fairweather_home() / "worker.log"


def make_home_folder(folder: Path) -> None:
    """Make ``folder``, which is in FAIRWEATHER_HOME, where it is not there yet.

    A new home is its user's alone. What is made in one that is shared is shared with the same, but
    for everybody's right to write.

    Raises:
        OSError: it cannot be made.
    """
    home = fairweather_home()
    home.parent.mkdir(parents=True, exist_ok=True)
    home.mkdir(FOR_ITS_USER, exist_ok=True)
    mode = stat.S_IMODE(home.stat().st_mode) & ~stat.S_IWOTH
    inside = [path for path in folder.parents if home in path.parents]
    for path in (*reversed(inside), folder):
        path.mkdir(mode, exist_ok=True)


def _trusted(name: str) -> Path:
    """The folder ``name`` of FAIRWEATHER_HOME, after a look at who may write there.

    Raises:
        OutputError: somebody may who could harm its user.
    """
    home = fairweather_home()
    # In a home that a group shares, any of them may have made what is in it.
    is_shared = _check_writers(home)
    _check_writers(home / name, is_shared)
    return home / name


def _check_writers(folder: Path, is_shared: bool = False) -> bool:
    """Whether ``folder`` is shared with a group of its user's, where it is not known to be.

    Raises:
        OutputError: everybody may write there, or it is somebody else's and not shared.
    """
    if sys.platform == "win32":
        return is_shared
    try:
        found = folder.stat()
    except OSError:  # told by whoever needs it
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
