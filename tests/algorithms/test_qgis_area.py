"""AOI and EXTENT become the request's area."""

import math

import pytest

pytest.importorskip("qgis.core", reason="runs in QGIS's own Python")

SQUARE = [[16, 45.9], [16.1, 45.9], [16.1, 46], [16, 46], [16, 45.9]]
NEXT_SQUARE = [[16.05, 45.9], [16.2, 45.9], [16.2, 46], [16.05, 46], [16.05, 45.9]]
HOLE = [[16.02, 45.92], [16.02, 45.94], [16.04, 45.94], [16.04, 45.92], [16.02, 45.92]]
BOW_TIE = [[16, 45.9], [16.1, 46], [16.1, 45.9], [16, 46], [16, 45.9]]


def polygon(*rings):
    return {"type": "Polygon", "coordinates": list(rings)}


@pytest.fixture
def read(provider):
    """The area that parameters give."""
    from fairweather.algorithms.area import read_area
    from qgis.core import QgsProcessingContext, QgsProject

    def read_parameters(**parameters):
        context = QgsProcessingContext()
        context.setProject(QgsProject.instance())
        algorithm = provider.algorithm("composite").create()
        return read_area(algorithm, parameters, context).merged()

    return read_parameters


def rings_of(area):
    coordinates = area.geometry["coordinates"]
    return (
        coordinates if area.geometry["type"] == "Polygon" else [r for p in coordinates for r in p]
    )


def area_of(ring):
    """The area inside a ring, by the shoelace formula."""
    pairs = zip(ring, ring[1:])
    return abs(sum(a[0] * b[1] - b[0] * a[1] for a, b in pairs)) / 2


def area_with_holes(area):
    kind, coordinates = area.geometry["type"], area.geometry["coordinates"]
    outlines = [coordinates] if kind == "Polygon" else coordinates
    return sum(area_of(rings[0]) - sum(map(area_of, rings[1:])) for rings in outlines)


def test_one_polygon_is_passed_on_as_it_is(read, polygons):
    area = read(AOI=polygons(polygon(SQUARE)))
    assert area.crs in ("EPSG:4326", "OGC:CRS84")
    assert not area.is_extent
    assert rings_of(area) == [SQUARE]


def test_a_hole_stays_a_hole(read, polygons):
    area = read(AOI=polygons(polygon(SQUARE, HOLE)))
    assert rings_of(area) == [SQUARE, HOLE]


def test_several_features_are_merged(read, polygons):
    area = read(AOI=polygons(polygon(SQUARE), polygon(NEXT_SQUARE)))
    assert area_with_holes(area) == pytest.approx(0.2 * 0.1)


def test_overlapping_features_with_a_hole_and_an_invalid_one(read, polygons):
    area = read(AOI=polygons(polygon(SQUARE, HOLE), polygon(BOW_TIE), None))
    # The bow tie's left half covers one half of the hole, cut along its diagonal.
    assert area_with_holes(area) == pytest.approx(0.01 - 0.0004 / 2)


def test_a_lone_invalid_polygon_reaches_the_worker(read, polygons):
    assert rings_of(read(AOI=polygons(polygon(BOW_TIE)))) == [BOW_TIE]


def test_a_script_may_give_an_invalid_polygon(run, fake_worker, polygons):
    """``processing.run`` and the dialog have QGIS check geometries, which must not end the run."""
    run("searchscenes", AOI=polygons(polygon(BOW_TIE)), OUTPUT="TEMPORARY_OUTPUT")
    assert rings_of(fake_worker.requests[0].search.area) == [BOW_TIE]


def test_heights_are_dropped(read, polygons):
    area = read(AOI=polygons(polygon([[*point, 120.0] for point in SQUARE])))
    assert rings_of(area) == [SQUARE]


