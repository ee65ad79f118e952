"""Runs that start on other days, and workers that do what a test says."""

import time

import pytest
from fairweather.core.bridge import days_of_use
from fairweather.core.bridge.home import jobs_folder
from fairweather.core.bridge.leftovers import tidy_up
from fake_worker import FakeWorker

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


@pytest.fixture
def fake_worker(tmp_path, is_alive, wait_until):
    """A function that makes a worker of a script; none of its processes and folders stays."""
    yield lambda body: FakeWorker(tmp_path / "fake launch ščž.py", body)
    for pid_file in tmp_path.glob("*.pid"):
        # What was killed may take a moment to be gone.
        wait_until(lambda path=pid_file: not is_alive(int(path.read_text())), 2)
    assert not jobs_folder().exists() or list(jobs_folder().iterdir()) == []
