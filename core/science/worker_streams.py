"""The worker's three pipes and its signals: what keeps the event stream clean and the end quick."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from ..bridge.events import Event, event_to_line
from ..bridge.owned_folders import remove_claimed
from ..bridge.part_files import has_part, remove_parts
from .whole_file import NAMING

SECONDS_TO_FINISH = 0.4
SECONDS_TO_CLEAN_UP = 0.7
SECONDS_FOR_LAST_WORD = 0.2
# Times are waited for in steps: after a moment in which the whole machine stands still, a time
# would be over, and nothing done in it.
STEP_SECONDS = 0.05
SECONDS_BETWEEN_REMOVALS = 0.005
STDIN, STDOUT, STDERR = 0, 1, 2


class EventStream:
    """Events as JSON lines on what was stdout; whatever else prints goes to stderr from now on."""

    def __init__(self, on_closed: Callable[[], None]) -> None:
        """``on_closed`` is called when nobody reads the events any more."""
        self._on_closed = on_closed
        self._lock = threading.Lock()
        sys.stdout.flush()
        self._descriptor = os.dup(STDOUT)
        # The descriptor itself, not just sys.stdout: libraries in C print too.
        os.dup2(STDERR, STDOUT)
        sys.stdout = sys.stderr

    def send(self, event: Event) -> None:
        """Write one event, whole, from any thread."""
        line = (event_to_line(event) + "\n").encode("ascii")
        with self._lock:
            try:
                self._write(line)
            except OSError:
                self._on_closed()

    def send_last_word(self, event: Event) -> None:
        """Write one event if the stream is free and read; the process is about to end."""
        if self._lock.acquire(timeout=SECONDS_FOR_LAST_WORD):
            # The lock is kept: nothing may follow.
            with contextlib.suppress(OSError):
                self._write((event_to_line(event) + "\n").encode("ascii"))

    def _write(self, line: bytes) -> None:
        while line:
            line = line[os.write(self._descriptor, line) :]


Identity = tuple[int, int, int]


@dataclass
class CleanEnd:
    """Ends the process at once, without leaving part files, a scratch folder or children.

    A job of which a file has its name already is let finish if that takes only a moment: the file
    cannot be taken back. Else no output gets a name any more: what has none is removed here, while
    the job's thread may still be at it.
    """

    scratch: Path
    removes_scratch: bool
    _before: dict[Path, Identity | None] = field(default_factory=dict)
    _is_over: threading.Event = field(default_factory=threading.Event)
    _has_begun: threading.Event = field(default_factory=threading.Event)
    _needs_no_limit: threading.Event = field(default_factory=threading.Event)

    def keep_to_time(self) -> None:
        """Limit how long the end takes, by a thread: later, none might be started any more.

        Raises:
            RuntimeError: nor can it be now.
        """
        threading.Thread(target=self._limit, name="limit", daemon=True).start()

    def watch(self, targets: Iterable[Path]) -> None:
        """Tell which files the job writes, once they are known and before any is written."""
        self._before = {target: _identity(target) for target in targets}

    def job_is_over(self) -> None:
        """Tell that the job has written what it writes; from now on the process ends by itself."""
        self._is_over.set()

    def __call__(self, say: Callable[[], None] = lambda: None) -> None:
        """Clean up, then end, whatever other threads do, within about a second.

        ``say`` is called first, unless the process ends by itself.
        """
        self._has_begun.set()
        NAMING.acquire()
        if self._has_named():
            NAMING.release()
            _wait_in_steps(self._is_over, SECONDS_TO_FINISH)
            NAMING.acquire()
        if self._is_over.is_set():
            NAMING.release()
            self._needs_no_limit.set()
            return
        self._clean_up_and_end(say)

    def at_once(self, say: Callable[[], None]) -> None:
        """Do the same where the job hangs: nothing is waited for, and no thread is started."""
        try:
            self._has_begun.set()
            NAMING.acquire(timeout=SECONDS_TO_FINISH)
        finally:
            self._clean_up_and_end(say)

    def _limit(self) -> None:
        """End the process when the time to end it is over."""
        self._has_begun.wait()
        for _ in range(round((SECONDS_TO_FINISH + SECONDS_TO_CLEAN_UP) / STEP_SECONDS)):
            # Not waited for as an event is: that takes memory.
            time.sleep(STEP_SECONDS)
            if self._needs_no_limit.is_set():
                return
        _end_process()

    def _clean_up_and_end(self, say: Callable[[], None]) -> None:
        """Whatever fails of it, for want of memory say, the process ends."""
        try:
            with contextlib.suppress(Exception):
                say()
            self._remove_parts()
            if self.removes_scratch:
                remove_claimed(self.scratch)
                # A large scratch folder takes a moment, in which a thread may have begun a file.
                self._remove_parts()
        finally:
            _end_process()

    def _has_named(self) -> bool:
        return any(_identity(path) != before for path, before in self._before.items())

    def _remove_parts(self) -> None:
        # More than once, because the job's threads go on writing until the end, and what gets no
        # memory now may get some then.
        for _ in range(round(SECONDS_TO_CLEAN_UP / SECONDS_BETWEEN_REMOVALS)):
            with contextlib.suppress(Exception):
                for target in self._before:
                    remove_parts(target, self.scratch)
                if not any(has_part(target, self.scratch) for target in self._before):
                    return
            time.sleep(SECONDS_BETWEEN_REMOVALS)


def _wait_in_steps(event: threading.Event, seconds: float) -> bool:
    """Wait for ``event``; whether it came."""
    return any(event.wait(STEP_SECONDS) for _ in range(round(seconds / STEP_SECONDS)))


def _identity(path: Path) -> Identity | None:
    """What changes when another file takes the name ``path``; None where there is none."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def read_stdin_line(most: int) -> str:
    """The first line of stdin, ``most`` bytes of it, and nothing of what follows."""
    line = bytearray()
    while len(line) < most:
        byte = os.read(STDIN, 1)
        if byte in (b"", b"\n"):
            break
        line += byte
    return line.decode("utf-8", "replace").strip()


