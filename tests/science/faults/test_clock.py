"""A clock that is set while a run is on: by a day back, by a year ahead, again and again."""

import itertools
import threading
import time
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from types import SimpleNamespace

import pytest
from fairweather.core.science.access.tokens import KeptToken, Token
from fairweather.core.science.imagery.files import patience
from fairweather.core.science.reporter import RecordingReporter, StageProgress
from fairweather.core.science.web.retry_after import retry_after
from small_job import assert_same_pixels
from urllib3.exceptions import ProtocolError

DAY, YEAR = 86_400, 365 * 86_400


@pytest.fixture
def jumping_clock(monkeypatch):
    """Each look at the clock of the wall shows another time; how often it was looked at."""
    looks = []
    jumps = itertools.cycle((0, -DAY, YEAR, -YEAR, DAY))
    real = time.time

    def now():
        looks.append(1)
        return real() + next(jumps)

    monkeypatch.setattr(time, "time", now)
    return looks


def test_a_composite_with_retries_is_the_same(small_job, server, impatient, jumping_clock):
    server.script = {2: "503", 5: "429 after 0", 9: "reset", 14: "stall"}
    began = time.monotonic()
    outcome = small_job.run()
    assert_same_pixels(outcome.pixels, small_job.oracle())
    assert not outcome.named
    assert time.monotonic() - began < 20


def test_a_series_with_retries_is_the_same(small_job, server, impatient, jumping_clock):
    calm, _ = small_job.series()
    server.script = {2: "503", 5: "reset"}
    server.requests = 0
    assert small_job.series()[0] == calm


@pytest.mark.parametrize("wrong_by", [-YEAR, -DAY, 0, DAY, YEAR])
def test_a_moment_to_come_back_at_is_taken_by_the_servers_clock(wrong_by):
    now = datetime.now(timezone.utc) + timedelta(seconds=wrong_by)
    moment = now + timedelta(seconds=7)
    headers = {"Date": format_datetime(now, usegmt=True)}
    headers["Retry-After"] = format_datetime(moment, usegmt=True)
    assert retry_after(headers) == 7


def test_the_time_left_does_not_jump(jumping_clock):
    reporter = RecordingReporter()
    stage = StageProgress(reporter, 0, 100, 10, "Reading", "blocks")
    for _ in range(10):
        stage.advance()
        time.sleep(0.005)
    assert not jumping_clock
    assert [percent for percent, _ in reporter.progresses] == [10.0 * n for n in range(11)]


def test_a_token_is_kept_for_as_long_as_it_lasts(jumping_clock):
    fetched = []

    def fetch():
        fetched.append(1)
        return Token("secret", 3600)

    token = KeptToken(fetch)
    assert {token.text() for _ in range(50)} == {"secret"}
    assert len(fetched) == 1
    assert not jumping_clock


def test_a_computer_that_sleeps_does_not_wait_meanwhile(monkeypatch):
    """On Windows the clock goes on; what was being read is found broken after waking up."""
    hours = itertools.count(0, 3600)
    monkeypatch.setattr(patience, "time", SimpleNamespace(monotonic=lambda: next(hours)))
    monkeypatch.setattr(threading.Event, "wait", lambda *_: False)
    hosts, href = patience.Hosts(lambda _: False), "http://example.com/a.tif"
    attempts = hosts.attempts(href, patience.retry_policy())
    hosts.answered(href, is_read=True)
    for _ in range(2):
        attempts.wait(ProtocolError("reset"))
    with pytest.raises(ProtocolError):
        attempts.wait(ProtocolError("reset"))
