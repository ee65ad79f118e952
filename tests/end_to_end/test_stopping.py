"""A run that is stopped, gently or not, at any stage leaves no process and no file."""

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import run_stages

PROGRAM = "qgis_process.bin"
# What starts these tests may ignore some, which a program inherits.
WITH_SIGNALS = ("env", "--default-signal=HUP,INT,TERM")
# What QGIS itself may take to leave.
SECONDS_TO_LEAVE = 10

pytestmark = pytest.mark.slow


class StageInProcess:
    """A qgis_process whose run has come to a stage."""

    def __init__(self, stage, environment, wait_until):
        self.stage = stage
        self._wait_until = wait_until
        variables = {**environment, **stage.variables}
        given = [f"{name}={value}" for name, value in stage.parameters.items() if value is not None]
        self.process = subprocess.Popen(
            [*WITH_SIGNALS, PROGRAM, "run", f"fairweather:{stage.algorithm}", "--", *given],
            env={name: value for name, value in variables.items() if value is not None},
            cwd=stage.outputs,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def wait_for_stage(self):
        self._wait_until(
            lambda: self.process.poll() is not None or self.stage.is_reached(),
            run_stages.SECONDS_TO_REACH,
        )
        assert self.process.poll() is None, self.process.communicate()

    def children(self):
        """The worker or the installer, and all that it started."""
        return [pid for pid in self.stage.processes() if pid != self.process.pid]

    def wait_for_end(self, seconds=run_stages.SECONDS_TO_CANCEL):
        """Both streams, when the children have gone in time and QGIS itself has, too."""
        self._wait_until(lambda: not self.children(), seconds)
        output, errors = self.process.communicate(timeout=SECONDS_TO_LEAVE)
        assert self.process.returncode != 0
        assert "Traceback" not in output + errors
        return output, errors

    def end(self):
        self.process.kill()
        self.process.communicate()
        # Of a failed test; a process that is gone meanwhile is gone.
        for pid in self.stage.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@pytest.fixture(scope="session")
def holding_python(tmp_path_factory):
    folder = tmp_path_factory.mktemp("holding") / "environment"
    return run_stages.make_holding_python(folder, Path(sys.executable))


@pytest.fixture
def at_stage(qgis_process, sample_catalog, holding_python, wait_until, tmp_path):
    """A function that starts a run and returns it when it is at a stage."""
    with contextlib.ExitStack() as stack:
        python = Path(sys.executable)
        stages = run_stages.Stages(tmp_path, sample_catalog, python, holding_python, stack)

        def start(name):
            run = StageInProcess(stages.make(name), qgis_process.environment, wait_until)
            stack.callback(run.end)
            run.wait_for_stage()
            return run

        yield start


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
@pytest.mark.parametrize("name", run_stages.STAGES)
def test_cancel(at_stage, name, number):
    run = at_stage(name)
    run.process.send_signal(number)
    _, errors = run.wait_for_end()
    assert "Cancelled; nothing was written." in errors
    assert run.stage.files_left() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP], ids=["Ctrl-C", "closed"])
def test_a_shell_tells_the_whole_group(at_stage, number):
    run = at_stage("computing")
    os.killpg(run.process.pid, number)
    _, errors = run.wait_for_end()
    assert "Cancelled; nothing was written." in errors
    assert run.stage.files_left() == []


@pytest.mark.parametrize("name", ["computing", "environment"])
def test_a_killed_qgis_leaves_no_process(at_stage, name):
    run = at_stage(name)
    run.process.kill()
    run.wait_for_end(5)
    assert list(run.stage.outputs.iterdir()) == []


def test_a_qgis_killed_while_it_writes_layers_leaves_what_the_next_run_removes(
    at_stage, plugin_root
):
    run = at_stage("layers")
    former = run.stage.outputs / "series.gpkg"
    former.write_bytes(b"a former series")
    run.process.kill()
    run.wait_for_end(5)
    assert former.read_bytes() == b"a former series"
    assert len(run.stage.files_left()) > 1

    next_run = [sys.executable, plugin_root / "core" / "launch.py", "worker", "none.json"]
    home = {"FAIRWEATHER_HOME": run.stage.variables["FAIRWEATHER_HOME"]}
    subprocess.run(next_run, env={**os.environ, **home}, capture_output=True, check=False)
    assert [path.name for path in run.stage.outputs.iterdir()] == ["series.gpkg"]
    assert former.read_bytes() == b"a former series"


def test_a_killed_worker_is_one_sentence(at_stage):
    run = at_stage("computing")
    (worker,) = run.children()
    os.kill(worker, signal.SIGKILL)
    _, errors = run.wait_for_end()
    assert run.process.returncode == 1
    assert "memory" in errors
    assert run.stage.files_left() == []
