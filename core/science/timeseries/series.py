"""Observations on the days that scenes happen to have, made into a series of regular steps."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ...bridge.series_recipe import SeriesRecipe, check_series_recipe
from .smoothing import smooth_savgol, smooth_whittaker

# Enough that the calls' own overhead does not count, few enough that ten years stay below 50 MB.
SITES_AT_ONCE = 2000


@dataclass(frozen=True)
class Observations:
    """What was observed at one site, for one index.

    ``times`` (days,) are datetime64 in UTC, one for each scene day; ``values`` (days,) are
    float64, NaN where the site is cloudy. Cloudy days belong here too: the steps begin with the
    first scene day.
    """

    times: np.ndarray
    values: np.ndarray


@dataclass(frozen=True)
class Series:
    """Regular steps at one site: all columns are (steps,).

    ``times`` are datetime64[ns] in UTC, the midnight where each step begins. The others are
    float64, NaN where there is none: ``value`` is the mean of the step's observations,
    ``interpolated`` has its gaps filled, ``smoothed`` is the chart's line.
    """

    times: np.ndarray
    value: np.ndarray
    interpolated: np.ndarray
    smoothed: np.ndarray


def make_series(observations: Iterable[Observations], recipe: SeriesRecipe) -> Iterator[Series]:
    """Resample, fill and smooth the observations of any number of sites, in their order.

    The defaults are ``resample(time="5D").mean()``, ``interpolate_na("time",
    use_coordinate=False)`` and ``rolling(time=3, min_periods=1, center=True).mean()`` of xarray,
    done here in numpy: loading xarray takes longer than reading a site.
    FILL or SMOOTH ``none`` copies the column before.

    Two steps with a value and only empty ones between them bound a gap, which is as long as the
    days from one to the other. A gap longer than ``max_gap`` has no value in any column. With
    ``whittaker`` only observed steps count: it bridges gaps itself, whatever FILL says.

    Raises:
        InvalidRequestError: the recipe makes no sense.
    """
    check_series_recipe(recipe)
    return _in_batches(iter(observations), recipe)


def _in_batches(observations: Iterator[Observations], recipe: SeriesRecipe) -> Iterator[Series]:
    while batch := list(islice(observations, SITES_AT_ONCE)):
        steps = [_resample(site, recipe.step) for site in batch]
        # What follows counts steps and not days, so that sites whose first days differ go
        # together; the empty steps at the end of the shorter ones change nothing before them.
        value = np.full((len(steps), max(len(times) for times, _ in steps)), np.nan)
        for row, (_, means) in zip(value, steps, strict=True):
            row[: len(means)] = means
        interpolated = _fill(value, recipe)
        smoothed = _smooth(value, interpolated, recipe)
        for number, (times, means) in enumerate(steps):
            own = slice(len(times))
            yield Series(times, means, interpolated[number, own], smoothed[number, own])


def _resample(site: Observations, step: int) -> tuple[np.ndarray, np.ndarray]:
    """The steps' beginnings, and the mean of each: xarray's ``resample(time=…).mean()``.

    The sites of a batch need not share their days.
    """
    times = site.times.astype("datetime64[ns]")
    if times.size == 0:
        return times, np.empty(0)
    midnight = times.min().astype("datetime64[D]").astype("datetime64[ns]")
    length = np.timedelta64(step, "D").astype("timedelta64[ns]")
    numbers = (times - midnight) // length
    count = int(numbers.max()) + 1
    clear = np.isfinite(site.values)
    sums = np.bincount(numbers[clear], weights=site.values[clear], minlength=count)
    clear_days = np.bincount(numbers[clear], minlength=count)
    means = np.divide(sums, clear_days, out=np.full(count, np.nan), where=clear_days > 0)
    return midnight + np.arange(count) * length, means


def _fill(value: np.ndarray, recipe: SeriesRecipe) -> np.ndarray:
    if recipe.fill == "none" or value.shape[1] == 0:
        return value.copy()
    filled = value.copy()
    steps = np.arange(value.shape[1])
    for row in filled:
        present = np.isfinite(row)
        if present.any():
            between = np.interp(steps[~present], steps[present], row[present], np.nan, np.nan)
            row[~present] = between
    return _keep_long_gaps(filled, value, recipe)


def _smooth(value: np.ndarray, interpolated: np.ndarray, recipe: SeriesRecipe) -> np.ndarray:
    if recipe.smooth == "none" or value.shape[1] == 0:
        return interpolated.copy()
    if recipe.smooth == "rolling":
        smoothed = _rolling_mean(interpolated, recipe.window)
    elif recipe.smooth == "savgol":
        smoothed = smooth_savgol(interpolated, recipe.window, recipe.order)
    else:
        smoothed = smooth_whittaker(value, recipe.penalty)
    # A moving window reaches into a gap, and Whittaker's curve crosses it.
    return _keep_long_gaps(smoothed, value, recipe)


def _keep_long_gaps(filled: np.ndarray, value: np.ndarray, recipe: SeriesRecipe) -> np.ndarray:
    """``filled`` without what lies between two steps of ``value`` that are too far apart."""
    if not recipe.max_gap:
        return filled
    steps = np.arange(value.shape[1])
    present = np.isfinite(value)
    before = np.maximum.accumulate(np.where(present, steps, -1), axis=1)
    after = np.where(present, steps, len(steps))
    after = np.minimum.accumulate(after[:, ::-1], axis=1)[:, ::-1]
    bounded = ~present & (before >= 0) & (after < len(steps))
    too_long = bounded & ((after - before) * recipe.step > recipe.max_gap)
    return np.where(too_long, np.nan, filled)


def _rolling_mean(values: np.ndarray, window: int) -> np.ndarray:
    """(sites, steps): the mean of those of the ``window`` steps around each that have a value."""
    before = window // 2
    padding = ((0, 0), (before, window - 1 - before))
    present = np.isfinite(values)

    def sums(numbers: np.ndarray) -> np.ndarray:
        windows = sliding_window_view(np.pad(numbers, padding), window, axis=1)
        return np.asarray(windows.sum(axis=2))

    counts = sums(present)
    means = np.full(values.shape, np.nan)
    np.divide(sums(np.where(present, values, 0.0)), counts, out=means, where=counts > 0)
    return means
