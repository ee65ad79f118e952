"""Many threads wait for servers, few compute: more than there are processors are in each other's
way, above all in Python.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

_thread = threading.local()


class ProcessorPlaces:
    """Lets only so many threads compute at once."""

    def __init__(self, places: int) -> None:
        self._room = threading.Semaphore(places)

    @contextmanager
    def taken(self) -> Iterator[None]:
        """This thread computes, except where it gives up its place."""
        with self._room:
            _thread.room = self._room
            try:
                yield
            finally:
                _thread.room = None


@contextmanager
def place_given_up() -> Iterator[None]:
    """Let another thread compute while this one waits for bytes or for another thread's work."""
    room = getattr(_thread, "room", None)
    if room is None:
        yield
        return
    room.release()
    try:
        yield
    finally:
        room.acquire()
