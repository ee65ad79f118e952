"""Series against the notebook's own four steps of xarray."""

import itertools

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from fairweather.core.bridge.series_recipe import SeriesRecipe
from fairweather.core.science.timeseries.series import SITES_AT_ONCE, Observations, make_series
from hypothesis import given, settings
from hypothesis import strategies as st

NAN = np.nan
DEFAULT = SeriesRecipe()


def observe(first, days, values, hour=10):
    """Observations on the days, counted from the first date, at some hour of the day."""
    times = np.datetime64(f"{first}T{hour:02d}:07:31.024", "ns") + np.array(
        days, "timedelta64[D]"
    ).astype("timedelta64[ns]")
    return Observations(times, np.array(values, float))


def one(observations, recipe=DEFAULT):
    (series,) = make_series([observations], recipe)
    return series


def notebook(observations, step=5, window=3):
    """The notebook's code, as it is there but for Dask's chunks."""
    time_series = xr.DataArray(
        observations.values, dims="time", coords={"time": observations.times}
    )
    time_series_resampled = time_series.resample(time=f"{step}D").mean(dim="time")
    time_series_interpolated = time_series_resampled.interpolate_na("time", use_coordinate=False)
    time_series_smoothed = time_series_interpolated.rolling(
        time=window, min_periods=1, center=True
    ).mean()
    return time_series_resampled, time_series_interpolated, time_series_smoothed


def assert_is_the_notebooks(series, observations, **options):
    value, interpolated, smoothed = notebook(observations, **options)
    np.testing.assert_array_equal(series.times, value.time.values.astype("datetime64[ns]"))
    np.testing.assert_allclose(series.value, value, rtol=0, atol=1e-12)
    np.testing.assert_allclose(series.interpolated, interpolated, rtol=0, atol=1e-12)
    np.testing.assert_allclose(series.smoothed, smoothed, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("first", "days", "values"),
    [
        ("2023-01-04", range(0, 60, 5), np.linspace(0.2, 0.8, 12)),
        ("2023-01-04", [0, 2, 5, 7, 30, 32], [0.1, NAN, NAN, 0.4, 0.5, NAN]),
        ("2023-01-04", [0, 1, 2, 3, 4, 60], [0.1, 0.2, 0.3, 0.4, NAN, 0.5]),
        ("2023-12-20", range(0, 40, 3), np.cos(np.arange(14))),
        ("2024-02-20", range(0, 20, 1), np.sin(np.arange(20))),
        ("2024-02-29", [0, 1, 366], [0.3, NAN, 0.6]),
        ("2023-06-01", [0], [0.5]),
        ("2023-06-01", [0, 3], [NAN, 0.5]),
        ("2023-06-01", [0, 40], [NAN, 0.5]),
        ("2023-06-01", [0, 4, 11], [NAN, NAN, NAN]),
        ("2023-06-01", [0, 0, 5], [0.1, 0.3, 0.9]),
    ],
    ids=["regular", "cloudy", "many in a step", "new year", "leap day", "a year from a leap day",
         "one observation", "one clear day", "clear at the end", "all cloudy", "twice a day"],
)  # fmt: skip
def test_the_default_is_the_notebooks_series(first, days, values):
    observations = observe(first, list(days), values)
    assert_is_the_notebooks(one(observations), observations)


@st.composite
def any_observations(draw):
    first = draw(st.dates(pd.Timestamp("2015-06-27").date(), pd.Timestamp("2030-01-01").date()))
    gaps = draw(st.lists(st.integers(0, 23), max_size=30))
    value = st.floats(-1, 1) | st.just(NAN)
    values = draw(st.lists(value, min_size=len(gaps) + 1, max_size=len(gaps) + 1))
    seconds = draw(st.lists(st.integers(0, 86_399), min_size=len(values), max_size=len(values)))
    days = np.concatenate(([0], np.cumsum(gaps)))
    times = np.sort(
        np.datetime64(first.isoformat(), "ns")
        + days.astype("timedelta64[D]").astype("timedelta64[ns]")
        + np.array(seconds, "timedelta64[s]").astype("timedelta64[ns]")
    )
    return Observations(times, np.array(values, float))


@settings(max_examples=40)
@given(any_observations(), st.integers(1, 16), st.integers(1, 12))
def test_any_series_is_the_notebooks(observations, step, window):
    series = one(observations, SeriesRecipe(step=step, window=window))
    assert_is_the_notebooks(series, observations, step=step, window=window)


@settings(max_examples=20)
@given(st.lists(any_observations(), min_size=1, max_size=6))
def test_sites_together_are_sites_alone(sites):
    for smooth in ("rolling", "savgol", "whittaker"):
        recipe = SeriesRecipe(smooth=smooth, max_gap=20)
        for together, site in zip(make_series(sites, recipe), sites, strict=True):
            alone = one(site, recipe)
            for column in ("times", "value", "interpolated", "smoothed"):
                np.testing.assert_array_equal(getattr(together, column), getattr(alone, column))


def test_steps_begin_at_midnight_of_the_first_scene_day_even_if_cloudy():
    series = one(observe("2023-12-30", [0, 2, 7], [NAN, 0.4, 0.6], hour=23))
    assert series.times.astype("datetime64[m]").astype(str).tolist() == [
        "2023-12-30T00:00",
        "2024-01-04T00:00",
    ]
    assert series.value.tolist() == [0.4, 0.6]


