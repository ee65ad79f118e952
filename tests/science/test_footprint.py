"""Footprints: read in little time whatever a geometry holds, and where they belong."""

import math
import random
import time

import pytest
import shapely
from fairweather.core.science.footprint import read_footprint


def polygon(ring):
    return {"type": "Polygon", "coordinates": [[*ring, ring[0]]]}


def star(count, west, east):
    source = random.Random(count)
    return [[source.uniform(west, east), source.uniform(44, 46)] for _ in range(count)]


# Each side crosses nearly all others.
CROSSINGS = [[50 * math.cos(2.4 * step), 50 * math.sin(2.4 * step)] for step in range(49)]
WINDING = [[((step * 120 + 180) % 360) - 180, 45 + step / 3000] for step in range(3000)]


@pytest.mark.parametrize(
    "ring",
    [
        CROSSINGS,
        star(48, 14, 16),
        star(90, 14, 16),
        star(3000, 14, 16),
        star(3000, -180, 180),
        star(3000, -720, 720),
        WINDING,
    ],
    ids=range(7),
)
def test_a_ring_that_crosses_itself_is_read_at_once(ring):
    began = time.process_time()
    footprint = read_footprint(polygon(ring))
    assert time.process_time() - began < 1
    assert footprint.is_valid
    assert not footprint.is_empty


def test_one_of_many_vertices_is_held_by_what_is_made_of_it():
    ring = star(3000, 14, 16)
    footprint = read_footprint(polygon(ring))
    assert shapely.covers(footprint, shapely.MultiPoint(ring))


def test_a_valid_one_keeps_all_its_vertices():
    circle = shapely.Point(15, 45).buffer(1, quad_segs=2000)
    assert read_footprint(shapely.geometry.mapping(circle)).equals(circle)


@pytest.mark.parametrize("vertices", [4, 120])
def test_around_a_pole_however_many_vertices(vertices):
    ring = [[((360 * step / vertices + 180) % 360) - 180, 88.0] for step in range(vertices)]
    footprint = read_footprint(polygon(ring))
    assert footprint.bounds == pytest.approx((-180, 88, 180, 90))
    assert footprint.area == pytest.approx(360 * 2, rel=0.01)


def test_across_the_antimeridian_with_many_vertices():
    angles = [2 * math.pi * step / 400 for step in range(400)]
    ring = [[(180 + math.cos(a) + 180) % 360 - 180, math.sin(a)] for a in angles]
    footprint = read_footprint(polygon(ring))
    assert footprint.area == pytest.approx(math.pi, rel=0.02)
    assert footprint.geom_type == "MultiPolygon"


@pytest.mark.parametrize(
    "geometry",
    [
        None,
        5,
        {},
        {"type": "Torus", "coordinates": []},
        {"type": "Polygon", "coordinates": []},
        {"type": "Polygon", "coordinates": [[[1, 2], [3, 4]]]},
        polygon([[0, 0], [1e300, 0], [1, 1]]),
        polygon([[0, 0], [1e9, 0], [1, 1]]),
        polygon([[0, 0], [1, 95], [1, 1]]),
        polygon([[0, 0], [math.nan, 0], [1, 1]]),
        polygon([[0, 0], [10**400, 0], [1, 1]]),
        polygon([["a", 0], [1, 0], [1, 1]]),
    ],
    ids=range(12),
)
@pytest.mark.filterwarnings("ignore:invalid value encountered")
def test_what_is_none(geometry):
    with pytest.raises(ValueError, match=r"."):
        read_footprint(geometry)


def square(number):
    west = 10 + number * 1e-6
    return [[west, 45], [west, 46], [11, 46], [west, 45]]


MANY = range(100_000)
LARGE = {
    "polygons": {"type": "MultiPolygon", "coordinates": [[square(number)] for number in MANY]},
    "holes": {"type": "Polygon", "coordinates": [square(number) for number in MANY]},
    "points": {"type": "MultiPoint", "coordinates": [[10, 45], *([11, 46] for _ in MANY)] * 3},
    "lines": {"type": "MultiLineString", "coordinates": [square(number) for number in MANY]},
    "a ring": polygon([[10, 45], [10, 46], *([11, 46] for _ in range(500_000))]),
    "a collection": {
        "type": "GeometryCollection",
        "geometries": [{"type": "Polygon", "coordinates": [square(number)]} for number in MANY],
    },
    "collections": {
        "type": "GeometryCollection",
        "geometries": [
            *({"type": "GeometryCollection", "geometries": []} for _ in MANY),
            {"type": "Polygon", "coordinates": [square(0)]},
        ],
    },
    "over the antimeridian": {
        "type": "MultiPolygon",
        "coordinates": [[[[179, 45], [-179, 46], [178, 46], [179, 45]]] for _ in MANY],
    },
}


@pytest.mark.parametrize("name", LARGE)
def test_of_one_with_too_many_parts_the_bounding_box_is_read(name):
    began = time.process_time()
    footprint = read_footprint(LARGE[name])
    assert time.process_time() - began < 1
    box = (-179, 45, 179, 46) if name.startswith("over") else (10, 45, 11, 46)
    assert footprint.equals(shapely.box(*box))


@pytest.mark.parametrize("place", [[10**400, 45], [1e300, 45], ["a", 45], [], None, [math.nan, 45]])
def test_of_one_with_too_many_parts_the_places_are_checked(place):
    with pytest.raises(ValueError, match=r"."):
        read_footprint({"type": "MultiPoint", "coordinates": [[10, 45]] * 2000 + [place]})


def test_a_thousand_islands_are_read_one_by_one():
    islands = [
        shapely.box(x / 10, y / 10, x / 10 + 0.05, y / 10 + 0.05)
        for x in range(30)
        for y in range(30)
    ]
    footprint = shapely.MultiPolygon(islands)
    began = time.process_time()
    assert read_footprint(shapely.geometry.mapping(footprint)).equals(footprint)
    assert time.process_time() - began < 1
