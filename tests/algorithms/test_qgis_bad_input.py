"""What bad input gets: one sentence, before anything runs."""

import pytest

pytest.importorskip("qgis.core", reason="runs in QGIS's own Python")

EXTENT = "16,16.1,45.9,46 [EPSG:4326]"
CASES = {
    "start after end": (
        {"START": "2024-06-01", "END": "2024-05-01"},
        r"START \(2024-06-01\) is after END \(2024-05-01\)",
    ),
    "no date": ({"START": "2024-13-01"}, "START: 2024-13-01 is no date"),
    "no date in words": ({"END": "yesterday"}, "END: yesterday is no date"),
    "no area": ({"EXTENT": None}, "Give an area of interest"),
    "no extent": ({"EXTENT": "here"}, "EXTENT: here is no rectangle"),
    "an extent without area": ({"EXTENT": "1,1,2,2 [EPSG:4326]"}, "is no rectangle"),
    "an extent in no CRS": ({"EXTENT": "1,2,3,4 [EPSG:99]"}, "the CRS in .* is not known"),
    "missing layer": ({"AOI": "missing.gpkg"}, "AOI: missing.gpkg cannot be opened"),
    "unknown band": ({"BANDS": "red,infra"}, "BANDS: 'infra' is neither a band nor an index"),
    "no band": ({"BANDS": " , "}, "BANDS is empty"),
    "a band twice": ({"BANDS": "red,red"}, "BANDS names 'red' twice"),
    "unknown class": ({"MASK_CLASSES": "3,42"}, "MASK_CLASSES: '42' is no class"),
    "unknown word": (
        {"MASK_CLASSES": "cloud,fog"},
        "MASK_CLASSES: 'fog' is no class of sentinel-2-c1-l2a; give none, or words",
    ),
    "custom without a profile": ({"COLLECTION": "custom"}, "give its profile, a JSON file, as"),
    "a profile that is not asked for": (
        {"PROFILE": "my.json"},
        "PROFILE is given, but COLLECTION is sentinel-2-c1-l2a",
    ),
    "a profile that is not there": (
        {"COLLECTION": "custom", "PROFILE": "nowhere/my.json"},
        "my.json cannot be read",
    ),
    "negative buffer": ({"MASK_BUFFER": -1}, "MASK_BUFFER is -1; give metres from 0 to 2,000."),
    "none and a class": ({"MASK_CLASSES": "none,3"}, "MASK_CLASSES: 'none' is no class"),
    "filter": ({"FILTER": "cloud <"}, "FILTER"),
    "months": ({"MONTHS": "13"}, "MONTHS"),
    "method": ({"METHOD": "mode"}, "METHOD: mode is not known; known are median"),
    "data type": ({"DTYPE": "uint8"}, "DTYPE: uint8 is not known; known are float32, int16"),
    "collection": ({"COLLECTION": "modis"}, "COLLECTION: modis is not known"),
    "a collection without catalogue": (
        {"COLLECTION": "fairweather-sample"},
        "fairweather-sample is in no public catalogue; give CATALOG",
    ),
    "no pixel size": ({"RESOLUTION": 0}, "RESOLUTION is 0"),
    "negative pixel size": ({"RESOLUTION": -10}, "RESOLUTION is -10"),
    "CRS": ({"CRS": "EPSG:99"}, "CRS: EPSG:99 is not known"),
    "cloud cover": ({"MAX_CLOUD": 101}, "MAX_CLOUD: 101 is not accepted; give a number from 0 to"),
    "memory": ({"MEMORY": -1}, "MEMORY: -1 is not accepted; give a number from 0 on"),
    "missing raster": ({"ALIGN": "missing.tif"}, "ALIGN: missing.tif cannot be opened"),
}


@pytest.fixture
def refuse(run, fake_worker, tmp_path):
    """The sentence with which the composite refuses its parameters; nothing may run."""
    from qgis.core import QgsProcessingException

    def ask(**parameters):
        folder = tmp_path / "output"
        folder.mkdir()
        given = {"EXTENT": EXTENT, "OUTPUT": str(folder / "composite.tif"), **parameters}
        with pytest.raises(QgsProcessingException) as caught:
            run("composite", **{name: value for name, value in given.items() if value is not None})
        assert fake_worker.requests == []
        assert list(folder.iterdir()) == []
        return str(caught.value).replace("Unable to execute algorithm\n", "")

    return ask


@pytest.mark.parametrize("case", CASES)
def test_parameters(refuse, case):
    import re

    parameters, sentence = CASES[case]
    message = refuse(**parameters)
    assert re.search(sentence, message), message
    assert "\n" not in message
    assert message.endswith(".")
    assert "Traceback" not in message


