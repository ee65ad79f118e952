"""How a job tells what it does, and how long is left."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from ..bridge.events import MAX_TEXT, Event, Message, Progress, WarningMessage
from ..bridge.plain_text import plain_line

SECONDS_BETWEEN_PROGRESS = 0.1
SECONDS_BEFORE_ESTIMATE = 1.0
# Blocks come in pairs, and scene days in bursts: a rate of fewer steps would jump.
FEWEST_STEPS_OF_A_RATE = 8


class Reporter(Protocol):
    """Whom a job reports to; every method may be called from any thread."""

    def progress(self, percent: float, text: str) -> None:
        """The job is ``percent`` (0 to 100) done; ``text`` says what is going on."""

    def message(self, text: str) -> None:
        """Something worth a line in the log."""

    def warning(self, text: str) -> None:
        """Something the user should know about the result."""


@dataclass
class RecordingReporter:
    """Keeps what it is told, for tests and for use without a worker."""

    messages: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    progresses: list[tuple[float, str]] = field(default_factory=list)

    def progress(self, percent: float, text: str) -> None:
        """Keep the pair."""
        self.progresses.append((percent, text))

    def message(self, text: str) -> None:
        """Keep the text."""
        self.messages.append(text)

    def warning(self, text: str) -> None:
        """Keep the text."""
        self.warnings.append(text)


class EventReporter:
    """Sends what it is told as events.

    Its progress never falls and is sent ten times a second at most.
    """

    def __init__(self, send: Callable[[Event], None]) -> None:
        self._send = send
        self._lock = threading.Lock()
        self._percent = 0.0
        self._waiting: Progress | None = None
        self._sent_at = float("-inf")
        self._timer: threading.Timer | None = None

    def progress(self, percent: float, text: str) -> None:
        """Send the progress now, or a moment later if one was just sent; the newest wins."""
        with self._lock:
            self._percent = max(self._percent, min(float(percent), 100.0))
            self._waiting = Progress(self._percent, _shown(text))
            wait = self._sent_at + SECONDS_BETWEEN_PROGRESS - time.monotonic()
            if wait <= 0:
                self._flush()
            elif self._timer is None:
                self._timer = threading.Timer(wait, self.flush)
                self._timer.daemon = True
                self._timer.start()

    def message(self, text: str) -> None:
        """Send the text to the log, after the progress that waits."""
        self.flush()
        self._send(Message(_shown(text)))

    def warning(self, text: str) -> None:
        """Send the text as a warning, after the progress that waits."""
        self.flush()
        self._send(WarningMessage(_shown(text)))

    def flush(self) -> None:
        """Send the progress that waits, if any: nothing comes after this by itself."""
        with self._lock:
            self._flush()

    def _flush(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._waiting is not None:
            self._send(self._waiting)
            self._waiting = None
            self._sent_at = time.monotonic()


def _shown(text: str) -> str:
    """``text``, which may repeat a stranger's words, for a log."""
    return plain_line(text[:MAX_TEXT])[:MAX_TEXT]


@dataclass
class StageProgress:
    """Progress through ``total`` equal steps, from ``start`` to ``end`` percent of the job.

    It says, for example, ``Reading: 12 of 40 blocks, 24 a minute, about 70 s left``. The rate is
    that of the last steps rather than of all, and changes gently.

    Example:
        >>> stage = StageProgress(reporter, 10, 90, total=40, text="Reading", unit="blocks")
        >>> for block in blocks:
        ...     stage.advance()
    """

    reporter: Reporter
    start: float
    end: float
    total: int
    text: str
    unit: str
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        self._done = 0
        self._began = self.clock()
        self._rate = _Rate(max(FEWEST_STEPS_OF_A_RATE, self.total / 8), self._began)
        self._lock = threading.Lock()
        self.reporter.progress(self.start, f"{self.text}: 0 of {self.total} {self.unit}")

    def advance(self, count: int = 1) -> None:
        """``count`` more steps are done; may be called from any thread."""
        with self._lock:
            self._rate.add(count, self.clock())
            self._tell(count)

    def skip(self, count: int = 1) -> None:
        """``count`` more steps were done before, and say nothing of how long the others take."""
        with self._lock:
            self._rate.wait(self.clock())
            self._tell(count)

    def _tell(self, count: int) -> None:
        self._done = min(self._done + count, self.total)
        share = self._done / self.total if self.total else 1.0
        self.reporter.progress(
            self.start + share * (self.end - self.start),
            f"{self.text}: {self._done} of {self.total} {self.unit}{self._time_left()}",
        )

    def _time_left(self) -> str:
        left = self.total - self._done
        elapsed = self.clock() - self._began
        steps_by_second = self._rate.steps_by_second
        if not left or elapsed < SECONDS_BEFORE_ESTIMATE or not steps_by_second:
            return ""
        words = time_left_in_words(left / steps_by_second)
        return f", {rate_in_words(steps_by_second)}, {words} left"


class _Rate:
    """How fast steps are done: each counts less the more steps have come after it.

    Counting by steps and not by seconds, the rate is as steady for steps of a minute as for steps
    of a millisecond. ``memory`` is after how many steps one counts about a third.
    """

    def __init__(self, memory: float, now: float) -> None:
        self._memory = memory
        self._now = now
        self._steps = 0.0
        self._seconds = 0.0

    def add(self, steps: int, now: float) -> None:
        if not steps:
            return
        kept = math.exp(-steps / self._memory)
        # As if they had come one by one, each after the same time.
        counted = self._memory * (1 - kept)
        self._steps = self._steps * kept + counted
        self._seconds = self._seconds * kept + counted * (now - self._now) / steps
        self._now = now

    def wait(self, until: float) -> None:
        """The time until then was for something else."""
        self._now = until

    @property
    def steps_by_second(self) -> float:
        """0 where it is not known yet."""
        return self._steps / self._seconds if self._seconds > 0 else 0.0


def rate_in_words(steps_by_second: float) -> str:
    """A rate as a person would say it: ``24 a minute``."""
    for unit, seconds in (("second", 1), ("minute", 60)):
        steps = steps_by_second * seconds
        if steps >= 1:
            return f"{_two_digits(steps)} a {unit}"
    return f"{_two_digits(steps_by_second * 3600)} an hour"


def _two_digits(number: float) -> str:
    return f"{number:.1f}" if number < 9.95 else f"{number:,.0f}"


def time_left_in_words(seconds: float) -> str:
    """A duration as a person would say it: ``about 2 min``."""
    if seconds < 10:
        return "a few seconds"
    if seconds < 95:
        return f"about {round(seconds / 10) * 10} s"
    if seconds < 55 * 60:
        return f"about {max(1, round(seconds / 60))} min"
    hours = round(seconds / 1800) / 2
    return f"about {hours:g} h"
