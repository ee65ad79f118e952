"""Addresses: which are asked over the network, and what of them may be shown."""

from __future__ import annotations

import re
from urllib.parse import parse_qsl, unquote

WEB_SCHEMES = frozenset({"http", "https"})
# One letter before the colon is a Windows drive, not a scheme.
SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]+):")
QUERY = re.compile(r"[?#].*", re.DOTALL)
LOGIN = re.compile(r"(?<=://)[^/\\?#]*@")
BLANKS = re.compile(r"[\0-\x20\x7f]")
SLASHES = re.compile(r"[/\\]")
# A path that is escaped more often is nobody's honest one.
MOST_ESCAPES = 4
# What of a query says which document is meant, and lets nobody in.
NAMES_OF_DOCUMENTS = frozenset(
    {"assets", "bbox", "collection", "collections", "datetime", "f", "format", "id", "ids"}
    | {"item", "items", "lang", "limit"}
)


def scheme_of(text: str) -> str:
    """What stands before the colon, in lower case; empty for a path."""
    match = SCHEME.match(text)
    return match[1].lower() if match else ""


def is_remote(location: str) -> bool:
    """Whether ``location`` is a URL to be asked over the network."""
    return scheme_of(location) in WEB_SCHEMES


def without_query(location: str) -> str:
    """The location as it may be shown and written down.

    Signatures are in the query, logins before the host.
    """
    scheme = scheme_of(location)
    return without_login(QUERY.sub("", location)) if scheme not in {"", "file"} else location


def without_keys(link: str) -> str:
    """The address of a link to a document, as it may be given to others.

    It has no login, and no query unless it only says which document is meant.
    """
    link = link.partition("#")[0]
    plain, _, query = link.partition("?")
    names = {name.lower() for name, _ in parse_qsl(query, keep_blank_values=True)}
    is_harmless = ";" not in query and names <= NAMES_OF_DOCUMENTS
    return without_login(link if is_harmless else plain)


def without_login(location: str) -> str:
    """The address of a server without a user's name and password."""
    return LOGIN.sub("", location)


def has_dot_segments(path: str) -> bool:
    """Whether some server may take a segment of the path for ``.`` or ``..``.

    One removes escapes once more than another, takes a backslash for a slash, or leaves out blanks
    or what follows a semicolon.
    """
    for _ in range(MOST_ESCAPES + 1):
        plain = BLANKS.sub("", path)
        if any(name.partition(";")[0] in {".", ".."} for name in SLASHES.split(plain)):
            return True
        if (unescaped := unquote(path)) == path:
            return False
        path = unescaped
    return True
