"""Folders that belong to a process as long as it lives, and are anybody's to remove afterwards."""

from __future__ import annotations

import shutil
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import Callable, Iterator, List, Optional

from .file_lock import FileLock, try_lock
from .folder_size import folder_size

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


def is_in_use(folder: Path) -> bool:
    """Whether a living process owns ``folder``; where that cannot be known, one does."""
    with _all_locks(folder) as locks:
        return locks is None


def _remove_tree(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)


def remove_unless_in_use(
    folder: Path,
    first: Callable[[], None] = lambda: None,
    remove: Callable[[Path], None] = _remove_tree,
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
