"""JSON as strangers write it: read within bounds."""

from __future__ import annotations

import json
from typing import Any

# JSON has no words for these; some programs write them bare. They are read as text.
NUMBERS_AS_TEXT = {"NaN": "nan", "Infinity": "inf", "-Infinity": "-inf"}
# Of one value after the other in a text.
JSON_DECODER = json.JSONDecoder(parse_constant=NUMBERS_AS_TEXT.__getitem__)
# The deepest real items have about ten levels.
MOST_LEVELS = 60
# A value takes up to two hundred bytes of memory, and two of a text. A page of 1,000 published
# items has 700,000 of them, a catalogue of 100,000 links half a million.
MOST_VALUES = 2_000_000
BEFORE_VALUES = (",", "[", "{")


class TooManyValuesError(ValueError):
    """A text holds more values than any honest document."""

    def __init__(self) -> None:
        super().__init__(f"it holds more than {MOST_VALUES:,} values")


def parse_json(text: str | bytes) -> Any:
    """What ``text`` says; a bare ``NaN`` becomes a text.

    Raises:
        TooManyValuesError: it is to fill the memory.
        ValueError: it is no JSON, or nested too deeply to be read.
    """
    check_values(text)
    try:
        return json.loads(text, parse_constant=NUMBERS_AS_TEXT.__getitem__)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def check_values(text: str | bytes) -> None:
    """Check, without parsing it, that ``text`` holds no more values than any honest document.

    Raises:
        TooManyValuesError: it does, or has as many commas and brackets in its words.
    """
    if count_values(text) > MOST_VALUES:
        raise TooManyValuesError


def count_values(text: str | bytes, start: int = 0, end: int | None = None) -> int:
    """No fewer values than a part of ``text`` holds: all but the first follow one of few marks."""
    if isinstance(text, bytes):
        return 1 + sum(text.count(mark.encode(), start, end) for mark in BEFORE_VALUES)
    return 1 + sum(text.count(mark, start, end) for mark in BEFORE_VALUES)


def is_too_deep(value: Any) -> bool:
    """Whether objects and lists in ``value`` are nested deeper than any honest document's."""
    level = [value] if isinstance(value, (dict, list)) else []
    for _ in range(MOST_LEVELS):
        level = [
            child
            for parent in level
            for child in (parent.values() if isinstance(parent, dict) else parent)
            if isinstance(child, (dict, list))
        ]
        if not level:
            return False
    return True
