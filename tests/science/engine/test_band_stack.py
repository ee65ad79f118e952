"""A band over its days in the files' own numbers, against plain masked arrays."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta

import numpy as np
import pytest
from fairweather.core.science.composite.band_stack import BandStack, missing_number, valid_numbers
from fairweather.core.science.composite.clear_days import ClearDays
from fairweather.core.science.composite.median import masked_median
from fairweather.core.science.composite.stack_memory import StackMemory
from fairweather.core.science.imagery.scene_days import SceneDay
from hypothesis import given, settings
from hypothesis import strategies as st

DTYPES = ["uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64"]
PIXELS = 24


def stack_of(days, memory=None):
    """A stack of (values, valid) or None a day, each put as it is."""
    stack = BandStack(len(days), PIXELS, memory or StackMemory())
    for number, day in enumerate(days):
        if day is not None:
            stack.put(number, *day)
    return stack.finish()


def clear_days_of(clear):
    """Of (days, height, width) bool, the days of 2023."""
    found = ClearDays(clear.shape[1:])
    for number, pixels in enumerate(clear):
        found.add(SceneDay(date(2023, 1, 1) + timedelta(days=number), ()), pixels)
    return found


def check(numbers, days):
    valid = valid_numbers(numbers)
    for row, row_valid, day in zip(numbers, valid, days, strict=True):
        if day is None:
            assert not row_valid.any()
            continue
        values, day_valid = day
        is_nan = np.isnan(values) if values.dtype.kind == "f" else np.zeros(values.shape, bool)
        np.testing.assert_array_equal(row_valid, (day_valid & ~is_nan).ravel())
        np.testing.assert_array_equal(row[row_valid], values.ravel()[row_valid])


def a_day(dtype, seed, with_limits=False):
    numbers = np.random.default_rng(seed)
    dtype = np.dtype(dtype)
    if dtype.kind == "f":
        values = numbers.normal(0, 1e3, (4, 6)).astype(dtype)
        values[numbers.random((4, 6)) < 0.2] = np.nan
    else:
        limits = np.iinfo(dtype)
        values = numbers.integers(limits.min, limits.max, (4, 6), dtype)
        if with_limits:
            values.ravel()[:3] = limits.max
            values.ravel()[3:6] = limits.min
    return values, numbers.random((4, 6)) < 0.7


@pytest.mark.parametrize("with_limits", [False, True])
@pytest.mark.parametrize("dtype", DTYPES)
def test_one_dtype(dtype, with_limits):
    days = [a_day(dtype, seed, with_limits) for seed in range(5)] + [None]
    numbers = stack_of(days)
    check(numbers, days)
    if not with_limits or np.dtype(dtype).kind == "f":
        assert numbers.dtype == dtype


@given(
    st.lists(
        st.none() | st.tuples(st.sampled_from(DTYPES), st.integers(0, 99), st.booleans()),
        min_size=1,
        max_size=7,
    )
)
def test_any_dtypes_in_any_order(days):
    made = [day and a_day(*day) for day in days]
    numbers = stack_of(made)
    if numbers.dtype.kind == "f":
        # uint32 and float32 meet in float64; no smaller pair loses a number.
        assert numbers.dtype.itemsize >= max(
            4 if day and day[0].dtype.itemsize <= 2 else 0 for day in made
        )
    check(numbers, made)


def test_the_highest_number_as_a_value():
    values = np.full((4, 6), 65535, np.uint16)
    for order in (1, -1):
        days = [(values, values > 0), (values - 1, values > 0), (values, values < 0)][::order]
        numbers = stack_of(days)
        assert numbers.dtype == np.int32
        check(numbers, days)
        assert set(masked_median(numbers, valid_numbers(numbers))) == {65534.5}


def test_big_endian_numbers():
    days = [a_day("uint16", 1), a_day("uint16", 2, True)]
    swapped = [(values.astype(">u2"), valid) for values, valid in days]
    numbers = stack_of(swapped)
    assert numbers.dtype.isnative
    check(numbers, days)


def test_values_that_may_not_be_written_to():
    values, valid = a_day("uint16", 1)
    values.flags.writeable = valid.flags.writeable = False
    check(stack_of([(values, valid)]), [(values, valid)])
    same = np.broadcast_to(np.uint16(7), (4, 6))
    check(stack_of([(same, valid)]), [(same, valid)])


def test_nothing_was_put():
    assert not valid_numbers(stack_of([None, None])).any()


@pytest.mark.parametrize("mixed", [False, True])
def test_many_threads(mixed):
    days = [
        a_day(DTYPES[number % len(DTYPES)] if mixed else "uint16", number, number % 5 == 0)
        for number in range(60)
    ]
    memory = StackMemory()
    for _ in range(3):
        stack = BandStack(len(days), PIXELS, memory)
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(lambda n: stack.put(n, *days[n]), range(len(days))))  # noqa: B023
        numbers = stack.finish()
        check(numbers, days)
        memory.give_back(numbers)


def test_what_is_missing_sorts_behind_all_else():
    for dtype in map(np.dtype, DTYPES):
        limit = np.inf if dtype.kind == "f" else np.iinfo(dtype).max - 1
        ordered = np.sort(np.array([missing_number(dtype), limit, 0], dtype))
        assert not valid_numbers(ordered[-1:])[0]


class TestMemory:
    """What one block gives back, the next one gets."""

    def test_the_same_bytes_are_lent_again(self):
        memory = StackMemory()
        first = memory.lend((5, 100), np.dtype(np.uint16))
        memory.give_back(first)
        second = memory.lend((5, 90), np.dtype(np.uint16))
        assert np.shares_memory(first, second)
        assert not np.shares_memory(second, memory.lend((5, 90), np.dtype(np.uint16)))

    def test_one_that_is_too_small_is_let_go(self):
        memory = StackMemory()
        memory.give_back(memory.lend((5, 100), np.dtype(np.uint16)))
        assert memory.lend((6, 100), np.dtype(np.int32)).shape == (6, 100)
        assert not memory._idle

    def test_a_stack_that_became_wider_is_given_back_too(self):
        memory = StackMemory()
        wide = stack_of([a_day("uint16", 1), a_day("uint16", 2, True)], memory)
        assert wide.dtype == np.int32
        memory.give_back(wide)
        for dtype in DTYPES:
            days = [a_day(dtype, 3), a_day(dtype, 4)]
            numbers = stack_of(days, memory)
            check(numbers, days)
            memory.give_back(numbers)

    @settings(max_examples=30)
    @given(st.lists(st.tuples(st.integers(1, 9), st.sampled_from(DTYPES)), max_size=12))
    def test_lent_arrays_never_overlap(self, requests):
        memory, lent = StackMemory(), []
        for days, dtype in requests:
            array = memory.lend((days, PIXELS), np.dtype(dtype))
            assert (array.shape, array.dtype) == ((days, PIXELS), dtype)
            assert not any(np.shares_memory(array, other) for other in lent)
            lent.append(array)
            if len(lent) > 2:
                memory.give_back(lent.pop(0))


class TestClearDays:
    """A bit a pixel, against plain bools."""

    @given(st.integers(1, 5), st.integers(1, 9), st.integers(1, 9), st.integers(0, 999))
    def test_counts_and_days(self, days, height, width, seed):
        numbers = np.random.default_rng(seed)
        clear = numbers.random((days, height, width)) < 0.5
        stack = np.where(numbers.random((days, height * width)) < 0.3, 255, 7).astype(np.uint8)
        found = clear_days_of(clear)
        assert found.size == height * width
        for position, day in enumerate(clear):
            np.testing.assert_array_equal(found.pixels_of(position), day)
        less = found.copy()
        less.keep_valid([stack])
        for kept, expected in (
            (found, clear), (less, clear & (stack != 255).reshape(clear.shape)),
        ):  # fmt: skip
            np.testing.assert_array_equal(kept.days_by_pixel(), expected.sum(axis=0))
            assert list(kept.pixels_by_day().values()) == expected.sum(axis=(1, 2)).tolist()

    def test_more_days_than_a_byte_counts(self):
        found = clear_days_of(np.ones((700, 3, 3), bool))
        np.testing.assert_array_equal(found.days_by_pixel(), 700)
