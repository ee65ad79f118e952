"""Names, types and defaults of parameters and outputs: models and scripts depend on them."""

import datetime

import pytest

pytest.importorskip("qgis.core", reason="runs in QGIS's own Python")

YEAR = datetime.datetime.now(datetime.timezone.utc).year - 1
SEARCH = {
    "COLLECTION": ("enum", "sentinel-2-c1-l2a"),
    "AOI": ("source", None),
    "EXTENT": ("extent", None),
    "START": ("datetime", datetime.date(YEAR, 1, 1)),
    "END": ("datetime", datetime.date(YEAR, 12, 31)),
    "MAX_CLOUD": ("number", 30),
    "FILTER": ("string", ""),
    "MONTHS": ("string", ""),
    "PROFILE": ("file", None),
    "CATALOG": ("string", ""),
    "SCENES": ("source", None),
}
INTERFACE = {
    "searchscenes": {
        **SEARCH,
        "LIMIT": ("number", 10_000),
        "AUTH": ("authcfg", None),
        "OUTPUT": ("sink", None),
        "OUTPUT_ITEMS": ("fileDestination", None),
    },
    "composite": {
        **SEARCH,
        "BANDS": ("string", "red,green,blue"),
        "METHOD": ("enum", "median"),
        "MASK_CLASSES": ("string", ""),
        "MASK_BUFFER": ("number", 0),
        "RESOLUTION": ("number", None),
        "CRS": ("crs", None),
        "ALIGN": ("raster", None),
        "CLIP": ("boolean", True),
        "DTYPE": ("enum", "float32"),
        "COUNT_BAND": ("boolean", False),
        "MEMORY": ("number", 0),
        "ON_ERROR": ("enum", "skip"),
        "DRY_RUN": ("boolean", False),
        "CLUSTER": ("string", ""),
        "DASHBOARD": ("boolean", False),
        "AUTH": ("authcfg", None),
        "OUTPUT": ("rasterDestination", None),
        "OUTPUT_REPORT": ("fileDestination", None),
    },
    "timeseries": {
        **{name: SEARCH[name] for name in SEARCH if name not in ("AOI", "EXTENT")},
        "SITES": ("source", None),
        "POINT": ("point", None),
        "NAME_FIELD": ("field", None),
        "INDEX": ("string", "NDVI"),
        "STATISTIC": ("enum", "mean"),
        "MIN_CLEAR": ("number", 0),
        "STEP": ("number", 5),
        "FILL": ("enum", "linear"),
        "MAX_GAP": ("number", 0),
        "SMOOTH": ("enum", "rolling"),
        "WINDOW": ("number", 3),
        "ORDER": ("number", 2),
        "LAMBDA": ("number", 10),
        "MASK_CLASSES": ("string", ""),
        "MASK_BUFFER": ("number", 0),
        "MEMORY": ("number", 0),
        "ON_ERROR": ("enum", "skip"),
        "DRY_RUN": ("boolean", False),
        "CLUSTER": ("string", ""),
        "DASHBOARD": ("boolean", False),
        "AUTH": ("authcfg", None),
        "OUTPUT": ("sink", None),
        "OUTPUT_OBSERVATIONS": ("sink", None),
        "OUTPUT_SITES": ("sink", None),
        "OUTPUT_CHART": ("fileDestination", None),
        "OUTPUT_CHART_IMAGE": ("fileDestination", None),
    },
    "samplecatalog": {"FOLDER": ("folderDestination", None), "DAYS": ("number", 24)},
    "environment": {"ACTION": ("enum", "check"), "REPORT": ("fileDestination", None)},
}
OUTPUTS = {
    "searchscenes": {
        "OUTPUT": "outputVector",
        "OUTPUT_ITEMS": "outputFile",
        "SCENE_COUNT": "outputNumber",
        "DAY_COUNT": "outputNumber",
    },
    "composite": {
        "OUTPUT": "outputRaster",
        "OUTPUT_REPORT": "outputHtml",
        "SCENE_COUNT": "outputNumber",
        "DAY_COUNT": "outputNumber",
        "CLEAR_PERCENT": "outputNumber",
    },
    "timeseries": {
        "OUTPUT": "outputVector",
        "OUTPUT_OBSERVATIONS": "outputVector",
        "OUTPUT_SITES": "outputVector",
        "OUTPUT_CHART": "outputHtml",
        "OUTPUT_CHART_IMAGE": "outputFile",
        "SITE_COUNT": "outputNumber",
        "OBSERVATION_COUNT": "outputNumber",
    },
    "samplecatalog": {"FOLDER": "outputFolder", "CATALOG": "outputFile"},
    "environment": {"REPORT": "outputHtml", "READY": "outputBoolean"},
}
ADVANCED = {
    "AUTH",
    "PROFILE",
    "CATALOG",
    "MONTHS",
    "LIMIT",
    "MEMORY",
    "ON_ERROR",
    "DRY_RUN",
    "CLUSTER",
    "DASHBOARD",
    "MASK_CLASSES",
    "MASK_BUFFER",
    "ALIGN",
    "CLIP",
    "DTYPE",
}
ADVANCED |= {"COUNT_BAND", "MAX_GAP", "WINDOW", "ORDER", "LAMBDA"}


