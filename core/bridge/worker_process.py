"""Run one job in a worker process and follow its events.

Nothing here opens a socket: the worker is reached by its three pipes only.
"""

from __future__ import annotations

import contextlib
import errno
import os
import queue
import signal
import subprocess  # nosec B404: the worker is a child process, started without a shell
import sys
import threading
from pathlib import Path
from typing import IO, Any, Callable, Dict, List, NoReturn, Optional

from . import errors
from .clean_environment import clean_environment
from .credentials import Credentials, credentials_to_line
from .errors import (
    CancelledError,
    EnvironmentNotReadyError,
    FairweatherError,
    InvalidRequestError,
    WorkerError,
)
from .events import (
    MAX_LINE_BYTES,
    Event,
    Failure,
    Message,
    Progress,
    Result,
    event_from_line,
)
from .home import fairweather_home, worker_log_file
from .job_folders import job_folder, not_writable, note_job
from .part_files import remove_parts, write_whole
from .plain_text import plain_line
from .request import Request, output_files, request_to_json
from .worker_death import NO_MORE_THREADS, PLUGIN_CHANGED, error_of_death

LAUNCH_SCRIPT = Path(__file__).resolve().parent.parent / "launch.py"

SECONDS_BETWEEN_POLLS = 0.05
SECONDS_TO_STOP = 1.2  # what a cancelled worker gets before it is killed; all is over within 2 s
SECONDS_TO_EXIT = 1.0  # what a worker gets to leave after its last event
# How often the threads are let read what a dead worker has written, each time for as long as
# between two polls; with the time to stop, less than the 2 s. Counted, as all times here: after a
# moment in which the whole machine stands still, a time would be over, and nothing done in it.
POLLS_TO_READ = 8
STDERR_TAIL_BYTES = 1 << 18


def run_job(
    request: Request,
    python: Path,
    *,
    on_event: Callable[[Event], None],
    is_cancelled: Callable[[], bool],
    credentials: Optional[Credentials] = None,
    launch_script: Path = LAUNCH_SCRIPT,
) -> Dict[str, Any]:
    """Run ``request`` with the interpreter ``python``; the result's values are returned.

    ``credentials`` go to the worker by its stdin and nowhere else.

    ``on_event`` is called in this thread with each ``Progress`` (whose percent never falls),
    ``Message`` and ``WarningMessage``; ``is_cancelled`` is asked at least ten times a second.
    However this ends, no process, scratch folder or part file stays behind.

    Raises:
        CancelledError: ``is_cancelled`` said so; at most 2 s later. Where the job had finished,
            or had only to say so, its result is returned instead: its files have their names.
        EnvironmentNotReadyError: ``python`` cannot be started or lacks a package.
        InvalidRequestError: an output begins in the current folder, and that is gone.
        WorkerError: the worker died, or what it sent is no event.
        FairweatherError: the one with which the job failed.
    """
    if not launch_script.is_file():
        raise WorkerError(PLUGIN_CHANGED)
    targets = _targets(request)
    with job_folder() as scratch:
        request_file = scratch / "request.json"
        _write_request(request, request_file, python)
        arguments = [str(python), "-I", "-X", "utf8", str(launch_script), "worker"]
        arguments += [str(request_file), "--scratch", str(scratch), "--watch-stdin"]
        arguments += ["--read-credentials"] if credentials else []
        worker = _Worker(arguments)
        try:
            if credentials:
                worker.send_line(credentials_to_line(credentials))
            return _follow(worker, on_event, is_cancelled)
        finally:
            worker.kill()
            for target in targets:
                remove_parts(target, scratch)


def _targets(request: Request) -> List[Path]:
    """The outputs as they are seen from the current folder, which may change meanwhile."""
    try:
        return [path.absolute() for path in output_files(request)]
    except OSError as error:
        raise InvalidRequestError(
            "An output begins in the folder that this run began in, and that is gone; "
            "give the whole path."
        ) from error


