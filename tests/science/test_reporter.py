"""What is going on and how long is left, in words."""

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from fairweather.core.bridge.events import MAX_TEXT, Message, Progress
from fairweather.core.science import reporter as module
from fairweather.core.science.reporter import (
    EventReporter,
    RecordingReporter,
    StageProgress,
    rate_in_words,
    time_left_in_words,
)


class Clock:
    """A clock that a test moves."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def seconds_left(reporter):
    """What the newest progress says, in seconds."""
    number, unit = re.search(r"about ([\d.]+) (s|min|h) left", reporter.progresses[-1][1]).groups()
    return float(number) * {"s": 1, "min": 60, "h": 3600}[unit]


def test_a_stage_tells_steps_and_the_time_left():
    now = [100.0]
    reporter = RecordingReporter()
    stage = StageProgress(reporter, 10, 90, 40, "Reading", "blocks", clock=lambda: now[0])
    now[0] += 30
    stage.advance(10)
    now[0] += 90
    stage.advance(30)
    assert reporter.progresses == [
        (10, "Reading: 0 of 40 blocks"),
        (30, "Reading: 10 of 40 blocks, 20 a minute, about 90 s left"),
        (90, "Reading: 40 of 40 blocks"),
    ]


def test_the_time_left_follows_the_last_steps():
    """The first half is in a cache and takes no time; then each step takes 10 s."""
    clock, reporter = Clock(), RecordingReporter()
    stage = StageProgress(reporter, 0, 100, 80, "Reading", "blocks", clock=clock)
    clock.now += 2
    stage.advance(40)
    for _ in range(20):
        clock.now += 10
        stage.advance()
    # The average of all steps would say a minute.
    assert seconds_left(reporter) == pytest.approx(200, rel=0.2)


@pytest.mark.parametrize("seconds", [0.05, 1, 60])
def test_the_time_left_falls_steadily_when_steps_come_in_pairs(seconds):
    """Two processors finish at nearly the same time, again and again."""
    clock, reporter = Clock(), RecordingReporter()
    stage = StageProgress(reporter, 0, 100, 400, "Reading", "blocks", clock=clock)
    for pair in range(150):
        for pause in (2 * seconds * 0.99, 2 * seconds * 0.01):
            clock.now += pause
            stage.advance()
            left = (400 - 2 * pair) * seconds
            if clock.now > 102 and pair > 10 and left > 20:
                assert seconds_left(reporter) == pytest.approx(left, rel=0.25)


def test_a_stage_in_many_threads_counts_every_step():
    reporter = RecordingReporter()
    stage = StageProgress(reporter, 0, 100, 4000, "Reading", "days")
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: stage.advance(), range(4000)))
    assert reporter.progresses[-1] == (100, "Reading: 4000 of 4000 days")
    percents = [percent for percent, _ in reporter.progresses]
    assert percents == sorted(percents)


@pytest.mark.parametrize(
    ("rate", "words"),
    [
        (1234.4, "1,234 a second"),
        (12.3, "12 a second"),
        (9.96, "10 a second"),
        (3.14, "3.1 a second"),
        (0.4, "24 a minute"),
        (0.02, "1.2 a minute"),
        (0.003, "11 an hour"),
    ],
)
def test_a_rate_is_told_as_a_person_would(rate, words):
    assert rate_in_words(rate) == words


def test_a_stage_does_not_guess_at_once_nor_pass_its_end():
    reporter = RecordingReporter()
    stage = StageProgress(reporter, 0, 100, 2, "Writing", "files", clock=lambda: 0.0)
    for _ in range(4):
        stage.advance()
    assert reporter.progresses[1] == (50, "Writing: 1 of 2 files")
    assert reporter.progresses[-1] == (100, "Writing: 2 of 2 files")


def test_a_stage_without_steps_is_done():
    reporter = RecordingReporter()
    StageProgress(reporter, 10, 20, 0, "Reading", "blocks").advance(0)
    assert reporter.progresses[-1][0] == 20


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "a few seconds"),
        (9.9, "a few seconds"),
        (10, "about 10 s"),
        (54, "about 50 s"),
        (94, "about 90 s"),
        (95, "about 2 min"),
        (3299, "about 55 min"),
        (3300, "about 1 h"),
        (5400, "about 1.5 h"),
    ],
)
def test_a_duration_is_told_as_a_person_would(seconds, words):
    assert time_left_in_words(seconds) == words


class MadeUpTimer(threading.Thread):
    """Waits until the test says that its time has come."""

    def __init__(self, seconds, call):
        super().__init__(target=call)
        self.seconds = seconds
        self.may_start = False

    def start(self):
        self.may_start = True

    def cancel(self):
        self.may_start = False


def test_the_newest_progress_is_sent_late_rather_than_never(monkeypatch):
    clock, timers, sent = Clock(), [], []

    def make_timer(seconds, call):
        timers.append(MadeUpTimer(seconds, call))
        return timers[-1]

    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=clock))
    monkeypatch.setattr(module, "threading", SimpleNamespace(Lock=threading.Lock, Timer=make_timer))
    reporter = EventReporter(sent.append)
    for percent in range(20):
        reporter.progress(percent, f"step {percent}")
    assert sent == [Progress(0, "step 0")]
    (timer,) = timers
    assert timer.may_start
    assert timer.daemon
    assert timer.seconds == pytest.approx(module.SECONDS_BETWEEN_PROGRESS)
    clock.now += timer.seconds
    timer.run()
    assert sent == [Progress(0, "step 0"), Progress(19, "step 19")]


def test_progress_stays_between_0_and_100_and_never_falls():
    sent = []
    reporter = EventReporter(sent.append)
    for percent in (-5, 30, 20, 300):
        reporter.progress(percent, "")
        reporter.flush()
    assert [event.percent for event in sent] == [0, 30, 30, 100]


def test_a_text_without_end_is_cut():
    sent = []
    EventReporter(sent.append).message("é" * 1_000_000)
    assert sent == [Message("é" * MAX_TEXT)]


def test_steps_done_before_count_but_say_nothing_of_the_rate():
    now = [0.0]
    reporter = RecordingReporter()
    stage = StageProgress(reporter, 0, 100, 40, "Reading", "blocks", clock=lambda: now[0])
    for _ in range(20):
        now[0] += 0.001
        stage.skip()
    assert reporter.progresses[-1] == (50.0, "Reading: 20 of 40 blocks")
    for _ in range(10):
        now[0] += 6.0
        stage.advance()
    assert reporter.progresses[-1] == (
        75.0,
        "Reading: 30 of 40 blocks, 10 a minute, about 60 s left",
    )
