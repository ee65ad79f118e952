"""How long a server is waited for that is asked for documents, and when it is given up for all."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from .errors import ForbiddenPlaceError, WebError
from .hosts import origin

# What a busy server answers.
PASSING_STATUSES = frozenset({408, 429, 500, 502, 503, 504})
# After so many failures in a row of any of its documents, a server is asked by one thread only.
FAILURES_OF_SILENCE = 8
# After so many of its documents were given up, if they are more than were read, it is given up;
# and none is asked for twice any more.
MOST_GIVEN_UP = 8
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 30.0
LEAST_SHARE = 0.8
# More than it takes to connect and to wait for the next bytes, each until its time limit.
MOST_SECONDS_OF_AN_ATTEMPT = 75.0


@dataclass(frozen=True)
class Patience:
    """How often, and for how many ``seconds``, a document is asked for again."""

    retries: int
    seconds: float


# Nothing is lost yet, and somebody sits before the screen.
FOR_A_STRANGER = Patience(retries=2, seconds=30)
# Only this document is broken.
WHILE_OTHERS_ARE_READ = Patience(retries=4, seconds=100)
# A network may be away for a minute.
FOR_A_SILENT_SERVER = Patience(retries=8, seconds=100)
FOR_A_BROKEN_SERVER = Patience(retries=0, seconds=0)


class ServerDownError(WebError):
    """Nothing was asked, as the server was given up before; ``reason`` says for what."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"{reason}, so that it was given up")


@dataclass
class _Server:
    """``answers`` are the documents read, ``failures`` the attempts that failed since the last.

    ``last_reason`` is why the last of them failed.
    """

    answers: int = 0
    failures: int = 0
    given_up: int = 0
    last_reason: str = ""
    is_down: bool = False
    asking: Attempts | None = None


class Servers:
    """The servers that one client asks, as all its threads know them."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self._servers: dict[object, _Server] = {}

    @contextmanager
    def attempts(self, address: str) -> Iterator[Attempts]:
        """The attempts at one document."""
        with self.changed:
            server = self._servers.setdefault(origin(address), _Server())
        attempts = Attempts(self.changed, server)
        try:
            yield attempts
        finally:
            attempts.end()


class Attempts:
    """The attempts at one document: bounded by their number and by time.

    Each begins with ``begin`` and ends with ``succeeded`` or ``failed``.
    """

    def __init__(self, changed: threading.Condition, server: _Server) -> None:
        self._changed = changed
        self._server = server
        self._answers_before = 0
        self._failures = 0
        self._seconds = 0.0
        self._since = time.monotonic()

    def begin(self) -> None:
        """Wait until the server may be asked: of one that is silent one thread asks at a time.

        Raises:
            ServerDownError: it was given up.
        """
        with self._changed:
            self._changed.wait_for(self._may_ask)
            self._check()
            if self._server.failures >= FAILURES_OF_SILENCE:
                self._server.asking = self
            self._since = time.monotonic()

    def succeeded(self) -> None:
        """The document was read, or the server says that there is none."""
        with self._changed:
            self._server.answers += 1
            self._server.failures = 0
            self._changed.notify_all()

    def failed(self, error: WebError) -> None:
        """Wait before the next attempt, as long as the server asks for or ever longer.

        Raises:
            WebError: ``error``, if there is to be none, or the server was given up meanwhile.
        """
        if isinstance(error, ForbiddenPlaceError):
            raise error
        if error.status is not None and not error.may_pass:
            self.succeeded()
            raise error
        with self._changed:
            self._server.failures += 1
            self._server.last_reason = error.shown
            self._failures += 1
            if self._failures == 1:
                self._answers_before = self._server.answers
            self._count_time()
            pause = self._pause(error)
            patience = self._patience
            is_over = self._failures > patience.retries or self._seconds + pause > patience.seconds
            if is_over or not error.may_pass:
                self._give_up()
                raise error
            # Woken as soon as the server is given up.
            self._changed.wait_for(lambda: self._server.is_down, pause)
            self._count_time()
            self._check()

    def end(self) -> None:
        """There are no more: another thread may ask a silent server."""
        with self._changed:
            if self._server.asking is self:
                self._server.asking = None
                self._changed.notify_all()

    @property
    def _patience(self) -> Patience:
        if self._server.given_up >= MOST_GIVEN_UP:
            return FOR_A_BROKEN_SERVER
        if not self._server.answers:
            return FOR_A_STRANGER
        return FOR_A_SILENT_SERVER if self._is_silent else WHILE_OTHERS_ARE_READ

    @property
    def _is_silent(self) -> bool:
        """Whether the server sent no document to anybody since this one failed first."""
        return self._server.answers == self._answers_before

    def _may_ask(self) -> bool:
        server = self._server
        is_silent = server.failures >= FAILURES_OF_SILENCE
        return server.is_down or not is_silent or server.asking in (None, self)

    def _pause(self, error: WebError) -> float:
        pause = min(FIRST_PAUSE * 2.0 ** (self._failures - 1), LONGEST_PAUSE)
        # Never quite the same: all would come back at once.
        pause *= random.uniform(LEAST_SHARE, 1)  # nosec B311: nothing is to be guessed
        return max(pause, error.retry_after or 0.0)

    def _count_time(self) -> None:
        """Count the time since the last call, if not all of it: a computer may have slept."""
        now = time.monotonic()
        self._seconds += min(now - self._since, MOST_SECONDS_OF_AN_ATTEMPT)
        self._since = now

    def _give_up(self) -> None:
        server = self._server
        server.given_up += 1
        server.is_down = self._is_silent or server.given_up > max(MOST_GIVEN_UP, server.answers)
        self._changed.notify_all()

    def _check(self) -> None:
        if self._server.is_down:
            raise ServerDownError(self._server.last_reason)
