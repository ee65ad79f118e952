"""Runs that start on other days, for tests of what is left over."""

import time

import pytest
from fairweather.core.bridge import days_of_use
from fairweather.core.bridge.leftovers import tidy_up

DAY = 24 * 3600


@pytest.fixture
def runs_on(monkeypatch):
    """A function that starts a run so many days from now, by the clock of the wall."""

    now = time.time()

    def start(day, times=1):
        with monkeypatch.context() as patch:
            patch.setattr(days_of_use.time, "time", lambda: now + day * DAY)
            for _ in range(times):
                tidy_up()

    return start
