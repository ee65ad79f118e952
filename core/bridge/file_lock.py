"""Locks on files, watched over by the operating system.

A lock ends with the process that holds it, however that ends, so it is never stale.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import IO, Optional

from .group_sharing import share_with_group

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl


class NoLocksError(OSError):
    """The disk knows no locks."""


class FileLock:
    """A lock that is held until it is released, or until this process ends."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def release(self) -> None:
        """Let others have it; the file stays."""
        self._stream.close()


def try_lock(path: Path) -> Optional[FileLock]:
    """The lock on the file at ``path``, which is made if need be; None where it is another's.

    It is another's, too, where the file is removed meanwhile: whoever does that has the lock. In a
    folder that a group shares, all of them may take it.

    Raises:
        NoLocksError: the disk knows no locks.
        OSError: the file cannot be made, or is a link.
    """
    # Path.open takes no opener.
    stream = open(path, "a+b", opener=_opened_itself)  # noqa: SIM115
    try:
        share_with_group(stream.fileno(), path.parent)
        if _lock(stream) and os.path.samestat(os.fstat(stream.fileno()), path.stat()):
            return FileLock(stream)
    except FileNotFoundError:
        pass
    except BaseException:
        stream.close()
        raise
    stream.close()
    return None


def _opened_itself(path: str, flags: int) -> int:
    """The file, where it is one, and not what a link there leads to."""
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o666)


def _lock(stream: IO[bytes]) -> bool:
    try:
        if sys.platform == "win32":
            stream.seek(0)
            msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError as error:
        raise NoLocksError(error.errno, error.strerror) from error
    return True
