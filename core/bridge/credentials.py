"""Keys for catalogues and storage, as they travel from QGIS to the worker: by a pipe only.

Nothing here shows what it holds: a repr, and so a traceback or a log, names the kind only.
"""

from __future__ import annotations

import dataclasses
import json
import re
from dataclasses import dataclass, field
from typing import ClassVar, Dict, Union

from .errors import InvalidRequestError
from .typed_json import build, parse_json

MOST_LINE_BYTES = 1 << 16

# What a header may carry; anything else would be refused later, in words that repeat it.
_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HEADER_VALUE = re.compile(r"[!-~](?:[ -~]*[!-~])?")


@dataclass(frozen=True)
class Login:
    """A name and a password, for HTTP Basic; for storage they are an access key and its secret."""

    kind: ClassVar[str] = "login"

    name: str
    password: str = field(repr=False)


@dataclass(frozen=True)
class Headers:
    """Headers of each request by name: a bearer token, an API key."""

    kind: ClassVar[str] = "headers"

    values: Dict[str, str] = field(repr=False)


@dataclass(frozen=True)
class TokenGrant:
    """How to be given tokens by OAuth2 (RFC 6749): client credentials, or a user's password.

    Without ``user`` the client itself is who is let in.
    """

    kind: ClassVar[str] = "token-grant"

    token_address: str
    client_id: str
    client_secret: str = field(default="", repr=False)
    user: str = ""
    password: str = field(default="", repr=False)
    scope: str = ""


@dataclass(frozen=True)
class StorageKeys:
    """Keys of S3 storage; ``region`` is empty where the collection's profile knows it."""

    kind: ClassVar[str] = "storage-keys"

    access_key: str
    secret_key: str = field(repr=False)
    region: str = ""


Credentials = Union[Login, Headers, TokenGrant, StorageKeys]
KINDS = (Login, Headers, TokenGrant, StorageKeys)


def credentials_to_line(credentials: Credentials) -> str:
    """One line of JSON, without its end."""
    return json.dumps({"kind": credentials.kind, **dataclasses.asdict(credentials)})


def credentials_from_line(line: str) -> Credentials:
    """The credentials that ``line`` holds.

    Raises:
        InvalidRequestError: it is no such line; the sentence does not repeat it.
    """
    subject = "What came as credentials"
    try:
        content = parse_json(line)
    except (ValueError, RecursionError):
        raise InvalidRequestError(f"{subject} is not JSON; give one line of it.") from None
    kind = content.pop("kind", None) if isinstance(content, dict) else None
    for known in KINDS:
        if kind == known.kind:
            credentials: Credentials = build(known, content, subject)
            return check_credentials(credentials)
    kinds = ", ".join(known.kind for known in KINDS)
    raise InvalidRequestError(f"{subject} has no known kind; known are {kinds}.")


def check_credentials(credentials: Credentials) -> Credentials:
    """``credentials``, if they can be sent at all.

    Raises:
        InvalidRequestError: a part is missing, or holds what no request can carry.
    """
    for part in dataclasses.fields(credentials):
        needed = part.default is dataclasses.MISSING
        if needed and not getattr(credentials, part.name):
            raise InvalidRequestError(
                f"AUTH: the configuration has no {part.name.replace('_', ' ')}; complete it in "
                "QGIS's settings."
            )
    if isinstance(credentials, Headers):
        for name, value in credentials.values.items():
            if not (_HEADER_NAME.fullmatch(name) and _HEADER_VALUE.fullmatch(value)):
                raise InvalidRequestError(
                    "AUTH: the configuration has a header that cannot be sent; headers are "
                    "letters, digits and signs of ASCII, on one line."
                )
    if isinstance(credentials, StorageKeys) and not re.fullmatch(
        "[!-~]+", credentials.access_key + credentials.secret_key
    ):
        raise InvalidRequestError(
            "AUTH: the keys have blanks or letters that no key has; copy them again."
        )
    return credentials
