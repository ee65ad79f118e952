"""SITES, POINT and NAME_FIELD become the request's sites and the area that is searched."""

import json
import math

import pytest

pytest.importorskip("qgis.core", reason="runs in QGIS's own Python")

HOLE = [[2, 2], [2, 4], [4, 4], [4, 2], [2, 2]]
SQUARE = [[0, 0], [10, 0], [10, 10], [0, 10], [0, 0]]


@pytest.fixture
def layer(provider):
    """A layer in memory with a feature for each WKT, named by the second of a pair."""
    from qgis.core import QgsFeature, QgsGeometry, QgsVectorLayer

    def make(*features, kind="Point", crs="EPSG:4326", field="name:string"):
        made = QgsVectorLayer(f"{kind}?crs={crs}&field={field}", "sites", "memory")
        for text, name in features:
            feature = QgsFeature(made.fields())
            if text:
                feature.setGeometry(QgsGeometry.fromWkt(text))
            feature.setAttributes([name])
            assert made.dataProvider().addFeatures([feature])[0]
        return made

    return make


@pytest.fixture
def read(provider):
    """The sites that parameters give, and the warnings."""
    from fairweather.algorithms.sites import read_sites
    from qgis.core import QgsProcessingContext, QgsProcessingFeedback, QgsProject

    def read_parameters(**parameters):
        context = QgsProcessingContext()
        context.setProject(QgsProject.instance())
        feedback = QgsProcessingFeedback()
        algorithm = provider.algorithm("timeseries").create()
        sites = read_sites(algorithm, parameters, context, feedback)
        return sites, feedback.textLog()

    return read_parameters


def boxes(area):
    """The bounds of each polygon of an area, west to east."""
    assert area.crs == "EPSG:4326"
    coordinates = area.geometry["coordinates"]
    polygons = [coordinates] if area.geometry["type"] == "Polygon" else coordinates
    found = []
    for rings in polygons:
        x, y = zip(*rings[0])
        found.append((min(x), min(y), max(x), max(y)))
    return sorted(found)


def test_points(read, layer):
    sites, _ = read(SITES=layer(("Point(16 45)", "a"), ("Point(16.5 45.25)", "b")))
    first, second = sites.for_request()
    assert (first.id, first.name) == (1, "1")
    assert first.geometry == {"type": "Point", "coordinates": [16.0, 45.0]}
    assert second.geometry["coordinates"] == [16.5, 45.25]
    assert sites.crs_text == "EPSG:4326"


@pytest.mark.parametrize(
    ("field", "value", "name"),
    [
        ("name:string", "Upper field", "Upper field"),
        ("name:string", 'Žito č. 3, "q"', 'Žito č. 3, "q"'),
        ("name:string", None, "1"),
        ("name:string", " ", "1"),
        ("name:integer", 7, "7"),
        ("name:integer", 0, "0"),
        ("name:double", 12.0, "12"),
        ("name:double", 12.5, "12.5"),
        ("name:date", "2024-02-29", "2024-02-29"),
    ],
)
def test_names(read, layer, field, value, name):
    sites, _ = read(SITES=layer(("Point(16 45)", value), field=field), NAME_FIELD="name")
    assert sites.for_request()[0].name == name


def test_names_need_not_be_unique(read, layer):
    same = layer(("Point(16 45)", "a"), ("Point(16.5 45.25)", "a"))
    sites, _ = read(SITES=same, NAME_FIELD="name")
    assert [(site.id, site.name) for site in sites.for_request()] == [(1, "a"), (2, "a")]


def test_an_id_is_the_files_own(read, tmp_path):
    from osgeo import ogr

    path = str(tmp_path / "sites.gpkg")
    source = ogr.GetDriverByName("GPKG").CreateDataSource(path)
    table = source.CreateLayer("sites", geom_type=ogr.wkbPoint)
    crs = table.GetSpatialRef()
    assert crs is None or crs.IsGeographic()
    feature = ogr.Feature(table.GetLayerDefn())
    feature.SetFID(2**40)
    feature.SetGeometry(ogr.CreateGeometryFromWkt("POINT (16 45)"))
    table.CreateFeature(feature)
    source = table = feature = None
    from qgis.core import QgsCoordinateReferenceSystem, QgsProject, QgsVectorLayer

    opened = QgsVectorLayer(path, "sites", "ogr")
    opened.setCrs(QgsCoordinateReferenceSystem("EPSG:4326"))
    QgsProject.instance().addMapLayer(opened)
    sites, _ = read(SITES=opened.id())
    assert sites.for_request()[0].id == 2**40


