"""Texts of strangers, made harmless for a log and for the cell of a table."""

from __future__ import annotations

import re
from typing import Iterable

# Control characters and escapes of terminals, the ends of lines among them, marks that turn the
# direction of what follows, and halves of characters, which no file or widget takes.
_UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)
# Where a spreadsheet may see a formula begin: with a sign, also a wide or a small one as in East
# Asian texts, in a cell, or in what becomes one where a table is opened with other separators.
_FORMULA_START = re.compile(
    '(^|[;|])(?=[\\s"]*[=+\\-@\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b])'
)
_HIDDEN = "…"
_WORD = re.compile(r"\S+")
# What may follow an address in a sentence, or in the words of a program.
_SIGNS = "'\")]}>,;:.!…"
# Where a query begins if only a part of its address is shown: ``/a/b?c``, ``a?b=c``, ``b&c=d``.
_QUERY_START = re.compile(r"(?<=/)\?\w|(?<=[\w.~%)'-])\?[^\s?=]*=|&[\w.~%-]+=")
_HOST = re.compile(r"(\[[^\]]*\]|[^:@]*)(:\d*)?")
_HEADER = re.compile(r"\b(Bearer|Basic) +(?=\S*[\d._=-])[\w.~+/=-]{8,}", re.IGNORECASE)


def plain_line(text: str) -> str:
    """``text`` as one line of a log, in which nothing is hidden: ``\\x1b`` for an escape character.

    It is ``without_secrets``.
    """
    return _visible(without_secrets(text))


def without_secrets(text: str, known: Iterable[str] = ()) -> str:
    """``text`` without what lets somebody in, as far as it can be told; ``known`` is hidden too."""
    for one in known:
        text = text.replace(one, _HIDDEN)
    # A header that lets in; then a signature or a key in an address's query, a login before a host.
    return _WORD.sub(_without_query, _HEADER.sub(rf"\1 {_HIDDEN}", text))


def _without_query(found: re.Match[str]) -> str:
    """A word without the query in it, whatever that holds, but with the signs at its end."""
    word = found[0].rstrip(_SIGNS)
    signs = found[0][len(word) :]
    before, mark, address = word.partition("://")
    if mark:
        return f"{before}://{_without_login(re.split('[?#]', address, maxsplit=1)[0])}{signs}"
    start = _QUERY_START.search(word)
    return f"{word[: start.start()]}{signs}" if start else found[0]


def _without_login(address: str) -> str:
    host = re.split(r"[/\\]", address, maxsplit=1)[0]
    if _HOST.fullmatch(host.rstrip(_SIGNS)):
        return address
    # A password may hold any sign but the last.
    return f"{_HIDDEN}@{address.rpartition('@')[2]}" if "@" in address else _HIDDEN


def plain_cell(text: str) -> str:
    """``text`` for a cell of a table: a line that no spreadsheet takes for a formula."""
    return _FORMULA_START.sub(r"\1'", _visible(text))


def _visible(text: str) -> str:
    return _UNSEEN.sub(_in_ascii, text)


def _in_ascii(match: re.Match[str]) -> str:
    number = ord(match[0])
    return f"\\x{number:02x}" if number < 256 else f"\\u{number:04x}"
