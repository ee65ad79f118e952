"""From JSON to frozen dataclasses, every value checked against the type that its field names."""

from __future__ import annotations

import dataclasses
import json
import math
import re
import typing
from typing import Any, Dict, Union

from .errors import InvalidRequestError
from .text_length import shortened

MOST_DIGITS = 4_000  # of a whole number; far more than a float holds
MAX_WHOLE_NUMBER = 2**53  # above, a float no longer holds every whole number
MOST_LEVELS = 20  # of what may be anything: a MultiPolygon has five
# Halves of characters but those by which Python writes a file name in another encoding (PEP 383).
_NO_TEXT = re.compile("[\0\ud800-\udc7f\udd00-\udfff]")
TYPES_IN_WORDS = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}


def parse_json(text: str) -> Any:
    """What ``text`` holds; NaN and infinities are no JSON.

    Raises:
        ValueError: it is not JSON.
        RecursionError: it is nested too deeply.
    """
    return json.loads(text, parse_int=_whole, parse_float=_finite, parse_constant=_finite)


def build(kind: Any, content: Any, subject: str, where: str = "") -> Any:
    """The dataclass ``kind`` from ``content``, as JSON has it.

    ``subject`` begins the sentences about what is wrong (``The request``); ``where`` is the path
    to ``content`` in it, such as ``search``.

    Raises:
        InvalidRequestError: an unknown field, a missing one, or a value of another type.
    """
    if not isinstance(content, dict):
        raise InvalidRequestError(f"{subject}'s {shortened(where)} must be an object.")
    hints = typing.get_type_hints(kind)
    prefix = f"{where}." if where else ""
    fields = {field.name: field for field in dataclasses.fields(kind)}
    unknown = sorted(set(content) - set(fields))
    if unknown:
        known = ", ".join(fields)
        raise InvalidRequestError(
            f"{subject} has the unknown field {shortened(prefix + unknown[0])}; known are {known}."
        )
    values = {}
    for name, field in fields.items():
        if name in content:
            values[name] = _convert(hints[name], content[name], subject, prefix + name)
        elif field.default is field.default_factory is dataclasses.MISSING:
            raise InvalidRequestError(f"{subject} lacks the field {prefix + name!r}.")
    return kind(**values)


def _whole(text: str) -> int:
    # Reading a number takes the square of its length.
    if len(text) > MOST_DIGITS:
        raise ValueError(f"{shortened(text)} is too long a number")
    return int(text)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{shortened(text)} is not a finite number")
    return number


def _convert(hint: Any, value: Any, subject: str, where: str) -> Any:
    """``value``, as JSON has it, in the type that ``hint`` names."""
    if dataclasses.is_dataclass(hint):
        return build(hint, value, subject, where)
    origin = typing.get_origin(hint)
    arguments = typing.get_args(hint)
    if origin is Union:
        return None if value is None else _convert(arguments[0], value, subject, where)
    if origin is tuple:
        if not isinstance(value, list):
            raise InvalidRequestError(f"{subject}'s {shortened(where)} must be a list.")
        return tuple(
            _convert(arguments[0], item, subject, f"{where}[{index}]")
            for index, item in enumerate(value)
        )
    if origin is dict:
        if not isinstance(value, dict):
            raise InvalidRequestError(f"{subject}'s {shortened(where)} must be an object.")
        return _convert_values(arguments, value, subject, where)
    if hint is float and type(value) is int and abs(value) < MAX_WHOLE_NUMBER:
        return float(value)
    if hint is str and type(value) is str and _NO_TEXT.search(value):
        raise InvalidRequestError(
            f"{subject}'s {shortened(where)} has a character that no text or path can have."
        )
    if type(value) is not hint:
        raise InvalidRequestError(f"{subject}'s {shortened(where)} must be {TYPES_IN_WORDS[hint]}.")
    return value


def _convert_values(arguments: Any, value: Dict[str, Any], subject: str, where: str) -> Any:
    """An object's values in the type of ``arguments``; its keys too, where they are numbers."""
    key_type, value_type = arguments
    if value_type is Any:
        if _is_deeper(value, MOST_LEVELS):
            raise InvalidRequestError(f"{subject}'s {shortened(where)} is nested too deeply.")
        return value
    converted = {}
    for key, inner in value.items():
        if key_type is int and not re.fullmatch("0|[1-9][0-9]{0,8}", key):
            raise InvalidRequestError(
                f"{subject}'s {shortened(where)} has the key {shortened(key)}, "
                "which is no whole number."
            )
        converted[key_type(key)] = _convert(value_type, inner, subject, f"{where}.{key}")
    return converted


def _is_deeper(value: Any, levels: int) -> bool:
    """Whether lists and objects lie in each other by more than so many levels."""
    inner = value.values() if isinstance(value, dict) else value
    return not levels or any(
        _is_deeper(one, levels - 1) for one in inner if isinstance(one, (dict, list))
    )
