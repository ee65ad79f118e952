"""The button that cancels, at every stage of a run: as the dialog does it, and as a script does."""

import contextlib
import os
import signal
import sys
import threading
import time

import pytest
import run_stages
import steady_time

pytest.importorskip("qgis.core", reason="runs in QGIS's own Python")


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc"),
]


@pytest.fixture(scope="session")
def holding_python(provider, tmp_path_factory):
    from fairweather.core.bridge.environment import find_worker_python

    folder = tmp_path_factory.mktemp("holding") / "environment"
    return run_stages.make_holding_python(folder, find_worker_python())


@pytest.fixture
def stage(request, worker_python, sample, holding_python, monkeypatch, tmp_path):
    """The stage that a test names, with its variables set; no process of it stays."""
    with contextlib.ExitStack() as stack:
        stages = run_stages.Stages(tmp_path, sample, worker_python, holding_python, stack)
        made = stages.make(request.param)
        for name, value in made.variables.items():
            if value is None:
                monkeypatch.delenv(name, raising=False)
            else:
                monkeypatch.setenv(name, value)
        yield made
        for pid in made.processes():
            os.kill(pid, signal.SIGKILL)


class Button:
    """A feedback that another thread cancels when a run is at a stage."""

    def __init__(self, stage):
        from qgis.core import QgsProcessingFeedback

        self.feedback = QgsProcessingFeedback()
        self._since_press = None
        self._stage = stage
        threading.Thread(target=self._press, daemon=True).start()

    def _press(self):
        end = time.monotonic() + run_stages.SECONDS_TO_REACH
        while not self._stage.is_reached():
            if time.monotonic() > end:
                self.feedback.cancel()
                return
            time.sleep(0.01)
        self._since_press = steady_time.Stopwatch()
        self.feedback.cancel()

    def assert_all_is_over(self):
        """The stage was reached, and now, in time, nothing is left."""
        assert self._since_press is not None, self.feedback.textLog()
        assert self._since_press.stop() < run_stages.SECONDS_TO_CANCEL
        assert self._stage.processes() == []
        assert self._stage.files_left() == []
        assert "Traceback" not in self.feedback.textLog()


def parameters_of(stage):
    return {name: str(value) for name, value in stage.parameters.items() if value is not None}


@pytest.mark.parametrize("stage", run_stages.STAGES, indirect=True)
def test_in_the_dialog(provider, stage):
    """A task in a thread of its own, as the dialog starts it."""
    from qgis.core import QgsApplication, QgsProcessingAlgRunnerTask, QgsProcessingContext

    button, context = Button(stage), QgsProcessingContext()
    algorithm = provider.algorithm(stage.algorithm)
    task = QgsProcessingAlgRunnerTask(algorithm, parameters_of(stage), context, button.feedback)
    ends = []
    task.executed.connect(lambda ok, _results: ends.append(ok))
    QgsApplication.taskManager().addTask(task)
    end = time.monotonic() + 2 * run_stages.SECONDS_TO_REACH
    while not ends and time.monotonic() < end:
        QgsApplication.processEvents()
        time.sleep(0.01)
    button.assert_all_is_over()
    assert ends == [False]


@pytest.mark.parametrize("stage", run_stages.STAGES, indirect=True)
def test_in_a_script(run, stage):
    """In the main thread, as a script and batch mode run it."""
    from qgis.core import QgsProcessingException

    button = Button(stage)
    with pytest.raises(QgsProcessingException, match="Cancelled; nothing was written"):
        run(stage.algorithm, feedback=button.feedback, **parameters_of(stage))
    button.assert_all_is_over()
