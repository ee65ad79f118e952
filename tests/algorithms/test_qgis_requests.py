"""What parameters become in the request, and what comes back from a run."""

import json

import pytest

pytest.importorskip("qgis.core", reason="runs in QGIS's own Python")

EXTENT = "16,16.1,45.9,46 [EPSG:4326]"


@pytest.fixture
def composite_request(run, fake_worker, tmp_path):
    """The request that the composite sends for some parameters."""

    def ask(**parameters):
        given = {"EXTENT": EXTENT, "OUTPUT": str(tmp_path / "composite.tif"), **parameters}
        run("composite", **given)
        return fake_worker.requests[-1]

    return ask


def test_defaults(composite_request, tmp_path):
    import datetime

    request = composite_request()
    year = datetime.datetime.now(datetime.timezone.utc).year - 1
    assert request.search.collection == "sentinel-2-c1-l2a"
    assert (request.search.start, request.search.end) == (f"{year}-01-01", f"{year}-12-31")
    assert (request.search.area.crs, request.search.area.is_extent) == ("EPSG:4326", True)
    assert request.search.area.geometry["type"] == "Polygon"
    assert request.search.max_cloud == 30.0
    assert (request.search.catalog, request.search.filter, request.search.scenes) == ("", "", "")
    assert request.search.months == ()
    assert request.search.limit == 10_000
    assert request.bands == ("red", "green", "blue")
    assert (request.method, request.dtype, request.clip) == ("median", "float32", True)
    assert request.mask_classes is None
    assert (request.resolution, request.crs, request.align) == (None, "", None)
    assert (request.count_band, request.memory_gb) == (False, 0.0)
    assert (request.cluster, request.dashboard) == ("", False)
    assert request.output == str(tmp_path / "composite.tif")
    assert request.report == ""


def test_every_parameter_arrives(composite_request, tmp_path):
    request = composite_request(
        COLLECTION="sentinel-2-l2a",
        CATALOG="https://example.org/stac",
        START="2023-05-01",
        END="2024-09-30",
        MONTHS="5-9",
        MAX_CLOUD=55.5,
        FILTER="mgrs:grid_square = GQ and s2:nodata_pixel_percentage < 50",
        BANDS=" NDVI , nir",
        MASK_CLASSES="3, 9",
        MASK_BUFFER=60,
        RESOLUTION=20,
        CRS="EPSG:3035",
        CLIP=False,
        DTYPE="int16",
        COUNT_BAND=True,
        MEMORY=2.5,
        CLUSTER=" tcp://10.0.0.5:8786",
        DASHBOARD=True,
        OUTPUT_REPORT=str(tmp_path / "report.html"),
    )
    assert request.search.collection == "sentinel-2-l2a"
    assert request.search.catalog == "https://example.org/stac"
    assert (request.search.start, request.search.end) == ("2023-05-01", "2024-09-30")
    assert request.search.months == (5, 6, 7, 8, 9)
    assert request.search.max_cloud == 55.5
    assert request.search.filter == "mgrs:grid_square = GQ and s2:nodata_pixel_percentage < 50"
    assert request.bands == ("NDVI", "nir")
    assert (request.mask_classes, request.mask_buffer) == ((3, 9), 60.0)
    assert (request.resolution, request.crs) == (20.0, "EPSG:3035")
    assert (request.clip, request.dtype, request.count_band) == (False, "int16", True)
    assert request.memory_gb == 2.5
    assert (request.cluster, request.dashboard) == ("tcp://10.0.0.5:8786", True)
    assert request.report == str(tmp_path / "report.html")


def test_no_class_is_masked_with_none(composite_request):
    assert composite_request(MASK_CLASSES="none").mask_classes == ()


@pytest.mark.parametrize(
    "value",
    ["2024-05-06", "2024-05-06T01:02:03", "2024-05-06T01:02:03Z", "2024-05-06T23:30:00-02:00"],
)
def test_dates_as_text(composite_request, value):
    expected = "2024-05-07" if value.endswith("-02:00") else "2024-05-06"
    assert composite_request(START=value, END="2024-12-31").search.start == expected


def test_dates_as_the_dialog_gives_them(composite_request):
    from qgis.PyQt.QtCore import QDate, QDateTime

    request = composite_request(START=QDate(2024, 5, 6), END=QDateTime(2024, 7, 8, 12, 0, 0))
    assert (request.search.start, request.search.end) == ("2024-05-06", "2024-07-08")


