import numpy as np
import pytest
from affine import Affine
from fairweather.core.science.imagery.pixel_lookup import look_up_pixels, source_pixels_per_pixel
from hypothesis import given, settings
from hypothesis import strategies as st
from odc.geo.geobox import GeoBox
from pyproj import Transformer

UTM33, UTM34 = "EPSG:32633", "EPSG:32634"


def geobox(left, top, size, crs=UTM33, shape=(20, 30)):
    return GeoBox(shape, Affine(size, 0, left, 0, -size, top), crs)


def full(lookup):
    shape = lookup.inside.shape
    return np.broadcast_to(lookup.rows, shape), np.broadcast_to(lookup.columns, shape)


def by_pyproj(block, source):
    """Every centre by itself, in a loop."""
    transformer = Transformer.from_crs(str(block.crs), str(source.crs), always_xy=True)
    rows, columns = np.zeros(block.shape, int), np.zeros(block.shape, int)
    for row in range(block.shape[0]):
        for column in range(block.shape[1]):
            x, y = transformer.transform(*(block.transform * (column + 0.5, row + 0.5)))
            source_column, source_row = ~source.transform * (x, y)
            rows[row, column] = np.floor(source_row + 1e-6)
            columns[row, column] = np.floor(source_column + 1e-6)
    return rows, columns


def test_the_same_grid_is_itself():
    lookup = look_up_pixels(geobox(0, 0, 10), geobox(0, 0, 10))
    rows, columns = full(lookup)
    np.testing.assert_array_equal(rows[:, 0], np.arange(20))
    np.testing.assert_array_equal(columns[0], np.arange(30))
    pixels = np.arange(600).reshape(20, 30)
    assert lookup.take(pixels, lookup.window) is pixels


@pytest.mark.parametrize("origin", [(0.0, 0.0), (399_960.0, 5_000_040.0), (0.1, 0.7)])
def test_a_centre_on_an_edge_takes_the_higher_row_and_column(origin):
    # Half a pixel off: every centre is a corner of the source.
    lookup = look_up_pixels(
        geobox(origin[0] + 5, origin[1] - 5, 10, shape=(5, 5)), geobox(*origin, 10)
    )
    rows, columns = full(lookup)
    np.testing.assert_array_equal(rows[:, 0], np.arange(5) + 1)
    np.testing.assert_array_equal(columns[0], np.arange(5) + 1)


def test_twice_as_coarse_takes_the_higher_of_the_middle_pixels():
    rows, columns = full(look_up_pixels(geobox(0, 0, 20, shape=(4, 4)), geobox(0, 0, 10)))
    np.testing.assert_array_equal(rows[:, 0], [1, 3, 5, 7])
    np.testing.assert_array_equal(columns[0], [1, 3, 5, 7])


def test_a_source_whose_rows_go_north():
    source = GeoBox((20, 30), Affine(10, 0, 0, 0, 10, -200), UTM33)
    rows, _ = full(look_up_pixels(geobox(0, 0, 10), source))
    np.testing.assert_array_equal(rows[:, 0], np.arange(20)[::-1])


def test_a_rotated_source():
    source = GeoBox(
        (40, 40), Affine.translation(0, 0) * Affine.rotation(30) * Affine.scale(5), UTM33
    )
    block = geobox(-40, 90, 10, shape=(9, 8))
    for found, expected in zip(
        full(look_up_pixels(block, source)), by_pyproj(block, source), strict=True
    ):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize(
    ("block", "source"),
    [
        (geobox(500_000, 5_000_000, 10, UTM33), geobox(29_000, 5_020_000, 10, UTM34, (900, 900))),
        (geobox(15.0, 45.1, 1e-4, "EPSG:4326"), geobox(500_000, 5_000_000, 10, UTM33, (900, 900))),
        (geobox(4_600_000, 2_500_000, 30, "EPSG:3035"), geobox(400_000, 5_000_000, 10, UTM33)),
    ],
)
def test_other_crss_by_the_centre_of_every_pixel(block, source):
    for found, expected in zip(
        full(look_up_pixels(block, source)), by_pyproj(block, source), strict=True
    ):
        np.testing.assert_array_equal(found, expected)


@given(
    st.sampled_from([UTM33, UTM34, "EPSG:3857"]), st.floats(0, 50), st.floats(5, 40),
    st.integers(3, 19), st.integers(4, 29),
)  # fmt: skip
@settings(max_examples=40)
def test_blocks_find_the_same_pixels_as_the_whole(crs, shift, size, height, width):
    whole = geobox(700_000 + shift, 5_000_000 - shift, size)
    left, top = Transformer.from_crs(UTM33, crs, always_xy=True).transform(699_990, 5_000_010)
    source = geobox(left, top, 10, crs, (200, 200))
    rows, columns = full(look_up_pixels(whole, source))
    for top in range(0, 20, height):
        for left in range(0, 30, width):
            place = np.s_[top : min(top + height, 20), left : min(left + width, 30)]
            found_rows, found_columns = full(look_up_pixels(whole[place], source))
            np.testing.assert_array_equal(found_rows, rows[place])
            np.testing.assert_array_equal(found_columns, columns[place])


def test_no_window_outside():
    assert look_up_pixels(geobox(0, 0, 10), geobox(300, 0, 10)).window is None
    assert look_up_pixels(geobox(0, 0, 10), geobox(0, -200, 10)).window is None


def test_where_the_crs_ends_there_is_no_pixel():
    poles = geobox(-180, 90, 10, "EPSG:4326", (18, 36))
    lookup = look_up_pixels(poles, geobox(500_000, 5_000_000, 10))
    assert not lookup.inside.any()


@pytest.mark.parametrize("crs", [UTM33, UTM34])
def test_halves_are_the_whole(crs):
    block, source = geobox(500_000, 5_000_000, 10), geobox(29_000, 5_020_000, 10, crs, (900, 900))
    lookup = look_up_pixels(block, source)
    (upper, first), (lower, second) = lookup.halves()
    assert (upper, lower) == (slice(0, 10), slice(10, 20))
    for whole, one, other in zip(full(lookup), full(first), full(second), strict=True):
        np.testing.assert_array_equal(whole, np.concatenate([one, other]))


def test_pixels_per_pixel():
    assert source_pixels_per_pixel(geobox(0, 0, 60), geobox(5, 5, 10)) == 6
    assert source_pixels_per_pixel(
        geobox(0, 5e6, 20, UTM34), geobox(5e5, 5e6, 10)
    ) == pytest.approx(2, rel=5e-3)
    degrees = geobox(15, 60, 1e-3, "EPSG:4326")
    # At 60° north a degree of longitude is half as long as one of latitude: 56 m, 111 m.
    source = geobox(500_000, 6_651_500, 10)
    assert source_pixels_per_pixel(degrees, source) == pytest.approx(5.58, rel=5e-3)


def test_pixels_per_pixel_do_not_depend_on_the_block():
    whole, source = geobox(10, 70, 0.5, "EPSG:4326", (100, 100)), geobox(500_000, 6_651_500, 10)
    counts = {source_pixels_per_pixel(whole[top:, top:], source) for top in range(0, 90, 7)}
    assert len(counts) == 1


def test_pixels_per_pixel_are_not_known_around_a_pole():
    """Where a step to the east leads nowhere."""
    source = geobox(-180, 90 + 5, 0.5, "EPSG:4326", shape=(20, 720))
    assert np.isnan(source_pixels_per_pixel(geobox(0, 0, 1000, "EPSG:3413"), source))
