"""The ways to run besides a script: the dialog's background thread, a model, batch mode."""

import json
import threading
import time

import pytest

pytest.importorskip("qgis.core", reason="runs in QGIS's own Python")

EXTENT = "16,16.1,45.9,46 [EPSG:4326]"


@pytest.fixture
def model_file(provider, tmp_path):
    """A model that searches scenes and composites what was found; saved and read again."""
    from qgis.core import (
        QgsProcessingModelAlgorithm,
        QgsProcessingModelChildAlgorithm,
        QgsProcessingModelChildParameterSource,
        QgsProcessingModelOutput,
        QgsProcessingModelParameter,
        QgsProcessingParameterExtent,
    )

    model = QgsProcessingModelAlgorithm("Search and composite", "tests")
    extent = QgsProcessingParameterExtent("extent", "Extent")
    model.addModelParameter(extent, QgsProcessingModelParameter("extent"))
    value = QgsProcessingModelChildParameterSource.fromStaticValue
    extent_source = QgsProcessingModelChildParameterSource.fromModelParameter("extent")

    def child(algorithm, name, **values):
        made = QgsProcessingModelChildAlgorithm(f"fairweather:{algorithm}")
        made.setChildId(name)
        made.addParameterSources("EXTENT", [extent_source])
        for parameter, source in values.items():
            made.addParameterSources(parameter, [source])
        return made

    def output(child_name, name):
        made = QgsProcessingModelOutput(name)
        made.setChildId(child_name)
        made.setChildOutputName("OUTPUT")
        return {name: made}

    search = child("searchscenes", "search", START=value("2024-01-01"), END=value("2024-12-31"))
    search.setModelOutputs(output("search", "footprints"))
    found = QgsProcessingModelChildParameterSource.fromChildOutput("search", "OUTPUT")
    composite = child("composite", "composite", SCENES=found, BANDS=value("NDVI"))
    composite.setModelOutputs(output("composite", "composite"))
    model.addChildAlgorithm(search)
    model.addChildAlgorithm(composite)
    path = tmp_path / "search_and_composite.model3"
    assert model.toFile(str(path))
    return path


def test_a_model_chains_search_and_composite(model_file, fake_worker, tmp_path):
    import processing
    from qgis.core import QgsProcessingModelAlgorithm, QgsRasterLayer

    model = QgsProcessingModelAlgorithm()
    assert model.fromFile(str(model_file))
    model.initAlgorithm()
    composite = tmp_path / "composite.tif"
    outputs = {
        definition.name(): "TEMPORARY_OUTPUT"
        for definition in model.destinationParameterDefinitions()
    }
    (name,) = [name for name in outputs if name.endswith("composite")]
    outputs[name] = str(composite)
    processing.run(model, {"extent": EXTENT, **outputs})
    assert [request.job for request in fake_worker.requests] == ["searchscenes", "composite"]
    assert fake_worker.scenes == [["first", "second"]]
    assert QgsRasterLayer(str(composite), "composite").isValid()


def test_a_refusal_inside_a_model_says_why(model_file, fake_worker):
    import processing
    from qgis.core import (
        QgsProcessingException,
        QgsProcessingFeedback,
        QgsProcessingModelAlgorithm,
    )

    content = model_file.read_text(encoding="utf-8").replace("NDVI", "infra")
    model_file.write_text(content, encoding="utf-8")
    model = QgsProcessingModelAlgorithm()
    model.fromFile(str(model_file))
    model.initAlgorithm()
    outputs = {
        definition.name(): "TEMPORARY_OUTPUT"
        for definition in model.destinationParameterDefinitions()
    }
    feedback = QgsProcessingFeedback()
    with pytest.raises(QgsProcessingException):
        processing.run(model, {"extent": EXTENT, **outputs}, feedback=feedback)
    assert "'infra' is neither a band nor an index" in feedback.textLog()


def test_the_dialogs_way_runs_in_a_background_thread(provider, fake_worker, monkeypatch):
    """As the dialog does it: a task with a feedback, results loaded in the main thread."""
    from fairweather.algorithms import base
    from processing.gui.Postprocessing import handleAlgorithmResults
    from qgis.core import (
        QgsApplication,
        QgsMultiBandColorRenderer,
        QgsProcessingAlgRunnerTask,
        QgsProcessingContext,
        QgsProcessingFeedback,
        QgsProcessingOutputLayerDefinition,
        QgsProject,
    )

    threads = []

    def run_job(*arguments, **keywords):
        threads.append(threading.get_ident())
        return fake_worker(*arguments, **keywords)

    monkeypatch.setattr(base, "run_job", run_job)
    project = QgsProject.instance()
    context, feedback = QgsProcessingContext(), QgsProcessingFeedback()
    context.setProject(project)
    output = QgsProcessingOutputLayerDefinition("TEMPORARY_OUTPUT", project)
    parameters = {"EXTENT": EXTENT, "OUTPUT": output}
    algorithm = provider.algorithm("composite")
    task = QgsProcessingAlgRunnerTask(algorithm, parameters, context, feedback)
    finished = []
    task.executed.connect(
        lambda ok, _results: finished.append(
            ok and handleAlgorithmResults(algorithm, context, feedback, False, parameters)
        )
    )
    QgsApplication.taskManager().addTask(task)
    end = time.monotonic() + 20
    while not finished and time.monotonic() < end:
        QgsApplication.processEvents()
        time.sleep(0.01)
    assert finished == [True]
    assert threads
    assert threads[0] != threading.get_ident()
    (layer,) = project.mapLayers().values()
    assert isinstance(layer.renderer(), QgsMultiBandColorRenderer)


