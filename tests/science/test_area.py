"""The area of interest: reading, repairing, and moving it between CRSs."""

import time

import geopandas
import numpy as np
import odc.geo
import pytest
import shapely
from fairweather.core.bridge.errors import InvalidRequestError
from fairweather.core.bridge.request import Area
from fairweather.core.science.antimeridian import take_shorter_way
from fairweather.core.science.area import read_area
from fairweather.core.science.reporter import RecordingReporter

TRIANGLE = shapely.Polygon([(5e5, 5e6), (5.5e5, 5e6), (5.2e5, 5.05e6)])


def read(area):
    return read_area(area, RecordingReporter())


@pytest.mark.parametrize(
    "target", ["EPSG:4326", "EPSG:3857", "EPSG:32634", odc.geo.CRS("EPSG:3035")]
)
def test_polygon_is_transformed_as_geopandas_does(area_of, target):
    moved = read(area_of(TRIANGLE, "EPSG:32633")).geometry_in(target)
    expected = geopandas.GeoSeries([TRIANGLE], crs="EPSG:32633").to_crs(str(target)).iloc[0]
    np.testing.assert_array_equal(shapely.get_coordinates(moved), shapely.get_coordinates(expected))


def test_same_crs_leaves_every_vertex(area_of):
    assert read(area_of(TRIANGLE, "EPSG:32633")).geometry_in("EPSG:32633").equals_exact(TRIANGLE)


def test_extent_becomes_its_bounding_rectangle(area_of):
    area = read(area_of((14, 45, 16, 47), is_extent=True))
    rectangle = area.geometry_in("EPSG:32633")
    west, south, east, north = rectangle.bounds
    assert rectangle.equals(shapely.box(west, south, east, north))
    # The parallel of 47 degrees bulges north between its ends; the southern one is lowest amid.
    edges = geopandas.GeoSeries([shapely.box(14, 45, 16, 47).segmentize(0.001)], crs=4326)
    np.testing.assert_allclose(rectangle.bounds, edges.to_crs(32633).total_bounds, atol=1)


def test_search_geometry_follows_the_edges_of_an_extent(area_of):
    extent = shapely.box(3e5, 5e6, 7e5, 5.4e6)
    area = read(area_of(extent, "EPSG:32633", is_extent=True))
    dense = geopandas.GeoSeries([extent.segmentize(100)], crs=32633).to_crs(4326).iloc[0]
    assert area.search_geometry.symmetric_difference(dense).area / dense.area < 1e-5
    plain = geopandas.GeoSeries([extent], crs=32633).to_crs(4326).iloc[0]
    assert plain.symmetric_difference(dense).area / dense.area > 1e-3


def test_area_across_the_antimeridian_is_split(area_of):
    area = read(area_of((1.5e5, 5e6, 4e5, 5.05e6), "EPSG:32601", is_extent=True))
    west, east = sorted(area.search_geometry.geoms, key=lambda part: part.centroid.x)
    assert west.bounds[0] == -180
    assert east.bounds[2] == 180
    assert west.bounds[2] - west.bounds[0] + east.bounds[2] - east.bounds[0] < 4
    assert -180 <= area.centre_longitude < -179


def test_longitudes_beyond_180_are_moved(area_of):
    parts = read(area_of((179, 0, 181, 1))).search_geometry
    assert sorted(part.bounds for part in parts.geoms) == [(-180, 0, -179, 1), (179, 0, 180, 1)]


def test_area_around_the_globe_stays(area_of):
    assert read(area_of((-180, -60, 180, 60))).search_geometry.bounds == (-180, -60, 180, 60)


def test_centre_longitude(area_of):
    assert read(area_of((10, 45, 20, 50))).centre_longitude == 15
    assert read(area_of(TRIANGLE, "EPSG:32633")).centre_longitude == pytest.approx(15.319, abs=0.01)


