"""Folders that belong to a process as long as it lives, and are anybody's to remove afterwards.

FAIRWEATHER_HOME may be a folder that was in use before: what lies there without such a name, or
without such a lock in it (or, of a killed job, nothing but its note), is the user's own, and
nothing is done to it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Callable, Collection, Iterator, List, Optional, Pattern

from .file_lock import FileLock, try_lock
from .folder_size import folder_size
from .part_files import remove_path

OWNER_LOCK = "owner.lock"
SECONDS_TO_CLAIM = 0.5


def claim(folder: Path, lock_name: str = OWNER_LOCK) -> Optional[FileLock]:
    """Make ``folder`` this process's; None while it is another's.

    Several processes may share a folder, each with a ``lock_name`` of its own.

    Raises:
        OSError: the folder is not there or not writable, or the disk knows no locks.
    """
    end = time.monotonic() + SECONDS_TO_CLAIM
    while True:
        lock = try_lock(folder / lock_name)
        # Whoever looks whether the folder is in use holds the lock for a moment.
        if lock is not None or time.monotonic() > end:
            return lock
        time.sleep(0.01)


def claimed_folders(
    parent: Path, name: Pattern[str], lock_names: Collection[str] = (OWNER_LOCK,)
) -> List[Path]:
    """Those in ``parent`` that processes own or have owned: so called, and with such a lock."""
    return [folder for folder in folders_called(parent, name) if _was_claimed(folder, lock_names)]


def remove_never_claimed(parent: Path, name: Pattern[str]) -> None:
    """Remove those that a process was killed in between making and claiming: they are empty."""
    for folder in folders_called(parent, name):
        with contextlib.suppress(OSError):
            folder.rmdir()


def folders_called(parent: Path, name: Pattern[str]) -> List[Path]:
    """Those in ``parent`` that are so called, whoever made them; links are none."""
    try:
        with os.scandir(parent) as entries:
            return sorted(
                Path(entry.path)
                for entry in entries
                if name.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False)
            )
    except OSError:  # gone, or another user's
        return []


def _was_claimed(folder: Path, lock_names: Collection[str]) -> bool:
    try:
        return any(name in lock_names for name in os.listdir(folder))  # noqa: PTH208
    except PermissionError:
        # That of another user of a group, who alone may remove it.
        return True
    except OSError:
        return False


def is_in_use(folder: Path) -> bool:
    """Whether a living process owns ``folder``; where that cannot be known, one does."""
    with _all_locks(folder) as locks:
        return locks is None


def remove_claimed(folder: Path) -> None:
    """Remove ``folder`` as far as that is possible, its lock last.

    Without one, what is left when this process is killed meanwhile would be anybody's.
    """
    remove_content(folder, {OWNER_LOCK})
    shutil.rmtree(folder, ignore_errors=True)


def remove_content(folder: Path, kept: Collection[str]) -> None:
    """Remove what is in ``folder``, but for the names ``kept``."""
    with contextlib.suppress(OSError):
        for path in list(folder.iterdir()):
            if path.name not in kept:
                remove_path(path)


def remove_unless_in_use(
    folder: Path,
    first: Callable[[], None] = lambda: None,
    remove: Callable[[Path], None] = remove_claimed,
) -> int:
    """Remove ``folder`` with all that is in it, after ``first``; the bytes freed are returned.

    Nothing is done to a folder that a living process owns. What cannot be removed stays for the
    next time, as does what ``remove`` leaves.
    """
    with _all_locks(folder) as locks:
        if locks is None:
            return 0
        first()
        size = folder_size(folder)
        if sys.platform == "win32":
            # An open file cannot be removed there, nor one that its owner has opened meanwhile.
            _release(locks)
        remove(folder)
        return size - folder_size(folder)


@contextmanager
def _all_locks(folder: Path) -> Iterator[Optional[List[FileLock]]]:
    """All locks of the folder's owners, None where a living process has one of them."""
    locks: List[FileLock] = []
    try:
        yield locks if _take_locks(folder, locks) else None
    finally:
        _release(locks)


def _take_locks(folder: Path, locks: List[FileLock]) -> bool:
    try:
        # That of an owner is always taken: one who comes now must not find it free.
        for path in {folder / OWNER_LOCK, *folder.glob("*.lock")}:
            lock = try_lock(path)
            if lock is None:
                return False
            locks.append(lock)
    except OSError:
        return False
    return True


def _release(locks: List[FileLock]) -> None:
    while locks:
        locks.pop().release()
