"""Statistics of each band, gathered tile by tile."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from .pixels import have_value
from .tiles import Tile


@dataclass(frozen=True)
class _Share:
    """What one tile adds: ``squares`` is the sum of squared distances from its own mean."""

    count: int
    minimum: float
    maximum: float
    mean: float
    squares: float


class BandStatistics:
    """Minimum, maximum, mean and standard deviation of the pixels that have a value.

    All sums are float64, and tiles are put together in their order in the raster, so that the
    result does not depend on the order in which they come. The deviations are joined as in Chan,
    Golub and LeVeque, "Updating formulae and a pairwise algorithm for computing sample
    variances" (1979).
    """

    def __init__(self, bands: int, pixels: int, nodata: float) -> None:
        self._pixels = pixels
        self._nodata = nodata
        self._lock = threading.Lock()
        self._shares: list[dict[Tile, _Share]] = [{} for _ in range(bands)]

    def add(self, tile: Tile, pixels: np.ndarray) -> None:
        """Take in a tile's (bands, height, width) ``pixels``, from any thread."""
        for band, shares in zip(pixels, self._shares, strict=True):
            valid = have_value(band, self._nodata)
            # Picking pixels takes longer than all the rest.
            values = band.ravel() if valid.all() else band[valid]
            if values.size:
                share = _share_of(values)
                with self._lock:
                    shares[tile] = share

    def tags(self) -> list[Mapping[str, str]]:
        """GDAL's metadata items of each band."""
        return [
            self._band_tags([shares[tile] for tile in sorted(shares)]) for shares in self._shares
        ]

    def _band_tags(self, shares: list[_Share]) -> Mapping[str, str]:
        count = sum(share.count for share in shares)
        tags = {"STATISTICS_VALID_PERCENT": f"{100 * count / self._pixels:.4g}"}
        if count:
            mean = math.fsum(share.count * share.mean for share in shares) / count
            squares = math.fsum(
                share.squares + share.count * (share.mean - mean) ** 2 for share in shares
            )
            numbers = {
                "MINIMUM": min(share.minimum for share in shares),
                "MAXIMUM": max(share.maximum for share in shares),
                "MEAN": mean,
                "STDDEV": math.sqrt(squares / count),
            }
            tags.update({f"STATISTICS_{name}": f"{value:.14g}" for name, value in numbers.items()})
        return tags


def _share_of(values: np.ndarray) -> _Share:
    distances = values.astype(np.float64)
    mean = float(distances.mean())
    distances -= mean
    # Not as a product of vectors: that would start the threads of a linear algebra library.
    squares = float(np.square(distances, out=distances).sum())
    return _Share(values.size, float(values.min()), float(values.max()), mean, squares)
