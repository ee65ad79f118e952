"""A worker that crashes leaves nothing of its memory, in which keys are, on a disk."""

import os
import signal
import subprocess
import sys

import pytest

resource = pytest.importorskip("resource", reason="only POSIX limits core dumps by process")


@pytest.fixture
def status_of(tmp_path):
    """A function: how a process ended (see ``os.waitpid``) that was allowed to dump its core."""
    before = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (before[1], before[1]))

    def run(command):
        process = subprocess.Popen(
            command, cwd=tmp_path, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )  # fmt: skip
        _, status = os.waitpid(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        return status

    yield run
    resource.setrlimit(resource.RLIMIT_CORE, before)


def test_a_crash_leaves_no_core_dump(real_worker, request_, status_of, tmp_path):
    worker = real_worker("os.kill(os.getpid(), signal.SIGSEGV)")
    crash = [sys.executable, "-c", "import os; os.kill(os.getpid(), 11)"]
    if not os.WCOREDUMP(status_of(crash)):
        pytest.skip("this system makes no core dumps of any process")
    scratch = tmp_path / "scratch"
    status = status_of(worker.command(request_, "--scratch", scratch))
    assert os.WTERMSIG(status) == signal.SIGSEGV
    assert not os.WCOREDUMP(status)
    assert not list(scratch.glob("core*"))
