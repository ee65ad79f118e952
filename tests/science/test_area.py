"""The area of interest: reading, repairing, and moving it between CRSs."""

import geopandas
import numpy as np
import odc.geo
import pytest
import shapely
from fairweather.core.bridge.errors import InvalidRequestError
from fairweather.core.bridge.request import Area
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
        read(area_of((0, 89, 1, 90.5))).geometry_in("EPSG:3857")
