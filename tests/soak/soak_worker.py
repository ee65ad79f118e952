"""Running one job in a worker as QGIS does, and measuring all that it takes."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from fairweather.core.bridge.clean_environment import clean_environment
from fairweather.core.bridge.home import fairweather_home
from fairweather.core.bridge.request import Request, request_to_json

ROOT = Path(__file__).resolve().parents[2]
SAMPLE_SECONDS = 0.05
MEGABYTE = 10**6


@dataclass(frozen=True)
class WorkerRun:
    """How a run went: its last event, its warnings, and what it took.

    ``peak_bytes`` is the memory of the worker and all its descendants, added up.
    """

    last: dict[str, Any]
    warnings: tuple[str, ...]
    seconds: float
    peak_bytes: int

    @property
    def values(self) -> dict[str, Any]:
        """The outputs; none where it failed."""
        return self.last.get("values", {})

    @property
    def failure(self) -> str:
        """The sentence with which it failed, else empty."""
        if self.last.get("event") == "result":
            return ""
        is_told = self.last.get("event") == "error"
        return str(self.last["text"]) if is_told else f"it ended after {self.seconds:.0f} s"

    @property
    def figures(self) -> dict[str, float]:
        """For the scoreboard."""
        return {
            "seconds": round(self.seconds, 1),
            "peak_mb": round(self.peak_bytes / MEGABYTE),
        }


def run_worker(request: Request, most_seconds: float) -> WorkerRun:
    """Run ``request`` in a worker of its own, for ``most_seconds`` at most."""
    with tempfile.TemporaryDirectory(prefix="soak-request-") as folder:
        path = Path(folder) / "request.json"
        path.write_text(request_to_json(request), encoding="utf-8")
        command = [sys.executable, "-I", "-X", "utf8", str(ROOT / "core" / "launch.py")]
        command += ["worker", str(path), "--scratch", str(Path(folder) / "scratch")]
        environment = {**clean_environment(), "FAIRWEATHER_HOME": str(fairweather_home())}
        began = time.monotonic()
        with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as process:
            memory = _Memory(process, began + most_seconds)
            events = [json.loads(line) for line in process.stdout]
            process.wait()
        seconds = time.monotonic() - began
        memory.join()
    warnings = tuple(event["text"] for event in events if event["event"] == "warning")
    last = events[-1] if events else {"event": "error", "text": "the worker said nothing"}
    return WorkerRun(last, warnings, seconds, memory.peak_bytes)


class _Memory(threading.Thread):
    """Follows the memory of a process and its descendants, and ends it when its time is over."""

    def __init__(self, process: subprocess.Popen, deadline: float) -> None:
        super().__init__(daemon=True)
        self.peak_bytes = 0
        self._process = process
        self._deadline = deadline
        self.start()

    def run(self) -> None:
        with contextlib.suppress(psutil.Error):
            root = psutil.Process(self._process.pid)
            while self._process.poll() is None:
                if time.monotonic() > self._deadline:
                    self._process.kill()
                total = _peak_of(root)
                for child in root.children(recursive=True):
                    with contextlib.suppress(psutil.Error):
                        total += child.memory_info().rss
                self.peak_bytes = max(self.peak_bytes, total)
                time.sleep(SAMPLE_SECONDS)


def _peak_of(process: psutil.Process) -> int:
    """The most that the process itself ever had, where the system tells; else what it has."""
    status = Path(f"/proc/{process.pid}/status")
    with contextlib.suppress(OSError, StopIteration):
        lines = status.read_text(encoding="utf-8").splitlines()
        return int(next(line for line in lines if "VmHWM" in line).split()[1]) * 1024
    return int(process.memory_info().rss)
