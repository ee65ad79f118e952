"""A file read from a copy that may be a part of it, which is completed where that shows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from odc.geo.geobox import GeoBox

from ....bridge.errors import ReadError
from .raster_file import Pixels, RasterFile, Window


class CompletedPixels:
    """Pixels that are read again, after ``complete``, where they cannot be read."""

    def __init__(self, pixels: Pixels, complete: Callable[[], None]) -> None:
        self._pixels = pixels
        self._complete = complete

    def read(self, level: int, window: Window, whole: Window) -> np.ndarray:
        """The pixels of a window; see ``RasterFile``."""
        try:
            return self._pixels.read(level, window, whole)
        except ReadError:
            self._complete()
        return self._pixels.read(level, window, whole)


class CompletedFile(CompletedPixels):
    """A file whose server sends no ranges; see ``RasterFile``."""

    def __init__(self, file: RasterFile, complete: Callable[[], None]) -> None:
        super().__init__(file, complete)
        self._file = file

    @property
    def levels(self) -> tuple[GeoBox, ...]:
        """The pixel grids, full resolution first."""
        return self._file.levels

    @property
    def tile_shapes(self) -> tuple[tuple[int, int], ...]:
        """Height and width of each level's tiles."""
        return self._file.tile_shapes

    @property
    def stores_overviews(self) -> bool:
        """Whether a coarser level takes fewer bytes to read."""
        return self._file.stores_overviews

    @property
    def nodata(self) -> float | None:
        """The file's own nodata value, None without."""
        return self._file.nodata

    @property
    def mask(self) -> Pixels | None:
        """Where the file's pixels count, None for everywhere."""
        mask = self._file.mask
        return None if mask is None else CompletedPixels(mask, self._complete)
