"""Areas and sites in all shapes and coordinate systems: what is made of them, or what is told."""

from types import SimpleNamespace

import numpy as np
import pytest
import shapely
from fairweather.core.bridge.errors import InvalidRequestError, OutputError

UTM33, UTM34 = "EPSG:32633", "EPSG:32634"
FEET = "EPSG:2263"  # New York, in US survey feet
BEYOND_ORBIT = "+proj=geos +h=35785831 +lon_0=0 +datum=WGS84 +units=m +no_defs"


@pytest.fixture
def zagreb(globe, tile):
    """Three days of one tile of 100 m pixels, in UTM zone 33."""
    around = tile.around(UTM33, 15.9, 45.8, shape=(60, 80))
    for day in range(3):
        globe.scene(around, day)
    return globe


@pytest.fixture
def square(zagreb):
    """A function: a rectangle in pixels of the tile, left, top, right, bottom."""
    pixels = zagreb.scenes[0].tile

    def make(left, top, right, bottom):
        return shapely.box(
            pixels.left + left * pixels.size,
            pixels.top - bottom * pixels.size,
            pixels.left + right * pixels.size,
            pixels.top - top * pixels.size,
        )

    return make


def test_an_area_in_feet(globe, tile, same, move):
    around = tile.around("EPSG:32618", -74, 40.7)
    for day in range(3):
        globe.scene(around, day)
    area = shapely.Polygon([(975_011, 190_017), (989_101, 192_345), (980_321, 202_003)])
    found, transform, crs = globe.composite(area, FEET)
    assert crs == "EPSG:32618"
    same(found, globe.expected(found.shape, transform, crs, move(area, FEET, crs)))
    found, transform, crs = globe.composite(area, FEET, output_crs=FEET, resolution=500.0)
    assert transform.a == 500
    same(found, globe.expected(found.shape, transform, crs, area))
    assert "pixels of 500 US survey feet in EPSG:2263" in " ".join(globe.reporter.messages)
    rows = globe.observations([area], FEET)[1]
    inside = centres_inside(around, move(area, FEET, around.crs))
    assert {int(row["all_pixels"]) for row in rows} == {inside}


def centres_inside(tile, polygon):
    """How many of a tile's pixels have their centre in a polygon, by shapely's word."""
    rows, columns = np.indices(tile.shape) + 0.5
    return int(shapely.contains_xy(polygon, *(tile.transform * (columns, rows))).sum())


def test_an_area_over_two_zones_has_the_scenes_of_both(globe, tile, same, move):
    for day in range(2):
        globe.scene(tile.around(UTM33, 17.97, 45.8), day)
        globe.scene(tile.around(UTM34, 18.03, 45.8), day, minutes=1)
    globe.scene(tile.around(UTM34, 18.03, 45.8), 2)
    area = shapely.box(17.93, 45.79, 18.07, 45.81)
    found, transform, crs = globe.composite(area)
    assert crs == UTM34
    same(found, globe.expected(found.shape, transform, crs, move(area, "EPSG:4326", crs)))


@pytest.mark.parametrize("has_spike", [False, True])
def test_a_self_crossing_polygon_is_repaired_and_said(zagreb, square, same, has_spike):
    corners = [square(10.1, 10.2, 29.6, 31.3).exterior.coords[number] for number in (0, 2, 1, 3)]
    bow_tie = shapely.Polygon(corners)
    expected = shapely.make_valid(bow_tie)
    if has_spike:
        # It leads far away and straight back: a repair leaves it as a line, which has no pixels.
        away = [square(50, 40, 51, 41).exterior.coords[0], corners[0]]
        bow_tie = shapely.Polygon([*bow_tie.exterior.coords, *away])
    found, transform, crs = zagreb.composite(bow_tie, UTM33)
    same(found, zagreb.expected(found.shape, transform, crs, expected))
    assert any("repaired" in message for message in zagreb.reporter.messages)
    rows = zagreb.observations([bow_tie], UTM33)[1]
    inside = centres_inside(zagreb.scenes[0].tile, expected)
    assert {int(row["all_pixels"]) for row in rows} == {inside}
    assert any("sites were not valid" in message for message in zagreb.reporter.messages)


def test_a_site_without_an_area_has_the_pixel_it_lies_in(zagreb, square):
    x, y = square(20.2, 30.3, 21, 31).exterior.coords[2]
    flat = shapely.Polygon([(x, y), (x + 10, y + 10), (x + 20, y + 20)])
    rows = zagreb.observations([flat, shapely.Point(x + 10, y + 10)], UTM33)
    assert [row["value"] for row in rows[1]] == [row["value"] for row in rows[2]]
    assert {row["all_pixels"] for row in rows[1]} == {"1"}


