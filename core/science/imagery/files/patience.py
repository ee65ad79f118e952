"""How long a file's server is waited for, and when it is given up for the rest of a run."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from urllib3.exceptions import (
    MaxRetryError,
    NewConnectionError,
    ProtocolError,
    SSLError,
)
from urllib3.exceptions import TimeoutError as ServerTimeoutError

# What a busy server or a shaky network answers; storage that limits requests says 403 too.
PASSING_STATUSES = frozenset({403, 408, 429, 500, 502, 503, 504})
# What asks for fewer requests, where other failures are soon over.
BUSY_STATUSES = frozenset({429, 503})
BUSY_STEPS = 3
# After so many failures in a row of any of its reads, a server answers nobody: nor does it send
# what it sent before, for which it is asked each time that as many more have failed.
FAILURES_OF_SILENCE = 8
# Most often it is meant, so that these are fewer attempts.
FORBIDDEN = 403
MOST_FORBIDDEN = 7
# What is to be done about it; without keys, storage says so of files that are not there as well.
REFUSALS = {
    401: ": it refuses access; choose its keys as AUTH, or check them",
    403: ": it refuses access; choose its keys as AUTH, or check them",
}
# Why a server was given up.
SILENCE = "its server does not answer any more and was given up"
ERRORS = "its server answers nothing but errors and was given up"
# More than it takes to connect and to read, each until its time limit.
MOST_SECONDS_OF_AN_ATTEMPT = 35.0
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
        self.status = status
        self.advice = REFUSALS.get(status, "")
        is_lasting = status not in PASSING_STATUSES
        super().__init__(f"the server answers {status}{self.advice}", is_lasting)
        self.retry_after = retry_after


class HostDownError(RangeError):
    """The file's server was given up: nothing is asked of it any more."""


@dataclass(frozen=True)
class Patience:
    """For how many ``seconds``, and at most how often, a read is tried again."""

    seconds: float
    retries: int = 10


# A name server, or a wireless network, may be away for a minute.
FOR_A_SERVER_THAT_ANSWERED = Patience(seconds=100)
# Nothing is lost yet, and somebody sits before the screen.
FOR_A_STRANGER = Patience(seconds=15)
# It never sent anything, and of one of its files the same error was waited out: whether others are
# there.
FOR_OTHER_FILES = Patience(seconds=0, retries=0)
# So many files are gone for good, of a server that sends others.
MANY_FILES = 16
AFTER_MANY_FILES = Patience(seconds=10, retries=4)

# Of different files that were given up, with no answer between them, because one broken scene has
# a few files, and others are read beside them.
FILES_OF_A_SERVER_THAT_ANSWERED = 6
SILENT_FILES_OF_A_STRANGER = 2
FILES_OF_A_STRANGER = 8


@dataclass(frozen=True)
class RetryPolicy:
    """How often a range is asked for again, and after which pauses, in seconds.

    Most failures are over at once, and a block waits for its slowest read, so pauses grow from
    next to nothing: 0.01, 0.02, 0.04 … 5. Where a server answers nobody any more they grow faster
    and longer: 0.01, 0.03, 0.09, 0.27, 0.8, 2.4, 7, 22, 30 and 30. Where three requests of ten
    fail, one read of half a million fails altogether.
    """

    most_retries: int = 10
    first_pause: float = 0.01
    growth: float = 2.0
    longest_pause: float = 5.0
    growth_in_silence: float = 3.0
    longest_in_silence: float = 30.0
    least_share: float = 0.8

    def pause(self, failures: int, *, is_busy: bool, is_silent: bool) -> float:
        """The pause after so many failures, never quite the same: all would come back at once."""
        if is_silent:
            growth, longest = self.growth_in_silence, self.longest_in_silence
        else:
            growth, longest = self.growth, self.longest_pause
        steps = failures - 1 + (BUSY_STEPS if is_busy else 0)
        pause = min(self.first_pause * growth**steps, longest)
        return pause * random.uniform(self.least_share, 1)  # nosec B311: nothing is to be guessed


def retry_policy() -> RetryPolicy:
    """The policy of every read."""
    return RetryPolicy()


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
    """A server: ``last_read`` is the file of which a range was read last.

    ``failures`` are the attempts that failed since the last answer, ``failed`` the files given up
    since then, each with whether the server was silent; ``lost`` are all that were given up for
    good, and not read since; ``waited_out`` are the statuses for which some were.
    """

    has_answered: bool = False
    last_read: str = ""
    failures: int = 0
    failed: dict[str, bool] = field(default_factory=dict)
    lost: set[str] = field(default_factory=set)
    waited_out: set[int] = field(default_factory=set)
    reason: str = SILENCE
    is_down: threading.Event = field(default_factory=threading.Event)

    def patience(self, error: Exception, is_silent: bool) -> Patience:
        if not self.last_read and getattr(error, "status", None) in self.waited_out:
            return FOR_OTHER_FILES
        if len(self.lost) >= MANY_FILES and not is_silent:
            return AFTER_MANY_FILES
        return FOR_A_SERVER_THAT_ANSWERED if self.has_answered else FOR_A_STRANGER

    def heard(self) -> None:
        self.has_answered = True
        self.failures = 0
        self.failed.clear()

    @property
    def is_suspect(self) -> bool:
        """Whether so many files failed that it is down, if it does not send what it sent before."""
        if self.last_read:
            return len(self.failed) >= FILES_OF_A_SERVER_THAT_ANSWERED
        silent = SILENT_FILES_OF_A_STRANGER
        if self.has_answered:
            silent = FILES_OF_A_SERVER_THAT_ANSWERED
        return sum(self.failed.values()) >= silent or len(self.failed) >= FILES_OF_A_STRANGER


