"""The solar day against odc-stac's."""

from datetime import date, datetime, timedelta, timezone

import pytest
from fairweather.core.science.solar_day import solar_day
from hypothesis import given
from hypothesis import strategies as st
from odc.stac.model import _convert_to_solar_time


@given(
    st.datetimes(datetime(1980, 1, 1), datetime(2100, 1, 1)),
    st.floats(-180, 180, allow_nan=False),
)
def test_same_as_odc_stac(moment, longitude):
    assert solar_day(moment, longitude) == _convert_to_solar_time(moment, longitude).date()
    aware = moment.replace(tzinfo=timezone.utc)
    assert solar_day(aware, longitude) == solar_day(moment, longitude)


@pytest.mark.parametrize(
    ("longitude", "day"), [(-14.9, 10), (14.9, 10), (15, 11), (-15, 10), (179, 11)]
)
def test_hours_are_cut_towards_zero(longitude, day):
    moment = datetime(2023, 8, 10, 23, 30)
    assert solar_day(moment, longitude) == date(2023, 8, day)


def test_another_time_zone_is_brought_to_utc():
    moment = datetime(2023, 8, 11, 1, 30, tzinfo=timezone(timedelta(hours=2)))
    assert solar_day(moment, 0) == date(2023, 8, 10)
