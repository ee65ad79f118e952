"""The median over days of a stack with gaps."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

# Pixels sorted at once: a run of uint16 of this length stays in a processor's cache for the
# dozens of days of a usual stack.
RUN_LENGTH = 16_384

# From here on a library sort of each pixel's days costs less than the sorting network.
LONGEST_NETWORK = 96


def masked_median(values: np.ndarray, valid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Median along the first axis of what is valid.

    Args:
        values: (days, pixels), integers or floats; what is not valid may hold anything.
        valid: (days, pixels), bool.

    Returns:
        The median, float64 (pixels,), with the mean of the two middle values where the count is
        even and NaN where nothing is valid; and the count of valid days, int32 (pixels,).
    """
    days, pixels = values.shape
    median = np.full(pixels, np.nan)
    count = np.zeros(pixels, np.int32)
    for start in range(0, pixels, RUN_LENGTH):
        run = slice(start, start + RUN_LENGTH)
        count[run] = np.count_nonzero(valid[:, run], axis=0)
        if days and count[run].any():
            ordered = _sorted_days(values[:, run], valid[:, run])
            median[run] = _middle(ordered, count[run])
    return median, count


def _sorted_days(values: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """(days, pixels) with each pixel's valid values first, in ascending order."""
    last = np.inf if values.dtype.kind == "f" else np.iinfo(values.dtype).max
    filled = np.where(valid, values, values.dtype.type(last))
    if len(filled) > LONGEST_NETWORK:
        return np.sort(filled, axis=0)
    smaller = np.empty_like(filled[0])
    for low, high in _sorting_network(len(filled)):
        np.minimum(filled[low], filled[high], out=smaller)
        np.maximum(filled[low], filled[high], out=filled[high])
        filled[low] = smaller
    return filled


def _middle(ordered: np.ndarray, count: np.ndarray) -> np.ndarray:
    pixels = np.arange(ordered.shape[1])
    lower = ordered[np.maximum(count - 1, 0) // 2, pixels].astype(np.float64)
    # A pixel clear on every one of an odd number of days has its middle at count // 2 < days.
    upper = ordered[np.minimum(count // 2, len(ordered) - 1), pixels].astype(np.float64)
    return np.where(count > 0, (lower + upper) / 2, np.nan)


@lru_cache(maxsize=256)
def _sorting_network(length: int) -> tuple[tuple[int, int], ...]:
    """Batcher's merge-exchange sort (Knuth, TAOCP 3, 5.2.2, algorithm M): pairs to compare."""
    pairs = []
    top = 1 << max(length - 1, 0).bit_length() >> 1
    step = top
    while step > 0:
        span, remainder, distance = top, 0, step
        while True:
            pairs += [
                (low, low + distance) for low in range(length - distance) if low & step == remainder
            ]
            if span == step:
                break
            distance, span, remainder = span - step, span >> 1, step
        step >>= 1
    return tuple(pairs)