def test_self_crossing_polygon_is_repaired_and_the_log_says_so():
    bow_tie = {"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]]]}
    reporter = RecordingReporter()
    area = read_area(Area("EPSG:4326", bow_tie), reporter)
    assert area.geometry.is_valid
    assert area.geometry.area == 0.5
    assert "repaired" in reporter.messages[0]


def test_heights_are_dropped():
    corners = [[15, 45, 100], [16, 45, 100], [16, 46, 100], [15, 45, 100]]
    assert not read(Area("EPSG:4326", {"type": "Polygon", "coordinates": [corners]})).geometry.has_z


def test_only_polygons_of_a_collection_count(area_of):
    mixed = shapely.GeometryCollection([shapely.Point(0, 0), shapely.box(1, 1, 2, 2)])
    assert read(area_of(mixed)).geometry.equals(shapely.box(1, 1, 2, 2))


@pytest.mark.parametrize(
    ("geometry", "words"),
    [
        ({"type": "Point", "coordinates": [15, 45]}, "no polygon"),
        ({"type": "Polygon", "coordinates": []}, "no polygon"),
        ({"type": "MultiPolygon", "coordinates": []}, "no polygon"),
        ({"type": "Polygon", "coordinates": [[[0, 0], [1, 1], [2, 2], [0, 0]]]}, "no polygon"),
        (
            {"type": "Polygon", "coordinates": [[[0, 0], [1, float("inf")], [2, 2], [0, 0]]]},
            "finite",
        ),
        ({"type": "Polygon", "coordinates": [[[0, 0], ["a", 1], [2, 2], [0, 0]]]}, "GeoJSON"),
        ({"type": "Circle"}, "GeoJSON"),
        ({}, "GeoJSON"),
    ],
)
def test_wrong_geometry(geometry, words):
    with pytest.raises(InvalidRequestError, match=words):
        read(Area("EPSG:4326", geometry))


@pytest.mark.parametrize("crs", ["", "EPSG:999999", "nonsense"])
def test_unknown_crs(area_of, crs):
    with pytest.raises(InvalidRequestError, match=r"CRS.*EPSG:4326"):
        read(area_of((0, 0, 1, 1), crs))


def test_area_where_the_target_is_not_defined(area_of):
    with pytest.raises(InvalidRequestError, match="cannot be transformed"):
        read(area_of((0, 89, 1, 90))).geometry_in("EPSG:3857")


@pytest.mark.parametrize("start", [0, 1, 2, 3, 4])
def test_the_shorter_way_is_that_of_the_map(start):
    """A ring as a catalogue writes it, from whichever corner, and the same cut by hand."""
    corners = [(178, 60), (-177, 60.5), (-176, 65), (-179, 66), (179, 64)]
    ring = shapely.Polygon(corners[start:] + corners[:start])
    beyond = shapely.Polygon([(x % 360, y) for x, y in corners])
    east = shapely.transform(
        beyond.intersection(shapely.box(180, 0, 190, 90)), lambda xy: xy - [360, 0]
    )
    expected = shapely.union(beyond.intersection(shapely.box(170, 0, 180, 90)), east)
    assert shapely.equals(take_shorter_way(ring), expected)


def test_more_than_half_the_globe_the_shorter_way():
    """From Greenwich eastwards to Alaska: neither 0 nor 180 is an end."""
    east = [(x if x <= 180 else x - 360, 50) for x in range(-20, 220, 10)]
    ring = shapely.Polygon([*east, *((x, 60) for x, _ in reversed(east))])
    parts = take_shorter_way(ring)
    assert shapely.equals(
        parts, shapely.union(shapely.box(-20, 50, 180, 60), shapely.box(-180, 50, -150, 60))
    )


@pytest.mark.parametrize("sense", [1, -1])
@pytest.mark.parametrize("pole", [90, -90])
def test_a_ring_around_the_globe_holds_its_pole(sense, pole):
    longitudes = [(30 + sense * 20 * step + 180) % 360 - 180 for step in range(18)]
    cap = take_shorter_way(shapely.Polygon([(x, pole * 0.9) for x in longitudes]))
    edge = pole * 0.9
    assert shapely.equals(cap, shapely.box(-180, min(edge, pole), 180, max(edge, pole)))


def test_a_hole_around_the_pole(area_of):
    ring = shapely.Point(2e6, 2e6).buffer(1e6) - shapely.Point(2e6, 2e6).buffer(4e5)
    found = read(area_of(ring, "EPSG:32661")).search_geometry
    places = shapely.points([(x, y) for x in (-179.9, -90, 0, 77, 179.9) for y in (89, 84, 70)])
    inside = shapely.contains(found, places).reshape(5, 3)
    assert (inside == [False, True, False]).all()


def test_an_annulus_in_degrees_is_as_it_was_drawn(area_of):
    area = read(area_of((-180, 85, 180, 88)))
    circle = area.geometry_in("EPSG:3413")
    assert not circle.contains(shapely.Point(0, 0))
    distances = np.hypot(*shapely.get_coordinates(circle).T)
    assert distances.min() == pytest.approx(2.16e5, rel=0.01)
    assert distances.max() == pytest.approx(5.39e5, rel=0.01)


def test_long_edges_in_degrees_follow_their_parallel(area_of):
    box = shapely.box(0, 50, 40, 60)
    found = read(area_of(box)).geometry_in("EPSG:3035")
    dense = geopandas.GeoSeries([box.segmentize(0.01)], crs=4326).to_crs(3035).iloc[0]
    assert found.symmetric_difference(dense).area / dense.area < 5e-3
    plain = geopandas.GeoSeries([box], crs=4326).to_crs(3035).iloc[0]
    assert plain.symmetric_difference(dense).area / dense.area > 0.05


@pytest.mark.parametrize(
    ("boxes", "expected"),
    [
        ([(-180, 10, -179, 11), (179, 10, 180, 11)], 180),
        ([(-179.5, 10, -179, 11), (177.5, 10, 178, 11)], 179.25),
        ([(-180, 10, -170, 11), (100, 10, 180, 11)], 145),
        ([(-20, 10, -10, 11), (10, 10, 30, 11)], 5),
        ([(-180, 10, 180, 11)], 0),
    ],
)
def test_the_middle_of_islands_on_both_sides(area_of, boxes, expected):
    islands = shapely.MultiPolygon([shapely.box(*box) for box in boxes])
    found = read(area_of(islands)).centre_longitude
    assert (found - expected) % 360 == pytest.approx(0, abs=1e-9)


def test_islands_on_both_sides_are_neighbours_in_degrees(area_of):
    islands = shapely.MultiPolygon(
        [shapely.box(-179.5, 10, -179, 11), shapely.box(178, 10, 179, 11)]
    )
    assert read(area_of(islands)).geometry_in("EPSG:4326").bounds == (178, 10, 181, 11)
    shoulders = shapely.MultiPolygon([shapely.box(-20, 10, -10, 11), shapely.box(10, 10, 30, 11)])
    assert read(area_of(shoulders)).geometry_in("EPSG:4326").equals_exact(shoulders)


@pytest.mark.parametrize("crs", ["EPSG:3857", "EPSG:4087", "EPSG:6933", "EPSG:8857"])
def test_a_crs_that_ends_amid_the_area_is_told(area_of, crs):
    with pytest.raises(InvalidRequestError, match=r"crosses the antimeridian.*UTM"):
        read(area_of((179, -17, 181, -16))).geometry_in(crs)


@pytest.mark.parametrize("crs", ["EPSG:32701", "EPSG:3832", "EPSG:3031", "EPSG:2193", "EPSG:3460"])
def test_a_crs_that_goes_on_there_is_none_to_complain_of(area_of, crs):
    west, south, east, north = read(area_of((179.5, -17, 180.5, -16))).geometry_in(crs).bounds
    assert max(east - west, north - south) < 1e6


@pytest.mark.parametrize(
    ("box", "crs", "words"),
    [
        ((16.1, 45.8, 16.2, 45.9), "EPSG:32633", "look like degrees, but"),
        ((16.1, 45.8, 16.2, 45.9), "EPSG:3857", "look like degrees, but"),
        ((5_080_000, 500_000, 5_090_000, 510_000), "EPSG:32633", "far from where"),
        ((179, -17, -179, -16), "EPSG:4326", "half around the globe"),
    ],
)
def test_a_place_that_is_hardly_meant_is_warned_of(area_of, box, crs, words):
    reporter = RecordingReporter()
    read_area(area_of(box, crs), reporter)
    assert [words in warning for warning in reporter.warnings] == [True]


@pytest.mark.parametrize(
    ("box", "crs"),
    [
        ((4.5e5, 5e6, 5e5, 5.1e6), "EPSG:32633"),
        ((-4e5, 5e6, 5e5, 5.1e6), "EPSG:32633"),  # the neighbours' zones
        ((4.5e5, -3e6, 5e5, -2.9e6), "EPSG:32633"),  # Landsat's south
        ((0, 0, 50, 50), "+proj=laea +lat_0=45.5 +lon_0=16.25 +datum=WGS84 +units=m +type=crs"),
        ((1.9e7, -2e6, 2.1e7, -1.9e6), "EPSG:3857"),
        ((3.2e6, -2e6, 3.5e6, -1.9e6), "EPSG:3832"),
        ((-1e5, -1e5, 1e5, 1e5), "EPSG:3413"),
        ((-180, -90, 180, 90), "EPSG:4326"),
        ((170, -20, 190, -10), "EPSG:4326"),
        ((16.1, 45.8, 16.2, 45.9), "EPSG:4326"),
    ],
)
def test_no_warning_of_a_usual_place(area_of, box, crs):
    reporter = RecordingReporter()
    read_area(area_of(box, crs), reporter)
    assert not reporter.warnings


@pytest.mark.parametrize(
    ("box", "crs"),
    [
        ((500_000, 5_080_000, 510_000, 5_090_000), "EPSG:4326"),
        ((45.8, 115, 45.9, 116), "EPSG:4326"),
        ((45.8, 115, 45.9, 116), "EPSG:4258"),
        ((400, 10, 401, 11), "EPSG:4326"),
        ((1, 101, 2, 102), "EPSG:4807"),
    ],
)
def test_coordinates_that_are_no_degrees_are_told(area_of, box, crs):
    with pytest.raises(InvalidRequestError, match=r"no longitude and latitude.*CRS"):
        read(area_of(box, crs))


def test_degrees_at_their_ends_are_degrees(area_of):
    read(area_of((-180, -90, 180, 90)))
    read(area_of((340, 80, 360, 90)))
    assert read(area_of((10, 95, 20, 99), "EPSG:4807")).search_geometry.bounds[3] < 90  # grads


def test_a_million_vertices_are_read_in_seconds(area_of):
    turn = np.linspace(0, 2 * np.pi, 200_000)[:-1]
    circle = shapely.Polygon(np.column_stack([5e5 + 1e5 * np.cos(turn), 5e6 + 1e5 * np.sin(turn)]))
    start = time.process_time()
    area = read(area_of(circle, "EPSG:32633"))
    assert shapely.get_num_coordinates(area.geometry_in("EPSG:32634")) == 200_000
    assert area.search_geometry.is_valid
    assert time.process_time() - start < 4
