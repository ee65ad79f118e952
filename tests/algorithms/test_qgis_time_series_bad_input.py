"""What bad input to the time series gets: one sentence, before anything runs."""

import re

import pytest

pytest.importorskip("qgis.core", reason="runs in QGIS's own Python")

POINT = "16,46 [EPSG:4326]"
CASES = {
    "no site": ({"POINT": None}, "Give the sites: a layer of points or polygons as SITES"),
    "no point": ({"POINT": "here"}, "POINT: here is no point"),
    "a point nowhere": ({"POINT": "nan,1"}, "POINT: nan,1 is no point"),
    "a point in no CRS": ({"POINT": "1,2 [EPSG:99]"}, "the CRS in .* is not known"),
    "no latitude": ({"POINT": "1,95 [EPSG:4326]"}, "POINT: a site lies where the CRS .* not def"),
    "outside of its CRS": ({"POINT": "1e9,1e9 [EPSG:32633]"}, "POINT: a site lies where the CRS"),
    "missing layer": ({"SITES": "missing.gpkg"}, "SITES: missing.gpkg cannot be opened"),
    "unknown index": ({"INDEX": "NDVII"}, "INDEX: 'NDVII' is neither a band nor an index"),
    "no index": ({"INDEX": " , "}, "INDEX is empty"),
    "formula": ({"INDEX": "a=nir/("}, "does not parse|formula"),
    "formula of no band": ({"INDEX": "a=infra/red"}, "which is no band of"),
    "statistic": ({"STATISTIC": "mode"}, "STATISTIC: mode is not known; known are mean, median"),
    "step": ({"STEP": 0}, "STEP is 0; give at least 1 day"),
    "step in words": ({"STEP": "week"}, "STEP: week is not accepted"),
    "fill": ({"FILL": "cubic"}, "FILL: cubic is not known; known are linear, none"),
    "gap": ({"MAX_GAP": -1}, "MAX_GAP is -1"),
    "smooth": ({"SMOOTH": "loess"}, "SMOOTH: loess is not known"),
    "window": ({"WINDOW": 0}, "WINDOW is 0; give at least 1 step"),
    "even window": ({"SMOOTH": "savgol", "WINDOW": 4}, "WINDOW is 4; .* an odd number"),
    "order": ({"SMOOTH": "savgol", "ORDER": 3}, "ORDER is 3"),
    "lambda": ({"SMOOTH": "whittaker", "LAMBDA": 0}, "LAMBDA is 0"),
    "buffer": ({"MASK_BUFFER": 3000}, "MASK_BUFFER is 3000; give metres from 0 to 2,000."),
    "class": ({"MASK_CLASSES": "3,42"}, "MASK_CLASSES: '42' is no class"),
    "clear": ({"MIN_CLEAR": 101}, "MIN_CLEAR: 101 is not accepted; give a number from 0 to 100"),
    "memory": ({"MEMORY": -1}, "MEMORY: -1 is not accepted"),
    "dates": ({"START": "2024-06-01", "END": "2024-05-01"}, "START .* is after END"),
    "no date": ({"START": "2024-13-01"}, "START: 2024-13-01 is no date"),
    "collection": ({"COLLECTION": "modis"}, "COLLECTION: modis is not known"),
    "no catalogue": ({"COLLECTION": "fairweather-sample"}, "give CATALOG"),
}
OUTPUTS = ("OUTPUT", "OUTPUT_OBSERVATIONS", "OUTPUT_SITES", "OUTPUT_CHART", "OUTPUT_CHART_IMAGE")


@pytest.fixture
def refuse(run, fake_worker, tmp_path):
    """The sentence with which the parameters are refused; nothing may run."""
    from qgis.core import QgsProcessingException

    def ask(**parameters):
        folder = tmp_path / "output"
        folder.mkdir()
        given = {"POINT": POINT, "OUTPUT": str(folder / "series.csv"), **parameters}
        with pytest.raises(QgsProcessingException) as caught:
            run("timeseries", **{name: value for name, value in given.items() if value is not None})
        assert fake_worker.requests == []
        assert list(folder.iterdir()) == []
        message = str(caught.value).replace("Unable to execute algorithm\n", "")
        assert "\n" not in message
        assert message.endswith(".")
        return message

    return ask


@pytest.mark.parametrize("case", CASES)
def test_parameters(refuse, case):
    parameters, sentence = CASES[case]
    message = refuse(**parameters)
    assert re.search(sentence, message), message


@pytest.mark.parametrize("output", OUTPUTS)
def test_a_missing_folder(refuse, tmp_path, output):
    message = refuse(**{output: str(tmp_path / "missing" / "name.csv")})
    assert f"{output}: the folder {tmp_path / 'missing'} does not exist" in message


def test_two_outputs_in_one_file(refuse, tmp_path):
    path = str(tmp_path / "all.gpkg")
    message = refuse(OUTPUT=path, OUTPUT_SITES=path)
    assert message == f"OUTPUT and OUTPUT_SITES are both {path}; give each a file of its own."


def test_an_unknown_name_field(refuse, polygons, square):
    message = refuse(SITES=polygons(square), NAME_FIELD="parcel")
    assert "NAME_FIELD: area has no field 'parcel'; its fields are: n." in message


LINE = {"type": "LineString", "coordinates": [[16, 46], [17, 46]]}
COLLECTION = {
    "type": "GeometryCollection",
    "geometries": [LINE, {"type": "Point", "coordinates": [16, 46]}],
}


@pytest.mark.parametrize("geometry", [LINE, COLLECTION], ids=["a line", "a collection"])
def test_lines(refuse, polygons, geometry):
    assert "SITES: area holds lines or mixed geometries" in refuse(SITES=polygons(geometry))


def test_an_empty_layer(refuse):
    from qgis.core import QgsVectorLayer

    layer = QgsVectorLayer("Polygon?crs=EPSG:4326", "nothing", "memory")
    assert "SITES: nothing has no point and no polygon" in refuse(SITES=layer)


def test_a_table(refuse):
    from qgis.core import QgsVectorLayer

    layer = QgsVectorLayer("None?field=a:integer", "table", "memory")
    assert "SITES: table is a table without geometry" in refuse(SITES=layer)


def test_a_layer_without_crs(refuse):
    from qgis.core import QgsCoordinateReferenceSystem, QgsFeature, QgsGeometry, QgsVectorLayer

    layer = QgsVectorLayer("Point", "here", "memory")
    layer.setCrs(QgsCoordinateReferenceSystem())
    feature = QgsFeature()
    feature.setGeometry(QgsGeometry.fromWkt("Point(16 46)"))
    layer.dataProvider().addFeatures([feature])
    assert "SITES: here has no CRS; set the layer's CRS first" in refuse(SITES=layer)
