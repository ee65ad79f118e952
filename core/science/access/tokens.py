"""Tokens that end: fetched once for all threads, and renewed before they end."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass

from ...bridge.errors import AccessError
from ..web.errors import REFUSED
from ..web.routes import Route

# A token is renewed when a part of its time is left, but not earlier than it makes sense.
SHARE_LEFT = 0.2
MOST_SECONDS_LEFT = 300.0


@dataclass(frozen=True)
class Token:
    """``text`` lets in for ``seconds`` from when it was given."""

    text: str
    seconds: float

    def __repr__(self) -> str:
        return f"Token(seconds={self.seconds})"


class KeptToken:
    """The token that is valid now; for any number of threads."""

    def __init__(self, fetch: Callable[[], Token]) -> None:
        """``fetch`` asks for a new one, or raises ``AccessError``."""
        self._fetch = fetch
        self._lock = threading.Lock()
        self._text = ""
        self._end = self._renewal = 0.0
        self._let_in = False

    def text(self) -> str:
        """The token; the first call, and one after its end, wait for a new one.

        Raises:
            AccessError: there is none to be had.
        """
        now = time.monotonic()
        if now >= self._end:
            with self._lock:
                if time.monotonic() >= self._end:
                    self._renew()
        elif now >= self._renewal and self._lock.acquire(blocking=False):
            # The others go on with the old one, which is still good, also if this fails.
            try:
                with suppress(AccessError):
                    self._renew()
            finally:
                self._lock.release()
        return self._text

    def accepted(self, text: str) -> None:
        """A server let this token in."""
        if text == self._text:
            self._let_in = True

    def refused(self, text: str) -> bool:
        """A server refused this token; whether there is another one to try.

        One that never let anybody in is not renewed: the next would be refused as well.

        Raises:
            AccessError: there is none to be had.
        """
        with self._lock:
            if text == self._text:
                if not self._let_in:
                    return False
                self._renew()
            return True

    def _renew(self) -> None:
        token = self._fetch()
        end = time.monotonic() + token.seconds
        # Threads look without the lock: the end is the last that they may see.
        self._let_in = False
        self._text = token.text
        self._renewal = end - min(MOST_SECONDS_LEFT, SHARE_LEFT * token.seconds)
        self._end = end


@dataclass(frozen=True, repr=False, kw_only=True)
class TokenRoute(Route):
    """With the ``text`` of a token that ends."""

    token: KeptToken
    text: str

    def accepted(self) -> None:
        """A server let the token in."""
        self.token.accepted(self.text)

    def is_outdated(self, status: int, headers: Mapping[str, str]) -> bool:  # noqa: ARG002
        """Whether the token was refused, and there is a newer one now.

        Raises:
            AccessError: there is none to be had.
        """
        return status in REFUSED and self.token.refused(self.text)
