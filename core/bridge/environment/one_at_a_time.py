"""Only one process makes or removes environments at a time; the operating system keeps watch.

The lock ends with the process that holds it, however that ends, so it is never stale.
"""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Callable, Iterator

from ..errors import CancelledError, EnvironmentNotReadyError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

LOCK_NAME = ".lock"
POLL_SECONDS = 0.2


@contextmanager
def one_at_a_time(
    folder: Path, on_wait: Callable[[], None], is_cancelled: Callable[[], bool]
) -> Iterator[None]:
    """Wait until nobody else works in ``folder``, and keep others waiting meanwhile.

    ``on_wait`` is called once if there is somebody to wait for.

    Raises:
        CancelledError: cancelled while waiting.
        EnvironmentNotReadyError: the disk knows no locks.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / LOCK_NAME).open("a+b") as stream:
        told = False
        while not _try_lock(stream):
            if is_cancelled():
                raise CancelledError("Waiting for another QGIS was cancelled.")
            if not told:
                on_wait()
                told = True
            time.sleep(POLL_SECONDS)
        try:
            yield
        finally:
            _unlock(stream)


def _try_lock(stream: IO[bytes]) -> bool:
    try:
        if sys.platform == "win32":
            stream.seek(0)
            msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError as error:
        raise EnvironmentNotReadyError(
            f"The disk of FAIRWEATHER_HOME cannot lock files ({error.strerror}); set "
            f"FAIRWEATHER_HOME to a folder on a disk of this computer."
        ) from error
    return True


def _unlock(stream: IO[bytes]) -> None:
    if sys.platform == "win32":
        stream.seek(0)
        msvcrt.locking(stream.fileno(), msvcrt.LK_UNLCK, 1)
    else:
        fcntl.flock(stream, fcntl.LOCK_UN)