def test_holes_parts_and_heights(read, layer):
    wkt = (
        "MultiPolygonZ(((0 0 5, 10 0 5, 10 10 5, 0 10 5, 0 0 5),"
        "(2 2 5, 2 4 5, 4 4 5, 4 2 5, 2 2 5)),((20 20 5, 21 20 5, 21 21 5, 20 20 5)))"
    )
    sites, _ = read(SITES=layer((wkt, "a"), kind="MultiPolygonZ", crs="EPSG:32633"))
    (site,) = sites.for_request()
    first, second = site.geometry["coordinates"]
    assert site.geometry["type"] == "MultiPolygon"
    assert first == [SQUARE, HOLE]
    assert second == [[[20, 20], [21, 20], [21, 21], [20, 20]]]
    assert sites.features[0].geometry().constGet().is3D()  # the map's own stays as it is


def test_curves_become_vertices(read, layer):
    curve = "CurvePolygon(CircularString(0 0, 10 10, 20 0, 10 -10, 0 0))"
    sites, _ = read(SITES=layer((curve, "a"), kind="CurvePolygon", crs="EPSG:32633"))
    (ring,) = sites.for_request()[0].geometry["coordinates"]
    assert len(ring) > 100
    assert all(math.hypot(x - 10, y) == pytest.approx(10, abs=0.01) for x, y in ring)


def test_coordinates_keep_every_digit(read, layer):
    sites, _ = read(
        SITES=layer(("Point(500000.123456789 5080000.987654321)", "a"), crs="EPSG:32633")
    )
    assert sites.for_request()[0].geometry["coordinates"] == [500000.123456789, 5080000.987654321]
    assert sites.crs_text == "EPSG:32633"


def test_a_feature_without_geometry_is_left_out_with_a_warning(read, layer):
    sites, log = read(SITES=layer(("Point(16 45)", "a"), ("", "b"), ("Point(17 45)", "c")))
    assert [site.id for site in sites.for_request()] == [1, 3]
    assert "left out: 1" in log


def test_only_selected_features(read, layer):
    from qgis.core import QgsProcessingFeatureSourceDefinition, QgsProject

    made = layer(("Point(16 45)", "a"), ("Point(17 45)", "b"))
    QgsProject.instance().addMapLayer(made)
    made.selectByIds([2])
    sites, _ = read(
        SITES=QgsProcessingFeatureSourceDefinition(made.id(), selectedFeaturesOnly=True)
    )
    assert [site.id for site in sites.for_request()] == [2]


def test_a_filter_counts(read, layer):
    made = layer(("Point(16 45)", "a"), ("Point(17 45)", "b"))
    made.setSubsetString("name = 'b'")
    sites, _ = read(SITES=made)
    assert len(sites.for_request()) == 1


def test_sites_win_over_the_point(read, layer):
    sites, _ = read(SITES=layer(("Point(16 45)", "a")), POINT="1,2 [EPSG:4326]")
    assert sites.for_request()[0].geometry["coordinates"] == [16, 45]


def test_a_point_with_a_crs(read):
    sites, _ = read(POINT="550000,5120000 [EPSG:32633]")
    (site,) = sites.for_request()
    assert (site.id, site.name) == (1, "1")
    assert site.geometry == {"type": "Point", "coordinates": [550000, 5120000]}
    assert sites.crs_text == "EPSG:32633"
    ((west, south, east, north),) = boxes(sites.area)
    assert (west + east) / 2 == pytest.approx(15.64844, abs=1e-4)
    assert (south + north) / 2 == pytest.approx(46.23174, abs=1e-4)
    assert 0 < east - west < 0.001


def test_a_point_without_crs_is_in_the_projects(read):
    from qgis.core import QgsCoordinateReferenceSystem, QgsProject

    QgsProject.instance().setCrs(QgsCoordinateReferenceSystem("EPSG:32633"))
    assert read(POINT="550000,5120000")[0].crs_text == "EPSG:32633"


