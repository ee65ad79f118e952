"""savgol against scipy, whittaker against a dense solve of its normal equations."""

import time

import numpy as np
import pytest
from fairweather.core.bridge.series_recipe import SeriesRecipe
from fairweather.core.science.timeseries.series import Observations, make_series
from fairweather.core.science.timeseries.smoothing import smooth_savgol, smooth_whittaker
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.signal import savgol_filter

NAN = np.nan


def dense_whittaker(series, penalty):
    """(W + penalty D'D) z = W y, written out as matrices, for one site."""
    steps = len(series)
    weights = np.isfinite(series).astype(float)
    differences = np.diff(np.eye(steps), n=2, axis=0)
    matrix = np.diag(weights) + penalty * differences.T @ differences
    return np.linalg.solve(matrix, weights * np.nan_to_num(series))


def wave(steps, seed=0):
    noise = np.random.default_rng(seed).normal(0, 0.05, steps)
    return np.sin(np.arange(steps) / 6) + noise


@pytest.mark.parametrize(("window", "order"), [(3, 2), (5, 2), (7, 3), (11, 4), (1, 0), (21, 2)])
def test_savgol_without_gaps_is_scipys(window, order):
    series = np.stack([wave(40, 1), wave(40, 2)])
    expected = savgol_filter(series, window, order, axis=1)
    np.testing.assert_allclose(smooth_savgol(series, window, order), expected, atol=1e-14)


def test_savgol_smooths_each_run_by_itself():
    series = wave(30)
    series[[0, 1, 10, 11, 20, 29]] = NAN
    smoothed = smooth_savgol(series[np.newaxis], 5, 2)[0]
    for start, stop in ((2, 10), (12, 20), (21, 29)):
        expected = savgol_filter(series[start:stop], 5, 2)
        np.testing.assert_allclose(smoothed[start:stop], expected, atol=1e-14)
    np.testing.assert_array_equal(np.isnan(smoothed), np.isnan(series))


def test_savgol_copies_runs_shorter_than_the_window():
    series = np.array([[0.1, 0.9, 0.2, NAN, 0.5, NAN, 0.1, 0.5, 0.2, 0.8, 0.3]])
    smoothed = smooth_savgol(series, 5, 2)
    np.testing.assert_array_equal(smoothed[0, :6], series[0, :6])
    assert not np.allclose(smoothed[0, 6:], series[0, 6:])


@pytest.mark.parametrize("penalty", [0.01, 1, 10, 1600, 1e6])
@pytest.mark.parametrize("steps", [3, 4, 5, 73])
def test_whittaker_without_gaps_is_the_dense_solve(steps, penalty):
    series = np.stack([wave(steps, 1), wave(steps, 2)])
    smoothed = smooth_whittaker(series, penalty)
    for site, expected in zip(smoothed, series, strict=True):
        np.testing.assert_allclose(site, dense_whittaker(expected, penalty), atol=1e-9)


@settings(max_examples=80)
@given(
    arrays(float, st.tuples(st.integers(1, 5), st.integers(2, 40)),
           elements=st.floats(-1, 1) | st.just(NAN)),
    st.sampled_from([0.1, 1.0, 10.0, 1000.0]),
)  # fmt: skip
def test_whittaker_bridges_gaps_as_the_dense_solve_does(series, penalty):
    smoothed = smooth_whittaker(series, penalty)
    for site, result in zip(series, smoothed, strict=True):
        observed = np.flatnonzero(np.isfinite(site))
        inside = np.zeros(len(site), bool)
        if len(observed):
            inside[observed[0] : observed[-1] + 1] = True
        np.testing.assert_array_equal(np.isfinite(result), inside)
        if len(observed) > 1:
            # The whole series, not only from its first value to its last: it must not matter.
            expected = dense_whittaker(site, penalty)
            np.testing.assert_allclose(result[inside], expected[inside], atol=1e-6)
        else:
            np.testing.assert_array_equal(result, site)


def test_whittaker_keeps_a_straight_line_and_nears_one():
    line = np.linspace(0.2, 0.7, 20)[np.newaxis]
    np.testing.assert_allclose(smooth_whittaker(line, 100), line, atol=1e-12)
    noisy = wave(20)[np.newaxis]
    fit = np.polyval(np.polyfit(np.arange(20), noisy[0], 1), np.arange(20))
    np.testing.assert_allclose(smooth_whittaker(noisy, 1e9)[0], fit, atol=1e-4)


def test_the_series_smooths_what_was_filled_and_whittaker_what_was_observed():
    days = np.array([0, 5, 10, 30, 35, 40, 45], "timedelta64[D]").astype("timedelta64[ns]")
    values = np.array([0.2, 0.3, 0.5, 0.4, 0.8, 0.7, 0.9])
    site = Observations(np.datetime64("2023-01-01T10:00", "ns") + days, values)
    (savgol,) = make_series([site], SeriesRecipe(smooth="savgol", window=5, order=2))
    np.testing.assert_allclose(savgol.smoothed, savgol_filter(savgol.interpolated, 5, 2))
    for fill in ("linear", "none"):
        (whittaker,) = make_series([site], SeriesRecipe(fill=fill, smooth="whittaker", penalty=10))
        np.testing.assert_allclose(whittaker.smoothed, dense_whittaker(whittaker.value, 10))


@pytest.mark.slow
def test_ten_thousand_sites_take_seconds():
    numbers = np.random.default_rng(0)
    times = np.datetime64("2023-01-01T10:00", "ns") + np.arange(73) * np.timedelta64(5, "D")
    values = numbers.random((10_000, 73))
    values[numbers.random(values.shape) < 0.5] = NAN
    for smooth in ("rolling", "savgol", "whittaker"):
        start = time.process_time()
        sites = (Observations(times, row) for row in values)
        assert sum(1 for _ in make_series(sites, SeriesRecipe(smooth=smooth))) == 10_000
        assert time.process_time() - start < 20
