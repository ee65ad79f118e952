"""How this process keeps memory, and when it looks for objects that nobody uses any more."""

from __future__ import annotations

import ctypes
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

# glibc's M_ARENA_MAX (mallopt(3)).
MOST_HEAPS_OPTION = -8


def keep_one_heap() -> None:
    """Let all threads use one heap; to be called before there are any.

    By default glibc gives every thread one of its own, and dozens of reading threads then hold a
    third more than a run uses. Other systems have no such setting and need none.
    """
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            mallopt(MOST_HEAPS_OPTION, 1)


@contextmanager
def kept_for_good() -> Iterator[None]:
    """What is made meanwhile stays until the end: modules, which Python need not look through.

    To look for cycles among them takes a tenth of the time that it takes to load them.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.freeze()
