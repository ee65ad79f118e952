"""How long a file's server is waited for, and when it is given up for the rest of a run."""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import NoReturn
from urllib.parse import urlsplit

from urllib3 import Retry
from urllib3.exceptions import (
    MaxRetryError,
    NewConnectionError,
    ProtocolError,
    SSLError,
)
from urllib3.exceptions import TimeoutError as ServerTimeoutError

# What a busy server or a shaky network answers; storage that limits requests says 403 too.
PASSING_STATUSES = frozenset({403, 408, 429, 500, 502, 503, 504})
# Most often it is meant, so that these are fewer attempts.
FORBIDDEN = 403
MOST_FORBIDDEN = 7
# What is to be done about it; without keys, storage says so of files that are not there as well.
REFUSALS = {
    401: ": it refuses access; choose its keys as AUTH, or check them",
    403: ": it refuses access; choose its keys as AUTH, or check them",
}
# After so many of its reads, or its openings, were given up, a file is not asked for any more.
MOST_FAILED_READS = 3
PASSING_ERRORS = (ProtocolError, ServerTimeoutError, NewConnectionError, SSLError, OSError)


class RangeError(Exception):
    """A range could not be read; its text says why.

    ``is_lasting`` says that it is not worth trying again later.
    """

    def __init__(self, reason: str, is_lasting: bool = False) -> None:
        super().__init__(reason)
        self.is_lasting = is_lasting


class StatusError(RangeError):
    """The server answered, but no bytes; ``retry_after`` in seconds if it asked for a pause."""

    def __init__(self, status: int, retry_after: float | None = None) -> None:
        reason = REFUSALS.get(status, "")
        is_lasting = status not in PASSING_STATUSES
        super().__init__(f"the server answers {status}{reason}", is_lasting)
        self.status = status
        self.retry_after = retry_after


class HostDownError(RangeError):
    """The file's server was given up: nothing is asked of it any more."""


@dataclass(frozen=True)
class Patience:
    """For how many ``seconds`` a read is tried again, and how many files in a row may fail.

    A server whose ``files`` different files were given up, with no answer between them, is down.
    """

    seconds: float
    files: int


# A name server, or a wireless network, may be away for a minute. In a row, because one broken
# scene has a few files, and others are read beside them.
FOR_A_SERVER_THAT_ANSWERED = Patience(seconds=100, files=6)
# Nothing is lost yet, and somebody sits before the screen.
FOR_A_STRANGER = Patience(seconds=15, files=2)


def retry_policy() -> Retry:
    """How often a range is asked for again: pauses of about 0, 0.2, 0.4, 0.8 … 30 seconds.

    Where three requests of ten fail, one read of half a million fails altogether.
    """
    return Retry(
        total=10,
        status_forcelist=PASSING_STATUSES,
        backoff_factor=0.1,
        backoff_jitter=0.2,
        backoff_max=30,
    )


def may_pass(error: BaseException) -> bool:
    """Whether the same request may well succeed a little later."""
    if isinstance(error, StatusError):
        return not error.is_lasting
    text = str(error).lower()
    if "redirect" in text or (isinstance(error, SSLError) and "certificate" in text):
        return False
    return isinstance(error, PASSING_ERRORS)


def first_cause(error: Exception) -> Exception:
    """What urllib3 has wrapped, as it does with the last error of several."""
    if isinstance(error, MaxRetryError) and error.reason is not None:
        return error.reason
    return error


@dataclass
class _Host:
    """``failed`` are the files given up since the last answer."""

    has_answered: bool = False
    failed: set[str] = field(default_factory=set)
    is_down: threading.Event = field(default_factory=threading.Event)

    @property
    def patience(self) -> Patience:
        return FOR_A_SERVER_THAT_ANSWERED if self.has_answered else FOR_A_STRANGER


class Hosts:
    """The servers of a run and the files given up, known to all threads."""

    def __init__(self) -> None:
        self._hosts: dict[str, _Host] = {}
        self._failed_reads: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._is_over = False

    def attempts(self, href: str, policy: Retry) -> Attempts:
        """The attempts at one read; a file that was given up before has one.

        Raises:
            HostDownError: its server was given up.
            RangeError: the file itself was.
        """
        with self._lock:
            host = self._hosts.setdefault(_name(href), _Host())
            failed_reads = self._failed_reads[href]
        if self._is_over:
            host.is_down.set()
        attempts = Attempts(self, href, host, policy.new(total=0) if failed_reads else policy)
        if failed_reads >= MOST_FAILED_READS:
            raise RangeError("it failed again and again and was given up")
        return attempts

    def answered(self, href: str, is_read: bool) -> None:
        """The file's server works: a range was read, or it says that there is none."""
        with self._lock:
            host = self._hosts[_name(href)]
            host.has_answered = True
            host.failed.clear()
            if is_read:
                self._failed_reads.pop(href, None)

    def gave_up(self, href: str) -> None:
        """A read of the file failed after all its attempts."""
        with self._lock:
            self._failed_reads[href] += 1
            host = self._hosts[_name(href)]
            host.failed.add(href)
            if len(host.failed) >= host.patience.files:
                host.is_down.set()

    def end(self) -> None:
        """The run is over: nobody waits any longer."""
        with self._lock:
            self._is_over = True
            for host in self._hosts.values():
                host.is_down.set()


class Attempts:
    """The attempts at one read: bounded by their number and by time."""

    def __init__(self, hosts: Hosts, href: str, host: _Host, policy: Retry) -> None:
        self._hosts = hosts
        self._href = href
        self._host = host
        self._retries = policy
        self._began = time.monotonic()
        self._forbidden = 0
        self._check()

    def wait(self, error: Exception) -> None:
        """Wait before the next attempt, as long as the server asks for or ever longer.

        Raises:
            HostDownError: the file's server was given up meanwhile.
            Exception: ``error``, as this was the last attempt.
        """
        self._check()
        try:
            self._retries = self._retries.increment("GET", self._href, error=error)
        except MaxRetryError:
            self._give_up(error)
        pause = self._retries.get_backoff_time()
        if isinstance(error, StatusError):
            self._forbidden += error.status == FORBIDDEN
            if error.retry_after is not None:
                self._host.has_answered = True
                pause = max(pause, error.retry_after)
        if self._forbidden >= MOST_FORBIDDEN or self._seconds + pause > self._host.patience.seconds:
            self._give_up(error)
        # Woken as soon as the server is given up.
        self._host.is_down.wait(pause)
        self._check()

    @property
    def _seconds(self) -> float:
        return time.monotonic() - self._began

    def _check(self) -> None:
        if self._host.is_down.is_set():
            raise HostDownError("its server does not answer any more and was given up")

    def _give_up(self, error: Exception) -> NoReturn:
        self._hosts.gave_up(self._href)
        raise error


def _name(href: str) -> str:
    return urlsplit(href).netloc.lower()
