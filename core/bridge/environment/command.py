"""Run a command with its output read, cancellable, and never outliving this process."""

from __future__ import annotations

import contextlib
import os
import pkgutil
import signal
import subprocess  # nosec B404: pip and uv are programs
import sys
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, Deque, Dict, List, Optional

from ..errors import CancelledError, EnvironmentNotReadyError
from .interpreter import BaseInterpreter

POLL_SECONDS = 0.1
KILL_SECONDS = 1.0
# How often the thread is let read what an ended command has said. Counted: on a machine that
# stands still meanwhile, a time would be over unused.
POLLS_TO_READ = 10
KEPT_LINES = 400


@dataclass(frozen=True)
class Outcome:
    """How a command ended: its exit code and its last lines, both streams in one."""

    exit_code: int
    output: str

    @property
    def succeeded(self) -> bool:
        """Whether the exit code is 0."""
        return self.exit_code == 0


def _read_supervisor() -> str:
    return (pkgutil.get_data(__name__, "supervisor.py") or b"").decode("utf-8")


@dataclass(frozen=True)
class CommandRunner:
    """Runs commands in ``folder``, under the supervisor, which ``base`` runs."""

    base: BaseInterpreter
    folder: Path
    is_cancelled: Callable[[], bool]
    # Read once: an update may remove the plugin's folder between two commands.
    supervisor: str = field(default_factory=_read_supervisor, repr=False)

    def run(
        self,
        command: List[str],
        environment: Dict[str, str],
        on_wait: Optional[Callable[[], None]] = None,
    ) -> Outcome:
        """Run ``command`` to its end, with ``on_wait`` called several times a second.

        Raises:
            CancelledError: the user cancelled; the command and its children are gone.
            EnvironmentNotReadyError: the interpreter cannot be started.
        """
        process = self._start(command, environment)
        lines: Deque[str] = deque(maxlen=KEPT_LINES)
        reader = threading.Thread(target=_collect_lines, args=(process, lines), daemon=True)
        reader.start()
        try:
            while process.poll() is None:
                if self.is_cancelled():
                    raise CancelledError("Making the environment was cancelled.")
                if on_wait:
                    on_wait()
                time.sleep(POLL_SECONDS)
        finally:
            _end(process)
            _let_read(reader)
        return Outcome(process.returncode, "".join(lines.copy()))

    def _start(self, command: List[str], environment: Dict[str, str]) -> subprocess.Popen:
        variables = {**self.base.environment(), **environment}
        try:
            return subprocess.Popen(  # nosec B603: a Python of this machine, arguments of our own
                self.base.command("-c", self.supervisor, *command),
                cwd=self.folder,
                env=variables,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
        except OSError as error:
            raise EnvironmentNotReadyError(
                f"The Python at {self.base.executable} cannot be started ({error.strerror}); "
                f"repair it, or name another one in FAIRWEATHER_PYTHON."
            ) from error


def _end(process: subprocess.Popen) -> None:
    """Make the supervisor kill what still runs, by closing its input."""
    if process.stdin:
        with contextlib.suppress(OSError):
            process.stdin.close()
    try:
        process.wait(KILL_SECONDS)
    except subprocess.TimeoutExpired:
        _kill_with_children(process)
        process.wait()


def _kill_with_children(process: subprocess.Popen) -> None:
    """End a supervisor that did not come to it in time, and what it may have started already."""
    if sys.platform == "win32":
        process.kill()
    else:
        # macOS answers PermissionError for a group whose processes have all ended.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)


def _let_read(reader: threading.Thread) -> None:
    """Wait until all is read that an ended command said; a descendant may keep the pipe open."""
    for _ in range(POLLS_TO_READ):
        if not reader.is_alive():
            return
        reader.join(POLL_SECONDS)


def _collect_lines(process: subprocess.Popen, lines: Deque[str]) -> None:
    if process.stdout:
        with process.stdout as stream:
            for line in stream:
                lines.append(line.decode("utf-8", "replace"))
