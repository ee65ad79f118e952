import time

import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from fairweather.core.bridge.errors import InvalidRequestError
from fairweather.core.bridge.request import Area, PixelGrid
from fairweather.core.science.area import read_area
from fairweather.core.science.composite.clip import (
    holds_no_centre,
    pixels_inside,
    touched_pixels,
)
from fairweather.core.science.composite.output_grid import choose_output_grid
from fairweather.core.science.reporter import RecordingReporter
from hypothesis import example, given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox

UTM33, UTM34 = "EPSG:32633", "EPSG:32634"


def geobox(left, top, size, crs=UTM33, shape=(100, 100), height=None):
    return GeoBox(shape, Affine(size, 0, left, 0, -(height or size), top), crs)


def area(west, south, east, north, crs=UTM33, is_extent=False):
    content = shapely.geometry.mapping(shapely.box(west, south, east, north))
    return read_area(Area(crs, content, is_extent), RecordingReporter())


def choose(aoi, grids, resolution=None, crs="", align=None):
    return choose_output_grid(aoi, grids, resolution=resolution, crs=crs, align=align)


def test_native_pixels_of_the_most_common_grid():
    grids = [geobox(5, 5, 10), geobox(0, 0, 10), geobox(0, 0, 10)]
    found = choose(area(101, -199, 158, -141), grids)
    assert found.transform == Affine(10, 0, 100, 0, -10, -140)
    assert found.shape == (6, 6)


def test_of_equally_common_grids_the_first_counts():
    found = choose(area(101, -199, 158, -141), [geobox(5, 5, 10), geobox(0, 0, 10)])
    assert found.transform == Affine(10, 0, 95, 0, -10, -135)


def test_the_most_common_crs_wins_over_the_most_common_grid():
    grids = [geobox(0, 0, 10, UTM34)] * 2 + [geobox(left, 0, 10) for left in (3, 4, 5)]
    found = choose(area(101, -199, 158, -141), grids)
    assert str(found.crs) == UTM33
    assert found.transform.c % 10 == 3


def test_resolution_steps_from_the_source_origin():
    found = choose(area(101, -199, 158, -141), [geobox(5, 5, 10)], resolution=60)
    assert (found.transform.c - 5) % 60 == 0
    assert (found.transform.f - 5) % 60 == 0
    assert found.resolution.x == 60


def test_another_crs_lies_at_whole_multiples_of_the_resolution():
    found = choose(area(500_101, 5_000_101, 500_158, 5_000_199), [geobox(5, 5, 10)], crs=UTM34)
    assert str(found.crs) == UTM34
    assert found.resolution.x == 10
    assert found.transform.c % 10 == 0
    assert found.transform.f % 10 == 0


def test_degrees_lie_at_whole_multiples():
    found = choose(
        area(15.0003, 45.0003, 15.0107, 45.0107, "EPSG:4326"),
        [geobox(5, 5, 10)],
        resolution=0.001,
        crs="EPSG:4326",
    )
    assert found.transform.almost_equals(Affine(0.001, 0, 15.0, 0, -0.001, 45.011), 1e-9)
    assert found.shape == (11, 11)


def test_metres_given_for_degrees_are_told():
    with pytest.raises(InvalidRequestError, match=r"RESOLUTION is 10, which in .* means degrees"):
        choose(
            area(15, 45, 15.1, 45.1, "EPSG:4326"),
            [geobox(0, 0, 10)],
            resolution=10,
            crs="EPSG:4326",
        )


@pytest.mark.parametrize("crs", ["EPSG:4326", "EPSG:2225"])
def test_native_metres_need_a_crs_in_metres(crs):
    with pytest.raises(InvalidRequestError, match="RESOLUTION"):
        choose(area(15, 45, 15.1, 45.1, "EPSG:4326"), [geobox(0, 0, 10)], crs=crs)


def test_native_degrees_mean_nothing_in_metres():
    with pytest.raises(InvalidRequestError, match="RESOLUTION"):
        choose(area(15, 45, 15.1, 45.1, "EPSG:4326"), [geobox(0, 0, 1e-4, "EPSG:4326")], crs=UTM33)


