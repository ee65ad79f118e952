"""Reading pixels: one file, one block, nearest neighbour."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import numpy as np
import rasterio
from odc.geo.geobox import GeoBox
from rasterio.errors import RasterioError
from rasterio.windows import Window

from ...bridge.errors import ReadError
from .pixel_lookup import PixelLookup, look_up_pixels, source_pixels_per_pixel
from .readers import OpenFiles
from .scene import SourceBand

# GDAL finds a format by a file's content, and some formats name further files to open: an address
# that ends in .tif must not bring those in.
RASTER_DRIVER = "GTiff"

# A file without the overview that the output's pixels ask for is read in strips: never more
# than this many of its pixels at once, in pixels of the block.
MOST_PIXELS_AT_ONCE = 4

GDAL_OPTIONS = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_NUM_THREADS": 1,
    "GDAL_HTTP_MERGE_CONSECUTIVE_RANGES": "YES",
    "GDAL_HTTP_CONNECTTIMEOUT": 20,
    "GDAL_HTTP_LOW_SPEED_TIME": 30,
    "GDAL_HTTP_LOW_SPEED_LIMIT": 100,
    "GDAL_HTTP_MAX_RETRY": 5,
    "GDAL_HTTP_RETRY_DELAY": 0.5,
    "GDAL_PAM_ENABLED": "NO",
}


@contextmanager
def gdal_options() -> Iterator[None]:
    """GDAL's settings for reading, in this thread."""
    with rasterio.Env(**GDAL_OPTIONS):
        yield


def read_geobox(source: SourceBand) -> GeoBox:
    """The pixel grid that the file itself tells.

    Raises:
        ReadError: the file cannot be opened, or has no CRS.
    """
    with _open(source.href) as dataset:
        return _geobox(dataset, source.href)


class BlockReader:
    """Reads any number of files onto the pixels of one block; for use by several threads."""

    def __init__(self, block: GeoBox, files: OpenFiles) -> None:
        self._block = block
        self._files = files
        self._lookups: dict[GeoBox, PixelLookup] = {}
        self._lock = threading.Lock()

    def read(self, source: SourceBand) -> tuple[np.ndarray, np.ndarray] | None:
        """The block's pixels in the file's own dtype, and where they are valid.

        Returns:
            (height, width) values and (height, width) bool that is False outside the file and at
            nodata; None where the file has no pixel in the block.

        Raises:
            ReadError: the file cannot be opened or read.
        """
        with gdal_options(), self._lend(source.href) as dataset:
            grid = _geobox(dataset, source.href)
            level = _overview_level(dataset.overviews(1), grid, self._block)
            if level is None:
                return self._read(dataset, grid, source)
        with gdal_options(), self._lend(source.href, overview_level=level) as dataset:
            return self._read(dataset, _geobox(dataset, source.href), source)

    def _lend(self, href: str, **options: int) -> AbstractContextManager[rasterio.DatasetReader]:
        return self._files.lend((href, *options.values()), lambda: _open(href, **options))

    def _read(
        self, dataset: rasterio.DatasetReader, grid: GeoBox, source: SourceBand
    ) -> tuple[np.ndarray, np.ndarray] | None:
        lookup = self._lookup(grid)
        try:
            values = _read_pixels(dataset, lookup)
        except RasterioError as error:
            raise _read_error(source.href, error) from error
        if values is None:
            return None
        return values, lookup.inside & is_data(values, source.nodata)

    def _lookup(self, grid: GeoBox) -> PixelLookup:
        with self._lock:
            if grid not in self._lookups:
                self._lookups[grid] = look_up_pixels(self._block, grid)
            return self._lookups[grid]


def _read_pixels(dataset: rasterio.DatasetReader, lookup: PixelLookup) -> np.ndarray | None:
    """(height, width) values of band 1, anything outside of the file; None where all is outside."""
    window = lookup.window()
    if window is None:
        return None
    rows, columns = window
    size = (rows.stop - rows.start) * (columns.stop - columns.start)
    if size <= MOST_PIXELS_AT_ONCE * lookup.inside.size or len(lookup.rows) == 1:
        pixels = dataset.read(1, window=Window.from_slices(rows, columns))
        return lookup.take(pixels, window)
    values = np.zeros(lookup.inside.shape, dataset.dtypes[0])
    for block_rows, half in lookup.halves():
        found = _read_pixels(dataset, half)
        if found is not None:
            values[block_rows] = found
    return values


def is_data(values: np.ndarray, nodata: float | None) -> np.ndarray:
    """Where ``values`` are not ``nodata``; in floats, NaN is never data."""
    data = np.ones(values.shape, bool) if nodata is None else values != nodata
    if values.dtype.kind == "f":
        data &= ~np.isnan(values)
    return np.asarray(data)


def _overview_level(factors: list[int], grid: GeoBox, block: GeoBox) -> int | None:
    """The coarsest overview whose pixels are no larger than the block's, None for the full file.

    ``factors`` are the overviews' decimation factors, ascending.
    """
    # Metres of two CRSs are not quite equally long; in one CRS only rounding is forgiven.
    tolerance = 1 + 1e-6 if block.crs == grid.crs else 1.01
    most = source_pixels_per_pixel(block, grid) * tolerance
    fitting = [level for level, factor in enumerate(factors) if factor <= most]
    return fitting[-1] if fitting else None


def _geobox(dataset: rasterio.DatasetReader, href: str) -> GeoBox:
    if dataset.crs is None:
        raise ReadError(f"{href} has no CRS, so its place is unknown; leave its scene out.")
    return GeoBox.from_rio(dataset)


def _open(href: str, **options: int) -> rasterio.DatasetReader:
    try:
        return rasterio.open(href, driver=RASTER_DRIVER, sharing=False, **options)
    except RasterioError as error:
        raise _read_error(href, error) from error


def _read_error(href: str, error: Exception) -> ReadError:
    return ReadError(
        f"{href} cannot be read ({error}); check the connection and that the file is there, or "
        "leave its scene out."
    )
