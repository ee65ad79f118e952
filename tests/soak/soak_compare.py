"""A composite's bands against the oracle's, as their dtype holds them."""

from __future__ import annotations

import numpy as np
from soak_oracle import INT16_NODATA, Composite, int16_steps

FLOAT32_ROUNDING = 1e-6
# What one step of int16 may be off where a quotient, not a stored number, is rounded.
INT16_ROUNDING = 0.5 + 1e-6


def check_band(
    found: np.ndarray, name: str, values: np.ndarray, expected: Composite, dtype: str
) -> None:
    """Assert that a band holds ``values``, as its dtype holds them."""
    if dtype == "float32":
        is_same = np.isclose(found, values, rtol=FLOAT32_ROUNDING, atol=1e-7, equal_nan=True)
    else:
        stored = np.where(found == INT16_NODATA, np.nan, found.astype(np.float64))
        wanted = np.clip(values * 10_000, -32_767, 32_767)
        is_same = np.abs(stored - wanted) <= INT16_ROUNDING
        if name in expected.numbers:
            is_same = stored == int16_steps(*expected.numbers[name])
        is_same |= np.isnan(stored) & np.isnan(values)
    _assert_same(is_same, name, found, values)


def check_count(found: np.ndarray, expected: Composite) -> None:
    """Assert that the band of clear days is the oracle's."""
    numbers = found.astype(np.float64)
    if found.dtype.kind == "i":
        numbers[found == INT16_NODATA] = np.nan
    is_same = (numbers == expected.count) | (np.isnan(numbers) & np.isnan(expected.count))
    _assert_same(is_same, "clear_days", found, expected.count)


def _assert_same(is_same: np.ndarray, name: str, found: np.ndarray, expected: np.ndarray) -> None:
    if not is_same.all():
        row, column = np.argwhere(~is_same)[0]
        raise AssertionError(
            f"{(~is_same).sum()} of {is_same.size} pixels of {name} differ; that of row {row} and "
            f"column {column} is {found[row, column]} instead of {expected[row, column]}"
        )
