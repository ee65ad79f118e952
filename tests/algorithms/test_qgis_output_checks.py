"""An output that is another output's file, or an input's, is refused before anything runs."""

import json
import shutil

import pytest

pytest.importorskip("qgis.core", reason="runs in QGIS's own Python")

EXTENT = "16,16.1,45.9,46 [EPSG:4326]"
PARCEL = {"type": "Polygon", "coordinates": [[[16, 46], [16.1, 46], [16.1, 46.1], [16, 46]]]}
OTHERS = {
    "searchscenes": {"EXTENT": EXTENT},
    "composite": {"EXTENT": EXTENT},
    "timeseries": {"POINT": "16,46 [EPSG:4326]"},
}


@pytest.fixture
def refuse(run, fake_worker, tmp_path):
    """The sentence with which the parameters are refused; nothing may run or change."""
    from qgis.core import QgsProcessingException

    def ask(algorithm, **parameters):
        given = {**OTHERS[algorithm], "OUTPUT": str(tmp_path / "out.tif"), **parameters}
        before = {path: path.read_bytes() for path in tmp_path.iterdir()}
        with pytest.raises(QgsProcessingException) as caught:
            run(algorithm, **given)
        assert fake_worker.requests == []
        assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
        return str(caught.value).replace("Unable to execute algorithm\n", "")

    return ask


@pytest.fixture
def parcels(tmp_path):
    path = tmp_path / "parcels.geojson"
    feature = {"type": "Feature", "properties": {"n": 1}, "geometry": PARCEL}
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}))
    return path


def layer_of(path):
    from qgis.core import QgsVectorLayer

    layer = QgsVectorLayer(str(path), "fields", "ogr")
    assert layer.isValid()
    layer.selectAll()
    return layer


def in_project(layer):
    from qgis.core import QgsProject

    QgsProject.instance().addMapLayer(layer)
    return layer.id()


def selected(name):
    from qgis.core import QgsProcessingFeatureSourceDefinition

    return QgsProcessingFeatureSourceDefinition(name, True)


WAYS = {
    "a path": str,
    "a path with its layer": lambda path: f"{path}|layerid=0",
    "a layer": layer_of,
    "a layer of the project": lambda path: in_project(layer_of(path)),
    "its selected features": lambda path: selected(in_project(layer_of(path))),
}


@pytest.mark.parametrize("way", WAYS)
def test_the_layer_of_sites(refuse, parcels, way):
    for output in ("OUTPUT", "OUTPUT_SITES", "OUTPUT_CHART"):
        message = refuse("timeseries", SITES=WAYS[way](parcels), **{output: str(parcels)})
        assert f"{output} is {parcels}, which is SITES too" in message


@pytest.mark.parametrize("output", ["OUTPUT", "OUTPUT_REPORT"])
@pytest.mark.parametrize("way", WAYS)
def test_the_area_of_interest(refuse, parcels, tmp_path, output, way):
    area = tmp_path / "area.tif"
    shutil.copy(parcels, area)
    assert "which is AOI too" in refuse("composite", AOI=WAYS[way](area), **{output: str(area)})


@pytest.mark.parametrize("name", ["CATALOG", "SCENES"])
@pytest.mark.parametrize("output", ["OUTPUT", "OUTPUT_ITEMS"])
def test_the_scenes(refuse, parcels, name, output):
    message = refuse("searchscenes", **{name: str(parcels), output: str(parcels)})
    assert f"which is {name} too" in message


def test_the_raster_to_align_with(refuse, tmp_path):
    from osgeo import gdal

    raster = tmp_path / "align.tif"
    dataset = gdal.GetDriverByName("GTiff").Create(str(raster), 4, 4)
    dataset.SetGeoTransform((500000, 10, 0, 5080000, 0, -10))
    del dataset
    assert "which is ALIGN too" in refuse("composite", ALIGN=str(raster), OUTPUT=str(raster))


def test_two_names_of_one_file(refuse, tmp_path):
    (tmp_path / "one.html").write_text("former")
    try:
        (tmp_path / "two.tif").symlink_to(tmp_path / "one.html")
    except OSError as error:
        pytest.skip(f"this disk has no links ({error})")
    outputs = {"OUTPUT": str(tmp_path / "two.tif"), "OUTPUT_REPORT": str(tmp_path / "one.html")}
    assert "OUTPUT and OUTPUT_REPORT are both" in refuse("composite", **outputs)
