"""Only one process makes or removes environments at a time; the operating system keeps watch."""

from __future__ import annotations

import time
from contextlib import contextmanager
from pathlib import Path
from typing import Callable, Iterator, Optional

from ..errors import CancelledError, EnvironmentNotReadyError
from ..file_lock import FileLock, NoLocksError, try_lock

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
        OSError: nobody may work there, or this user may not.
    """
    folder.mkdir(parents=True, exist_ok=True)
    told = False
    while True:
        lock = try_environments_lock(folder)
        if lock is not None:
            break
        if is_cancelled():
            raise CancelledError("Waiting for another QGIS was cancelled.")
        if not told:
            on_wait()
            told = True
        time.sleep(POLL_SECONDS)
    try:
        yield
    finally:
        lock.release()


def try_environments_lock(folder: Path) -> Optional[FileLock]:
    """The right to work in ``folder``, or None while another process has it.

    Raises:
        EnvironmentNotReadyError: the disk knows no locks.
        OSError: the lock cannot be made, or is another user's alone.
    """
    try:
        return try_lock(folder / LOCK_NAME)
    except NoLocksError as error:
        raise EnvironmentNotReadyError(
            f"The disk of FAIRWEATHER_HOME cannot lock files ({error.strerror}); set "
            "FAIRWEATHER_HOME to a folder on a disk of this computer."
        ) from error
