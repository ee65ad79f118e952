"""Smoothers of regular series that xarray does not have.

scipy is loaded by the smoother that is asked for: it takes as long as reading a site.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np


def smooth_savgol(series: np.ndarray, window: int, order: int) -> np.ndarray:
    """Savitzky and Golay's filter (1964) on each run of steps that have values.

    ``series`` is float64 (sites, steps) with NaN where there is none, which stays. Within half a
    window of a run's ends its first or last polynomial is taken (scipy's mode ``interp``). A run
    shorter than the window is copied as it is.
    """
    from scipy.signal import savgol_filter  # noqa: PLC0415

    smoothed = series.copy()
    for present, rows in _rows_by_pattern(np.isfinite(series)):
        for start, stop in _runs(present):
            if stop - start >= window:
                smoothed[rows, start:stop] = savgol_filter(
                    series[rows, start:stop], window, order, axis=1
                )
    return smoothed


def smooth_whittaker(series: np.ndarray, penalty: float) -> np.ndarray:
    """Whittaker's smoother with second differences: z of (W + penalty D'D) z = W y.

    ``series`` is y, float64 (sites, steps), NaN where there is none. W has 1 where y has a value,
    else 0, so that missing steps weigh nothing and are bridged by the curve; before a site's
    first value and after its last there is none. A single value is returned as it is, since it
    has no curve.

    Source: P. H. C. Eilers (2003): A Perfect Smoother. Analytical Chemistry 75 (14), 3631-3636.
    """
    from scipy.linalg import solveh_banded  # noqa: PLC0415

    smoothed = np.full(series.shape, np.nan)
    for present, rows in _rows_by_pattern(np.isfinite(series)):
        observed = np.flatnonzero(present)
        if len(observed) < 2:
            smoothed[rows] = series[rows]
            continue
        # Outside the first and last value the curve is straight and costs nothing: left out, it
        # changes nothing inside.
        span = slice(observed[0], observed[-1] + 1)
        bands = _normal_equations(present[span], penalty)
        weighted = np.where(present[span], series[rows, span], 0.0)
        smoothed[rows, span] = solveh_banded(bands, weighted.T).T
    return smoothed


def _normal_equations(present: np.ndarray, penalty: float) -> np.ndarray:
    """W + penalty D'D, which is symmetric and has five diagonals, as ``solveh_banded`` has it.

    Returns float64 (3, steps): the second and the first diagonal above the main one (their unused
    first entries are ignored), and the main one.
    """
    steps = len(present)
    bands = np.zeros((3, steps))
    # Each second difference z[i] - 2 z[i+1] + z[i+2] adds its products to the diagonals.
    for offset, factors in ((0, (1.0, 4.0, 1.0)), (1, (-2.0, -2.0)), (2, (1.0,))):
        for position, factor in enumerate(factors):
            first = position + offset
            bands[2 - offset, first : first + steps - 2] += factor
    bands *= penalty
    bands[2] += present
    return bands


def _rows_by_pattern(present: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Each pattern of present steps, with the numbers of the rows that have it."""
    patterns, numbers = np.unique(present, axis=0, return_inverse=True)
    order = np.argsort(numbers, kind="stable")
    ends = np.cumsum(np.bincount(numbers, minlength=len(patterns)))
    yield from zip(patterns, np.split(order, ends[:-1]), strict=True)


def _runs(present: np.ndarray) -> list[tuple[int, int]]:
    """The first step of each run of present ones, and the first after it."""
    changes = np.flatnonzero(np.diff(np.concatenate(([False], present, [False]))))
    return [(int(start), int(stop)) for start, stop in changes.reshape(-1, 2)]