def test_native_pixels_that_are_not_square_stay_so():
    grid = geobox(15, 46, 2e-4, "EPSG:4326", height=1e-4)
    found = choose(area(15.0001, 45.0001, 15.0011, 45.0011, "EPSG:4326"), [grid])
    assert (found.resolution.x, found.resolution.y) == pytest.approx((2e-4, -1e-4))


def test_align_takes_the_other_rasters_pixels():
    align = PixelGrid(UTM33, 500_003.25, 5_000_001.5, 7.5, 12.5)
    aoi = area(500_100, 4_999_000, 500_200, 4_999_100)
    found = choose(aoi, [geobox(0, 0, 10)], resolution=60, crs=UTM34, align=align)
    assert str(found.crs) == UTM33
    assert (found.resolution.x, found.resolution.y) == (7.5, -12.5)
    assert (found.transform.c - 500_003.25) / 7.5 % 1 == 0
    assert (5_000_001.5 - found.transform.f) / 12.5 % 1 == 0


def test_an_area_smaller_than_a_pixel_gets_its_pixel():
    found = choose(area(103, -107, 104, -106), [geobox(0, 0, 10)])
    assert found.shape == (1, 1)
    assert found.transform == Affine(10, 0, 100, 0, -10, -100)


def test_an_area_on_pixel_corners_gets_no_pixel_more():
    found = choose(area(100 - 1e-7, -200, 160, -140 + 1e-7), [geobox(0, 0, 10)])
    assert found.transform == Affine(10, 0, 100, 0, -10, -140)
    assert found.shape == (6, 6)


@pytest.mark.parametrize("resolution", [0.0, -10.0, float("nan"), float("inf")])
def test_a_pixel_size_must_be_above_zero(resolution):
    with pytest.raises(InvalidRequestError, match="RESOLUTION"):
        choose(area(0, 0, 10, 10), [geobox(0, 0, 10)], resolution=resolution)


@pytest.mark.parametrize("size", [0.0, -1.0])
def test_an_align_rasters_pixel_size_must_be_above_zero(size):
    with pytest.raises(InvalidRequestError, match="ALIGN"):
        choose(area(0, 0, 9, 9), [geobox(0, 0, 10)], align=PixelGrid(UTM33, 0, 0, 10, size))


@pytest.mark.parametrize("resolution", [1e-3, 1e-12, 1e-300, 5e-324])
def test_an_absurd_size_is_told(resolution):
    with pytest.raises(InvalidRequestError, match=r"pixels; give a coarser") as caught:
        choose(area(0, 0, 1000, 1000), [geobox(0, 0, 10)], resolution=resolution)
    assert resolution < 1e-6 or "1,000,000 × 1,000,000" in str(caught.value)


def test_an_unknown_crs_is_told():
    with pytest.raises(InvalidRequestError, match="EPSG:99999"):
        choose(area(0, 0, 10, 10), [geobox(0, 0, 10)], crs="EPSG:99999")


@given(
    st.floats(-1e4, 1e4), st.floats(-1e4, 1e4), st.floats(1e-3, 500), st.floats(1e-3, 500),
    st.sampled_from([0.3, 7.0, 10.0, 60.0, 100.0]), st.floats(-1e6, 1e6),
)  # fmt: skip
@settings(max_examples=100)
def test_the_raster_covers_the_area_and_not_a_pixel_more(west, south, width, height, size, origin):
    aoi = area(west, south, west + width, south + height)
    found = choose(aoi, [geobox(origin, origin, size)])
    left, bottom, right, top = found.extent.boundingbox.bbox
    slack = size * 1e-5
    assert left <= west + slack
    assert left > west - size - slack
    assert right >= west + width - slack
    assert bottom <= south + slack
    assert top >= south + height - slack
    assert top < south + height + size + slack
    assert abs((left - origin) / size - round((left - origin) / size)) < 1e-5


CORNERS = st.tuples(st.integers(-12, 60), st.integers(-12, 60))