@pytest.mark.parametrize(
    ("place", "rows", "columns"),
    [
        ((20.1, 30.1, 20.3, 30.3), [30], [20]),
        ((20.6, 30.1, 21.4, 30.3), [30], [20, 21]),  # between two centres
        ((20.1, 30.6, 50.1, 30.8), [30], list(range(20, 51))),  # a thin strip
    ],
)
def test_an_area_without_any_pixels_centre_has_the_pixels_it_touches(
    zagreb, square, same, place, rows, columns
):
    found, transform, crs = zagreb.composite(square(*place), UTM33, count_band=True)
    touched = square(columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
    same(found, zagreb.expected(found.shape, transform, crs, touched))
    assert found.shape == (len(rows), len(columns))
    assert "pixels that the area touches" in " ".join(zagreb.reporter.messages)
    one = zagreb.observations([square(*place)], UTM33)[1]
    assert {row["all_pixels"] for row in one} == {"1"}
    assert "Smaller than a pixel" in " ".join(zagreb.reporter.messages)


def test_a_thin_slanted_strip_is_a_line_of_pixels(zagreb, square):
    start, end = square(10.1, 10.7, 40.3, 25.9).exterior.coords[2], square(
        10.1, 10.7, 40.3, 25.9
    ).exterior.coords[0]  # fmt: skip
    strip = shapely.LineString([start, end]).buffer(0.01, cap_style="flat")
    found, transform, _ = zagreb.composite(strip, UTM33)
    rows, columns = np.indices(found.shape)
    squares = shapely.box(*(transform * (columns, rows + 1)), *(transform * (columns + 1, rows)))
    touched = shapely.intersects(squares, strip)
    # Clouds may hide a pixel on all three days, and no other is there.
    assert not np.isfinite(found)[~touched].any()
    assert np.isfinite(found)[touched].mean() > 0.95


def test_a_usual_area_gets_no_pixel_more(zagreb, square):
    zagreb.composite(square(10.4, 10.4, 11.6, 11.6), UTM33)
    assert "touches" not in " ".join(zagreb.reporter.messages)


@pytest.mark.parametrize("parts", [40, 1_000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_many_parts(zagreb, square, same, parts):
    numbers = np.random.default_rng(parts)
    middles = numbers.uniform((5, 5), (75, 55), (parts, 2))
    circle = square(0, 0, 1, 1).centroid.buffer(25, quad_segs=2)
    fields = [shapely.transform(circle, lambda xy, at=at: xy + at * [100, -100]) for at in middles]
    area = shapely.union_all(fields)
    found, transform, crs = zagreb.composite(area, UTM33)
    same(found, zagreb.expected(found.shape, transform, crs, area))
    rows = zagreb.observations([area], UTM33)[1]
    assert int(rows[0]["all_pixels"]) == centres_inside(zagreb.scenes[0].tile, area)


@pytest.mark.slow
def test_a_million_vertices(zagreb, square, same):
    centre, turn = square(0, 0, 80, 60).centroid, np.linspace(0, 2 * np.pi, 1_000_000)
    radius = 2000 + 300 * np.sin(40 * turn) + 0.001 * np.sin(100_000 * turn)
    shell = np.column_stack([centre.x + radius * np.cos(turn), centre.y + radius * np.sin(turn)])
    shell[-1] = shell[0]
    area = shapely.Polygon(shell, [centre.buffer(500).exterior.coords])
    found, transform, crs = zagreb.composite(area, UTM33)
    same(found, zagreb.expected(found.shape, transform, crs, area))


def test_heights_are_left_out(zagreb, square, same):
    flat = square(10, 10, 30, 30)
    corners = [[x, y, 120.0] for x, y in flat.exterior.coords]
    area = {"type": "Polygon", "coordinates": [corners]}
    found, transform, crs = zagreb.composite(area, UTM33)
    same(found, zagreb.expected(found.shape, transform, crs, flat))
    point = {"type": "Point", "coordinates": corners[0]}
    found = zagreb.observations([area, point], UTM33)
    assert [len(found[1]), len(found[2])] == [3, 3]


@pytest.mark.parametrize(
    ("area", "crs", "words"),
    [
        (shapely.box(5e5, 5e6, 5.1e5, 5.1e6), "EPSG:4326", "no longitude and latitude"),
        (shapely.box(45.7, 100, 45.9, 116), "EPSG:4326", "exchange"),
        (shapely.box(9e5, 1e5, 9.1e5, 1.1e5), "EPSG:4807", "no longitude and latitude"),
        (shapely.box(6e6, 6e6, 6.1e6, 6.1e6), BEYOND_ORBIT, "cannot be transformed"),
        (shapely.box(1e12, 1e12, 2e12, 2e12), UTM33, "cannot be transformed"),
        (shapely.box(15, 45, 15, 46), "EPSG:4326", "no polygon with an area"),
        (shapely.Polygon(), "EPSG:4326", "no polygon with an area"),
    ],
)
def test_an_area_that_is_nowhere_is_told(zagreb, area, crs, words):
    with pytest.raises(InvalidRequestError, match=words):
        zagreb.composite(area, crs)


@pytest.mark.parametrize(
    ("site", "crs", "words"),
    [
        (shapely.Point(5e5, 5e6), "EPSG:4326", "no longitude and latitude"),
        (shapely.Point(45.8, 116), "EPSG:4326", "exchange"),
        (shapely.Point(float("inf"), 1), "EPSG:4326", "finite number"),
        (shapely.Point(6e6, 6e6), BEYOND_ORBIT, "not defined"),
        (shapely.box(5, 30, 25, 60), "EPSG:4326", "too many for a time series"),
    ],
)
def test_a_site_that_is_nowhere_is_told(zagreb, site, crs, words):
    with pytest.raises(InvalidRequestError, match=words) as told:
        zagreb.observations([shapely.Point(15.9, 45.8) if crs == "EPSG:4326" else site, site], crs)
    assert "site 2" in str(told.value) or crs == BEYOND_ORBIT


def test_a_raster_that_the_disk_cannot_hold_is_told_first(zagreb, square, monkeypatch):
    usage = SimpleNamespace(free=1_000_000)
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage)
    with pytest.raises(
        OutputError, match=r"needs about 8.4 MB of room .* and 1.0 MB are free; make"
    ):
        zagreb.composite(square(10, 10, 20, 20), UTM33, resolution=0.9)
    assert not (zagreb.folder / "composite.tif").exists()


def test_a_raster_as_large_as_a_continent_is_told(zagreb):
    with pytest.raises(InvalidRequestError, match=r"would have .* pixels; give a coarser"):
        zagreb.composite(shapely.box(-20, 0, 50, 60), resolution=10.0)
