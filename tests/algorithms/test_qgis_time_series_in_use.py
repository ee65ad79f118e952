"""The time series in a project, a model and batch mode: names, style, joins."""

import pytest

pytest.importorskip("qgis.core", reason="runs in QGIS's own Python")

DATES = {"START": "2024-01-01", "END": "2024-12-31"}


@pytest.fixture
def points(provider):
    """Make a layer of points in the project, named a, b, c …"""
    from qgis.core import QgsFeature, QgsGeometry, QgsPointXY, QgsProject, QgsVectorLayer

    def make(count, field="parcel:string"):
        layer = QgsVectorLayer(f"Point?crs=EPSG:4326&field={field}", "points", "memory")
        for number in range(count):
            feature = QgsFeature(layer.fields())
            feature.setGeometry(QgsGeometry.fromPointXY(QgsPointXY(16 + number / 100, 46)))
            feature.setAttributes(["abcdefgh"[number % 8] if "string" in field else number])
            layer.dataProvider().addFeatures([feature])
        QgsProject.instance().addMapLayer(layer)
        return layer

    return make


@pytest.fixture
def load(provider, fake_worker):
    """Run as the dialog does, all layers loaded; the layers by the words of their names."""
    import processing
    from qgis.core import QgsProcessingOutputLayerDefinition, QgsProject

    def run(**parameters):
        project = QgsProject.instance()
        before = set(project.mapLayers())
        outputs = {
            name: QgsProcessingOutputLayerDefinition("TEMPORARY_OUTPUT", project)
            for name in ("OUTPUT", "OUTPUT_OBSERVATIONS", "OUTPUT_SITES")
        }
        processing.runAndLoadResults("fairweather:timeseries", {**DATES, **outputs, **parameters})
        return {
            layer.name(): layer for key, layer in project.mapLayers().items() if key not in before
        }

    return run


def colors_of(layer):
    """The colour in which each site is drawn; a site that is not drawn is an error."""
    from qgis.core import QgsRenderContext

    context, renderer, colors = QgsRenderContext(), layer.renderer(), {}
    renderer.startRender(context, layer.fields())
    for feature in layer.getFeatures():
        context.expressionContext().setFeature(feature)
        colors[feature["site_id"]] = renderer.symbolForFeature(feature, context).color().name()
    renderer.stopRender(context)
    return colors


def test_names_say_what_the_layers_are(load, points):
    layers = load(SITES=points(2), INDEX="NDVI,nir")
    assert set(layers) == {
        "NDVI, nir series 2024",
        "NDVI, nir observations 2024",
        "NDVI, nir at sites 2024",
    }


@pytest.mark.parametrize("kind", ["point", "polygon"])
def test_sites_are_coloured_by_the_first_indexs_mean(load, points, polygons, square, kind):
    from qgis.core import QgsGraduatedSymbolRenderer

    sites = points(6) if kind == "point" else polygons(*[square] * 6)
    layer = load(SITES=sites, INDEX="NDVI,nir")["NDVI, nir at sites 2024"]
    renderer = layer.renderer()
    assert isinstance(renderer, QgsGraduatedSymbolRenderer)
    assert "NDVI_mean" in renderer.classAttribute()
    none, *classes = renderer.ranges()
    assert none.label() == "no observation"
    assert [(item.lowerValue(), item.upperValue()) for item in classes] == [
        pytest.approx((0.1 + number / 10, 0.2 + number / 10)) for number in range(5)
    ]
    colors = [item.symbol().color() for item in classes]
    brightness = [0.2126 * c.redF() + 0.7152 * c.greenF() + 0.0722 * c.blueF() for c in colors]
    assert brightness == sorted(brightness)  # told apart without colours, too
    drawn = colors_of(layer)
    assert list(drawn.values()) == [color.name() for color in (colors[0], *colors)]


def test_a_lone_value_has_one_class(load, points):
    layer = load(SITES=points(1))["NDVI at sites 2024"]
    assert [item.label() for item in layer.renderer().ranges()] == ["no observation", "0.1 – 0.1"]


def test_a_field_that_has_the_name_already(load, points):
    layer = load(SITES=points(2, "NDVI_mean:integer"))["NDVI at sites 2024"]
    assert "NDVI_mean_2" in layer.renderer().classAttribute()


def test_a_site_without_observation_is_shown(load, points):
    drawn = colors_of(load(SITES=points(99))["NDVI at sites 2024"])
    assert len(drawn) == 99
    assert [site for site, color in drawn.items() if color == "#bdbdbd"] == [99]


