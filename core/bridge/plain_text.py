"""Texts of strangers, made harmless for a log, for the cell of a table and for a file's tags."""

from __future__ import annotations

import re
from typing import Iterable

# Control characters and escapes of terminals, the ends of lines among them, marks that turn the
# direction of what follows, and halves of characters, which no file or widget takes.
_UNSEEN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ud800-\udfff]"
)
# Where a spreadsheet may see a formula begin: with a sign, also a wide or a small one as in East
# Asian texts, or with OpenDocument's ``of:=``, which GDAL writes as a formula; in a cell, or in
# what becomes one where a table is opened with other separators. And where GDAL may see JSON, which
# it writes into GeoJSON as what it says, without the escapes of its signs.
_FORMULA_START = re.compile(
    '(^(?=[{[])|(?:^|[;|])(?=[\\s"]*(?:of:)?[=+\\-@\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b]))',
    re.IGNORECASE,
)
# What Qt, which shows many texts as HTML, takes for a tag: it also takes ``< img`` and ``<"img"``,
# loads the picture of any tag with a ``style``, and needs no ``>``. Not a comparison: there the tag
# would have no name, or be a number without the ``=`` of an attribute.
_TAG_START = re.compile("<(?! *(?:< *)?[=>]| *[-+]?[0-9.][^<=>\"']*(?:>|$))")
_NO_TAG = "‹"
_HIDDEN = "…"
_WORD = re.compile(r"\S+")
# What may follow an address in a sentence, or in the words of a program.
_SIGNS = "'\")]}>,;:.!…"
# Where a query begins if only a part of its address is shown: ``/a/b?c``, ``a?b=c``, ``b&c=d``.
_QUERY_START = re.compile(r"(?<=/)\?\w|(?<=[\w.~%)'-])\?[^\s?=]*=|&[\w.~%-]+=")
_QUERY_SIGN = re.compile(r"[?#]")
_HOST = re.compile(r"(\[[^\]]*\]|[^:@]*)(:\d*)?")
_HOST_END = re.compile(r"[/\\?#]")
_HEADER = re.compile(r"\b(Bearer|Basic) +(?=\S*[\d._=-])[\w.~+/=-]{8,}", re.IGNORECASE)


def plain_line(text: str) -> str:
    """``text`` as one line of a log, in which nothing is hidden: ``\\x1b`` for an escape character.

    It is ``without_secrets``.
    """
    return plain_words(without_secrets(text))


def plain_words(text: str) -> str:
    """``text`` as one line in which nothing is hidden, and in which QGIS sees no HTML: ``‹b>``."""
    return _TAG_START.sub(_NO_TAG, _UNSEEN.sub(_in_ascii, text))


def plain_json(text: str) -> str:
    """JSON that is the same when parsed, but no HTML to QGIS, and one cell with any separator."""
    for sign in "<;|":  # which are only within texts
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


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
        return f"{before}://{_without_login(address)}{signs}"
    start = _QUERY_START.search(word)
    return f"{word[: start.start()]}{signs}" if start else found[0]


def _without_login(address: str) -> str:
    """What of an address, given from after its scheme, may be shown: neither login nor query.

    A password may hold any sign, those that end a host or a path among them: where a colon stands
    before an @, all up to the last @ may be a login. An @ in a path alone is none of a login.
    """
    host = _HOST_END.split(address, maxsplit=1)[0]
    login, _, rest = address.rpartition("@")
    if ":" in login or "@" in host:
        # What follows an @ in a query is part of it.
        return _HIDDEN if _QUERY_SIGN.search(login) else f"{_HIDDEN}@{_without_end(rest)}"
    is_host = _HOST.fullmatch(host) or _HOST.fullmatch(host.rstrip(_SIGNS))
    return _without_end(address) if is_host else _HIDDEN


def _without_end(address: str) -> str:
    return _QUERY_SIGN.split(address, maxsplit=1)[0]


def plain_cell(text: str) -> str:
    """``text`` for a cell of a table: a line that no spreadsheet takes for a formula."""
    return _FORMULA_START.sub(r"\1'", plain_words(text))


def _in_ascii(match: re.Match[str]) -> str:
    number = ord(match[0])
    return f"\\x{number:02x}" if number < 256 else f"\\u{number:04x}"
