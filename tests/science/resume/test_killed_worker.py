"""A real worker that is killed in mid-run, and the run after it."""

import os
import re
import signal
import sys
from pathlib import Path

import psutil
import pytest
from fairweather.core.bridge.errors import WorkerError
from fairweather.core.bridge.events import Message, Progress
from fairweather.core.bridge.home import jobs_folder, unfinished_folder
from fairweather.core.bridge.worker_process import run_job

BLOCKS = 6
# A worker whose blocks are small and slow, and written down.
LAUNCH = Path(__file__).resolve().parents[2] / "soak" / "soak_job_to_kill.py"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX's"),
]


class KilledRuns:
    """Runs by a real worker, which stays where it is, and is killed, at so many blocks."""

    def __init__(self, runs, log, patch):
        self.request = runs.request()
        self.output = Path(self.request.output)
        self.log = log
        self.patch = patch
        self.messages = []

    def run(self, kill_at=None, already=0):
        """The output; a run that is to be killed finds so many blocks ``already`` finished."""
        self.log.write_text("")
        self.messages = []
        most = BLOCKS if kill_at is None else kill_at - already
        self.patch.setenv("SOAK_MOST_BLOCKS", str(most))

        def listen(event):
            if isinstance(event, Message):
                self.messages.append(event.text)
            done = isinstance(event, Progress) and re.search(r"(\d+) of \d+ blocks", event.message)
            if kill_at is not None and done and int(done[1]) >= kill_at:
                for worker in psutil.Process().children():
                    os.kill(worker.pid, signal.SIGKILL)

        run_job(
            self.request,
            Path(sys.executable),
            on_event=listen,
            is_cancelled=lambda: False,
            launch_script=LAUNCH,
        )
        return self.output.read_bytes()

    def blocks(self, word):
        lines = [line.split() for line in self.log.read_text().splitlines()]
        return {line[1] for line in lines if line[0] == word}


@pytest.fixture
def killed_runs(local_runs, tmp_path, monkeypatch):
    log = tmp_path / "log"
    monkeypatch.setenv("SOAK_LOG", str(log))
    return KilledRuns(local_runs, log, monkeypatch)


def test_runs_killed_at_each_block_go_on_there(killed_runs):
    whole = killed_runs.run()
    killed_runs.output.unlink()
    finished = set()
    for kill_at in (1, 3, 5):
        with pytest.raises(WorkerError):
            killed_runs.run(kill_at, len(finished))
        assert not finished & killed_runs.blocks("composed")
        finished |= killed_runs.blocks("finished")
        assert len(finished) == kill_at
        assert list(killed_runs.output.parent.iterdir()) == []
    assert killed_runs.run() == whole
    assert not finished & killed_runs.blocks("composed")
    assert any("finished by an earlier run" in text for text in killed_runs.messages)
    assert list(jobs_folder().iterdir()) == []
    assert list(unfinished_folder().iterdir()) == []
