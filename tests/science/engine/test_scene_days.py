from datetime import datetime, timedelta, timezone

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from fairweather.core.science.imagery.encoding import CommonEncoding
from fairweather.core.science.imagery.scene import Scene, SourceBand
from fairweather.core.science.imagery.scene_days import group_by_solar_day, read_day
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from odc.stac.model import ParsedItem
from shapely import Polygon


def scene(moment, name="a"):
    return Scene(
        id=name, moment=moment, footprint=Polygon(), bands={}, mask=None, encoding="", properties={}
    )


@given(st.lists(st.integers(0, 5 * 24 * 60 - 1), min_size=1, max_size=12), st.floats(-180, 180))
@settings(max_examples=60)
def test_days_are_utc_and_whole_hours_of_longitude(minutes, longitude):
    start = datetime(2023, 5, 1, tzinfo=timezone.utc)
    made = [scene(start + timedelta(minutes=m), f"{n:02d}") for n, m in enumerate(minutes)]
    found = group_by_solar_day(made, longitude)
    hours = pd.to_timedelta(int(longitude / 15), "h")
    moments = pd.DatetimeIndex([s.moment.replace(tzinfo=None) for s in made]) + hours
    expected = xr.DataArray(np.arange(len(made)), {"time": ("time", moments)}).groupby("time.date")
    assert [day.day for day in found] == sorted(expected.groups)
    for day in found:
        ids = {made[n].id for n in np.atleast_1d(expected.groups[day.day])}
        assert {s.id for s in day.scenes} == ids
        keys = [(s.moment, s.id) for s in day.scenes]
        assert keys == sorted(keys)


@pytest.mark.parametrize("longitude", [-179.9, -105.0, -14.9, 0.0, 14.9, 15.0, 104.9, 179.9])
def test_days_are_odc_stacs(longitude):
    for hour in range(24):
        moment = datetime(2023, 5, 1, hour, 30, tzinfo=timezone.utc)
        item = ParsedItem.__new__(ParsedItem)
        object.__setattr__(item, "datetime", moment)
        expected = ParsedItem.solar_date_at(item, longitude).date()
        assert group_by_solar_day([scene(moment)], longitude)[0].day == expected


class FakeReader:
    """Answers from memory, and counts."""

    def __init__(self, answers):
        self.answers = answers
        self.asked = []

    def read(self, source):
        self.asked.append(source.href)
        return self.answers[source.href]


def sources(count, offsets=None):
    offsets = offsets or [0.0] * count
    return [SourceBand(str(n), 0.0, 1.0, offsets[n], None) for n in range(count)]


@given(
    st.integers(1, 4).flatmap(
        lambda n: st.tuples(
            hnp.arrays(np.uint16, (n, 2, 3), elements=st.integers(0, 3)),
            st.lists(st.sampled_from([0.0, -2.0]), min_size=n, max_size=n),
        )
    ),
    hnp.arrays(bool, (2, 3)),
)
@settings(max_examples=100)
def test_every_pixel_from_the_first_with_a_value(case, wanted):
    cube, offsets = case
    made = sources(len(cube), offsets)
    reader = FakeReader({s.href: (plane, plane != 0) for s, plane in zip(made, cube, strict=True)})
    values, valid = read_day(reader, made, wanted, CommonEncoding(1.0, 0.0, "int32"))
    expected = np.full((2, 3), np.nan)
    for plane, offset in zip(cube, offsets, strict=True):
        new = np.isnan(expected) & (plane != 0)
        expected[new] = plane[new] + offset
    np.testing.assert_array_equal(valid[wanted], ~np.isnan(expected[wanted]))
    np.testing.assert_array_equal(values[wanted & valid], expected[wanted & valid])


def test_no_file_is_read_once_all_wanted_pixels_have_a_value():
    full = np.ones((1, 2), np.uint8)
    reader = FakeReader({"0": (full, full == 1), "1": (full, full == 1)})
    read_day(reader, sources(2), np.array([[True, True]]))
    assert reader.asked == ["0"]


def test_nothing_in_the_block():
    reader = FakeReader({"0": None, "1": None})
    assert read_day(reader, sources(2), np.ones((1, 2), bool)) is None
    assert reader.asked == ["0", "1"]


def test_the_input_is_not_changed():
    first, second = np.array([[0, 5]], np.uint8), np.array([[7, 7]], np.uint8)
    reader = FakeReader({"0": (first, first != 0), "1": (second, second != 0)})
    values, _ = read_day(reader, sources(2), np.ones((1, 2), bool))
    np.testing.assert_array_equal(values, [[7, 5]])
    np.testing.assert_array_equal(first, [[0, 5]])
