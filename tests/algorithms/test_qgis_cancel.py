"""A cancel that arrives in the thread in which an algorithm runs: qgis_process, scripts, batch."""

import time

import pytest

pytest.importorskip("qgis.core", reason="runs in QGIS's own Python")

MILLISECONDS = 100
MOST_SECONDS = 5


@pytest.fixture
def cancelled_soon(qgis):
    """A feedback that an event cancels, as SIGINT does in qgis_process."""
    from qgis.core import QgsProcessingFeedback
    from qgis.PyQt.QtCore import QTimer

    feedback = QgsProcessingFeedback()
    QTimer.singleShot(MILLISECONDS, feedback.cancel)
    return feedback


def test_it_reaches_the_making_of_the_environment(run, cancelled_soon, monkeypatch):
    from fairweather.algorithms import environment
    from fairweather.core.bridge.errors import CancelledError
    from qgis.core import QgsProcessingException

    def create(_progress, is_cancelled, _chosen):
        end = time.monotonic() + MOST_SECONDS
        while not is_cancelled():
            assert time.monotonic() < end, "it was never told of the cancel"
            time.sleep(0.01)
        raise CancelledError("Making the environment was cancelled.")

    monkeypatch.setattr(environment, "create_environment", create)
    with pytest.raises(QgsProcessingException, match="Cancelled; nothing was written"):
        run("environment", feedback=cancelled_soon, ACTION="create")


def test_it_reaches_the_writing_of_a_layer(provider, cancelled_soon, tmp_path):
    from fairweather.algorithms.sinks import OutputWriter
    from fairweather.core.bridge.errors import CancelledError
    from qgis.core import QgsFeature, QgsFields, QgsProcessingContext, QgsWkbTypes

    def rows():
        end = time.monotonic() + MOST_SECONDS
        while time.monotonic() < end:
            yield QgsFeature()

    algorithm = provider.algorithm("timeseries").create()
    parameters = {"OUTPUT": str(tmp_path / "series.gpkg")}
    job = tmp_path / "job"
    job.mkdir()
    writer = OutputWriter(algorithm, parameters, QgsProcessingContext(), cancelled_soon, job)
    with pytest.raises(CancelledError), writer.whole():
        writer.write("OUTPUT", rows(), QgsFields(), QgsWkbTypes.Type.NoGeometry)
    assert list(tmp_path.iterdir()) == [job]
