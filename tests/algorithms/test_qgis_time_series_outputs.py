"""The request of a time series, and its tables, sites and charts in every kind of output."""

import csv
import sqlite3
from pathlib import Path

import pytest

pytest.importorskip("qgis.core", reason="runs in QGIS's own Python")

FIELDS = ["site_id", "site", "index", "time", "value", "interpolated", "smoothed"]
STATISTICS = ["count", "mean", "maximum", "maximum_date"]


@pytest.fixture
def parcels(provider):
    """Two parcels and a third under no scene (id 99), in UTM zone 33 north, with two fields."""
    from qgis.core import QgsFeature, QgsGeometry, QgsRectangle, QgsVectorLayer

    layer = QgsVectorLayer(
        "Polygon?crs=EPSG:32633&field=parcel:string&field=ndvi_mean:integer", "parcels", "memory"
    )
    features = []
    for number in range(99):
        feature = QgsFeature(layer.fields())
        west = 500_000 + 100 * number
        rectangle = QgsRectangle(west, 5_080_000, west + 50, 5_080_050)
        feature.setGeometry(QgsGeometry.fromRect(rectangle))
        feature.setAttributes([f"P{number + 1}", number])
        features.append(feature)
    layer.dataProvider().addFeatures(features)
    layer.setSubsetString("parcel in ('P1', 'P2', 'P99')")
    return layer


@pytest.fixture
def series(run, fake_worker, parcels):
    """Run on the parcels with more parameters; all results are kept in memory by default."""

    def run_series(**parameters):
        given = {"SITES": parcels, "NAME_FIELD": "parcel", "OUTPUT": "TEMPORARY_OUTPUT"}
        return run("timeseries", **{**given, **parameters})

    return run_series


def rows_of(layer):
    from qgis.core import NULL

    return [
        {
            name: None if value == NULL else value
            for name, value in zip(layer.fields().names(), feature.attributes())
        }
        for feature in layer.getFeatures()
    ]


def moment(value):
    """A date-time as the table shows it, whatever the zone in which it came."""
    from qgis.PyQt.QtCore import Qt

    return value.toString(Qt.DateFormat.ISODate).rstrip("Z")


