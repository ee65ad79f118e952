"""The floor's median: a sorting network over runs of pixels that stay in the cache."""

from __future__ import annotations

import numba
import numpy as np
from case import MASKED_CLASSES, OFFSET, SCALE

RUN = 512
HIDDEN = 65535  # sorts behind every value
COVER_OF_CLASS = np.where(np.isin(np.arange(256), (0, *MASKED_CLASSES)), HIDDEN, 0).astype(
    np.uint16
)


def sorting_network(days: int) -> np.ndarray:
    """int64 (comparators, 2): Batcher's odd-even merge sort, for any number of days."""
    pairs = []
    span = 1
    while span < days:
        step = span
        while step >= 1:
            for start in range(step % span, days - step, 2 * step):
                for place in range(start, min(start + step, days - step)):
                    if place // (2 * span) == (place + step) // (2 * span):
                        pairs.append((place, place + step))
            step //= 2
        span *= 2
    return np.array(pairs, np.int64).reshape(-1, 2)


@numba.njit(nogil=True, cache=True)
def median_of_days(
    numbers: np.ndarray,
    classes: np.ndarray,
    cover_of_class: np.ndarray,
    network: np.ndarray,
    result: np.ndarray,
) -> None:
    """Write the median over days as reflectance.

    ``numbers`` is uint16 (days, height, width), ``classes`` uint8 (days, height / 2, width / 2),
    both even; ``cover_of_class`` uint16 (256,), all bits set where a class is hidden; ``result``
    float32 (height, width), NaN where no day is clear.
    """
    days, height, width = numbers.shape
    cover = np.zeros((days, width + RUN), np.uint16)
    run = np.empty((days, RUN), np.uint16)
    clear = np.empty(RUN, np.uint16)
    for row in range(height):
        if row % 2 == 0:
            _widen(classes[:, row // 2], cover_of_class, cover)
        for left in range(0, width, RUN):
            length = min(RUN, width - left)
            clear[:] = 0
            for day in range(days):
                _take_run(
                    numbers[day, row, left : left + length], cover[day, left:], run[day], clear
                )
            _sort(run, network)
            for place in range(length):
                count = np.int32(clear[place])
                if count == 0:
                    result[row, left + place] = np.nan
                else:
                    both = np.int32(run[(count - 1) // 2, place]) + run[count // 2, place]
                    result[row, left + place] = both * (SCALE / 2) + OFFSET


@numba.njit(nogil=True, cache=True)
def _widen(classes: np.ndarray, cover_of_class: np.ndarray, cover: np.ndarray) -> None:
    """From a row of the mask at 20 m to what covers a row of pixels at 10 m."""
    for day in range(classes.shape[0]):
        for place in range(classes.shape[1]):
            value = cover_of_class[classes[day, place]]
            cover[day, 2 * place] = value
            cover[day, 2 * place + 1] = value


@numba.njit(nogil=True, cache=True)
def _take_run(numbers: np.ndarray, cover: np.ndarray, run: np.ndarray, clear: np.ndarray) -> None:
    for place in range(numbers.size):
        value = numbers[place] | cover[place]
        value = np.uint16(HIDDEN) if value == 0 else value
        run[place] = value
        clear[place] += np.uint16(value != HIDDEN)


@numba.njit(nogil=True, cache=True)
def _sort(run: np.ndarray, network: np.ndarray) -> None:
    """Sort every pixel's days, all pixels of the run at once."""
    for pair in range(network.shape[0]):
        low, high = network[pair, 0], network[pair, 1]
        for place in range(run.shape[1]):
            one, other = run[low, place], run[high, place]
            run[low, place] = min(one, other)
            run[high, place] = max(one, other)
