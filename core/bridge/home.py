"""Where environments, unfinished jobs and caches live: FAIRWEATHER_HOME."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def fairweather_home() -> Path:
    """The folder named by FAIRWEATHER_HOME, else ``fairweather`` in the user's data folder.

    The data folder is the platform's: ``%LOCALAPPDATA%`` on Windows, ``~/Library/Application
    Support`` on macOS, ``$XDG_DATA_HOME`` or ``~/.local/share`` elsewhere. It need not exist.
    """
    chosen = os.environ.get("FAIRWEATHER_HOME")
    if chosen:
        return Path(chosen).expanduser().absolute()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return base / "fairweather"


def environments_folder() -> Path:
    """Where managed environments are kept, one folder each."""
    return fairweather_home() / "environments"


def jobs_folder() -> Path:
    """Where running jobs keep their scratch files, one folder each."""
    return fairweather_home() / "jobs"


def unfinished_folder() -> Path:
    """Where the finished blocks of composites are kept until all are, one folder a composite."""
    return fairweather_home() / "unfinished"


def cache_folder() -> Path:
    """What libraries keep to start sooner; it may be removed at any time."""
    return fairweather_home() / "cache"


def worker_log_file() -> Path:
    """What the last worker that failed unexpectedly wrote to stderr, kept for a bug report."""
    return fairweather_home() / "worker.log"
