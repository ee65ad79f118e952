"""The worker's stderr, which becomes its log: what lets somebody in is not written."""

from __future__ import annotations

import base64
import contextlib
import dataclasses
import io
import json
import threading
from collections.abc import Iterator
from typing import TextIO
from urllib.parse import quote, quote_plus

from ..bridge.credentials import Credentials, Login, credentials_from_line
from ..bridge.errors import InvalidRequestError
from ..bridge.events import Failure
from ..bridge.plain_text import without_secrets

# What is as short is found in words that are none of it.
FEWEST_LETTERS = 4
# A line as long is written in parts.
MOST_WAITING = 1 << 16


class LogWithoutSecrets(io.TextIOBase):
    """Text for ``stream``, line by line: tracebacks of libraries show addresses with their keys."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._known: tuple[str, ...] = ()
        self._waiting = ""
        self._lock = threading.RLock()

    def hide(self, line: str) -> None:
        """Hide, from now on, what these credentials (as ``credentials_to_line`` has them) hold."""
        with contextlib.suppress(InvalidRequestError):
            forms = set(_forms(credentials_from_line(line)))
            self._known = tuple(sorted(forms, key=len, reverse=True))

    def shown(self, failure: Failure) -> Failure:
        """``failure`` without them."""
        return dataclasses.replace(failure, text=without_secrets(failure.text, self._known))

    def writable(self) -> bool:
        """As a file says it."""
        return True

    def fileno(self) -> int:
        """That of the stream: libraries in C write to it directly."""
        return self._stream.fileno()

    def isatty(self) -> bool:
        """Whether the stream is a terminal."""
        return self._stream.isatty()

    def write(self, text: str) -> int:
        """Write all lines that are whole."""
        with self._lock:
            self._waiting += text
            whole, end, self._waiting = self._waiting.rpartition("\n")
            self._write(whole + end)
            if len(self._waiting) > MOST_WAITING:
                self._write_waiting()
        return len(text)

    def flush(self) -> None:
        """Write what is begun, too: the process may be about to end."""
        with self._lock:
            self._write_waiting()
            self._stream.flush()

    def _write_waiting(self) -> None:
        text, self._waiting = self._waiting, ""
        self._write(text)

    def _write(self, text: str) -> None:
        if text:
            self._stream.write(without_secrets(text, self._known))


def _forms(credentials: Credentials) -> Iterator[str]:
    """Each secret, as it is, as parts of a header and in a text, an address or JSON."""
    for secret in _secrets(credentials):
        yield secret
        yield repr(secret)[1:-1]
        yield json.dumps(secret)[1:-1]
        yield from (quote(secret, safe=""), quote_plus(secret))


def _secrets(credentials: Credentials) -> Iterator[str]:
    values: list[str] = []
    for field in dataclasses.fields(credentials):
        value = getattr(credentials, field.name)
        if not field.repr:
            values += value.values() if isinstance(value, dict) else [value]
    if isinstance(credentials, Login):
        login = f"{credentials.name}:{credentials.password}"
        values.append(base64.b64encode(login.encode()).decode())
    # A header's value is often two words: the scheme and the token.
    values += [word for value in values for word in value.split()[1:]]
    yield from (value for value in values if len(value) >= FEWEST_LETTERS)
