"""How this process keeps memory, and when it looks for objects that nobody uses any more."""

from __future__ import annotations

import ctypes
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from ..bridge.worker_death import MEMORY_IS_LIMITED

if sys.platform != "win32":
    import resource

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


def memory_limit() -> int | None:
    """How many bytes of addresses this process may have, where somebody set a limit."""
    if sys.platform == "win32":
        return None
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    return None if limit == resource.RLIM_INFINITY else limit


def tell_memory_limit() -> None:
    """Say on stderr that there is one: a library that gets no memory may end without a word."""
    limit = memory_limit()
    if limit is not None:
        print(f"{MEMORY_IS_LIMITED}: {limit >> 20} MB of addresses", file=sys.stderr)


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