def test_batch_mode(provider, fake_worker, tmp_path):
    """As the batch dialog does it: one instance runs row after row, each with its own context."""
    from processing.gui.Postprocessing import handleAlgorithmResults
    from qgis.core import (
        QgsProcessingContext,
        QgsProcessingFeedback,
        QgsProcessingOutputLayerDefinition,
        QgsProject,
    )

    algorithm = provider.algorithm("composite").create()
    project = QgsProject.instance()
    for bands in ("red,green,blue", "NDVI", "infra"):
        context, feedback = QgsProcessingContext(), QgsProcessingFeedback()
        context.setProject(project)
        path = str(tmp_path / f"{bands}.tif")
        output = QgsProcessingOutputLayerDefinition(path, project)
        parameters = {"EXTENT": EXTENT, "BANDS": bands, "OUTPUT": output}
        _results, ok = algorithm.run(parameters, context, feedback)
        assert ok == (bands != "infra")
        if ok:
            handleAlgorithmResults(algorithm, context, feedback, False, parameters)
        else:
            assert "'infra' is neither a band nor an index" in feedback.textLog()
    assert len(project.mapLayers()) == 2
    assert [request.bands for request in fake_worker.requests] == [
        ("red", "green", "blue"),
        ("NDVI",),
    ]


def test_the_window_lives_while_batch_mode_runs(provider, fake_worker, monkeypatch):
    """Batch mode runs in the window's thread: events are handled while the worker works."""
    from fairweather.algorithms import base
    from qgis.core import QgsProcessingContext, QgsProcessingFeedback
    from qgis.PyQt.QtCore import QTimer

    ticks, calls = [], 20
    timer = QTimer()
    timer.timeout.connect(lambda: ticks.append(None))
    timer.start(1)

    def run_job(request, python, *, on_event, is_cancelled, credentials):
        assert credentials is None
        for _ in range(calls):
            time.sleep(0.01)
            is_cancelled()
        return fake_worker(request, python, on_event=on_event, is_cancelled=is_cancelled)

    monkeypatch.setattr(base, "run_job", run_job)
    algorithm = provider.algorithm("composite").create()
    parameters = {"EXTENT": EXTENT, "OUTPUT": "TEMPORARY_OUTPUT"}
    _results, ok = algorithm.run(parameters, QgsProcessingContext(), QgsProcessingFeedback())
    timer.stop()
    assert ok
    assert len(ticks) >= calls


@pytest.mark.slow
def test_chosen_footprints_make_the_same_composite_as_a_search(run, sample, tmp_path):
    """The whole way, with the real worker: search, delete a scene, composite what is left."""
    from osgeo import gdal

    footprints = run("searchscenes", **sample, OUTPUT="TEMPORARY_OUTPUT")["OUTPUT"]
    count = footprints.featureCount()
    searched = run("composite", **sample, OUTPUT=str(tmp_path / "a.tif"))
    chosen = run("composite", **sample, SCENES=footprints, OUTPUT=str(tmp_path / "b.tif"))
    assert searched["SCENE_COUNT"] == chosen["SCENE_COUNT"] == count
    pixels = [gdal.Open(str(tmp_path / name)).ReadRaster() for name in ("a.tif", "b.tif")]
    assert pixels[0] == pixels[1]
    footprints.startEditing()
    footprints.deleteFeature(next(footprints.getFeatures()).id())
    fewer = run("composite", **sample, SCENES=footprints, OUTPUT=str(tmp_path / "c.tif"))
    footprints.rollBack()
    assert fewer["SCENE_COUNT"] == count - 1


@pytest.mark.slow
def test_footprints_saved_as_geojson_or_geopackage_are_whole(run, sample, tmp_path):
    for name in ("footprints.geojson", "footprints.gpkg"):
        path = str(tmp_path / name)
        items = tmp_path / f"{name}.items.json"
        found = run("searchscenes", **sample, OUTPUT=path, OUTPUT_ITEMS=str(items))
        again = tmp_path / f"{name}.again.json"
        run(
            "searchscenes",
            **sample,
            SCENES=path,
            OUTPUT="TEMPORARY_OUTPUT",
            OUTPUT_ITEMS=str(again),
        )
        first, second = (json.loads(file.read_text())["features"] for file in (items, again))
        assert len(first) == found["SCENE_COUNT"]
        assert first == second