def test_a_request_can_be_rerun_by_hand(composite_request):
    from fairweather.core.bridge.request import request_from_json, request_to_json

    request = composite_request(MONTHS="11-2", MASK_CLASSES="none")
    assert request_from_json(request_to_json(request)) == request


def test_align_takes_the_rasters_pixels(composite_request, write_composite, tmp_path):
    path = write_composite(tmp_path / "other.tif", ["red"])
    request = composite_request(ALIGN=path, CRS="EPSG:3035", RESOLUTION=5)
    grid = request.align
    assert grid.crs == "EPSG:32633"
    assert (grid.origin_x, grid.origin_y) == (500000, 5080000)
    assert (grid.pixel_width, grid.pixel_height) == (10, 10)
    assert (request.crs, request.resolution) == ("", None)


def test_results_of_a_composite(run, fake_worker, tmp_path):
    from qgis.core import QgsRasterLayer

    report = tmp_path / "report.html"
    results = run("composite", EXTENT=EXTENT, OUTPUT="TEMPORARY_OUTPUT", OUTPUT_REPORT=str(report))
    numbers = {name: results[name] for name in ("SCENE_COUNT", "DAY_COUNT", "CLEAR_PERCENT")}
    assert numbers == {"SCENE_COUNT": 2, "DAY_COUNT": 1, "CLEAR_PERCENT": 99.5}
    assert results["OUTPUT_REPORT"] == str(report)
    assert QgsRasterLayer(results["OUTPUT"], "composite").isValid()


def test_footprints(run, fake_worker, tmp_path):
    items = tmp_path / "items.json"
    results = run("searchscenes", EXTENT=EXTENT, OUTPUT="TEMPORARY_OUTPUT", OUTPUT_ITEMS=str(items))
    layer = results["OUTPUT"]
    assert [field.name() for field in layer.fields()] == [
        "item_id", "datetime", "solar_day", "collection", "cloud_cover",
        "grid", "platform", "thumbnail", "href", "item",
    ]  # fmt: skip
    assert layer.crs().authid() == "EPSG:4326"
    first, second = layer.getFeatures()
    assert first["item_id"] == "first"
    assert first["datetime"].toUTC().toString("yyyy-MM-dd HH:mm:ss") == "2024-05-01 10:00:31"
    assert first["solar_day"].toString("yyyy-MM-dd") == "2024-05-01"
    assert first["cloud_cover"] == 5.0
    assert second["cloud_cover"] is None or second["cloud_cover"].isNull()
    assert json.loads(first["item"])["id"] == "first"
    assert first.geometry().boundingBox().xMaximum() == 17
    assert (results["SCENE_COUNT"], results["DAY_COUNT"]) == (2, 1)
    assert [item["id"] for item in json.loads(items.read_text())["features"]] == ["first", "second"]


def test_footprints_in_a_file_keep_whole_items(run, fake_worker, tmp_path):
    from qgis.core import QgsVectorLayer

    path = tmp_path / "footprints.gpkg"
    run("searchscenes", EXTENT=EXTENT, OUTPUT=str(path))
    layer = QgsVectorLayer(str(path), "footprints", "ogr")
    assert [json.loads(feature["item"])["id"] for feature in layer.getFeatures()] == [
        "first",
        "second",
    ]


def test_nothing_stays_in_the_jobs_folder(run, fake_worker, tmp_path, monkeypatch):
    monkeypatch.setenv("FAIRWEATHER_HOME", str(tmp_path / "home"))
    footprints = run("searchscenes", EXTENT=EXTENT, OUTPUT="TEMPORARY_OUTPUT")["OUTPUT"]
    run("composite", EXTENT=EXTENT, SCENES=footprints, OUTPUT="TEMPORARY_OUTPUT")
    assert list((tmp_path / "home" / "jobs").iterdir()) == []


def test_progress_messages_and_warnings_reach_the_dialog(run, fake_worker):
    from qgis.core import QgsProcessingFeedback

    class Feedback(QgsProcessingFeedback):
        def __init__(self):
            super().__init__()
            self.lines = []

        def pushInfo(self, info):
            self.lines.append(("info", info))

        def pushWarning(self, warning):
            self.lines.append(("warning", warning))

        def setProgressText(self, text):
            self.lines.append(("progress", text))

    feedback = Feedback()
    run("composite", feedback=feedback, EXTENT=EXTENT, OUTPUT="TEMPORARY_OUTPUT")
    assert {("info", "a message"), ("warning", "a warning"), ("progress", "working")} <= set(
        feedback.lines
    )
    assert feedback.progress() >= 40