def _write_request(request: Request, path: Path, python: Path) -> None:
    try:
        # The worker notes more, once it has started: until then too, nobody may remove its Python.
        note_job(path.parent, (), str(python))
        # A lone surrogate (a file name in another encoding) becomes JSON's own escape for it.
        path.write_bytes(request_to_json(request).encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise not_writable(path.parent, error) from error


def _follow(
    worker: _Worker, on_event: Callable[[Event], None], is_cancelled: Callable[[], bool]
) -> Dict[str, Any]:
    """Pass events on until the last one."""
    percent = 0.0
    try:
        while True:
            if is_cancelled():
                worker.stop()
                result = worker.last_result()
                if result is None:
                    raise CancelledError("The run was cancelled.")
                return result.values
            event = worker.next_event()
            if isinstance(event, Result):
                worker.wait(SECONDS_TO_EXIT)
                return event.values
            if isinstance(event, Failure):
                worker.wait(SECONDS_TO_EXIT)
                _raise_failure(event)
            if isinstance(event, Progress):
                percent = max(percent, min(event.percent, 100.0))
                event = Progress(percent, event.message)
            if event is not None:
                on_event(event)
    except WorkerError:
        worker.kill()
        log_file = _save_log(worker.stderr_tail())
        if log_file is not None:
            on_event(Message(f"What the worker wrote before it failed is in {log_file}."))
        raise


def _raise_failure(failure: Failure) -> NoReturn:
    kind = getattr(errors, failure.kind, None)
    if not (isinstance(kind, type) and issubclass(kind, FairweatherError)):
        kind = WorkerError
    raise kind(failure.text)


def _save_log(text: str) -> Optional[Path]:
    """Keep the worker's stderr for a bug report; a failure to do so must hide no error."""
    path = worker_log_file()
    try:
        write_whole(path, "\n".join(map(plain_line, text.splitlines())).encode("utf-8"))
    except OSError:
        return None
    return path


class _Worker:
    """The child process, with a thread for each stream it writes, so that no pipe ever fills."""

    def __init__(self, arguments: List[str]) -> None:
        environment = clean_environment()
        environment["FAIRWEATHER_HOME"] = str(fairweather_home())
        self._process = _start(arguments, environment)
        self._lines: queue.SimpleQueue[Optional[bytes]] = queue.SimpleQueue()
        self._stderr = bytearray()
        self._polls_since_exit = 0
        self._was_let_read = False
        self._readers = [
            threading.Thread(target=self._read_events, args=(self._process.stdout,), daemon=True),
            threading.Thread(target=self._read_stderr, args=(self._process.stderr,), daemon=True),
        ]
        try:
            for reader in self._readers:
                reader.start()
        except RuntimeError as error:
            self.kill()
            raise WorkerError(NO_MORE_THREADS) from error

    def send_line(self, line: str) -> None:
        """Write a line to the worker's stdin; of one that is gone, ``next_event`` tells."""
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.write(line.encode("ascii") + b"\n")
                self._process.stdin.flush()

    def next_event(self) -> Optional[Event]:
        """The next event, or None when there was none for a moment.

        Raises:
            WorkerError: the stream ended, or holds something else.
        """
        try:
            line = self._lines.get(timeout=SECONDS_BETWEEN_POLLS)
        except queue.Empty:
            # A descendant that outlives the worker may hold the pipe open: then there is no end.
            if not self._is_long_dead():
                return None
            line = None
        if line is None:
            raise self._death()
        if len(line) > MAX_LINE_BYTES:
            raise WorkerError("The worker sent a line that never ends; please report this.")
        return event_from_line(line.decode("utf-8", "replace"))

    def last_result(self) -> Optional[Result]:
        """The result among the events not yet asked for, of a worker that is gone."""
        with contextlib.suppress(queue.Empty, WorkerError):
            while True:
                line = self._lines.get_nowait()
                if line is None:
                    break
                event = event_from_line(line.decode("utf-8", "replace"))
                if isinstance(event, Result):
                    return event
        return None

    def stop(self) -> None:
        """Ask the worker to end, and kill it if it does not within ``SECONDS_TO_STOP``."""
        if sys.platform == "win32":
            # There is no SIGTERM to a group: the end of stdin tells the worker to clean up.
            self._close_stdin()
        else:
            self._signal_group(signal.SIGTERM)
        self.wait(SECONDS_TO_STOP)
        self.kill()

    def wait(self, seconds: float) -> None:
        """Wait for the worker to leave by itself, for ``seconds`` at most."""
        for _ in range(round(seconds / SECONDS_BETWEEN_POLLS)):
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(SECONDS_BETWEEN_POLLS)
                return

    def kill(self) -> None:
        """End the worker and its children, whatever they do, and close the pipes."""
        if sys.platform == "win32":
            self._process.kill()
        else:
            self._signal_group(signal.SIGKILL)
        self.wait(SECONDS_TO_EXIT)
        self._let_read()
        self._was_let_read = True
        self._close_stdin()

    def stderr_tail(self) -> str:
        """The last that the worker wrote to stderr."""
        self._let_read()
        return bytes(self._stderr).decode("utf-8", "replace")

    def _let_read(self) -> None:
        """Wait until all is read that the dead worker wrote, but once only after it was killed.

        A descendant may keep a pipe open: then there is no end, however often it is waited for.
        """
        for _ in range(0 if self._was_let_read else POLLS_TO_READ):
            reading = [reader for reader in self._readers if reader.is_alive()]
            if not reading:
                return
            reading[0].join(SECONDS_BETWEEN_POLLS)

    def _is_long_dead(self) -> bool:
        if self._process.poll() is not None:
            self._polls_since_exit += 1
        return self._polls_since_exit > POLLS_TO_READ

    def _death(self) -> FairweatherError:
        """The error for a worker that ended, or closed its stream, without a result."""
        self.wait(SECONDS_TO_EXIT)
        code = self._process.poll()
        return error_of_death(code, self.stderr_tail())

    def _read_events(self, stream: IO[bytes]) -> None:
        with stream, contextlib.suppress(OSError, ValueError):
            while True:
                line = stream.readline(MAX_LINE_BYTES + 1)
                self._lines.put(line or None)
                if not line or len(line) > MAX_LINE_BYTES:
                    return

    def _read_stderr(self, stream: IO[bytes]) -> None:
        with stream, contextlib.suppress(OSError, ValueError):
            while True:
                chunk = os.read(stream.fileno(), 1 << 16)
                if not chunk:
                    return
                self._stderr += chunk
                del self._stderr[:-STDERR_TAIL_BYTES]

    def _signal_group(self, number: int) -> None:
        if sys.platform != "win32":
            # macOS answers PermissionError for a group whose processes have all ended.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._process.pid, number)

    def _close_stdin(self) -> None:
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()


def _start(arguments: List[str], environment: Dict[str, str]) -> subprocess.Popen[bytes]:
    options: Dict[str, Any] = {}
    if sys.platform == "win32":
        options["creationflags"] = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW
    else:
        options["start_new_session"] = True
    try:
        return subprocess.Popen(  # nosec B603: a list of arguments made here, no shell
            arguments,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            **options,
        )
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.ENOMEM):
            raise WorkerError(NO_MORE_THREADS) from error
        raise EnvironmentNotReadyError(
            f"The environment's Python, {arguments[0]}, cannot be started ({error.strerror}); "
            "make the environment anew with the algorithm environment."
        ) from error
