"""How long one read may take: of the processor, and with all that it waits for."""

from __future__ import annotations

import time

from steady_time import Stopwatch

# Of the processor: others may be busy with it.
SECONDS_AT_WORK = 2.0
# Ten times as long, as others may have the processors meanwhile.
SECONDS_IN_ALL = 20.0


class ReadTimes:
    """Measures one read after the other, as long as the process lives."""

    def __init__(self) -> None:
        self._stopwatch = Stopwatch()
        self._began = (0.0, 0.0)
        self._slowest = (0.0, 0.0)

    def begin(self) -> None:
        """A read begins."""
        self._began = self._now()

    def too_long(self) -> str:
        """The read is over: what took too long in it, in words; empty where nothing did."""
        at_work, in_all = (now - then for now, then in zip(self._now(), self._began, strict=True))
        self._slowest = max(self._slowest[0], at_work), max(self._slowest[1], in_all)
        if at_work > SECONDS_AT_WORK:
            return f"took {at_work:.1f} s of the processor"
        return f"took {in_all:.1f} s with all its waits" if in_all > SECONDS_IN_ALL else ""

    def figures(self) -> dict[str, float]:
        """For the scoreboard."""
        return {
            "slowest, seconds of the processor": round(self._slowest[0], 3),
            "slowest, seconds with its waits": round(self._slowest[1], 1),
        }

    def _now(self) -> tuple[float, float]:
        return time.process_time(), self._stopwatch.seconds
