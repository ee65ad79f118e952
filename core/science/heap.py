"""How this process keeps memory that was freed."""

from __future__ import annotations

import ctypes
import sys

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
