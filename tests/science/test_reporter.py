"""What is going on and how long is left, in words."""

import time

import pytest
from fairweather.core.bridge.events import MAX_TEXT, Message, Progress
from fairweather.core.science.reporter import (
    EventReporter,
    RecordingReporter,
    StageProgress,
    time_left_in_words,
)


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
        (30, "Reading: 10 of 40 blocks, about 2 min left"),
        (90, "Reading: 40 of 40 blocks"),
    ]


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
        (55, "about 1 min"),
        (110, "about 2 min"),
        (3299, "about 55 min"),
        (3300, "about 1 h"),
        (5400, "about 1.5 h"),
    ],
)
def test_a_duration_is_told_as_a_person_would(seconds, words):
    assert time_left_in_words(seconds) == words


def test_the_newest_progress_is_sent_late_rather_than_never():
    sent = []
    reporter = EventReporter(sent.append)
    for percent in range(20):
        reporter.progress(percent, f"step {percent}")
    assert sent == [Progress(0, "step 0")]
    time.sleep(0.3)
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
