"""A band over its days in the files' own numbers, against plain masked arrays."""

import errno
from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta

import numpy as np
import pytest
from fairweather.core.bridge.errors import OutputError
from fairweather.core.science.composite import stack_folder
from fairweather.core.science.composite.band_stack import BandStack, missing_number, valid_numbers
from fairweather.core.science.composite.clear_days import ClearDays, packed
from fairweather.core.science.composite.median import masked_median
from fairweather.core.science.composite.stack_folder import StackFolder
from fairweather.core.science.imagery.scene_days import SceneDay
from fairweather.core.science.stack_memory import StackMemory
from hypothesis import given, settings
from hypothesis import strategies as st

DTYPES = ["uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64"]
PIXELS = 24


# Three strips, of which the last is shorter.
STRIP = 10


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("days")


@pytest.fixture(scope="module", params=["memory", "file"])
def room(request, folder):
    """Where numbers are held: everything must be the same in both."""
    return StackMemory() if request.param == "memory" else StackFolder(folder)


def numbers_of(stack):
    """All numbers of a stack on which every day has been put; the stack is let go."""
    stack.finish()
    strips = [stack.strip(start).copy() for start in stack.strips]
    assert [strip.shape[1] for strip in strips] == [10, 10, 4]
    stack.let_go()
    return np.concatenate(strips, axis=1)


def stack_of(days, room):
    """The numbers of (values, valid) or None a day, each put as it is."""
    stack = BandStack(len(days), PIXELS, room, STRIP)
    for number, day in enumerate(days):
        if day is not None:
            held = stack.put(number, *day)
            is_nan = np.isnan(day[0]) if day[0].dtype.kind == "f" else False
            np.testing.assert_array_equal(held, day[1] & ~np.asarray(is_nan))
    return numbers_of(stack)


def clear_days_of(clear):
    """Of (days, height, width) bool, the days of 2023."""
    found = ClearDays(clear.shape[1:])
    for number, pixels in enumerate(clear):
        day = SceneDay(date(2023, 1, 1) + timedelta(days=number), ())
        found.add(day, packed(pixels))
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
def test_one_dtype(dtype, with_limits, room):
    days = [a_day(dtype, seed, with_limits) for seed in range(5)] + [None]
    numbers = stack_of(days, room)
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
def test_any_dtypes_in_any_order(room, days):
    made = [day and a_day(*day) for day in days]
    numbers = stack_of(made, room)
    if numbers.dtype.kind == "f":
        # uint32 and float32 meet in float64; no smaller pair loses a number.
        assert numbers.dtype.itemsize >= max(
            4 if day and day[0].dtype.itemsize <= 2 else 0 for day in made
        )
    check(numbers, made)


def test_the_highest_number_as_a_value(room):
    values = np.full((4, 6), 65535, np.uint16)
    for order in (1, -1):
        days = [(values, values > 0), (values - 1, values > 0), (values, values < 0)][::order]
        numbers = stack_of(days, room)
        assert numbers.dtype == np.int32
        check(numbers, days)
        assert set(masked_median(numbers, valid_numbers(numbers))) == {65534.5}


def test_big_endian_numbers(room):
    days = [a_day("uint16", 1), a_day("uint16", 2, True)]
    swapped = [(values.astype(">u2"), valid) for values, valid in days]
    for put in (swapped, swapped[:1]):
        numbers = stack_of(put, room)
        assert numbers.dtype.isnative
        check(numbers, days[: len(put)])


def test_values_that_may_not_be_written_to(room):
    values, valid = a_day("uint16", 1)
    values.flags.writeable = valid.flags.writeable = False
    check(stack_of([(values, valid)], room), [(values, valid)])
    same = np.broadcast_to(np.uint16(7), (4, 6))
    check(stack_of([(same, valid)], room), [(same, valid)])


def test_nothing_was_put(room):
    assert not valid_numbers(stack_of([None, None], room)).any()


