"""How long a server is waited for that is asked for documents, and when it is given up for all."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from .errors import ForbiddenPlaceError, WebError, WrongAnswerError
from .hosts import origin

# What a busy server answers.
PASSING_STATUSES = frozenset({408, 429, 500, 502, 503, 504})
# Most often it is meant; busy servers and hotels' networks say it for a while.
FORBIDDEN = 403
# After so many failures in a row of any of its documents, a server is asked by one thread only.
FAILURES_OF_SILENCE = 8
# After so many of its documents were given up, if they are more than were read, it is given up;
# and none is asked for twice any more.
MOST_GIVEN_UP = 8
# After so many of its documents stayed forbidden or wrong, no such answer is doubted any more.
MOST_WRONG = 8
FIRST_PAUSE = 0.5
# Times the first pause: before each look whether a server still sends what it has sent before.
PAUSES_OF_LOOKS = (0, 1, 2)
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
# Of whatever server: the sentence about a wrong address or wanted keys is not to be waited for.
FOR_A_WRONG_ANSWER = Patience(retries=2, seconds=30)


class ServerDownError(WebError):
    """Nothing was asked, as the server was given up before; ``reason`` says for what."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"{reason}, so that it was given up")


@dataclass
class _Server:
    """``answers`` are the documents read, ``failures`` the attempts that failed since the last.

    ``last_reason`` is why the last of them failed. ``ask_again`` asks once for what was read last,
    and ``signs`` is how often it was sent again. ``wrong`` are the documents that were answered,
    but stayed forbidden or wrong.
    """

    answers: int = 0
    signs: int = 0
    ask_again: Callable[[], object] | None = None
    failures: int = 0
    given_up: int = 0
    wrong: int = 0
    last_reason: str = ""
    is_down: bool = False
    asking: Attempts | None = None


