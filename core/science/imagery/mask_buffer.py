"""Masked pixels grown by MASK_BUFFER: every pixel whose centre is that near to a masked one's.

The distances are exact and the same whatever the block. scipy's distance transform knows one width
for all pixels, while in degrees a pixel's width follows the latitude of its row; and it is slower
for a buffer of a few pixels, which is what clouds need.
"""

from __future__ import annotations

import math

import numpy as np
from odc.geo.geobox import GeoBox

METRES_PER_DEGREE = math.radians(6_371_008.8)  # of latitude, on a sphere as large as the Earth
# Beyond this, a degree of longitude is taken to be no shorter: a row must not need all of itself.
LAST_LATITUDE = 89.0

# The mask as it is read and where it is valid, hidden pixels before and after, the distance to them
# in a row, and what is needed to find it.
BYTES_BY_GROWN_PIXEL = 24

# Of a pixel: a centre this much further than the buffer is at its end, for numbers carry rounding.
TOLERANCE = 1e-6


def buffer_margin(grid: GeoBox, buffer: float) -> tuple[int, int]:
    """How many rows and columns around ``grid`` may hold what reaches into it.

    Args:
        grid: of a block.
        buffer: in metres.
    """
    height, widths = _pixel_size(grid)
    return math.ceil(buffer / height) + 1, math.ceil(buffer / float(widths.min())) + 1


def bytes_of_growing(block: GeoBox, buffer: float) -> int:
    """What one mask of ``block`` takes in memory while it is grown, none without a buffer."""
    if buffer == 0:
        return 0
    rows, columns = buffer_margin(block, buffer)
    height, width = block.shape
    return (height + 2 * rows) * (width + 2 * columns) * BYTES_BY_GROWN_PIXEL


def grow(hidden: np.ndarray, grid: GeoBox, buffer: float) -> np.ndarray:
    """The hidden pixels and those within ``buffer`` metres of one, centre to centre.

    In degrees a pixel is as wide as at its own latitude.

    Args:
        hidden: (height, width) bool, on ``grid``.
        grid: whose CRS is in degrees, or in any unit of length.
        buffer: in metres.

    Returns:
        (height, width) bool.
    """
    rows = len(hidden)
    height, widths = _pixel_size(grid)
    beside = _columns_to_nearest(hidden)
    grown = hidden.copy()
    reach = min(math.floor(buffer / height + TOLERANCE), rows - 1)
    for offset in range(-reach, reach + 1):
        across = math.sqrt(max(buffer**2 - (offset * height) ** 2, 0.0))
        columns = np.floor(across / widths + TOLERANCE).astype(beside.dtype)
        # The rows that lie ``offset`` rows above those that they are compared with.
        own = slice(max(0, -offset), rows - max(0, offset))
        other = slice(max(0, offset), rows - max(0, -offset))
        grown[own] |= beside[other] <= columns[own, np.newaxis]
    return grown


def _pixel_size(grid: GeoBox) -> tuple[float, np.ndarray]:
    """Height of all pixels, and (rows,) float64 width of those of each row, in metres."""
    affine, crs = grid.transform, grid.crs
    rows = grid.shape[0]
    height, width = math.hypot(affine.b, affine.e), math.hypot(affine.a, affine.d)
    if crs is None or not crs.geographic:
        metres = crs.proj.axis_info[0].unit_conversion_factor if crs else 1.0
        return height * metres, np.full(rows, width * metres)
    latitudes = affine.f + affine.e * (np.arange(rows) + 0.5)
    shorter = np.cos(np.radians(np.clip(latitudes, -LAST_LATITUDE, LAST_LATITUDE)))
    return height * METRES_PER_DEGREE, width * METRES_PER_DEGREE * shorter


def _columns_to_nearest(hidden: np.ndarray) -> np.ndarray:
    """(height, width) int32: how many columns away the nearest hidden pixel of the row is."""
    far = np.int32(1 << 30)
    columns = np.arange(hidden.shape[1], dtype=np.int32)
    before = np.maximum.accumulate(np.where(hidden, columns, -far), axis=1)
    after = np.minimum.accumulate(np.where(hidden, columns, far)[:, ::-1], axis=1)[:, ::-1]
    return np.asarray(np.minimum(columns - before, after - columns))