@pytest.mark.parametrize("code", ["EPSG:32633", "EPSG:3035", "EPSG:3857", "EPSG:5514"])
def test_any_crs_is_passed_on_with_its_own_coordinates(read, code):
    from qgis.core import QgsFeature, QgsGeometry, QgsVectorLayer

    layer = QgsVectorLayer(f"Polygon?crs={code}", "area", "memory")
    feature = QgsFeature()
    first = "500000.123456789 5080000.5"
    wkt = f"Polygon(({first}, 500100 5080000, 500100 5080100, 500000 5080100, {first}))"
    feature.setGeometry(QgsGeometry.fromWkt(wkt))
    layer.dataProvider().addFeatures([feature])
    area = read(AOI=layer)
    assert area.crs == code
    assert rings_of(area)[0][0] == [500000.123456789, 5080000.5]


def test_a_crs_of_ones_own_travels_as_wkt_2(read):
    from qgis.core import QgsCoordinateReferenceSystem, QgsFeature, QgsGeometry, QgsVectorLayer

    crs = QgsCoordinateReferenceSystem()
    crs.createFromProj("+proj=laea +lat_0=45.5 +lon_0=16.25 +datum=WGS84 +units=m +no_defs")
    layer = QgsVectorLayer("Polygon", "area", "memory")
    layer.setCrs(crs)
    feature = QgsFeature()
    feature.setGeometry(QgsGeometry.fromWkt("Polygon((0 0, 100 0, 100 100, 0 0))"))
    layer.dataProvider().addFeatures([feature])
    area = read(AOI=layer)
    assert area.crs.startswith("PROJCRS[")
    assert "45.5" in area.crs


def test_a_curve_gets_straight_edges(read):
    from qgis.core import QgsFeature, QgsGeometry, QgsVectorLayer

    layer = QgsVectorLayer("CurvePolygon?crs=EPSG:32633", "area", "memory")
    feature = QgsFeature()
    circle = "CurvePolygon(CircularString(0 0, 50 50, 100 0, 50 -50, 0 0))"
    feature.setGeometry(QgsGeometry.fromWkt(circle))
    layer.dataProvider().addFeatures([feature])
    area = read(AOI=layer)
    assert area_with_holes(area) == pytest.approx(3.14159 * 50**2, rel=1e-3)


def test_only_the_selected_features_when_asked(read, polygons):
    from qgis.core import QgsProcessingFeatureSourceDefinition, QgsProject, QgsVectorLayer

    layer = QgsVectorLayer(polygons(polygon(SQUARE), polygon(NEXT_SQUARE)), "area", "ogr")
    QgsProject.instance().addMapLayer(layer)
    layer.selectByExpression("n = 1")
    area = read(AOI=QgsProcessingFeatureSourceDefinition(layer.id(), selectedFeaturesOnly=True))
    assert rings_of(area) == [NEXT_SQUARE]


def test_an_extent_with_its_crs(read):
    area = read(EXTENT="500000,500100,5080000,5080200 [EPSG:32633]")
    assert area.crs == "EPSG:32633"
    assert area.is_extent
    assert area_with_holes(area) == 100 * 200


def test_an_extent_without_crs_is_in_the_projects_crs(read):
    from qgis.core import QgsCoordinateReferenceSystem, QgsProject

    QgsProject.instance().setCrs(QgsCoordinateReferenceSystem("EPSG:3857"))
    assert read(EXTENT="0,100,0,100").crs == "EPSG:3857"


def test_an_extent_without_any_crs_is_in_degrees(read):
    from qgis.core import QgsCoordinateReferenceSystem, QgsProject

    QgsProject.instance().setCrs(QgsCoordinateReferenceSystem())
    assert read(EXTENT="16,16.1,45.9,46").crs == "EPSG:4326"


def test_the_polygon_wins_over_the_extent(read, polygons):
    area = read(AOI=polygons(polygon(SQUARE)), EXTENT="0,1,0,1 [EPSG:4326]")
    assert rings_of(area) == [SQUARE]


def test_no_area_at_all(read):
    from fairweather.core.bridge.errors import InvalidRequestError

    with pytest.raises(InvalidRequestError, match="Give an area of interest"):
        read()


