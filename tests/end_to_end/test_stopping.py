"""A run that is stopped, gently or not, leaves no process and no file."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

PROGRAM = "qgis_process.bin"

pytestmark = pytest.mark.slow

SECONDS_TO_CANCEL = 2


def worker_of(process):
    """The id of the worker that a qgis_process has started; None while there is none."""
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = int(status.read_text().rpartition(")")[2].split()[1])
            command = (status.parent / "cmdline").read_bytes()
        except OSError:
            continue
        if parent == process.pid and b"launch.py" in command:
            return int(status.parent.name)
    return None


@pytest.fixture
def running(qgis_process, sample_catalog, wait_until, tmp_path):
    """A composite at work: its qgis_process, its worker's id, and the folder of its output."""
    output = tmp_path / "output"
    temporary = tmp_path / "tmp"
    output.mkdir()
    temporary.mkdir()
    parameters = {**sample_catalog, "OUTPUT": output / "composite.tif"}
    given = [f"{name}={value}" for name, value in parameters.items()]
    process = subprocess.Popen(
        [PROGRAM, "run", "fairweather:composite", "--", *given],
        env={**qgis_process.environment, "TMPDIR": str(temporary)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    wait_until(lambda: worker_of(process) is not None, 30)
    yield process, worker_of(process), output
    process.kill()
    process.communicate()
    assert [path.name for path in temporary.iterdir() if "fairweather" in path.name] == []


def test_cancel(running, is_alive, wait_until):
    process, worker, output = running
    process.send_signal(signal.SIGINT)
    wait_until(lambda: not is_alive(worker), SECONDS_TO_CANCEL)
    _, errors = process.communicate(timeout=10)
    assert process.returncode != 0
    assert "Cancelled" in errors
    assert list(output.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_qgis_that_is_told_to_end_leaves_nothing(running, is_alive, wait_until, number):
    process, worker, output = running
    process.send_signal(number)
    wait_until(lambda: not is_alive(worker), SECONDS_TO_CANCEL)
    process.communicate(timeout=10)
    assert process.returncode != 0
    assert list(output.iterdir()) == []


def test_ctrl_c_in_a_shell_reaches_the_whole_group(running, is_alive, wait_until):
    process, worker, output = running
    os.killpg(process.pid, signal.SIGINT)
    wait_until(lambda: not is_alive(worker), SECONDS_TO_CANCEL)
    _, errors = process.communicate(timeout=10)
    assert "Cancelled" in errors
    assert "Traceback" not in errors
    assert list(output.iterdir()) == []


def test_a_killed_qgis_leaves_no_worker(running, is_alive, wait_until):
    process, worker, output = running
    os.kill(process.pid, signal.SIGKILL)
    process.wait(10)
    wait_until(lambda: not is_alive(worker), 5)
    assert list(output.iterdir()) == []


def test_a_killed_worker_is_one_sentence(running):
    process, worker, output = running
    os.kill(worker, signal.SIGKILL)
    stdout, errors = process.communicate(timeout=10)
    assert process.returncode == 1
    assert "memory" in errors
    assert "Traceback" not in stdout + errors
    assert list(output.iterdir()) == []
