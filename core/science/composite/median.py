"""The median over days of a stack with gaps."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

# Bytes of one day's pixels that are sorted at once: those of some dozens of days stay in a
# processor's own cache. NumPy's calls cost as much as the work where it is much less.
RUN_BYTES = 64 * 1024

# From here on a library sort of each pixel's days costs less than the sorting network.
LONGEST_NETWORK = 96
# What such a sort takes at once, of all days together, stays in that cache too.
BYTES_SORTED = 1024**2
SHORTEST_RUN = 64

CACHE_LINE = 64


def run_length(days: int, bytes_of_a_number: int) -> int:
    """How many pixels are best reduced at once; a multiple of eight."""
    if days <= LONGEST_NETWORK:
        return RUN_BYTES // bytes_of_a_number
    return max(BYTES_SORTED // (days * bytes_of_a_number) // 8 * 8, SHORTEST_RUN)


def masked_median(values: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """Median along the first axis of what is valid.

    Args:
        values: (days, pixels), integers or floats; what is not valid may hold anything.
        valid: (days, pixels), bool.

    Returns:
        float64 (pixels,), with the mean of the two middle values where the count is even and NaN
        where nothing is valid.
    """
    return median_of_sortable(_missing_last(values, valid), valid)


def median_of_sortable(values: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """The same of values of which those that are not valid are the highest of their dtype."""
    days, pixels = values.shape
    count = valid.view(np.uint8).sum(axis=0, dtype=np.min_scalar_type(days)).astype(np.intp)
    if not count.any():
        return np.full(pixels, np.nan)
    ordered, starts, step = _sort_days(values)
    place = np.arange(pixels) * step
    # Where the middle values lie is looked up by the count: faster than to reckon it by pixel.
    counts = np.arange(days + 1)
    lower_starts = starts[np.maximum(counts - 1, 0) // 2]
    # A pixel clear on every one of an odd number of days has its middle at count // 2 < days.
    upper_starts = starts[np.minimum(counts // 2, days - 1)]
    lower = ordered.take(lower_starts.take(count) + place).astype(np.float64)
    upper = ordered.take(upper_starts.take(count) + place).astype(np.float64)
    median = (lower + upper) / 2
    median[count == 0] = np.nan
    return np.asarray(median)


def _missing_last(values: np.ndarray, valid: np.ndarray) -> np.ndarray:
    """The values with the highest of their dtype where they are not valid."""
    if values.dtype.kind == "u":
        # All bits set: several times faster than a choice by pixel.
        return np.asarray(values | -(~valid).astype(values.dtype))
    last = np.inf if values.dtype.kind == "f" else np.iinfo(values.dtype).max
    return np.where(valid, values, values.dtype.type(last))


def _sort_days(numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray, int]:
    """Each pixel's days in ascending order.

    Returns:
        A flat array; (days,) where in it the smallest, the second, ... of the first pixel lie;
        and how far it is from there to the next pixel.
    """
    days, pixels = numbers.shape
    if days > LONGEST_NETWORK:
        # Along the last axis NumPy sorts with several numbers an instruction.
        ordered = numbers.T.copy()
        ordered.sort(axis=1)
        return ordered.ravel(), np.arange(days), days
    buffer, stride = _cache_aligned(days + 1, pixels, numbers.dtype)
    rows = [buffer[row * stride : row * stride + pixels] for row in range(days + 1)]
    for row, day in zip(rows, numbers, strict=False):
        row[:] = day
    # Rows change places instead of being copied: what was larger of two lies where it was, what
    # was smaller in the spare row, and the row it came from is the next spare one.
    place = list(range(days))
    spare = days
    for low, high in _sorting_network(days):
        first, second = rows[place[low]], rows[place[high]]
        np.minimum(first, second, out=rows[spare])
        np.maximum(first, second, out=second)
        place[low], spare = spare, place[low]
    return buffer, np.array(place) * stride, 1


def _cache_aligned(rows: int, pixels: int, dtype: np.dtype) -> tuple[np.ndarray, int]:
    """A flat array for rows that each begin on a cache line, and their distance in elements.

    NumPy's loops are three to five times faster on rows that do.
    """
    stride = -(-pixels * dtype.itemsize // CACHE_LINE) * CACHE_LINE
    memory = np.empty(rows * stride + CACHE_LINE, np.uint8)
    start = -memory.ctypes.data % CACHE_LINE
    return memory[start : start + rows * stride].view(dtype), stride // dtype.itemsize


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
