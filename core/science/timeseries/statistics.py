"""One number a site: a statistic over its clear pixels."""

from __future__ import annotations

import numpy as np

from ...bridge.errors import InvalidRequestError
from ...bridge.series_recipe import STATISTICS

QUANTILES = {"min": 0.0, "p10": 0.1, "median": 0.5, "p90": 0.9, "max": 1.0}


def check_statistic(name: str) -> None:
    """Check that ``name`` is known.

    Raises:
        InvalidRequestError: it is not.
    """
    if name not in STATISTICS:
        raise InvalidRequestError(
            f"STATISTIC {name!r} is not known; choose one of {', '.join(STATISTICS)}."
        )


def reduce_sites(
    values: np.ndarray, sites: np.ndarray, site_count: int, statistic: str
) -> tuple[np.ndarray, np.ndarray]:
    """Reduce pixels to sites.

    Percentiles are interpolated linearly between the two nearest values, and the standard
    deviation is that of the pixels themselves (divided by their number), as NumPy has both.

    Args:
        values: (pixels,) float64, NaN where a pixel is not clear.
        sites: (pixels,) int, the site's number of each pixel, ascending.
        site_count: number of sites.
        statistic: a name of ``STATISTICS``.

    Returns:
        (site_count,) float64, NaN where no pixel is clear; and (site_count,) int64, the number of
        clear pixels.
    """
    clear = np.isfinite(values)
    values, sites = values[clear], sites[clear]
    counts = np.bincount(sites, minlength=site_count)
    result = np.full(site_count, np.nan)
    present = counts > 0
    if statistic in QUANTILES:
        result[present] = _quantile(values, sites, counts[present], QUANTILES[statistic])
        return result, counts
    with np.errstate(invalid="ignore"):
        mean = np.bincount(sites, weights=values, minlength=site_count) / counts
        if statistic == "mean":
            return mean, counts
        squares = np.bincount(sites, weights=(values - mean[sites]) ** 2, minlength=site_count)
        return np.sqrt(squares / counts), counts


def _quantile(
    values: np.ndarray, sites: np.ndarray, counts: np.ndarray, share: float
) -> np.ndarray:
    """The quantile of each run of equal ``sites``; ``counts`` are the runs' lengths."""
    ordered = values[np.lexsort((values, sites))]
    first = np.cumsum(counts) - counts
    position = share * (counts - 1)
    lower = np.floor(position).astype(np.int64)
    upper = np.minimum(lower + 1, counts - 1)
    low, high = ordered[first + lower], ordered[first + upper]
    return np.asarray(low + (high - low) * (position - lower))