@pytest.fixture
def layer():
    """A function that makes a layer in memory of geometries as WKT or as they are."""
    from qgis.core import QgsFeature, QgsGeometry, QgsVectorLayer

    def make(*geometries, kind="Polygon", crs="EPSG:4326"):
        made = QgsVectorLayer(f"{kind}?crs={crs}", "area", "memory")
        features = []
        for geometry in geometries:
            feature = QgsFeature()
            is_text = isinstance(geometry, str)
            feature.setGeometry(QgsGeometry.fromWkt(geometry) if is_text else geometry)
            features.append(feature)
        assert made.dataProvider().addFeatures(features)[0]
        return made

    return make


def test_heights_and_measures_are_dropped(read, layer):
    wkt = "PolygonZM((16 45 1 2, 17 45 3 4, 17 46 5 6, 16 45 1 2))"
    assert rings_of(read(AOI=layer(wkt, kind="PolygonZM"))) == [
        [[16, 45], [17, 45], [17, 46], [16, 45]]
    ]


def test_features_without_geometry_change_nothing(read, layer):
    triangle = "Polygon((16 45, 17 45, 17 46, 16 45))"
    area = read(AOI=layer("", triangle, "Polygon EMPTY"))
    assert rings_of(area) == [[[16, 45], [17, 45], [17, 46], [16, 45]]]


@pytest.mark.parametrize("features", [(), ("",), ("Polygon EMPTY", "")])
def test_a_layer_without_any_polygon_is_told(read, layer, features):
    from fairweather.core.bridge.errors import InvalidRequestError

    with pytest.raises(InvalidRequestError, match="has no polygon"):
        read(AOI=layer(*features))


def test_halves_on_both_sides_of_180_degrees_stay_there(read, layer):
    halves = [
        "Polygon((179 -17, 180 -17, 180 -16, 179 -16, 179 -17))",
        "Polygon((-180 -17, -179 -17, -179 -16, -180 -16, -180 -17))",
    ]
    area = read(AOI=layer(*halves))
    assert area.geometry["type"] == "MultiPolygon"
    assert area_with_holes(area) == pytest.approx(2)
    beyond = read(AOI=layer("Polygon((179 -17, 181 -17, 181 -16, 179 -16, 179 -17))"))
    assert max(x for x, _ in rings_of(beyond)[0]) == 181


def test_an_extent_beyond_180_degrees(read):
    area = read(EXTENT="179,181,-17,-16 [EPSG:4326]")
    assert sorted({x for x, _ in rings_of(area)[0]}) == [179, 181]


@pytest.mark.parametrize("crs", [" [EPSG:4326]", " [EPSG:4258]", ""])
def test_an_extent_from_east_to_west_crosses_180_degrees(read, crs):
    area = read(EXTENT=f"179,-179,-17,-16{crs}")
    assert sorted({x for x, _ in rings_of(area)[0]}) == [179, 181]
    assert sorted({y for _, y in rings_of(area)[0]}) == [-17, -16]
    assert area.is_extent


def test_a_projected_extent_has_no_such_way(read):
    area = read(EXTENT="500100,500000,5080000,5080200 [EPSG:32633]")
    assert min(x for x, _ in rings_of(area)[0]) == pytest.approx(500_000)
    assert max(x for x, _ in rings_of(area)[0]) == pytest.approx(500_100)


def test_ten_thousand_features_are_merged(read, layer):
    from qgis.core import QgsGeometry, QgsRectangle

    squares = [
        QgsGeometry.fromRect(QgsRectangle(x, y, x + 0.6, y + 0.6))
        for x in range(100) for y in range(100)
    ]  # fmt: skip
    area = read(AOI=layer(*squares, crs="EPSG:32633"))
    assert area_with_holes(area) == pytest.approx(10_000 * 0.36)


def test_many_vertices_are_passed_on(read, layer):
    from qgis.core import QgsGeometry, QgsPointXY

    turn = [number / 200_000 * 2 * math.pi for number in range(200_000)]
    ring = [QgsPointXY(1e5 * math.cos(angle), 1e5 * math.sin(angle)) for angle in turn]
    area = read(AOI=layer(QgsGeometry.fromPolygonXY([[*ring, ring[0]]]), crs="EPSG:32633"))
    assert len(rings_of(area)[0]) == 200_001