def test_the_leap_day_is_a_day():
    leap = one(observe("2024-02-27", [0, 2, 3], [0.1, 0.2, 0.3]), SeriesRecipe(step=1))
    assert leap.times.astype("datetime64[D]").astype(str).tolist() == [
        "2024-02-27",
        "2024-02-28",
        "2024-02-29",
        "2024-03-01",
    ]


def test_no_observation_is_a_series_without_steps():
    nothing = Observations(np.empty(0, "datetime64[ns]"), np.empty(0))
    for recipe in (DEFAULT, SeriesRecipe(smooth="savgol"), SeriesRecipe(smooth="whittaker")):
        series = one(nothing, recipe)
        for column in (series.times, series.value, series.interpolated, series.smoothed):
            assert column.shape == (0,)
    assert list(make_series([], DEFAULT)) == []
    both = list(make_series([nothing, observe("2023-01-01", [0], [0.5])], DEFAULT))
    assert [len(series.times) for series in both] == [0, 1]


def test_all_cloudy_has_steps_without_values():
    for smooth in ("rolling", "none", "savgol", "whittaker"):
        series = one(observe("2023-01-01", [0, 9], [NAN, NAN]), SeriesRecipe(smooth=smooth))
        assert len(series.times) == 2
        for column in (series.value, series.interpolated, series.smoothed):
            assert np.isnan(column).all()


def test_none_copies_the_column_before():
    observations = observe("2023-01-01", [0, 5, 15, 20], [0.1, 0.4, NAN, 0.7])
    neither = one(observations, SeriesRecipe(fill="none", smooth="none"))
    np.testing.assert_array_equal(neither.value, [0.1, 0.4, NAN, NAN, 0.7])
    np.testing.assert_array_equal(neither.interpolated, neither.value)
    np.testing.assert_array_equal(neither.smoothed, neither.value)
    filled = one(observations, SeriesRecipe(smooth="none"))
    np.testing.assert_array_equal(filled.smoothed, filled.interpolated)
    assert filled.interpolated == pytest.approx([0.1, 0.4, 0.5, 0.6, 0.7])


def test_without_filling_the_moving_mean_is_xarrays():
    observations = observe("2023-01-01", [0, 5, 25], [0.1, 0.4, 0.7])
    value, _, _ = notebook(observations)
    expected = value.rolling(time=3, min_periods=1, center=True).mean()
    np.testing.assert_allclose(one(observations, SeriesRecipe(fill="none")).smoothed, expected)


@pytest.mark.parametrize(
    ("max_gap", "filled"),
    [(0, True), (14, False), (15, True), (16, True), (5, False), (1, False)],
)
def test_a_gap_as_long_as_max_gap_is_filled_and_a_longer_one_stays(max_gap, filled):
    # Values in the steps of day 0, 5 and 20: the gap between the latter two is 15 days.
    observations = observe("2023-01-01", [0, 5, 20, 25], [0.1, 0.4, 0.7, 0.1])
    for smooth in ("rolling", "none", "savgol", "whittaker"):
        series = one(observations, SeriesRecipe(max_gap=max_gap, smooth=smooth))
        assert np.isfinite(series.interpolated[2:4]).all() == filled
        assert np.isfinite(series.smoothed[2:4]).all() == filled
        assert np.isfinite(series.smoothed[2:4]).any() == filled
        assert np.isfinite(series.smoothed[[0, 1, 4, 5]]).all()


def test_a_gap_of_one_step_stays_one_too():
    observations = observe("2023-01-01", [0, 10], [0.1, 0.4])
    series = one(observations, SeriesRecipe(max_gap=9))
    np.testing.assert_array_equal(series.smoothed, [0.1, NAN, 0.4])


@settings(max_examples=40)
@given(any_observations(), st.integers(1, 9), st.integers(0, 60))
def test_max_gap_counts_the_days_between_steps_with_values(observations, step, max_gap):
    series = one(observations, SeriesRecipe(step=step, max_gap=max_gap, smooth="none"))
    full = one(observations, SeriesRecipe(step=step, smooth="none")).interpolated
    observed = np.flatnonzero(np.isfinite(series.value))
    expected = series.value.copy()
    for before, after in itertools.pairwise(observed):
        if not max_gap or (after - before) * step <= max_gap:
            expected[before:after] = full[before:after]
    np.testing.assert_array_equal(series.interpolated, expected)


def test_more_sites_than_one_batch_come_in_their_order_and_lazily():
    taken = []

    def sites():
        for number in range(SITES_AT_ONCE + 3):
            taken.append(number)
            yield observe("2023-01-01", [0, 5], [number, number])

    series = make_series(sites(), DEFAULT)
    first = next(series)
    assert len(taken) == SITES_AT_ONCE
    values = [first.value[0], *(each.value[0] for each in series)]
    assert values == list(range(SITES_AT_ONCE + 3))


def test_the_observations_are_left_as_they_are():
    observations = observe("2023-01-01", [0, 5, 15], [0.1, NAN, 0.7])
    before = observations.values.copy()
    series = one(observations, SeriesRecipe(fill="none", smooth="none"))
    series.smoothed[:] = 9
    np.testing.assert_array_equal(series.value, [0.1, NAN, NAN, 0.7])
    np.testing.assert_array_equal(observations.values, before)