def test_a_shapefile_with_short_names_still_loads(load, points, tmp_path):
    from qgis.core import QgsProcessingOutputLayerDefinition, QgsProject

    output = QgsProcessingOutputLayerDefinition(str(tmp_path / "sites.shp"), QgsProject.instance())
    layers = load(SITES=points(2), INDEX="WDRVI,NDVI", OUTPUT_SITES=output)
    assert layers["WDRVI, NDVI at sites 2024"].featureCount() == 2


@pytest.fixture
def join_model(provider, tmp_path):
    """A model: series of the sites, joined to the sites by a field of both; read from its file."""
    from qgis.core import (
        QgsProcessing,
        QgsProcessingModelAlgorithm,
        QgsProcessingModelChildAlgorithm,
        QgsProcessingModelChildParameterSource,
        QgsProcessingModelOutput,
        QgsProcessingModelParameter,
        QgsProcessingParameterFeatureSource,
    )

    source = QgsProcessingModelChildParameterSource

    def make(left, field, right):
        model = QgsProcessingModelAlgorithm("Series joined", "tests")
        kinds = [QgsProcessing.SourceType.TypeVectorPoint]
        parameter = QgsProcessingParameterFeatureSource("sites", "Sites", kinds)
        model.addModelParameter(parameter, QgsProcessingModelParameter("sites"))
        series = QgsProcessingModelChildAlgorithm("fairweather:timeseries")
        series.setChildId("series")
        join = QgsProcessingModelChildAlgorithm("native:joinattributestable")
        join.setChildId("join")
        sites = source.fromModelParameter("sites")
        result = source.fromChildOutput("series", left) if left else sites
        for child, name, value in (
            (series, "SITES", sites),
            (series, "NAME_FIELD", source.fromStaticValue("parcel")),
            (join, "INPUT", result),
            (join, "FIELD", source.fromStaticValue(field)),
            (join, "INPUT_2", source.fromChildOutput("series", "OUTPUT")),
            (join, "FIELD_2", source.fromStaticValue(right)),
            (join, "METHOD", source.fromStaticValue(0)),
        ):
            child.addParameterSources(name, [value])
        output = QgsProcessingModelOutput("joined")
        output.setChildId("join")
        output.setChildOutputName("OUTPUT")
        join.setModelOutputs({"joined": output})
        if left:
            kept = QgsProcessingModelOutput("kept")
            kept.setChildId("series")
            kept.setChildOutputName(left)
            series.setModelOutputs({"kept": kept})
        model.addChildAlgorithm(series)
        model.addChildAlgorithm(join)
        path = tmp_path / "joined.model3"
        assert model.toFile(str(path))
        read = QgsProcessingModelAlgorithm()
        assert read.fromFile(str(path))
        read.initAlgorithm()
        return read

    return make


@pytest.mark.parametrize(
    ("left", "field", "right"),
    [("", "parcel", "site"), ("OUTPUT_SITES", "site_id", "site_id")],
    ids=["the layer itself by its name field", "the sites that come back by their id"],
)
def test_a_model_joins_the_series_to_the_sites(join_model, fake_worker, points, left, field, right):
    import processing
    from qgis.core import NULL

    model = join_model(left, field, right)
    names = [definition.name() for definition in model.destinationParameterDefinitions()]
    outputs = dict.fromkeys(names, "TEMPORARY_OUTPUT")
    results = processing.run(model, {"sites": points(3), **outputs})
    (name,) = [name for name in results if name.endswith("joined")]
    joined = results[name]
    rows = [(row["parcel"], row["value"], row["smoothed"]) for row in joined.getFeatures()]
    assert [row for row in rows if row[1] != NULL] == [
        ("a", 0.1, 0.1),
        ("b", 0.2, 0.2),
        ("c", pytest.approx(0.3), pytest.approx(0.3)),
    ]
    assert len(rows) == 6


def test_batch_mode(provider, fake_worker, points, tmp_path):
    """As the batch dialog does it: one instance runs row after row, each with its own context."""
    from qgis.core import QgsProcessingContext, QgsProcessingFeedback, QgsProject

    algorithm = provider.algorithm("timeseries").create()
    layer = points(2)
    for index in ("NDVI", "infra", "nir,red"):
        context, feedback = QgsProcessingContext(), QgsProcessingFeedback()
        context.setProject(QgsProject.instance())
        path = str(tmp_path / f"{index}.csv")
        parameters = {**DATES, "SITES": layer.id(), "INDEX": index, "OUTPUT": path}
        _results, ok = algorithm.run(parameters, context, feedback)
        assert ok == (index != "infra")
    assert [request.indices for request in fake_worker.requests] == [("NDVI",), ("nir", "red")]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["NDVI.csv", "nir,red.csv"]
