from fractions import Fraction

import numpy as np
import pytest
from fairweather.core.science.imagery.encoding import (
    CommonEncoding,
    bytes_of_a_number,
    choose_encoding,
)
from fairweather.core.science.imagery.scene import SourceBand
from hypothesis import given, settings
from hypothesis import strategies as st


def source(scale=1e-4, offset=0.0, data_type=""):
    return SourceBand("a.tif", 0.0, scale, offset, None, data_type)


def test_one_encoding_keeps_the_files_numbers():
    encoding = choose_encoding([source(), source()])
    assert encoding == CommonEncoding(1e-4, 0.0, "stored")
    values = np.array([1, 2], np.uint16)
    assert encoding.hold(values, source()) is values


def test_offsets_of_whole_steps_are_shifted():
    sources = [source(offset=-0.1), source(offset=-0.1), source()]
    encoding = choose_encoding(sources)
    assert encoding == CommonEncoding(1e-4, -0.1, "int32")
    held = encoding.hold(np.array([0, 65_535], np.uint16), source())
    assert held.dtype == np.int32
    np.testing.assert_array_equal(held, [1000, 66_535])


def test_floats_are_not_cut_to_whole_numbers():
    encoding = choose_encoding([source(offset=-0.1), source()])
    held = encoding.hold(np.array([0.5, np.nan], np.float32), encoding_other(encoding))
    assert held[0] % 1 == 0.5
    assert np.isnan(held[1])


def encoding_other(encoding):
    return source(offset=0.0 if encoding.offset else -0.1)


@pytest.mark.parametrize(
    "sources",
    [
        [source(), source(offset=0.00005)],
        [source(), source(scale=2.75e-5, offset=-0.2)],
        [source(), source(scale=2e-4)],
    ],
)
def test_what_has_no_common_step_is_held_as_reflectance(sources):
    encoding = choose_encoding(sources)
    assert encoding == CommonEncoding(1.0, 0.0, "float64")
    held = encoding.hold(np.array([100], np.uint16), sources[1])
    assert held[0] == pytest.approx(100 * sources[1].scale + sources[1].offset, abs=1e-15)


@given(
    st.lists(
        st.tuples(
            st.sampled_from([1e-4, 2.75e-5, 1.0]), st.sampled_from([0.0, -0.1, -0.2, 0.05, 1 / 3])
        ),
        min_size=1, max_size=5,
    ),
    st.integers(0, 65_535),
)  # fmt: skip
@settings(max_examples=100)
def test_reflectance_is_the_sources_own(pairs, number):
    sources = [source(scale, offset) for scale, offset in pairs]
    encoding = choose_encoding(sources)
    for one in sources:
        held = encoding.hold(np.array([number], np.uint16), one)
        exact = float(Fraction(number) * Fraction(one.scale) + Fraction(one.offset))
        for found in (encoding.reflectance(held), encoding.exact_reflectance(held)):
            assert found[0] == pytest.approx(exact, rel=1e-12, abs=1e-11)


def test_equal_and_opposite_values_cancel():
    encoding = CommonEncoding(1e-4, -0.1, "stored")
    numbers = np.arange(0, 2001, dtype=np.uint16)
    exact = encoding.exact_reflectance(numbers)
    np.testing.assert_array_equal(exact + exact[::-1], 0)


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        ([source(data_type="uint16")], 2),
        ([source(data_type="uint8")], 1),
        ([source(data_type="uint16"), source(data_type="int16")], 4),
        ([source(data_type="float64")], 8),
        ([source()], 4),
        ([source(data_type="other")], 4),
        ([source(data_type="uint16"), source(offset=-0.1, data_type="uint16")], 4),
        ([source(data_type="uint32"), source(offset=-0.1, data_type="uint32")], 8),
        ([source(data_type="uint8"), source(scale=0.3, data_type="uint8")], 8),
    ],
)
def test_bytes_of_a_number(sources, expected):
    assert bytes_of_a_number(choose_encoding(sources), sources) == expected
