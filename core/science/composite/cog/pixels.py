"""What is done to the pixels of a tile: which have a value, halving, compressing."""

from __future__ import annotations

import imagecodecs
import numpy as np

from .tiles import TILE_EDGE

# TIFF's names for the two ways of storing differences in place of values.
HORIZONTAL_DIFFERENCES = 2
FLOATING_POINT_DIFFERENCES = 3

# More effort costs time and, on noisy pixels, saves nothing: measured, benchmarks/cog.py.
DEFLATE_LEVEL = 1


def have_value(pixels: np.ndarray, nodata: float) -> np.ndarray:
    """bool of the shape of ``pixels``: where they are not ``nodata``, which may be NaN."""
    return np.asarray(~np.isnan(pixels) if np.isnan(nodata) else pixels != nodata)


def halve(pixels: np.ndarray, nodata: float) -> np.ndarray:
    """Every 2 × 2 pixels as one: the mean of those that have a value, as GDAL's AVERAGE.

    Args:
        pixels: (bands, height, width); an odd last row or column stands alone.
        nodata: the value of pixels without one, also of the result's.

    Returns:
        (bands, half the height, half the width), rounded up, in the dtype of ``pixels``;
        integers are rounded, halves away from zero.
    """
    return np.stack([_halve_band(band, nodata) for band in pixels])


def _halve_band(band: np.ndarray, nodata: float) -> np.ndarray:
    height, width = band.shape
    valid = have_value(band, nodata)
    if valid.all() and height % 2 == width % 2 == 0:
        means = _sum_neighbours(band.astype(np.float32, copy=False)) * np.float32(0.25)
        return _as_stored(means, band.dtype)
    values = np.zeros((height + height % 2, width + width % 2), np.float32)
    np.copyto(values[:height, :width], band, where=valid)
    ones = np.zeros(values.shape, np.float32)
    ones[:height, :width] = valid
    counts = _sum_neighbours(ones)
    means = _sum_neighbours(values) / np.maximum(counts, 1)
    return np.where(counts > 0, _as_stored(means, band.dtype), band.dtype.type(nodata))


def _sum_neighbours(values: np.ndarray) -> np.ndarray:
    pairs = values[0::2] + values[1::2]
    return np.asarray(pairs[:, 0::2] + pairs[:, 1::2])


def _as_stored(means: np.ndarray, dtype: np.dtype) -> np.ndarray:
    if dtype.kind == "f":
        return means.astype(dtype, copy=False)
    rounded = np.trunc(means + np.copysign(np.float32(0.5), means))
    return np.asarray(rounded, dtype)


def compress(band: np.ndarray, nodata: float, predictor: int) -> bytes:
    """One band of a tile as the file holds it; nothing where no pixel has a value.

    ``band`` (height, width) of at most a tile's size is filled up with ``nodata``.
    """
    if not have_value(band, nodata).any():
        return b""
    stored = band.dtype.newbyteorder("<")
    if band.shape != (TILE_EDGE, TILE_EDGE):
        whole = np.full((TILE_EDGE, TILE_EDGE), nodata, stored)
        whole[: band.shape[0], : band.shape[1]] = band
        band = whole
    band = np.ascontiguousarray(band, stored)
    if predictor == FLOATING_POINT_DIFFERENCES:
        differences = imagecodecs.floatpred_encode(band)
    else:
        differences = imagecodecs.delta_encode(band.view(f"<u{band.itemsize}"))
    return bytes(imagecodecs.deflate_encode(differences.tobytes(), level=DEFLATE_LEVEL))
