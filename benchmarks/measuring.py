"""One run of one program: its time, its processor time, its memory, and what it asked for."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

SERVER = Path(__file__).with_name("latency_server.py")
SAMPLE_SECONDS = 0.1


@dataclass(frozen=True)
class Transport:
    """How a contestant reaches the files: as files, or from a server on loopback."""

    name: str
    is_local: bool = False
    latency: float = 0.0
    bytes_per_second: float = 0.0


LOCAL = Transport("local files", is_local=True)
HTTP = Transport("HTTP")
FAR = Transport("HTTP, 80 ms", latency=0.08)
SLOW = Transport("HTTP, 20 MB/s", bytes_per_second=20e6)
TRANSPORTS = (LOCAL, HTTP, FAR, SLOW)


@dataclass(frozen=True)
class Measurement:
    """What one run took.

    ``processor_seconds`` and ``peak_bytes`` are of the process and all its descendants; memory
    that processes share counts once. ``requests`` and ``bytes_read`` are what the server gave,
    None for local files. ``failure`` says why a run has no result; then the rest means nothing.
    """

    seconds: float
    processor_seconds: float
    peak_bytes: int
    requests: int | None = None
    bytes_read: int | None = None
    failure: str = ""


@contextlib.contextmanager
def serve(folder: Path, transport: Transport) -> Iterator[str]:
    """The address under which the folder's files are: a path, or a URL while this lasts."""
    if transport.is_local:
        yield str(folder)
        return
    options = [str(folder), str(transport.latency), str(transport.bytes_per_second)]
    with subprocess.Popen(
        [sys.executable, str(SERVER), *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        finally:
            process.stdin.close()


def measure(
    command: list[str], variables: dict[str, str], address: str, log: Path, limit: float
) -> Measurement:
    """Run a command to its end, or for ``limit`` seconds; what it prints goes to ``log``."""
    is_served = address.startswith("http")
    if is_served:
        _take_counts(address)
    with log.open("w", encoding="utf-8") as output:
        began = time.monotonic()
        process = subprocess.Popen(
            command, env=variables, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
        watch = _Watch(process.pid, began + limit)
        status, used = os.wait4(process.pid, 0)[1:]
        seconds = time.monotonic() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        watch.join()
    counts = _take_counts(address) if is_served else {}
    failure = ""
    if watch.was_stopped:
        failure = f"stopped after {limit:.0f} s"
    elif process.returncode != 0:
        failure = _reason(log.read_text(encoding="utf-8", errors="replace"))
    return Measurement(
        seconds=seconds,
        # A child that its parent never waited for is missing in the first.
        processor_seconds=max(used.ru_utime + used.ru_stime, watch.processor_seconds),
        peak_bytes=watch.peak_bytes,
        requests=counts.get("requests"),
        bytes_read=counts.get("bytes"),
        failure=failure,
    )


class _Watch(threading.Thread):
    """Follows a process and its descendants, and ends them when their time is over."""

    def __init__(self, pid: int, deadline: float) -> None:
        super().__init__(daemon=True)
        self.peak_bytes = 0
        self.was_stopped = False
        self._deadline = deadline
        self._seconds_by_process: dict[int, float] = {}
        self._root = psutil.Process(pid)
        self.start()

    @property
    def processor_seconds(self) -> float:
        return sum(self._seconds_by_process.values())

    def run(self) -> None:
        while tree := self._tree():
            self._sample(tree)
            if time.monotonic() > self._deadline:
                self.was_stopped = True
                for process in reversed(tree):
                    with contextlib.suppress(psutil.Error):
                        process.kill()
            time.sleep(SAMPLE_SECONDS)

    def _tree(self) -> list[psutil.Process]:
        try:
            if not self._root.is_running() or self._root.status() == psutil.STATUS_ZOMBIE:
                return []
            return [self._root, *self._root.children(recursive=True)]
        except psutil.Error:
            return []

    def _sample(self, tree: list[psutil.Process]) -> None:
        total = 0
        for process in tree:
            with contextlib.suppress(psutil.Error):
                total += process.memory_full_info().pss
                times = process.cpu_times()
                self._seconds_by_process[process.pid] = times.user + times.system
        self.peak_bytes = max(self.peak_bytes, total)


def _take_counts(address: str) -> dict[str, int]:
    with urllib.request.urlopen(f"{address}/-/counts") as answer:
        return json.load(answer)


def _reason(output: str) -> str:
    """The last line of a traceback that names an error, else the last line printed."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if re.match(r"[\w.]*(Error|Exception)\b", line)]
    return (errors or lines or ["it said nothing"])[-1][:300]
