"""Filling and smoothing are xarray's, to the last bit; it is not loaded for them."""

import subprocess
import sys

import numpy as np
import pytest
import xarray as xr
from fairweather.core.bridge.series_recipe import SeriesRecipe
from fairweather.core.science.timeseries.series import Observations, make_series

NEEDLESS = ("xarray", "pandas", "scipy", "matplotlib")


@pytest.mark.parametrize("window", range(1, 13))
@pytest.mark.parametrize("steps", [2, 13, 90])
def test_the_same_bits(window, steps):
    numbers = np.random.default_rng(window * steps)
    days = np.datetime64("2023-01-01") + 5 * np.arange(steps).astype("timedelta64[D]")
    values = numbers.normal(0.4, 0.3, (9, steps))
    values[numbers.random(values.shape) < numbers.choice([0.1, 0.5, 0.95], (9, 1))] = np.nan
    observed = [Observations(days, row) for row in values]
    found = list(make_series(observed, SeriesRecipe(step=5, window=window, max_gap=0)))
    filled = xr.DataArray(values, dims=("site", "time")).interpolate_na(
        "time", use_coordinate=False
    )
    smoothed = filled.rolling(time=window, min_periods=1, center=True).mean()
    np.testing.assert_array_equal([series.interpolated for series in found], filled.values)
    np.testing.assert_array_equal([series.smoothed for series in found], smoothed.values)


def test_a_series_without_charts_loads_nothing_that_is_slow_to_load(plugin_root):
    program = (
        "import sys; sys.path.insert(0, sys.argv[1]); import launch; launch.load_package()\n"
        "import fairweather.core.science.timeseries.job\n"
        "print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(plugin_root / "core")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert not set(NEEDLESS) & set(done.stdout.split())
