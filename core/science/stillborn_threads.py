"""Threads that die before they begin, where memory ends: Python waits for them for ever."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from types import FrameType

SECONDS_BETWEEN_LOOKS = 0.5
# So many looks in a row see the same start of a thread, which otherwise takes milliseconds. Counted
# and not timed: a machine that stands still starts none.
MOST_LOOKS = 20


class ThreadStarts:
    """Whether some thread waits in vain for one that it starts.

    ``Thread.start`` waits until the new thread says that it has begun. One that gets no memory for
    that dies without a word.
    """

    def __init__(self) -> None:
        # Held, so that no later call is taken for the same.
        self._looks: dict[FrameType, int] = {}

    def one_hangs(self) -> bool:
        """Look once more; whether one start was seen ``MOST_LOOKS`` times in a row."""
        self._looks = {start: self._looks.get(start, 0) + 1 for start in _starts()}
        return MOST_LOOKS in self._looks.values()


def end_when_a_thread_is_stillborn(end: Callable[[], None]) -> None:
    """Call ``end`` from a thread as soon as another waits in vain for one that it starts."""
    starts = ThreadStarts()

    def watch() -> None:
        hangs = False
        while not hangs:
            try:
                time.sleep(SECONDS_BETWEEN_LOOKS)
                hangs = starts.one_hangs()
            except Exception:  # for want of memory, say: the look does not count
                hangs = False
        end()

    threading.Thread(target=watch, name="stillborn", daemon=True).start()


def _starts() -> set[FrameType]:
    """The calls of ``Thread.start`` that are under way in any thread."""
    found = set()
    for newest in sys._current_frames().values():
        frame: FrameType | None = newest
        while frame is not None:
            if frame.f_code is threading.Thread.start.__code__:
                found.add(frame)
            frame = frame.f_back
    return found