def test_a_failed_worker_is_one_exception(run, fake_worker):
    from fairweather.core.bridge.errors import CatalogError
    from qgis.core import QgsProcessingException

    fake_worker.failure = CatalogError("The catalogue does not answer; try again later.")
    with pytest.raises(QgsProcessingException, match="The catalogue does not answer"):
        run("composite", EXTENT=EXTENT, OUTPUT="TEMPORARY_OUTPUT")


def test_a_cancelled_run_is_an_exception(run, fake_worker):
    from fairweather.core.bridge.errors import CancelledError
    from qgis.core import QgsProcessingException

    fake_worker.failure = CancelledError("The run was cancelled.")
    with pytest.raises(QgsProcessingException, match="Cancelled"):
        run("composite", EXTENT=EXTENT, OUTPUT="TEMPORARY_OUTPUT")


class TestScenes:
    """SCENES: what is left of a layer counts."""

    @pytest.fixture
    def footprints(self, run, fake_worker):
        return run("searchscenes", EXTENT=EXTENT, OUTPUT="TEMPORARY_OUTPUT")["OUTPUT"]

    @pytest.fixture
    def items_file(self, item, tmp_path):
        path = tmp_path / "items.json"
        features = [item("a"), item("b"), item("c")]
        path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
        return path

    @pytest.fixture
    def ids_with(self, composite_request, fake_worker):
        def run_with(scenes):
            composite_request(SCENES=scenes)
            return fake_worker.scenes[-1]

        return run_with

    def test_all_footprints(self, ids_with, footprints):
        assert ids_with(footprints) == ["first", "second"]

    def test_edited_footprints(self, ids_with, footprints):
        footprints.startEditing()
        footprints.deleteFeature(next(footprints.getFeatures()).id())
        assert ids_with(footprints) == ["second"]
        footprints.rollBack()

    def test_filtered_footprints(self, ids_with, footprints):
        footprints.setSubsetString("\"item_id\" = 'first'")
        assert ids_with(footprints) == ["first"]

    def test_selected_footprints(self, ids_with, footprints):
        from qgis.core import QgsProcessingFeatureSourceDefinition, QgsProject

        QgsProject.instance().addMapLayer(footprints, False)
        footprints.selectByExpression("\"item_id\" = 'second'")
        chosen = QgsProcessingFeatureSourceDefinition(footprints.id(), selectedFeaturesOnly=True)
        assert ids_with(chosen) == ["second"]

    def test_an_item_collection_file_is_used_as_it_is(
        self, composite_request, fake_worker, items_file
    ):
        assert composite_request(SCENES=str(items_file)).search.scenes == str(items_file)
        assert fake_worker.scenes[-1] == ["a", "b", "c"]

    def test_a_layer_of_an_item_collection_file(self, ids_with, items_file):
        from qgis.core import QgsVectorLayer

        layer = QgsVectorLayer(str(items_file), "items", "ogr")
        layer.setSubsetString("\"id\" != 'b'")
        assert ids_with(layer) == ["a", "c"]

    def test_footprints_saved_as_geojson(self, run, fake_worker, ids_with, tmp_path):
        path = tmp_path / "footprints.geojson"
        run("searchscenes", EXTENT=EXTENT, OUTPUT=str(path))
        assert ids_with(str(path)) == ["first", "second"]

    @pytest.mark.parametrize("kind", ["empty", "polygons", "missing", "cut"])
    def test_what_is_no_footprint(self, run, fake_worker, polygons, square, kind, tmp_path):
        from qgis.core import QgsFeature, QgsProcessingException, QgsVectorLayer

        layer = QgsVectorLayer("Polygon?crs=EPSG:4326&field=item:string", "mine", "memory")
        if kind == "cut":
            feature = QgsFeature(layer.fields())
            feature["item"] = '{"type": "Feat'
            layer.dataProvider().addFeatures([feature])
        scenes = {
            "polygons": polygons(square),
            "missing": str(tmp_path / "missing.gpkg"),
        }.get(kind, layer)
        message = {
            "empty": "SCENES: mine has no scene",
            "polygons": "SCENES: area is neither an ItemCollection file nor a footprints layer",
            "missing": "SCENES: .* cannot be opened as a vector layer",
            "cut": "SCENES: the field 'item' of a footprint is not whole",
        }[kind]
        with pytest.raises(QgsProcessingException, match=message):
            run("composite", EXTENT=EXTENT, SCENES=scenes, OUTPUT="TEMPORARY_OUTPUT")
        assert fake_worker.requests == []