@pytest.mark.parametrize("mixed", [False, True])
def test_many_threads(mixed, room):
    days = [
        a_day(DTYPES[number % len(DTYPES)] if mixed else "uint16", number, number % 5 == 0)
        for number in range(60)
    ]
    for _ in range(3):
        stack = BandStack(len(days), PIXELS, room, STRIP)
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(lambda n: stack.put(n, *days[n]), range(len(days))))  # noqa: B023
        check(numbers_of(stack), days)


def test_lost_days_have_no_number(room):
    days = [a_day("uint16", seed) for seed in range(5)]
    stack = BandStack(len(days), PIXELS, room, STRIP)
    for number, day in enumerate(days):
        stack.put(number, *day)
    stack.finish(without={1, 3})
    assert stack.strips == range(0, PIXELS, STRIP)
    lost = [None if number in (1, 3) else day for number, day in enumerate(days)]
    check(np.concatenate([stack.strip(start) for start in stack.strips], axis=1), lost)
    stack.let_go()


class TestFolder:
    """Days on a disk."""

    def test_nothing_is_left(self, folder):
        stack = BandStack(2, PIXELS, StackFolder(folder), STRIP)
        stack.put(0, *a_day("uint16", 1))
        stack.put(1, *a_day("int32", 1))
        stack.let_go()
        assert not list(folder.iterdir())

    def test_a_full_disk_is_told(self, folder, monkeypatch):
        class FullFile:
            def seek(self, place):
                pass

            def write(self, numbers):  # noqa: ARG002
                raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(stack_folder.tempfile, "TemporaryFile", lambda **_: FullFile())
        stack = BandStack(2, PIXELS, StackFolder(folder), STRIP)
        with pytest.raises(OutputError, match=r"No space left.*make room.*\.$"):
            stack.put(0, *a_day("uint16", 1))

    def test_a_folder_that_is_gone_is_told(self, tmp_path):
        stack = BandStack(2, PIXELS, StackFolder(tmp_path / "gone"), STRIP)
        with pytest.raises(OutputError, match="gone"):
            stack.put(0, *a_day("uint16", 1))

    def test_a_disk_that_takes_and_gives_little_at_a_time(self, folder, monkeypatch):
        make = stack_folder.tempfile.TemporaryFile

        class SlowFile:
            def __init__(self, **options):
                self._file = make(**options)
                self.seek, self.close = self._file.seek, self._file.close

            def write(self, numbers):
                return self._file.write(numbers[:7])

            def readinto(self, numbers):
                return self._file.readinto(numbers[:5])

        monkeypatch.setattr(stack_folder.tempfile, "TemporaryFile", SlowFile)
        days = [a_day("uint16", seed) for seed in range(4)]
        check(stack_of(days, StackFolder(folder)), days)


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

    def test_a_stack_that_became_wider_gives_back_both(self):
        memory = StackMemory()
        assert stack_of([a_day("uint16", 1), a_day("uint16", 2, True)], memory).dtype == np.int32
        assert len(memory._idle) == 2
        for dtype in DTYPES:
            days = [a_day(dtype, 3), a_day(dtype, 4)]
            check(stack_of(days, memory), days)

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
        kept = numbers.random((days, height, width)) < 0.7
        kept[0] = True
        found = clear_days_of(clear)
        assert found.size == height * width
        for position, day in enumerate(clear):
            np.testing.assert_array_equal(found.pixels_of(position), day)
        less = found.copy()
        for position, pixels in enumerate(kept):
            less.keep(position, packed(pixels))
        none = less.copy()
        none.keep(days - 1, None)
        last = np.arange(days)[:, np.newaxis, np.newaxis] == days - 1
        for counted, expected in (
            (found, clear), (less, clear & kept), (none, clear & kept & ~last),
        ):  # fmt: skip
            np.testing.assert_array_equal(counted.days_by_pixel(), expected.sum(axis=0))
            assert list(counted.pixels_by_day().values()) == expected.sum(axis=(1, 2)).tolist()

    def test_more_days_than_a_byte_counts(self):
        found = clear_days_of(np.ones((700, 3, 3), bool))
        np.testing.assert_array_equal(found.days_by_pixel(), 700)
