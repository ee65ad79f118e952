import itertools

import numpy as np
import pytest
from fairweather.core.science.composite import median
from fairweather.core.science.composite.median import masked_median
from fairweather.core.science.imagery.reading import is_data
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

DTYPES = ["uint8", "int8", "uint16", "int16", "uint32", "int32", "int64", "float32", "float64"]


def nan_median(values, valid):
    cube = np.where(valid, values.astype(np.float64), np.nan)
    result = np.full(values.shape[1], np.nan)
    some = valid.any(axis=0)
    result[some] = np.nanmedian(cube[:, some], axis=0)
    return result


@st.composite
def stacks(draw, max_days):
    dtype = np.dtype(draw(st.sampled_from(DTYPES)))
    shape = (draw(st.integers(1, max_days)), draw(st.integers(1, 7)))
    if dtype.kind == "f":
        # What float64 holds without rounding in a sum of two.
        elements = st.floats(-(2.0**20), 2.0**20, width=32)
    else:
        limits = np.iinfo(dtype)
        low, high = max(limits.min, -(2**52)), min(limits.max, 2**52)
        elements = st.integers(low, high) | st.sampled_from([low, high])
    values = draw(hnp.arrays(dtype, shape, elements=elements))
    valid = draw(hnp.arrays(bool, shape))
    if dtype.kind == "f":
        garbage = draw(st.sampled_from([np.nan, np.inf, -np.inf, 0.0]))
        values = np.where(valid, values, dtype.type(garbage))
    return values, valid


@given(stacks(12))
@settings(max_examples=150)
def test_the_median_is_numpys_for_every_count_dtype_and_gap(stack):
    values, valid = stack
    found = masked_median(values, valid)
    np.testing.assert_array_equal(found, nan_median(values, valid))


@given(st.integers(1, 140), st.sampled_from(DTYPES), st.integers(0, 2**32 - 1), st.floats(0, 1))
@settings(max_examples=60)
def test_long_stacks_by_the_network_and_by_sorting(days, dtype, seed, share):
    generator = np.random.default_rng(seed)
    values = generator.integers(0, 127, (days, 9)).astype(dtype)
    valid = generator.random((days, 9)) < share
    found = masked_median(values, valid)
    np.testing.assert_array_equal(found, nan_median(values, valid))


@given(
    hnp.arrays(np.uint16, (5, 6), elements=st.integers(0, 4)),
    st.sampled_from([None, 0.0, 3.0, -9999.0, float("nan")]),
)
def test_masking_nodata_and_reducing_is_nanmedian(values, nodata):
    cube = values.astype(np.float64)
    if nodata is not None:
        cube[cube == nodata] = np.nan
    found = masked_median(values, is_data(values, nodata))
    np.testing.assert_array_equal(found, nan_median(values, ~np.isnan(cube)))


@pytest.mark.parametrize("length", range(1, 13))
def test_the_network_sorts_every_row_of_zeros_and_ones(length):
    rows = np.array(list(itertools.product([0, 1], repeat=length)), np.uint8).T.copy()
    ordered = sorted_days(rows)
    assert (np.diff(ordered.astype(int), axis=0) >= 0).all()
    np.testing.assert_array_equal(ordered.sum(axis=0), rows.sum(axis=0))


@pytest.mark.parametrize("length", [31, 32, 33, 64, 65, 95, 96, 97, 300])
def test_long_networks_and_the_librarys_sort(length):
    rows = np.random.default_rng(length).integers(0, 1000, (length, 400)).astype(np.uint16)
    np.testing.assert_array_equal(sorted_days(rows), np.sort(rows, axis=0))


def sorted_days(rows):
    ordered, starts, step = median._sort_days(rows)
    return ordered[starts[:, np.newaxis] + np.arange(rows.shape[1]) * step]


def test_no_days_give_nothing():
    assert np.isnan(masked_median(np.zeros((0, 3), np.uint8), np.zeros((0, 3), bool))).all()


def test_the_mean_of_two_large_numbers_does_not_overflow():
    values = np.array([[65_535], [65_533]], np.uint16)
    found = masked_median(values, np.ones(values.shape, bool))
    assert found[0] == 65_534


def test_the_largest_number_is_a_value_too():
    values = np.array([[255, 255], [255, 0], [7, 255]], np.uint8)
    valid = np.array([[True, True], [True, False], [False, True]])
    found = masked_median(values, valid)
    np.testing.assert_array_equal(found, [255, 255])