def end_when_stdin_closes(end: Callable[[], None]) -> None:
    """Call ``end`` from a thread as soon as whoever started this process is gone."""
    # A copy for the thread alone: a library or a child that reads stdin finds it empty.
    descriptor = os.dup(STDIN)
    empty = os.open(os.devnull, os.O_RDONLY)
    os.dup2(empty, STDIN)
    os.close(empty)

    def watch() -> None:
        with contextlib.suppress(OSError):
            while os.read(descriptor, 1024):
                pass
        end()

    threading.Thread(target=watch, name="stdin", daemon=True).start()


def end_when_signalled(end: Callable[[], None]) -> None:
    """Call ``end`` from a thread on SIGTERM and SIGINT, even while the main thread is in C code.

    On SIGHUP, too, as when a terminal is closed, unless it is ignored (``nohup``).
    """
    # Python runs a handler only between two steps of the main thread, which may be far apart when
    # that waits for GDAL. The byte that Python writes at once to this pipe does not wait.
    reading, writing = os.pipe()
    os.set_inheritable(writing, False)
    if sys.platform != "win32":
        os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    numbers = [signal.SIGTERM, signal.SIGINT]
    if sys.platform != "win32" and signal.getsignal(signal.SIGHUP) == signal.SIG_DFL:
        numbers.append(signal.SIGHUP)
    for number in numbers:
        signal.signal(number, _leave_to_thread)

    def watch() -> None:
        os.read(reading, 1)
        end()

    threading.Thread(target=watch, name="signals", daemon=True).start()


def _leave_to_thread(number: int, frame: object) -> None:
    """A handler must exist for the byte to be written."""


def end_threads_left(code: int) -> None:
    """End the process with ``code`` if threads would keep it, which wait for a server, say."""
    others = (thread for thread in threading.enumerate() if thread is not threading.main_thread())
    if any(not thread.daemon for thread in others):
        sys.stderr.flush()
        os._exit(code)


def _end_process() -> None:
    # The leader of its own session was started by run_job, and all in its group are its children;
    # by hand the group may be the shell's.
    try:
        if sys.platform != "win32" and os.getsid(0) == os.getpid():
            os.killpg(0, signal.SIGKILL)
    finally:
        os._exit(1)