def plain(value):
    return value.toPyDate() if hasattr(value, "toPyDate") else value


def test_the_provider_lists_its_algorithms(provider):
    assert {algorithm.name() for algorithm in provider.algorithms()} == set(INTERFACE)
    assert provider.id() == "fairweather"
    assert not provider.icon().isNull()


@pytest.mark.parametrize("name", INTERFACE)
def test_parameters(provider, name):
    found = {
        definition.name(): (definition.type(), plain(definition.defaultValue()))
        for definition in provider.algorithm(name).parameterDefinitions()
    }
    assert found == INTERFACE[name]


@pytest.mark.parametrize("name", INTERFACE)
def test_outputs(provider, name):
    found = {
        output.name(): output.type() for output in provider.algorithm(name).outputDefinitions()
    }
    assert found == OUTPUTS[name]


@pytest.mark.parametrize("name", INTERFACE)
def test_everything_is_explained(provider, name):
    algorithm = provider.algorithm(name)
    assert algorithm.shortHelpString()
    assert algorithm.shortDescription()
    assert algorithm.tags()
    assert not algorithm.icon().isNull()
    assert all(definition.help() for definition in algorithm.parameterDefinitions())


@pytest.mark.parametrize("name", INTERFACE)
def test_only_output_must_be_given(provider, name):
    from qgis.core import QgsProcessingParameterDefinition

    flag = QgsProcessingParameterDefinition.Flag.FlagOptional
    required = {
        definition.name()
        for definition in provider.algorithm(name).parameterDefinitions()
        if not definition.flags() & flag and definition.defaultValue() is None
    }
    assert required <= {"OUTPUT", "FOLDER"}


@pytest.mark.parametrize("name", INTERFACE)
def test_optional_outputs_are_made_in_the_dialog(provider, name):
    destinations = [
        definition
        for definition in provider.algorithm(name).parameterDefinitions()
        if definition.isDestination()
    ]
    assert all(definition.createByDefault() for definition in destinations)


@pytest.mark.parametrize("name", ["searchscenes", "composite", "timeseries"])
def test_tuning_is_advanced(provider, name):
    from qgis.core import QgsProcessingParameterDefinition

    flag = QgsProcessingParameterDefinition.Flag.FlagAdvanced
    definitions = provider.algorithm(name).parameterDefinitions()
    found = {definition.name() for definition in definitions if definition.flags() & flag}
    assert found == ADVANCED & set(INTERFACE[name])


@pytest.mark.parametrize("name", INTERFACE)
def test_choices_are_words(provider, name):
    enums = [
        definition
        for definition in provider.algorithm(name).parameterDefinitions()
        if definition.type() == "enum"
    ]
    assert all(definition.usesStaticStrings() for definition in enums)


@pytest.mark.parametrize("name", ["searchscenes", "composite", "timeseries", "samplecatalog"])
def test_runs_in_the_background(provider, name):
    from qgis.core import QgsProcessingAlgorithm

    flags = provider.algorithm(name).flags()
    assert not flags & QgsProcessingAlgorithm.Flag.FlagNoThreading
    assert flags & QgsProcessingAlgorithm.Flag.FlagCanCancel


@pytest.mark.parametrize("name", ["searchscenes", "composite", "timeseries", "samplecatalog"])
def test_without_environment_can_execute_says_how_to_make_it(provider, name, monkeypatch, tmp_path):
    monkeypatch.delenv("FAIRWEATHER_PYTHON", raising=False)
    monkeypatch.setenv("FAIRWEATHER_HOME", str(tmp_path))
    works, message = provider.algorithm(name).canExecute()
    assert not works
    assert "fairweather:environment" in message
    assert "create" in message


def test_the_environment_algorithm_always_runs(provider, monkeypatch, tmp_path, run):
    monkeypatch.delenv("FAIRWEATHER_PYTHON", raising=False)
    monkeypatch.setenv("FAIRWEATHER_HOME", str(tmp_path))
    assert provider.algorithm("environment").canExecute() == (True, "")
    report = tmp_path / "report.html"
    results = run("environment", REPORT=str(report))
    assert results["READY"] is False
    assert "not ready" in report.read_text(encoding="utf-8")


def test_the_users_own_python_is_read_from_the_settings(provider, monkeypatch):
    from fairweather.algorithms import base
    from qgis.core import QgsSettings

    asked = []
    monkeypatch.setattr(base, "find_worker_python", asked.append)
    QgsSettings().setValue("fairweather/python", "/opt/python")
    try:
        assert provider.algorithm("composite").canExecute() == (True, "")
    finally:
        QgsSettings().remove("fairweather/python")
    assert asked == ["/opt/python"]


def test_nothing_of_the_environment_is_imported(provider):
    import sys

    names = {"dask", "rasterio", "xarray", "odc", "pystac_client", "shapely", "pyproj"}
    assert not names & set(sys.modules)
