"""Events survive the way over a pipe; anything else is refused."""

import json

import pytest
from fairweather.core.bridge.errors import WorkerError
from fairweather.core.bridge.events import (
    EVENT_TYPES,
    MAX_LINE_BYTES,
    MAX_TEXT,
    Failure,
    Message,
    Progress,
    Result,
    WarningMessage,
    event_from_line,
    event_to_line,
)
from hypothesis import given
from hypothesis import strategies as st

texts = st.text(max_size=200)
events = st.one_of(
    st.builds(Progress, st.floats(0, 100), texts),
    st.builds(Message, texts),
    st.builds(WarningMessage, texts),
    st.builds(Failure, texts, texts),
    st.builds(Result, st.dictionaries(texts, st.one_of(st.integers(), texts, st.none()))),
)


@given(events)
def test_an_event_is_one_ascii_line_and_comes_back_the_same(event):
    line = event_to_line(event)
    assert line.isascii()
    assert len(line.splitlines()) == 1
    assert event_from_line(line) == event


def test_the_longest_text_fits_into_a_line():
    for character in ("\U0001f6f0", "\udc80", "\n", '"'):
        assert len(event_to_line(Message(character * MAX_TEXT))) < MAX_LINE_BYTES


def test_every_event_has_a_name_of_its_own():
    assert len({kind.event for kind in EVENT_TYPES}) == len(EVENT_TYPES)


@given(st.text())
def test_any_other_text_is_refused_in_one_sentence(text):
    with pytest.raises(WorkerError, match="no event"):
        event_from_line(text)


@given(
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.floats(), st.integers(), texts),
        lambda inner: st.one_of(st.lists(inner), st.dictionaries(texts, inner)),
    )
)
def test_any_other_json_is_refused(value):
    with pytest.raises(WorkerError, match="no event"):
        event_from_line(json.dumps(value))


@pytest.mark.parametrize(
    "content",
    [
        {"event": "progress"},
        {"event": "progress", "percent": "7"},
        {"event": "progress", "percent": True},
        {"event": "progress", "percent": float("inf")},
        {"event": "progress", "percent": None},
        {"event": "progress", "percent": 1, "message": None},
        {"event": "message", "text": 1},
        {"event": "message", "text": "a", "more": 1},
        {"event": "error", "kind": [], "text": "a"},
        {"event": "result", "values": []},
        {"event": "other"},
        {"event": ["progress"]},
        {"percent": 1},
    ],
)
def test_an_event_with_wrong_fields_is_refused(content):
    with pytest.raises(WorkerError, match="no event"):
        event_from_line(json.dumps(content))


def test_deep_nesting_is_refused():
    with pytest.raises(WorkerError, match="no event"):
        event_from_line("[" * 100_000)
