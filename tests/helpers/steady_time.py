"""Time as it passes for a test, without that in which the machine stands still or works for others.

Whoever measures looks at the clock many times a second. What lies between two looks and is longer
was the machine's: nothing could have happened in it. Standard library only.
"""

import threading
import time

MOST_SECONDS_OF_A_STEP = 0.1


class Clock:
    """Counts the ``seconds`` since it was made, as far as somebody has it ``tick``."""

    def __init__(self):
        self.seconds = 0.0
        self._last = time.monotonic()

    def tick(self):
        now = time.monotonic()
        self.seconds += min(now - self._last, MOST_SECONDS_OF_A_STEP)
        self._last = now


class Stopwatch:
    """A clock that a thread has tick, until it is asked how many seconds there were."""

    def __init__(self):
        self._clock = Clock()
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def seconds(self):
        """Those since it was made, until now."""
        return self._clock.seconds

    def stop(self):
        """The seconds since it was made."""
        self._is_over.set()
        self._thread.join()
        return self._clock.seconds

    def _run(self):
        while not self._is_over.wait(0.01):
            self._clock.tick()
        self._clock.tick()
