"""Many threads wait for servers, few compute: more than there are processors are in each other's
way, above all in Python.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from queue import SimpleQueue

_thread = threading.local()


class ProcessorPlaces:
    """Lets only so many threads compute at once."""

    def __init__(self, places: int) -> None:
        # A queue of places is in C; Python's semaphore is not, and takes several times as long.
        self._free: SimpleQueue[None] = SimpleQueue()
        for _ in range(places):
            self._free.put(None)

    @contextmanager
    def taken(self) -> Iterator[None]:
        """This thread computes, except where it gives up its place."""
        self._free.get()
        _thread.free_places = self._free
        try:
            yield
        finally:
            _thread.free_places = None
            self._free.put(None)


@contextmanager
def place_given_up() -> Iterator[None]:
    """Let another thread compute while this one waits for bytes or for another thread's work."""
    free: SimpleQueue[None] | None = getattr(_thread, "free_places", None)
    if free is None:
        yield
        return
    free.put(None)
    try:
        yield
    finally:
        free.get()
