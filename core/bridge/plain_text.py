"""Texts of strangers, made harmless for a log and for the cell of a table."""

from __future__ import annotations

import re

# Control characters and escapes of terminals, the ends of lines among them, marks that turn the
# direction of what follows, and halves of characters, which no file or widget takes.
_UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)
# What a spreadsheet takes for the beginning of a formula.
_FORMULA_STARTS = ("=", "+", "-", "@")
# A signature, or a key, is in an address's query.
_QUERY = re.compile(r"(https?://[^\s?#'\"<>]*)[?#][^\s'\"<>,;)]*", re.IGNORECASE)


def plain_line(text: str) -> str:
    """``text`` as one line of a log, in which nothing is hidden: ``\\x1b`` for an escape character.

    Addresses are without their queries.
    """
    return _visible(_QUERY.sub(r"\1", text))


def plain_cell(text: str) -> str:
    """``text`` for a cell of a table: a line that no spreadsheet takes for a formula."""
    line = _visible(text)
    return f"'{line}" if line.lstrip().startswith(_FORMULA_STARTS) else line


def _visible(text: str) -> str:
    return _UNSEEN.sub(_in_ascii, text)


def _in_ascii(match: re.Match[str]) -> str:
    number = ord(match[0])
    return f"\\x{number:02x}" if number < 256 else f"\\u{number:04x}"
