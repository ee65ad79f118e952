"""A launch script that takes the worker's place, and does every wrong thing."""

import sys
import textwrap
from pathlib import Path

from fairweather.core.bridge.request import SampleCatalogRequest
from fairweather.core.bridge.worker_process import run_job
from steady_time import Stopwatch

PREAMBLE = """
import json, os, signal, subprocess, sys, time
def send(event, **fields):
    print(json.dumps({"event": event, **fields}), flush=True)
def note(name, text):
    with open(os.path.join(sys.argv[0] + "." + name), "w") as file:
        file.write(str(text))
note("pid", os.getpid())
"""


class FakeWorker:
    """A launch script that does what the test says, and what the caller was told of it.

    It is cancelled as soon as ``cancel_when`` says so; ``seconds`` are those of the whole run, and
    ``seconds_to_cancel`` those from then on.
    """

    def __init__(self, script, body):
        self.script = script
        script.write_text(PREAMBLE + textwrap.dedent(body), encoding="utf-8")
        self.events = []
        self.cancel_when = lambda: False
        self._since_cancel = None

    def run(self, request=None, python=None):
        stopwatch = Stopwatch()
        try:
            return run_job(
                request or SampleCatalogRequest("unused"),
                Path(python or sys.executable),
                on_event=self.events.append,
                is_cancelled=self._is_cancelled,
                launch_script=self.script,
            )
        finally:
            self.seconds = stopwatch.stop()
            if self._since_cancel is not None:
                self.seconds_to_cancel = self._since_cancel.stop()

    def noted(self, name):
        """The file in which the script notes something."""
        return self.script.with_name(f"{self.script.name}.{name}")

    def _is_cancelled(self):
        if self._since_cancel is None and self.cancel_when():
            self._since_cancel = Stopwatch()
        return self._since_cancel is not None