class Hosts:
    """The servers of a run and the files given up, known to all threads.

    A file that cannot be read, for silence or by an error, costs its own time only; less of it
    when it is one of many. A server is down if 6 different files were given up, nothing was read
    between them, and it does not send again what it sent last. One that never sent anything is
    down as soon as it was silent about 2 files (6 if it did say of others that they are not there),
    or 8 were given up; an error that was waited out at one is not waited for at the others.
    """

    def __init__(self, still_sends: Callable[[str], bool]) -> None:
        """``still_sends`` asks for the start of a file that was read before."""
        self._still_sends = still_sends
        self._hosts: dict[str, _Host] = {}
        self._failed_reads: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._is_over = False

    def attempts(self, href: str, policy: RetryPolicy) -> Attempts:
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
        once = replace(policy, most_retries=0)
        attempts = Attempts(self, href, host, once if failed_reads else policy)
        if failed_reads >= MOST_FAILED_READS:
            raise RangeError("it failed again and again and was given up")
        return attempts

    def check(self, href: str) -> None:
        """Check that somebody still waits for the file's server.

        Raises:
            HostDownError: it was given up, or the run is over.
        """
        with self._lock:
            host = self._hosts[_name(href)]
        if host.is_down.is_set():
            raise HostDownError(host.reason)

    def answered(self, href: str, is_read: bool) -> None:
        """The file's server works: a range was read, or it says that there is none."""
        with self._lock:
            host = self._hosts[_name(href)]
            host.heard()
            if is_read:
                host.last_read = href
                host.lost.discard(href)
                self._failed_reads.pop(href, None)

    def failed(self, href: str) -> bool:
        """An attempt at a read failed; whether its server answers nobody any more."""
        with self._lock:
            host = self._hosts[_name(href)]
            host.failures += 1
            failures = host.failures
        is_time = failures % FAILURES_OF_SILENCE == 0
        return failures >= FAILURES_OF_SILENCE and not (is_time and self._is_heard(host))

    def gave_up(self, href: str, error: Exception, is_for_good: bool) -> None:
        """A read of the file failed after all its attempts; not ``is_for_good`` if it had few."""
        with self._lock:
            host = self._hosts[_name(href)]
            host.failed[href] = not isinstance(error, StatusError)
            if is_for_good:
                self._failed_reads[href] += 1
                host.lost.add(href)
                if isinstance(error, StatusError):
                    host.waited_out.add(error.status)
            is_suspect = host.is_suspect
        if not is_suspect or self._is_heard(host):
            return
        with self._lock:
            # Others may have been answered meanwhile.
            if host.is_suspect and not host.is_down.is_set():
                if isinstance(error, StatusError):
                    host.reason = f"{ERRORS} ({error.status}{error.advice})"
                host.is_down.set()

    def _is_heard(self, host: _Host) -> bool:
        """Whether a server sends again what it sent before."""
        if not host.last_read or host.is_down.is_set() or not self._still_sends(host.last_read):
            return False
        with self._lock:
            host.heard()
        return True

    def end(self) -> None:
        """The run is over: nobody waits any longer."""
        with self._lock:
            self._is_over = True
            for host in self._hosts.values():
                host.is_down.set()


class Attempts:
    """The attempts at one read: bounded by their number and by time."""

    def __init__(self, hosts: Hosts, href: str, host: _Host, policy: RetryPolicy) -> None:
        self._hosts = hosts
        self._href = href
        self._host = host
        self._policy = policy
        self._seconds = 0.0
        self._since = time.monotonic()
        self._failures = 0
        self._forbidden = 0
        self._check()

    def wait(self, error: Exception) -> None:
        """Wait before the next attempt, as long as the server asks for or ever longer.

        Raises:
            HostDownError: the file's server was given up meanwhile.
            Exception: ``error``, as this was the last attempt.
        """
        self._check()
        is_silent = self._hosts.failed(self._href)
        self._count_time(MOST_SECONDS_OF_AN_ATTEMPT)
        self._failures += 1
        pause = self._pause_after(error, is_silent)
        patience = self._host.patience(error, is_silent)
        if (
            self._failures > min(self._policy.most_retries, patience.retries)
            or self._forbidden >= MOST_FORBIDDEN
            or self._seconds + pause > patience.seconds
        ):
            self._hosts.gave_up(self._href, error, is_for_good=patience is not FOR_OTHER_FILES)
            # It may have been one too many, and nobody else be left who would notice.
            self._check()
            raise error
        # Woken as soon as the server is given up.
        self._host.is_down.wait(pause)
        self._count_time(pause)
        self._check()

    def _pause_after(self, error: Exception, is_silent: bool) -> float:
        status = error.status if isinstance(error, StatusError) else None
        asked = error.retry_after if isinstance(error, StatusError) else None
        self._forbidden += status == FORBIDDEN
        if asked is not None:
            self._host.has_answered = True
        is_busy = status in BUSY_STATUSES and asked is None
        pause = self._policy.pause(self._failures, is_busy=is_busy, is_silent=is_silent)
        return max(pause, asked or 0.0)

    def _count_time(self, most: float) -> None:
        """Count the time since the last call, ``most`` of it: a computer may have slept."""
        now = time.monotonic()
        self._seconds += min(now - self._since, most)
        self._since = now

    def _check(self) -> None:
        if self._host.is_down.is_set():
            raise HostDownError(self._host.reason)


def _name(href: str) -> str:
    return urlsplit(href).netloc.lower()
