"""Masks of bits, against plain arithmetic."""

from datetime import date, datetime, timezone

import numpy as np
import pytest
import shapely
from fairweather.core.bridge.errors import InvalidRequestError
from fairweather.core.bridge.profiles import find_profile
from fairweather.core.science.imagery.bits import has_all_bits_of, has_any_bit
from fairweather.core.science.imagery.masks import MaskReader, choose_masked_classes
from fairweather.core.science.imagery.scene import Scene, SourceBand
from fairweather.core.science.imagery.scene_days import SceneDay
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays


@given(
    st.sampled_from(["uint8", "int8", "uint16", "int16", "int32"]).flatmap(
        lambda dtype: arrays(dtype, (3, 4))
    ),
    st.lists(st.integers(0, 15), min_size=1),
)
def test_has_any_bit(values, bits):
    width = 8 * values.itemsize
    expected = [
        any(int(value) % 2**width >> bit & 1 for bit in bits if bit < width)
        for value in values.ravel()
    ]
    found = has_any_bit(values, bits)
    assert found.shape == values.shape
    assert found.ravel().tolist() == expected


@given(arrays("uint16", (5,)), st.integers(0, 70_000))
def test_has_all_bits_of(values, number):
    expected = [number > 0 and int(value) & number == number for value in values]
    assert has_all_bits_of(values, number).tolist() == expected


def test_bits_in_floats():
    values = np.array([1.0, 2.0, 3.0, np.nan, 22280.0])
    assert has_any_bit(values, (1, 3)).tolist() == [False, True, True, False, True]


class Reader:
    """Gives arrays where a BlockReader reads files."""

    def __init__(self, **pixels):
        self.pixels = pixels

    def read(self, source):
        values = self.pixels.get(source.href)
        if values is None:
            return None
        values = np.asarray(values)
        return values, values != source.nodata


def day_of(*hrefs, nodata=1.0, is_bits=True):
    moment = datetime(2024, 5, 1, 10, tzinfo=timezone.utc)
    scenes = [
        Scene(
            href, moment, shapely.Polygon(), {},
            SourceBand(href, nodata, 1.0, 0.0, None, is_bits=is_bits), "", {},
        )
        for href in hrefs
    ]  # fmt: skip
    return SceneDay(date(2024, 5, 1), tuple(scenes))


ALL = np.ones((1, 6), bool)
LANDSAT = (1, 2, 3, 4)


def clear_pixels(day, reader, wanted, masked_classes):
    return MaskReader(reader, masked_classes).clear_pixels(day, wanted)


def test_landsat_values_as_they_are():
    # Clear land, clear water, cloud, shadow, dilated cloud, fill.
    pixels = np.array([[21824, 21952, 22280, 23888, 21826, 1]], "uint16")
    clear = clear_pixels(day_of("a"), Reader(a=pixels), ALL, LANDSAT)
    assert clear.tolist() == [[True, True, False, False, False, False]]


def test_the_fill_bit_counts_as_no_data_whatever_else_is_set():
    first = np.array([[1, 3, 21825, 22280, 1, 1]], "uint16")
    second = np.array([[21824, 22280, 21824, 21824, 1, 21824]], "uint16")
    clear = clear_pixels(day_of("a", "b"), Reader(a=first, b=second), ALL, LANDSAT)
    # The second scene speaks where the first has none; a cloud of the first hides.
    assert clear.tolist() == [[True, False, True, False, False, True]]


def test_no_value_is_not_clear_with_bits_and_clear_with_classes():
    assert not clear_pixels(day_of("a"), Reader(), ALL, LANDSAT).any()
    classes = day_of("a", nodata=0.0, is_bits=False)
    assert clear_pixels(classes, Reader(), ALL, (3, 8)).all()
    assert not clear_pixels(classes, Reader(), ALL, (0, 3)).any()


def test_hls_values_as_they_are():
    # Clear, water, cloud, next to a cloud, shadow, fill; aerosol in the upper bits.
    pixels = np.array([[64, 224, 194, 132, 72, 255]], "uint8")
    day = day_of("a", nodata=255.0)
    assert clear_pixels(day, Reader(a=pixels), ALL, (1, 2, 3)).tolist() == [
        [True, True, False, False, False, False]
    ]
    assert clear_pixels(day, Reader(a=pixels), ALL, (5,)).tolist() == [
        [True, False, True, True, True, False]
    ]


def test_nothing_masked_reads_nothing():
    assert clear_pixels(day_of("a"), None, ALL, None) is ALL


def test_what_is_masked_by_default_and_what_is_asked_for():
    hls, landsat = find_profile("hls2-s30"), find_profile("landsat-c2-l2")
    assert choose_masked_classes(None, hls) == (1, 2, 3)
    assert choose_masked_classes(None, landsat) == (1, 2, 3, 4)
    assert choose_masked_classes((5,), landsat) == (5,)
    assert choose_masked_classes((), landsat) is None
    with pytest.raises(InvalidRequestError, match="16 is no bit of landsat-c2-l2"):
        choose_masked_classes((3, 16), landsat)
