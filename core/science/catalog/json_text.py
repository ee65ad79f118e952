"""JSON as catalogues write it: read within bounds."""

from __future__ import annotations

import json
from typing import Any

# JSON has no words for these; some programs write them bare, and STAC writes them as text.
NUMBERS_AS_TEXT = {"NaN": "nan", "Infinity": "inf", "-Infinity": "-inf"}
# Of one value after the other in a text.
JSON_DECODER = json.JSONDecoder(parse_constant=NUMBERS_AS_TEXT.__getitem__)
# The deepest real items have about ten levels.
MOST_LEVELS = 60


def parse_json(text: str | bytes) -> Any:
    """What ``text`` says; a bare ``NaN`` becomes the text that STAC has for it.

    Raises:
        ValueError: it is no JSON, or nested too deeply to be read.
    """
    try:
        return json.loads(text, parse_constant=NUMBERS_AS_TEXT.__getitem__)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


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