def test_without_any_crs_a_point_is_in_degrees(read):
    assert read(POINT="16,46")[0].crs_text == "EPSG:4326"


def test_a_point_of_the_canvas(read):
    from qgis.core import QgsCoordinateReferenceSystem, QgsPointXY, QgsReferencedPointXY

    crs = QgsCoordinateReferenceSystem("EPSG:3857")
    sites, _ = read(POINT=QgsReferencedPointXY(QgsPointXY(1780000, 5780000), crs))
    assert sites.crs_text == "EPSG:3857"
    assert sites.for_request()[0].geometry["coordinates"] == [1780000, 5780000]


def test_the_search_does_not_span_distant_sites(read, layer):
    sites, _ = read(
        SITES=layer(("Point(16.2 45.2)", 1), ("Point(16.3 45.4)", 2), ("Point(-60.5 -3.5)", 3))
    )
    far, near = boxes(sites.area)
    assert far == pytest.approx((-60.5, -3.5, -60.5, -3.5), abs=0.001)
    assert near == pytest.approx((16.2, 45.2, 16.3, 45.4), abs=0.001)
    assert near[0] < 16.2
    assert near[2] > 16.3


def test_neighbours_in_two_cells_are_merged(read, layer):
    square = "Polygon((16.9 45.9, 17.3 45.9, 17.3 46.2, 16.9 46.2, 16.9 45.9))"
    other = "Polygon((16.8 45.8, 16.95 45.8, 16.95 45.95, 16.8 45.95, 16.8 45.8))"
    sites, _ = read(SITES=layer((square, 1), (other, 2), kind="Polygon"))
    (box,) = boxes(sites.area)
    assert box == pytest.approx((16.8, 45.8, 17.3, 46.2), abs=0.001)
    assert sites.area.geometry["type"] in ("Polygon", "MultiPolygon")


def test_a_row_of_points_in_projected_coordinates(read, layer):
    points = [(f"Point(500000 {5080000 + 1000 * number})", number) for number in range(5)]
    ((west, south, east, north),) = boxes(read(SITES=layer(*points, crs="EPSG:32633"))[0].area)
    assert west < 15 < east
    assert north - south == pytest.approx(4000 / 111_160, rel=0.01)


def test_a_site_across_180_degrees(read, layer):
    square = "Polygon((800000 100000, 850000 100000, 850000 150000, 800000 150000, 800000 100000))"
    sites, _ = read(SITES=layer((square, 1), kind="Polygon", crs="EPSG:32660"))
    west, east = boxes(sites.area)
    assert west[0] == -180
    assert west[2] < -179.8
    assert east[2] == 180
    assert east[0] > 179.6


def test_a_site_beyond_180_degrees(read, layer):
    (box,) = boxes(read(SITES=layer(("Point(181 -17)", 1)))[0].area)
    assert (box[0] + 360) % 360 == pytest.approx(181, abs=0.01)
    assert box[3] == pytest.approx(-17, abs=0.01)


def test_sites_on_both_sides_of_greenwich(read, layer):
    square = "Polygon((-0.1 51, 0.1 51, 0.1 51.1, -0.1 51.1, -0.1 51))"
    ((west, _, east, _),) = boxes(read(SITES=layer((square, 1), kind="Polygon"))[0].area)
    assert (west, east) == pytest.approx((-0.1, 0.1), abs=0.001)


def test_ten_thousand_sites_are_read(read, layer):
    from qgis.core import QgsFeature, QgsGeometry, QgsPointXY

    made = layer(crs="EPSG:3035")
    features = []
    for number in range(10_000):
        feature = QgsFeature(made.fields())
        point = QgsPointXY(4_000_000 + number % 100 * 50, 3_000_000 + number // 100 * 50)
        feature.setGeometry(QgsGeometry.fromPointXY(point))
        features.append(feature)
    made.dataProvider().addFeatures(features)
    sites, _ = read(SITES=made)
    assert len(sites.for_request()) == 10_000
    assert len(json.dumps(sites.area.geometry)) < 5000
    made.dataProvider().addFeatures(features[:1])
    from fairweather.core.bridge.errors import InvalidRequestError

    with pytest.raises(InvalidRequestError, match="more than 10,000 features; select some"):
        read(SITES=made)
