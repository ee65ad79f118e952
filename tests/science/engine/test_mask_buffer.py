"""MASK_BUFFER against scipy's distance transform and dilation, and plain numpy."""

import math

import numpy as np
import pytest
from affine import Affine
from fairweather.core.bridge.errors import InvalidRequestError
from fairweather.core.bridge.mask_classes import check_mask_buffer
from fairweather.core.science.imagery.mask_buffer import buffer_margin, grow
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from odc.geo.geobox import GeoBox
from scipy.ndimage import binary_dilation, distance_transform_edt

HIDDEN = arrays(bool, st.tuples(st.integers(1, 17), st.integers(1, 23)), elements=st.booleans())


def grid_of(shape, width=10.0, height=10.0, crs="EPSG:32633", left=500_000.0, top=5_000_000.0):
    return GeoBox(shape, Affine(width, 0, left, 0, -height, top), crs)


@given(HIDDEN, st.sampled_from([(10, 10), (20, 10), (7.5, 30)]), st.floats(0.1, 300))
def test_as_by_the_distance_transform(hidden, size, buffer):
    width, height = size
    expected = hidden
    if hidden.any():
        distance = distance_transform_edt(~hidden, sampling=(height, width))
        # A centre on the very end may fall to either side.
        if np.isclose(distance, buffer, rtol=0, atol=1e-4).any():
            return
        expected = distance <= buffer
    np.testing.assert_array_equal(
        grow(hidden, grid_of(hidden.shape, width, height), buffer), expected
    )


@pytest.mark.parametrize("pixels", [1, 2, 3, 5, 10])
def test_a_centre_at_the_end_is_in_as_by_dilation_with_a_disk(pixels):
    hidden = np.random.default_rng(pixels).random((60, 70)) < 0.004
    steps = np.arange(-pixels, pixels + 1)
    disk = steps[:, np.newaxis] ** 2 + steps**2 <= pixels**2
    found = grow(hidden, grid_of(hidden.shape), 10.0 * pixels)
    np.testing.assert_array_equal(found, binary_dilation(hidden, disk))


@pytest.mark.parametrize("latitude", [0.3, 47.0, -61.0, 84.0])
def test_in_degrees_a_pixel_is_as_wide_as_at_its_own_latitude(latitude):
    size, buffer = 0.002, 900.0
    hidden = np.random.default_rng(3).random((30, 40)) < 0.01
    grid = grid_of(hidden.shape, size, size, "EPSG:4326", 16.0, latitude)
    degree = math.pi * 6_371_008.8 / 180
    rows, columns = np.nonzero(hidden)
    expected = np.zeros(hidden.shape, bool)
    for row in range(hidden.shape[0]):
        metres = size * degree * math.cos(math.radians(latitude - (row + 0.5) * size))
        for column in range(hidden.shape[1]):
            distance = np.hypot((rows - row) * size * degree, (columns - column) * metres)
            expected[row, column] = (distance <= buffer).any()
    np.testing.assert_array_equal(grow(hidden, grid, buffer), expected)


def test_feet_are_metres_before_they_are_compared():
    hidden = np.zeros((1, 9), bool)
    hidden[0, 0] = True
    grid = grid_of(hidden.shape, 100.0, 100.0, "EPSG:2263", 980_000.0, 200_000.0)
    assert np.flatnonzero(grow(hidden, grid, 100.0)).tolist() == [0, 1, 2, 3]  # 30.48 m each


@given(HIDDEN, st.floats(1, 200), st.booleans())
def test_no_more_than_the_margin_reaches_in(hidden, buffer, in_degrees):
    grid = grid_of(hidden.shape)
    if in_degrees:
        grid = grid_of(hidden.shape, 1e-4, 1e-4, "EPSG:4326", 16.0, 60.0)
    rows, columns = buffer_margin(grid, buffer)
    far = np.pad(hidden, ((rows, rows), (columns, columns)))
    grown = grow(far, grid.pad(columns, rows), buffer)
    edge = grown.copy()
    edge[1:-1, 1:-1] = False
    assert not edge.any()


@pytest.mark.parametrize("metres", [-1.0, math.nan, math.inf, 2_001.0])
def test_what_is_no_distance_is_refused(metres):
    with pytest.raises(
        InvalidRequestError, match=r"^MASK_BUFFER is .*; give metres from 0 to 2,000\.$"
    ):
        check_mask_buffer(metres)


def test_what_is_one_is_not():
    for metres in (0.0, 0.5, 2_000.0):
        check_mask_buffer(metres)