@given(
    st.lists(CORNERS, min_size=3, max_size=7),
    st.sampled_from([3.0, 10.0, 60.0, 0.1]),
    st.integers(9, 48),
    st.integers(9, 48),
    st.sampled_from([1, 2, 3, 6]),
)
@example([(0, 0), (48, 0), (48, 48), (0, 48)], 60.0, 7, 5, 2)
@settings(max_examples=60)
def test_a_clip_is_rasterios_whatever_the_blocks(corners, size, block_height, block_width, parts):
    polygon = shapely.make_valid(shapely.Polygon(corners))
    if polygon.geom_type not in ("Polygon", "MultiPolygon") or polygon.area == 0:
        return
    # Corners at parts of a pixel: edges through pixel centres are likely.
    origin = (544_980.3, 5_135_040.7)
    polygon = shapely.affinity.affine_transform(
        polygon, [size / parts, 0, 0, -size / parts, *origin]
    )
    raster = geobox(*origin, size, shape=(48, 48))
    whole = rasterio.features.geometry_mask([polygon], (48, 48), raster.transform, invert=True)
    found = np.zeros((48, 48), bool)
    for top in range(0, 48, block_height):
        for left in range(0, 48, block_width):
            rows = slice(top, min(top + block_height, 48))
            columns = slice(left, min(left + block_width, 48))
            found[rows, columns] = pixels_inside(polygon, raster, rows, columns)
    np.testing.assert_array_equal(found, whole)


def test_a_clip_across_its_pieces():
    raster = geobox(544_980, 5_135_040, 10, shape=(1500, 2100))
    circle = shapely.Point(554_000, 5_127_000).buffer(6500)
    whole = rasterio.features.geometry_mask([circle], raster.shape, raster.transform, invert=True)
    for rows, columns in [
        (slice(0, 1500), slice(0, 2100)),
        (slice(900, 1100), slice(1000, 2060)),
        (slice(1024, 1500), slice(1024, 2048)),
    ]:
        found = pixels_inside(circle, raster, rows, columns)
        np.testing.assert_array_equal(found, whole[rows, columns])


def test_a_clip_of_many_vertices_parts_and_holes_is_rasterios():
    raster = geobox(544_980, 5_135_040, 10, shape=(1300, 1400))
    turn = np.linspace(0, 2 * np.pi, 30_000)[:-1]
    radius = 5_000 + 900 * np.sin(40 * turn) + 9 * np.sin(9_000 * turn)
    shell = np.column_stack([552_000 + radius * np.cos(turn), 5_128_600 + radius * np.sin(turn)])
    places = np.random.default_rng(3).uniform((546_000, 5_123_000), (558_000, 5_134_000), (900, 2))
    circles = shapely.union_all(shapely.buffer(shapely.points(places), 73, quad_segs=3))
    polygon = shapely.make_valid(shapely.Polygon(shell)).symmetric_difference(circles)
    whole = rasterio.features.geometry_mask([polygon], raster.shape, raster.transform, invert=True)
    found = pixels_inside(polygon, raster, slice(0, 1300), slice(0, 1400))
    np.testing.assert_array_equal(found, whole)


def test_what_a_piece_of_raster_needs_of_a_polygon():
    turn = np.linspace(0, 2 * np.pi, 400_000)[:-1]
    shell = np.column_stack([549_980 + 40_000 * np.cos(turn), 5_130_040 + 40_000 * np.sin(turn)])
    circle = shapely.Polygon(shell)
    raster = geobox(504_980, 5_175_040, 10, shape=(9_000, 9_000))
    start = time.process_time()
    inside = pixels_inside(circle, raster, slice(3_000, 6_000), slice(3_000, 6_000))
    edge = pixels_inside(circle, raster, slice(600, 900), slice(4_000, 5_000))
    # With all vertices, GDAL alone takes ten seconds for these sixteen pieces.
    assert time.process_time() - start < 5
    assert inside.all()
    rows, columns = np.mgrid[600:900, 4_000:5_000] + 0.5
    np.testing.assert_array_equal(edge, np.hypot(rows - 4_500, columns - 4_500) < 4_000)


def test_pixels_that_a_thin_area_touches():
    raster = geobox(0, 0, 10, shape=(8, 8))
    strip = shapely.box(11, -39, 69, -36)
    assert holds_no_centre(strip, raster)
    assert touched_pixels(strip, raster).equals(shapely.box(10, -40, 70, -30))
    assert not holds_no_centre(shapely.box(11, -39, 69, -34), raster)