class Servers:
    """The servers that one client asks, as all its threads know them."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self._servers: dict[object, _Server] = {}
        self._is_over = False

    @contextmanager
    def attempts(self, address: str) -> Iterator[Attempts]:
        """The attempts at one document."""
        with self.changed:
            server = self._servers.setdefault(origin(address), _Server(is_down=self._is_over))
        attempts = Attempts(self.changed, server)
        try:
            yield attempts
        finally:
            attempts.end()

    def is_lost(self, address: str) -> bool:
        """Whether the server has sent something, and was given up afterwards."""
        with self.changed:
            server = self._servers.get(origin(address), _Server())
            return server.is_down and server.answers > 0

    def end(self) -> None:
        """Nobody needs a document any more: nobody waits any longer, and nothing is asked."""
        with self.changed:
            self._is_over = True
            for server in self._servers.values():
                server.is_down = True
            self.changed.notify_all()


class Attempts:
    """The attempts at one document: bounded by their number and by time.

    Each begins with ``begin`` and ends with ``succeeded`` or ``failed``.
    """

    def __init__(self, changed: threading.Condition, server: _Server) -> None:
        self._changed = changed
        self._server = server
        self._heard_at_first = 0
        self._failures = 0
        self._wrong_answers = 0
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

    def succeeded(self, ask_again: Callable[[], object] | None = None) -> None:
        """The document was read, or the server says that there is none.

        ``ask_again`` asks once for one that was read.
        """
        with self._changed:
            self._server.answers += 1
            self._server.failures = 0
            self._server.ask_again = ask_again or self._server.ask_again
            self._changed.notify_all()

    def failed(self, error: WebError) -> None:
        """Wait before the next attempt, as long as the server asks for or ever longer.

        Raises:
            WebError: ``error``, if there is to be none, or the server was given up meanwhile.
        """
        if isinstance(error, ForbiddenPlaceError):
            raise error
        if isinstance(error, WrongAnswerError) or (error.status and not error.may_pass):
            self.succeeded()
            self._doubt(error)
            return
        with self._changed:
            self._count_failure(error)
            patience, pause = self._patience, self._pause(error, self._failures)
            is_over = self._failures > patience.retries or self._seconds + pause > patience.seconds
        if is_over or not error.may_pass:
            sends_others = self._sends_others()
            # What has fallen silent only now is waited for as long as any silent server.
            if sends_others or patience is not WHILE_OTHERS_ARE_READ or not error.may_pass:
                self._give_up(sends_others)
                raise error
        self._wait(pause)

    def end(self) -> None:
        """There are no more: another thread may ask a silent server."""
        with self._changed:
            if self._server.asking is self:
                self._server.asking = None
                self._changed.notify_all()

    def _doubt(self, error: WebError) -> None:
        """Wait before the next attempt at what was answered, if the answer may be another then.

        Raises:
            WebError: ``error``, if it is the server's own, or stays the same.
        """
        if error.status not in (None, FORBIDDEN):
            raise error
        with self._changed:
            self._wrong_answers += 1
            self._count_time()
            is_doubted = self._server.wrong < MOST_WRONG
            patience = FOR_A_WRONG_ANSWER if is_doubted else FOR_A_BROKEN_SERVER
            pause = self._pause(error, self._wrong_answers)
            over = self._wrong_answers > patience.retries, self._seconds + pause > patience.seconds
            if any(over):
                self._server.wrong += 1
                raise error
        self._wait(pause)

    def _wait(self, pause: float) -> None:
        with self._changed:
            # Woken as soon as the server is given up.
            self._changed.wait_for(lambda: self._server.is_down, pause)
            self._count_time()
            self._check()

    @property
    def _patience(self) -> Patience:
        if self._server.given_up >= MOST_GIVEN_UP:
            return FOR_A_BROKEN_SERVER
        if not self._server.answers:
            return FOR_A_STRANGER
        return FOR_A_SILENT_SERVER if self._is_silent else WHILE_OTHERS_ARE_READ

    @property
    def _heard(self) -> int:
        return self._server.answers + self._server.signs

    @property
    def _is_silent(self) -> bool:
        """Whether the server sent no document to anybody since this one failed first."""
        return self._heard == self._heard_at_first

    def _may_ask(self) -> bool:
        server = self._server
        is_silent = server.failures >= FAILURES_OF_SILENCE
        return server.is_down or not is_silent or server.asking in (None, self)

    def _count_failure(self, error: WebError) -> None:
        self._server.failures += 1
        self._server.last_reason = error.shown
        self._failures += 1
        if self._failures == 1:
            self._heard_at_first = self._heard
        self._count_time()

    def _pause(self, error: WebError, failures: int) -> float:
        pause = min(FIRST_PAUSE * 2.0 ** (failures - 1), LONGEST_PAUSE)
        # Never quite the same: all would come back at once.
        pause *= random.uniform(LEAST_SHARE, 1)  # nosec B311: nothing is to be guessed
        return max(pause, error.retry_after or 0.0)

    def _count_time(self) -> None:
        """Count the time since the last call, if not all of it: a computer may have slept."""
        now = time.monotonic()
        self._seconds += min(now - self._since, MOST_SECONDS_OF_AN_ATTEMPT)
        self._since = now

    def _give_up(self, sends_others: bool) -> None:
        """Give up the document, and the server if it sends no others, or fails more often."""
        server = self._server
        with self._changed:
            server.given_up += 1
            if not sends_others or server.given_up > max(MOST_GIVEN_UP, server.answers):
                server.is_down = True
            self._changed.notify_all()

    def _sends_others(self) -> bool:
        """Whether the server sends again what it has sent before.

        What others have heard of it does not tell: they may not ask, or not know yet of its end.
        """
        server = self._server
        with self._changed:
            signs = server.signs
            # One thread looks for all.
            self._changed.wait_for(
                lambda: server.signs > signs or server.is_down or server.asking in (None, self)
            )
            if server.signs > signs or server.is_down:
                return not server.is_down
            server.asking = self
        is_sent = self._is_sent_again()
        with self._changed:
            if is_sent:
                server.signs += 1
                server.failures = 0
            else:
                self._heard_at_first = self._heard
            self._changed.notify_all()
        return is_sent

    def _is_sent_again(self) -> bool:
        """Whether the server sends what it has sent before, or says at least that it is gone."""
        server = self._server
        if server.ask_again is None:
            return not self._is_silent
        end = time.monotonic() + FOR_A_STRANGER.seconds
        for pause in PAUSES_OF_LOOKS:
            with self._changed:
                if self._changed.wait_for(lambda: server.is_down, pause * FIRST_PAUSE):
                    return False
            try:
                server.ask_again()
            except WebError as error:
                if not error.may_pass:
                    return error.status is not None
                if time.monotonic() > end:
                    return False
            else:
                return True
        return False

    def _check(self) -> None:
        if self._server.is_down:
            raise ServerDownError(self._server.last_reason)
