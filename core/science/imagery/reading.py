"""Reading pixels: one file, one block, nearest neighbour."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass

import numpy as np
from odc.geo.geobox import GeoBox

from .files.raster_file import Pixels, Window, read_error
from .files.raster_files import RasterFiles
from .pixel_lookup import EDGE_TOLERANCE, PixelLookup, look_up_pixels, source_pixels_per_pixel
from .scene import SourceBand

# A file without the overview that the output's pixels ask for is read in strips: never more
# than this many of its pixels at once, in pixels of the block.
MOST_PIXELS_AT_ONCE = 4


@dataclass(frozen=True)
class _View:
    """How a block sees a file: the level it reads, its pixels there, and what all blocks read."""

    levels: tuple[GeoBox, ...]
    level: int
    lookup: PixelLookup
    whole: Window


class BlockReader:
    """Reads any number of files onto the pixels of one block; for use by several threads."""

    def __init__(
        self, block: GeoBox, files: RasterFiles, whole: GeoBox | None = None, finer: int = 0
    ) -> None:
        """``whole`` is the raster that ``block`` is a part of, if all of it will be read.

        Files are read from so many overviews ``finer`` than need be.
        """
        self.block = block
        self._whole = whole
        self._finer = finer
        self._files = files
        self._lookups: dict[GeoBox, PixelLookup] = {}
        self._views: dict[tuple[int, ...], _View] = {}
        self._lock = threading.Lock()

    def padded(self, rows: int, columns: int) -> BlockReader:
        """A reader of the block and so many rows and columns around it."""
        whole = self._whole and self._whole.pad(columns, rows)
        return BlockReader(self.block.pad(columns, rows), self._files, whole, self._finer)

    def read(self, source: SourceBand) -> tuple[np.ndarray, np.ndarray] | None:
        """The block's pixels in the file's own dtype, and where they are valid.

        Returns:
            (height, width) values, not to be written to, and (height, width) bool that is False
            outside the file, at nodata and where the file hides its pixels; None where the file has
            no pixel in the block.

        Raises:
            ReadError: the file cannot be opened or read, or the band has a fault.
        """
        if source.fault is not None:
            raise read_error(source.fault.href, source.fault.reason)
        file = self._files.open(source.href)
        view = self._view(file.levels)
        values = _read_pixels(file, view.level, view.lookup, view.whole)
        if values is None:
            return None
        if values.dtype.kind == "c":
            raise read_error(source.href, "its numbers are complex")
        valid = is_data(values, source.nodata)
        # A mask's pixel without a class may count as clear: there the item alone is believed.
        if not source.is_mask and file.nodata != source.nodata:
            valid &= is_data(values, file.nodata)
        if not source.is_mask and file.mask is not None:
            shown = _read_pixels(file.mask, view.level, view.lookup, view.whole)
            valid &= shown != 0
        return values, valid if view.lookup.is_all_inside else view.lookup.inside & valid

    def _view(self, levels: tuple[GeoBox, ...]) -> _View:
        # Files of one tile mostly share their grids, and to compare these is dear.
        key = tuple(map(id, levels))
        view = self._views.get(key)
        if view is None:
            level = choose_level(levels, self.block, self._finer)
            whole = _window_of(self._whole, levels[level])
            view = _View(levels, level, self._lookup(levels[level]), whole)
            self._views[key] = view
        return view

    def _lookup(self, grid: GeoBox) -> PixelLookup:
        with self._lock:
            if grid not in self._lookups:
                self._lookups[grid] = look_up_pixels(self.block, grid)
            return self._lookups[grid]


def _window_of(raster: GeoBox | None, level: GeoBox) -> Window:
    """The window of a level that a raster lies in; all of it where that is not easily known."""
    height, width = level.shape
    if raster is None or raster.crs != level.crs:
        return slice(0, height), slice(0, width)
    to_level = ~level.transform * raster.transform
    corners = [to_level * (x, y) for x in (0, raster.shape[1]) for y in (0, raster.shape[0])]
    columns, rows = (np.array(side) for side in zip(*corners, strict=True))
    return _whole_pixels(rows, height), _whole_pixels(columns, width)


def _whole_pixels(positions: np.ndarray, length: int) -> slice:
    start = math.floor(positions.min() + EDGE_TOLERANCE)
    stop = math.ceil(positions.max() - EDGE_TOLERANCE)
    return slice(max(start, 0), min(stop, length))


def _read_pixels(
    pixels: Pixels, level: int, lookup: PixelLookup, whole: Window
) -> np.ndarray | None:
    """(height, width) values, anything outside of the file; None where all is outside."""
    window = lookup.window
    if window is None:
        return None
    rows, columns = window
    size = (rows.stop - rows.start) * (columns.stop - columns.start)
    if size <= MOST_PIXELS_AT_ONCE * lookup.inside.size or len(lookup.rows) == 1:
        return lookup.take(pixels.read(level, window, whole), window)
    values: np.ndarray | None = None
    for block_rows, half in lookup.halves():
        found = _read_pixels(pixels, level, half, whole)
        if found is not None:
            if values is None:
                values = np.zeros(lookup.inside.shape, found.dtype)
            values[block_rows] = found
    return values


def is_data(values: np.ndarray, nodata: float | None) -> np.ndarray:
    """Where ``values`` are not ``nodata``; in floats, NaN is never data."""
    if values.dtype.kind == "f":
        data = ~np.isnan(values)
        return np.asarray(data if nodata is None else data & (values != nodata))
    limits = np.iinfo(values.dtype)
    if nodata is None or not float(nodata).is_integer() or not limits.min <= nodata <= limits.max:
        return np.ones(values.shape, bool)
    return np.asarray(values != values.dtype.type(int(nodata)))


def choose_level(levels: tuple[GeoBox, ...], block: GeoBox, finer: int = 0) -> int:
    """The coarsest level whose pixels are no larger than the block's; 0, full resolution, if none.

    GDAL and odc-stac choose alike, by an overview's decimation factor as a whole number. With
    ``finer``, so many levels finer than that, as far as there are any.
    """
    full = levels[0]
    # Metres of two CRSs are not quite equally long; in one CRS only rounding is forgiven.
    tolerance = 1 + 1e-6 if block.crs == full.crs else 1.01
    most = source_pixels_per_pixel(block, full) * tolerance
    factors = [round(full.shape[1] / level.shape[1]) for level in levels]
    fitting = [number for number, factor in enumerate(factors) if factor <= most]
    # Overviews that were made one after the other may lie in any order.
    fitting.sort(key=factors.__getitem__, reverse=True)
    return fitting[min(finer, len(fitting) - 1)] if fitting else 0