POINT = {"type": "Point", "coordinates": [16, 46]}
LINE = {"type": "LineString", "coordinates": [[16, 46], [17, 46]]}


def test_points_are_no_area(refuse, polygons):
    assert "AOI: area holds points or lines" in refuse(AOI=polygons(POINT))


def test_a_line_among_polygons_is_no_area(refuse, polygons, square):
    assert "AOI: area holds points or lines" in refuse(AOI=polygons(square, LINE))


def test_an_empty_layer_is_no_area(refuse):
    from qgis.core import QgsVectorLayer

    layer = QgsVectorLayer("Polygon?crs=EPSG:4326", "nothing", "memory")
    assert "AOI: nothing has no polygon" in refuse(AOI=layer)


def test_a_table_is_no_area(refuse):
    from qgis.core import QgsVectorLayer

    layer = QgsVectorLayer("None?field=a:integer", "table", "memory")
    assert "AOI: table is a table without polygons" in refuse(AOI=layer)


def test_an_area_without_crs(refuse):
    from qgis.core import (
        QgsCoordinateReferenceSystem,
        QgsFeature,
        QgsGeometry,
        QgsVectorLayer,
    )

    layer = QgsVectorLayer("Polygon", "here", "memory")
    layer.setCrs(QgsCoordinateReferenceSystem())
    feature = QgsFeature()
    feature.setGeometry(QgsGeometry.fromWkt("Polygon((0 0, 1 0, 1 1, 0 0))"))
    layer.dataProvider().addFeatures([feature])
    assert "AOI: here has no CRS" in refuse(AOI=layer)


RASTERS = {
    "without CRS": ((500000, 10, 0, 5080000, 0, -10), None, "has no CRS"),
    "rotated": ((500000, 10, 3, 5080000, 3, -10), 32633, "is rotated"),
    "not georeferenced": (None, 32633, "is not georeferenced"),
}


@pytest.mark.parametrize("kind", RASTERS)
def test_a_raster_to_align_to_must_have_a_straight_grid(refuse, kind, tmp_path):
    from osgeo import gdal, osr

    transform, code, sentence = RASTERS[kind]
    path = tmp_path / "grid.tif"
    dataset = gdal.GetDriverByName("GTiff").Create(str(path), 20, 10)
    if transform:
        dataset.SetGeoTransform(transform)
    if code:
        crs = osr.SpatialReference()
        crs.ImportFromEPSG(code)
        dataset.SetProjection(crs.ExportToWkt())
    dataset = None
    assert sentence in refuse(ALIGN=str(path))


def test_a_missing_folder(refuse, tmp_path):
    output = tmp_path / "missing" / "composite.tif"
    assert f"OUTPUT: the folder {output.parent} does not exist" in refuse(OUTPUT=str(output))


def test_a_folder_instead_of_a_file(refuse, tmp_path):
    assert f"OUTPUT: {tmp_path} is a folder" in refuse(OUTPUT=str(tmp_path))


def test_a_folder_that_cannot_be_written(refuse, tmp_path, monkeypatch):
    from fairweather.algorithms import destinations

    def refuse_to_write(dir):  # noqa: A002 - the name of the parameter that is replaced
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(destinations.tempfile, "TemporaryFile", refuse_to_write)
    message = refuse()
    assert "cannot be written (Permission denied)" in message


def test_a_report_in_a_missing_folder(refuse, tmp_path):
    message = refuse(OUTPUT_REPORT=str(tmp_path / "missing" / "report.html"))
    assert "OUTPUT_REPORT: the folder" in message


def test_an_output_that_is_no_geotiff(refuse, tmp_path):
    assert refuse(OUTPUT=str(tmp_path / "composite.png"))


def test_searching_checks_as_well(run, fake_worker):
    from qgis.core import QgsProcessingException

    with pytest.raises(QgsProcessingException, match=r"START .* is after END"):
        run(
            "searchscenes",
            EXTENT=EXTENT,
            START="2024-06-01",
            END="2024-05-01",
            OUTPUT="TEMPORARY_OUTPUT",
        )
    assert fake_worker.requests == []


@pytest.mark.parametrize("kind", ["under a missing folder", "a file"])
def test_a_folder_for_the_sample_catalogue(run, tmp_path, kind):
    from qgis.core import QgsProcessingException

    (tmp_path / "file").write_text("")
    name, sentence = {
        "under a missing folder": ("missing/sample", "FOLDER: the folder .* does not exist"),
        "a file": ("file/sample", "FOLDER: .* is a file, no folder"),
    }[kind]
    with pytest.raises(QgsProcessingException, match=sentence):
        run("samplecatalog", FOLDER=str(tmp_path / name))
