"""DRY_RUN inside QGIS: the outputs are named, none is made, and QGIS waits for no layer."""

import pytest

pytest.importorskip("qgis.core", reason="runs in QGIS's own Python")

DATES = {"START": "2024-01-01", "END": "2024-12-31"}
POINT = {**DATES, "POINT": "16,46 [EPSG:4326]"}
EXTENT = {**DATES, "EXTENT": "16,16.1,45.9,46 [EPSG:4326]"}
TABLES = ("OUTPUT", "OUTPUT_OBSERVATIONS", "OUTPUT_SITES")


def test_a_composite_is_planned_only(run, fake_worker, tmp_path):
    results = run(
        "composite",
        **EXTENT,
        OUTPUT=str(tmp_path / "composite.tif"),
        OUTPUT_REPORT="",
        DRY_RUN=True,
    )
    (request,) = fake_worker.requests
    assert request.dry_run
    assert request.output == str(tmp_path / "composite.tif")
    assert results == {"SCENE_COUNT": 2, "DAY_COUNT": 1}
    assert list(tmp_path.iterdir()) == []


def test_the_report_of_a_dry_run_is_a_result(run, fake_worker, tmp_path):
    report = str(tmp_path / "report.html")
    results = run("composite", **EXTENT, OUTPUT="TEMPORARY_OUTPUT", OUTPUT_REPORT=report,
                  DRY_RUN=True)  # fmt: skip
    assert fake_worker.requests[0].report == results["OUTPUT_REPORT"] == report
    assert fake_worker.requests[0].output == ""
    assert "OUTPUT" not in results


def test_a_time_series_is_planned_only(run, fake_worker, tmp_path):
    results = run("timeseries", **POINT, OUTPUT=str(tmp_path / "series.csv"),
                  OUTPUT_CHART=str(tmp_path / "chart.html"), DRY_RUN=True)  # fmt: skip
    (request,) = fake_worker.requests
    assert request.dry_run
    assert results == {"SITE_COUNT": 1}
    assert list(tmp_path.iterdir()) == []


def test_without_it_everything_is_made(run, fake_worker, tmp_path):
    results = run("composite", **EXTENT, OUTPUT=str(tmp_path / "composite.tif"))
    assert not fake_worker.requests[0].dry_run
    assert results["OUTPUT"] == str(tmp_path / "composite.tif")


@pytest.mark.parametrize(
    ("algorithm", "given", "outputs"),
    [("composite", EXTENT, ("OUTPUT",)), ("timeseries", POINT, TABLES)],
)
def test_the_dialogs_way_loads_nothing_and_complains_of_nothing(
    provider, fake_worker, algorithm, given, outputs
):
    """As the dialog and ``runAndLoadResults`` do it: every output shall be loaded."""
    import processing
    from qgis.core import (
        QgsProcessingFeedback,
        QgsProcessingOutputLayerDefinition,
        QgsProject,
    )

    class Feedback(QgsProcessingFeedback):
        def __init__(self):
            super().__init__(False)
            self.errors = []

        def reportError(self, text, *_):
            self.errors.append(text)

    project, feedback = QgsProject.instance(), Feedback()
    parameters = {
        name: QgsProcessingOutputLayerDefinition("TEMPORARY_OUTPUT", project) for name in outputs
    }
    results = processing.runAndLoadResults(
        f"fairweather:{algorithm}", {**given, **parameters, "DRY_RUN": True}, feedback=feedback
    )
    assert feedback.errors == []
    assert "OUTPUT" not in results
    assert project.mapLayers() == {}