def test_every_parameter_arrives(series, fake_worker, tmp_path):
    series(
        COLLECTION="sentinel-2-l2a",
        CATALOG="https://example.org/stac",
        START="2023-05-01",
        END="2024-09-30",
        INDEX="NDVI, ratio=max(nir,red)/red,nir",
        STATISTIC="p90",
        MIN_CLEAR=12.5,
        STEP=7,
        FILL="none",
        MAX_GAP=30,
        SMOOTH="savgol",
        WINDOW=5,
        ORDER=3,
        LAMBDA=99,
        MASK_CLASSES="none",
        MASK_BUFFER=60,
        MEMORY=2,
        CLUSTER="tcp://10.0.0.5:8786",
        DASHBOARD=True,
        OUTPUT_CHART=str(tmp_path / "chart.html"),
        OUTPUT_CHART_IMAGE=str(tmp_path / "chart.png"),
    )
    (request,) = fake_worker.requests
    assert (request.search.collection, request.search.start) == ("sentinel-2-l2a", "2023-05-01")
    assert request.indices == ("NDVI", "ratio=max(nir,red)/red", "nir")
    assert (request.statistic, request.min_clear, request.memory_gb) == ("p90", 12.5, 2)
    recipe = request.recipe
    assert (recipe.step, recipe.fill, recipe.max_gap) == (7, "none", 30)
    assert (recipe.smooth, recipe.window, recipe.order, recipe.penalty) == ("savgol", 5, 3, 99)
    assert (request.mask_classes, request.mask_buffer) == ((), 60.0)
    assert (request.cluster, request.dashboard) == ("tcp://10.0.0.5:8786", True)
    assert [(site.id, site.name) for site in request.sites] == [(1, "P1"), (2, "P2"), (99, "P99")]
    assert request.sites_crs == "EPSG:32633"
    # Made beside their places, which they take when the layers are whole.
    made = [Path(path) for path in (request.chart, request.chart_image)]
    assert [path.name for path in made] == ["chart.html", "chart.png"]
    assert {path.parent.parent for path in made} == {tmp_path}
    assert request.destinations == (str(tmp_path / "chart.html"), str(tmp_path / "chart.png"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["chart.html", "chart.png"]


def test_defaults(series, fake_worker):
    from fairweather.core.bridge.request import request_from_json, request_to_json
    from fairweather.core.bridge.series_recipe import SeriesRecipe

    series()
    (request,) = fake_worker.requests
    assert request.recipe == SeriesRecipe()
    assert (request.indices, request.statistic) == (("NDVI",), "mean")
    assert (request.mask_classes, request.min_clear, request.memory_gb) == (None, 0, 0)
    assert request_from_json(request_to_json(request)) == request


def test_what_is_not_asked_for_is_not_made(series, fake_worker):
    results = series()
    assert set(results) == {"OUTPUT", "SITE_COUNT", "OBSERVATION_COUNT"}
    (request,) = fake_worker.requests
    assert request.series
    assert (request.observations, request.site_summary) == ("", "")
    assert (request.chart, request.chart_image) == ("", "")


def test_the_series_in_memory(series):
    from qgis.core import QgsWkbTypes
    from qgis.PyQt.QtCore import QVariant

    results = series(INDEX="NDVI,nir")
    table = results["OUTPUT"]
    assert table.wkbType() == QgsWkbTypes.Type.NoGeometry
    assert table.fields().names() == FIELDS
    kinds = [field.type() for field in table.fields()]
    assert kinds[:4] == [QVariant.LongLong, QVariant.String, QVariant.String, QVariant.DateTime]
    assert set(kinds[4:]) == {QVariant.Double}
    rows = rows_of(table)
    assert len(rows) == 2 * 2 * 2 + 2
    assert (rows[0]["site_id"], rows[0]["site"], rows[0]["index"]) == (1, "P1", "NDVI")
    assert moment(rows[0]["time"]) == "2024-02-29T00:00:00"
    assert rows[0]["value"] == 0.1
    assert rows[1]["value"] is None
    assert rows[1]["smoothed"] == 0.1
    without_scene = [row for row in rows if row["site"] == "P99"]
    assert [row["time"] for row in without_scene] == [None, None]
    assert (results["SITE_COUNT"], results["OBSERVATION_COUNT"]) == (3, 6)


def test_the_observations_in_memory(series):
    rows = rows_of(series(OUTPUT_OBSERVATIONS="TEMPORARY_OUTPUT")["OUTPUT_OBSERVATIONS"])
    clear, cloudy = rows[:2]
    assert moment(clear["time"]) == "2024-02-29T10:07:53"
    assert moment(cloudy["time"]) == "2024-12-31T23:59:59"
    assert (clear["value"], clear["clear_pixels"], clear["all_pixels"]) == (0.1, 3, 4)
    assert (cloudy["value"], cloudy["clear_pixels"], cloudy["all_pixels"]) == (None, 0, 4)
    assert clear["item_ids"] == "first second"
    assert (rows[-1]["time"], rows[-1]["item_ids"]) == (None, None)


def test_the_sites_keep_fields_geometry_and_crs(series, parcels):
    from qgis.PyQt.QtCore import QDate, QVariant

    layer = series(INDEX="NDVI,nir", OUTPUT_SITES="TEMPORARY_OUTPUT")["OUTPUT_SITES"]
    assert layer.wkbType() == parcels.wkbType()
    assert layer.crs() == parcels.crs()
    expected = ["NDVI_count", "NDVI_mean_2", "NDVI_maximum", "NDVI_maximum_date"]
    expected += [f"nir_{name}" for name in STATISTICS]
    assert layer.fields().names() == ["parcel", "ndvi_mean", "site_id", "site", *expected]
    assert layer.fields()[7].type() == QVariant.Date
    rows = rows_of(layer)
    assert [row["parcel"] for row in rows] == ["P1", "P2", "P99"]
    assert [row["ndvi_mean"] for row in rows] == [0, 1, 98]
    assert [row["site_id"] for row in rows] == [1, 2, 99]
    assert rows[1]["NDVI_mean_2"] == 0.2
    assert rows[1]["nir_maximum_date"] == QDate(2024, 2, 29)
    assert rows[2]["NDVI_count"] == 0
    assert rows[2]["NDVI_mean_2"] is None
    assert rows[2]["NDVI_maximum_date"] is None
    shapes = [feature.geometry().asWkt() for feature in layer.getFeatures()]
    assert shapes == [feature.geometry().asWkt() for feature in parcels.getFeatures()]


def test_a_point_comes_back_as_a_site(run, fake_worker):
    layer = run(
        "timeseries",
        POINT="16,46 [EPSG:4326]",
        OUTPUT="TEMPORARY_OUTPUT",
        OUTPUT_SITES="TEMPORARY_OUTPUT",
    )["OUTPUT_SITES"]
    (feature,) = layer.getFeatures()
    assert feature.geometry().asWkt() == "Point (16 46)"
    assert layer.fields().names() == ["site_id", "site", *(f"NDVI_{name}" for name in STATISTICS)]
    assert (feature["site_id"], feature["site"], feature["NDVI_count"]) == (1, "1", 1)


def test_csv(series, tmp_path):
    paths = {"OUTPUT": tmp_path / "series.csv", "OUTPUT_OBSERVATIONS": tmp_path / "observed.csv"}
    series(**{name: str(path) for name, path in paths.items()})
    rows = list(csv.DictReader(paths["OUTPUT"].open(encoding="utf-8")))
    assert list(rows[0]) == FIELDS
    assert (rows[0]["time"], rows[0]["value"]) == ("2024/02/29 00:00:00", "0.1")
    assert (rows[1]["value"], rows[1]["interpolated"]) == ("", "0.1")
    assert (rows[-1]["site"], rows[-1]["time"]) == ("P99", "")
    observed = list(csv.DictReader(paths["OUTPUT_OBSERVATIONS"].open(encoding="utf-8")))
    assert observed[0]["time"] == "2024/02/29 10:07:53"
    assert observed[1]["value"] == ""
    assert "nan" not in paths["OUTPUT_OBSERVATIONS"].read_text(encoding="utf-8").lower()


def test_geopackage(series, tmp_path):
    from qgis.core import QgsVectorLayer
    from qgis.PyQt.QtCore import QDate

    names = ("OUTPUT", "OUTPUT_OBSERVATIONS", "OUTPUT_SITES")
    paths = {name: str(tmp_path / f"{name}.gpkg") for name in names}
    series(**paths)
    layers = {name: QgsVectorLayer(path, name, "ogr") for name, path in paths.items()}
    table = layers["OUTPUT_OBSERVATIONS"]
    rows = rows_of(table)
    assert moment(rows[0]["time"]) == "2024-02-29T10:07:53"
    assert moment(rows[1]["time"]) == "2024-12-31T23:59:59"
    assert (rows[0]["value"], rows[1]["value"]) == (0.1, None)
    assert rows[-1]["time"] is None
    assert not table.isSpatial()
    sites = rows_of(layers["OUTPUT_SITES"])
    assert sites[0]["NDVI_maximum_date"] == QDate(2024, 2, 29)
    assert sites[2]["NDVI_maximum"] is None
    with sqlite3.connect(paths["OUTPUT_OBSERVATIONS"]) as database:
        ((text, kind),) = database.execute(
            "select time, typeof(value) from OUTPUT_OBSERVATIONS where fid = 2"
        )
    assert text.startswith("2024-12-31T23:59:59")
    assert kind == "null"
    assert rows_of(layers["OUTPUT"])[1]["value"] is None


@pytest.mark.parametrize("ending", ["geojson", "shp", "ods", "xlsx", "fgb"])
def test_other_formats(series, tmp_path, ending):
    from qgis.core import QgsVectorFileWriter, QgsVectorLayer

    if ending not in QgsVectorFileWriter.supportedFormatExtensions():
        pytest.skip(f"this QGIS writes no .{ending}")
    path = tmp_path / f"sites.{ending}"
    series(OUTPUT_SITES=str(path))
    layer = QgsVectorLayer(str(path), "sites", "ogr")
    assert layer.featureCount() == 3
    assert {row["parcel"] for row in rows_of(layer)} == {"P1", "P2", "P99"}


def test_charts_are_results(series, tmp_path):
    paths = {"OUTPUT_CHART": tmp_path / "a.html", "OUTPUT_CHART_IMAGE": tmp_path / "a.png"}
    results = series(**{name: str(path) for name, path in paths.items()})
    for name, path in paths.items():
        assert results[name] == str(path)
        assert path.exists()


def test_cancelled_while_writing_leaves_nothing(series, fake_worker, monkeypatch, tmp_path):
    from fairweather.algorithms import base
    from qgis.core import QgsProcessingException, QgsProcessingFeedback

    feedback = QgsProcessingFeedback()

    def run_job(*arguments, **keywords):
        values = fake_worker(*arguments, **keywords)
        feedback.cancel()
        return values

    monkeypatch.setattr(base, "run_job", run_job)
    with pytest.raises(QgsProcessingException, match="Cancelled; nothing was written"):
        series(
            feedback=feedback,
            OUTPUT=str(tmp_path / "series.gpkg"),
            OUTPUT_SITES=str(tmp_path / "sites.shp"),
            OUTPUT_CHART=str(tmp_path / "chart.html"),
        )
    assert list(tmp_path.iterdir()) == []


def test_a_failed_run_leaves_what_was_there(series, fake_worker, tmp_path):
    from fairweather.core.bridge.errors import NoScenesError
    from qgis.core import QgsProcessingException

    chart = tmp_path / "chart.html"
    chart.write_text("an older chart")
    fake_worker.failure = NoScenesError("No scene was found.")
    with pytest.raises(QgsProcessingException, match="No scene was found"):
        series(OUTPUT=str(tmp_path / "series.csv"), OUTPUT_CHART=str(chart))
    assert [path.name for path in tmp_path.iterdir()] == ["chart.html"]
    assert chart.read_text() == "an older chart"


def test_a_format_that_is_none(series, tmp_path):
    from qgis.core import QgsProcessingException

    with pytest.raises(QgsProcessingException):
        series(OUTPUT=str(tmp_path / "folder.csv" / "series.csv"))
    assert list(tmp_path.iterdir()) == []


def test_nothing_stays_in_the_jobs_folder(series):
    from fairweather.core.bridge.home import jobs_folder

    series()
    assert list(Path(jobs_folder()).iterdir()) == []
