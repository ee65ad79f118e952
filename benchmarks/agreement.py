"""Do two results say the same?"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rasterio
from rasterio.windows import from_bounds


@dataclass(frozen=True)
class Agreement:
    """How far a result is from another: the largest difference where both have a value, and the
    number of values that only one of them has, of ``values`` in all.
    """

    largest_difference: float
    only_one: int
    values: int

    def in_words(self) -> str:
        missing = f", {self.only_one:,} of {self.values:,} missing in one" if self.only_one else ""
        return f"{self.largest_difference:.1e}{missing}"


def compare_rasters(
    path: Path, reference: Path, bounds: tuple[float, float, float, float]
) -> Agreement:
    """Compare all bands inside ``bounds``, where both must have whole pixels of one size."""
    found, expected = _read(path, bounds), _read(reference, bounds)
    if found.shape != expected.shape:
        raise ValueError(f"{path} has {found.shape} pixels there, {reference} {expected.shape}")
    return _compare(found, expected)


def compare_series(path: Path, reference: Path) -> Agreement:
    """Compare the smoothed values of tables by site and date."""
    found, expected = _read_series(path), _read_series(reference)
    keys = sorted(found.keys() | expected.keys())
    return _compare(
        np.array([found.get(key, np.nan) for key in keys]),
        np.array([expected.get(key, np.nan) for key in keys]),
    )


def _compare(found: np.ndarray, expected: np.ndarray) -> Agreement:
    both = ~np.isnan(found) & ~np.isnan(expected)
    difference = np.abs(found[both].astype(np.float64) - expected[both])
    return Agreement(
        largest_difference=float(difference.max(initial=0)),
        only_one=int(np.count_nonzero(np.isnan(found) != np.isnan(expected))),
        values=found.size,
    )


def _read(path: Path, bounds: tuple[float, float, float, float]) -> np.ndarray:
    with rasterio.open(path) as dataset:
        window = from_bounds(*bounds, dataset.transform).round_offsets().round_lengths()
        return dataset.read(window=window, boundless=True, fill_value=np.nan)


def _read_series(path: Path) -> dict[tuple[str, str], float]:
    with path.open(encoding="utf-8", newline="") as file:
        return {
            (row["site"], row["time"][:10].replace("/", "-")): float(row["smoothed"] or "nan")
            for row in csv.DictReader(file)
        }
