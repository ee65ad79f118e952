"""Nearest neighbour, exactly: which source pixel lies under the centre of each output pixel.

GDAL's warper approximates the transformation between two CRSs by pieces whose ends depend on the
block that is asked for, so its answer changes with the blocks near a pixel's edge. Here every
centre is transformed by itself: the same pixel is found whatever the block.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox
from pyproj import Transformer

# A centre on the edge of two pixels takes the higher row and column; one this close to the edge
# (in pixels) is on it, for coordinates carry rounding.
EDGE_TOLERANCE = 1e-6

_transformers = threading.local()


@dataclass(frozen=True)
class PixelLookup:
    """Source rows and columns for the pixels of a block.

    ``rows`` and ``columns`` are int64 of shapes that broadcast to the block's (height, width):
    (height, 1) and (1, width) where the two grids are parallel. What lies outside the source is
    not yet taken out: see ``inside``.
    """

    rows: np.ndarray
    columns: np.ndarray
    source_shape: tuple[int, int]

    @cached_property
    def inside(self) -> np.ndarray:
        """(height, width) bool: whether the source has a pixel there."""
        height, width = self.source_shape
        inside_rows = (self.rows >= 0) & (self.rows < height)
        inside_columns = (self.columns >= 0) & (self.columns < width)
        return inside_rows & inside_columns

    @cached_property
    def is_all_inside(self) -> bool:
        """Whether the source has a pixel everywhere."""
        return bool(self.inside.all())

    @cached_property
    def window(self) -> tuple[slice, slice] | None:
        """The rows and columns of the source that are needed, or None where it has none."""
        inside = self.inside
        if not inside.any():
            return None
        rows = np.broadcast_to(self.rows, inside.shape)[inside]
        columns = np.broadcast_to(self.columns, inside.shape)[inside]
        return (
            slice(int(rows.min()), int(rows.max()) + 1),
            slice(int(columns.min()), int(columns.max()) + 1),
        )

    def halves(self) -> tuple[tuple[slice, PixelLookup], tuple[slice, PixelLookup]]:
        """The upper and the lower half of the block: its rows, and the lookup of these."""
        middle = len(self.rows) // 2
        upper, lower = slice(0, middle), slice(middle, len(self.rows))
        return (upper, self._of_rows(upper)), (lower, self._of_rows(lower))

    def _of_rows(self, rows: slice) -> PixelLookup:
        columns = self.columns if len(self.columns) == 1 else self.columns[rows]
        return PixelLookup(self.rows[rows], columns, self.source_shape)

    def take(self, pixels: np.ndarray, window: tuple[slice, slice]) -> np.ndarray:
        """The block's (height, width) pixels out of the source's ``window``.

        Where the source has no pixel, the value is one of the window's: mask it by ``inside``.
        """
        rows = np.clip(self.rows - window[0].start, 0, pixels.shape[0] - 1)
        columns = np.clip(self.columns - window[1].start, 0, pixels.shape[1] - 1)
        if rows.shape[1] == 1 and columns.shape[0] == 1:
            return _take_parallel(pixels, rows[:, 0], columns[0])
        return np.asarray(pixels[rows, columns])


def _take_parallel(pixels: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """``pixels[rows][:, columns]``, without a copy where that is all of them in order."""
    takes_columns = not np.array_equal(columns, np.arange(pixels.shape[1]))
    # Rows are copied whole, columns pixel by pixel: of the fewer rows.
    if takes_columns and len(rows) > pixels.shape[0]:
        pixels, takes_columns = pixels.take(columns, axis=1), False
    if not np.array_equal(rows, np.arange(pixels.shape[0])):
        pixels = pixels.take(rows, axis=0)
    return pixels.take(columns, axis=1) if takes_columns else pixels


def look_up_pixels(block: GeoBox, source: GeoBox) -> PixelLookup:
    """For every pixel centre of ``block``, the row and column of ``source`` that it lies in."""
    height, width = block.shape
    columns = np.arange(width) + 0.5
    rows = np.arange(height) + 0.5
    to_source = ~source.transform
    if block.crs == source.crs:
        to_pixel = to_source * block.transform
        if to_pixel.b == 0 and to_pixel.d == 0:
            source_columns = (to_pixel.a * columns + to_pixel.c)[np.newaxis, :]
            source_rows = (to_pixel.e * rows + to_pixel.f)[:, np.newaxis]
        else:
            source_columns, source_rows = to_pixel * np.meshgrid(columns, rows)
    else:
        x, y = block.transform * np.meshgrid(columns, rows)
        x, y = _transformer(block.crs, source.crs).transform(x, y)
        source_columns, source_rows = to_source * (x, y)
    source_height, source_width = source.shape
    return PixelLookup(_cell(source_rows), _cell(source_columns), (source_height, source_width))


def source_pixels_per_pixel(block: GeoBox, source: GeoBox) -> float:
    """How many pixels of ``source`` a pixel of ``block`` is wide or high, whichever is less.

    Where the CRSs differ it is measured in the centre of ``source``, so that all blocks of one
    raster get the same answer; NaN where the block's CRS is not defined there, or has a pole.
    """
    if block.crs == source.crs:
        to_pixel = ~source.transform * block.transform
        return float(min(np.hypot(to_pixel.a, to_pixel.d), np.hypot(to_pixel.b, to_pixel.e)))
    height, width = source.shape
    # The centre, and the points a source pixel to the right of it and below it.
    columns = width / 2 + np.array([0.0, 1, 0])
    rows = height / 2 + np.array([0.0, 0, 1])
    x, y = source.transform * (columns, rows)  # type: ignore[operator]
    x, y = _transformer(source.crs, block.crs).transform(x, y)
    if not np.isfinite([x, y]).all():
        return float("nan")
    steps = np.array([[x[1] - x[0], x[2] - x[0]], [y[1] - y[0], y[2] - y[0]]])
    if np.linalg.det(steps) == 0:
        return float("nan")
    affine = block.transform
    pixel = np.array([[affine.a, affine.b], [affine.d, affine.e]])
    return float(np.hypot(*np.linalg.solve(steps, pixel)).min())


def _cell(position: np.ndarray) -> np.ndarray:
    """The pixel that holds a fractional pixel position; far outside where it is not finite."""
    finite = np.where(np.isfinite(position), position, -1.0)
    return np.floor(finite + EDGE_TOLERANCE).astype(np.int64)


def _transformer(from_crs: CRS | None, to_crs: CRS | None) -> Transformer:
    """A transformer of this thread: making one is slow, and none may be shared by threads."""
    known: dict[tuple[str, str], Transformer] = _transformers.__dict__.setdefault("by_crs", {})
    key = (str(from_crs), str(to_crs))
    if key not in known:
        known[key] = Transformer.from_crs(*key, always_xy=True)
    return known[key]
