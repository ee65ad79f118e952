"""The composite's file: blocks are streamed into a scratch raster, which becomes the COG."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np
import rasterio
import rasterio.shutil
from odc.geo.geobox import GeoBox
from rasterio.errors import RasterioError
from rasterio.windows import Window

from ...bridge.errors import OutputError
from .block import Block, BlockComposite

Tile = tuple[int, int]

COG_TILE = 512
BLOCK_CACHE_BYTES = 64 * 1024**2
INT16_NODATA = -32768
INT16_LIMIT = 32767
INT16_STEPS = 10_000


@dataclass(frozen=True)
class RasterBand:
    """One band of the file: its name, and a title for people."""

    name: str
    title: str


@dataclass(frozen=True)
class RasterLayout:
    """How the file is laid out.

    ``dtype`` is ``float32`` (nodata NaN) or ``int16`` (value times 10,000, nodata -32768).
    ``count_band`` adds the number of clear days as the last band.
    """

    geobox: GeoBox
    bands: tuple[RasterBand, ...]
    dtype: str
    count_band: bool

    @property
    def nodata(self) -> float:
        """The value of pixels without data."""
        return INT16_NODATA if self.dtype == "int16" else float("nan")


@contextmanager
def limited_block_cache() -> Iterator[None]:
    """Keep GDAL's cache of decoded tiles, one for the whole process, within the memory budget.

    Only one thread may do this: whoever leaves it sets the cache back for all.
    """
    with rasterio.Env(GDAL_CACHEMAX=BLOCK_CACHE_BYTES):
        yield


class OutputRaster:
    """A raster on disk that takes finished blocks in any order, from any thread.

    Nothing larger than a block is held in memory.
    """

    def __init__(self, path: Path, layout: RasterLayout, tags: Mapping[str, str]) -> None:
        self._path = path
        self._layout = layout
        self._lock = threading.Lock()
        self._tiles_with_data: set[Tile] = set()
        self.clamped_values = 0
        height, width = layout.geobox.shape
        bands = [*layout.bands, *([_COUNT_BAND] if layout.count_band else [])]
        try:
            self._dataset = rasterio.open(
                path,
                "w",
                driver="GTiff",
                width=width,
                height=height,
                count=len(bands),
                dtype=layout.dtype,
                crs=str(layout.geobox.crs),
                transform=layout.geobox.transform,
                nodata=layout.nodata,
                tiled=True,
                blockxsize=COG_TILE,
                blockysize=COG_TILE,
                sparse_ok=True,
                bigtiff="IF_SAFER",
            )
        except RasterioError as error:
            raise _write_error(error) from error
        self._dataset.update_tags(**tags)
        _describe(self._dataset, bands, layout)

    def __enter__(self) -> OutputRaster:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # After an error another thread may still be writing.
        with self._lock:
            self._dataset.close()
        if kind is None:
            _check_written(self._path, self._tiles_with_data)

    def write(self, block: Block, composite: BlockComposite) -> None:
        """Write one finished block.

        Raises:
            OutputError: the disk is full or failed.
        """
        pixels, clamped = _encode(composite, self._layout)
        window = Window.from_slices(block.rows, block.columns)
        with self._lock:
            self.clamped_values += clamped
            self._tiles_with_data |= _tiles_with_data(pixels, block, self._layout.nodata)
            try:
                self._dataset.write(pixels, window=window)
            except RasterioError as error:
                raise _write_error(error) from error


def write_cog(raster: Path, target: Path) -> None:
    """Copy a finished raster to ``target`` as a Cloud Optimized GeoTIFF.

    Overviews are averages of the pixels that have a value; each band gets its statistics.

    Raises:
        OutputError: the disk is full or failed.
    """
    try:
        # GDAL's own temporary files go beside the scratch raster, not beside the target.
        with limited_block_cache(), rasterio.Env(CPL_TMPDIR=str(raster.parent)):
            rasterio.shutil.copy(
                raster,
                target,
                driver="COG",
                compress="DEFLATE",
                level=6,
                predictor="YES",
                blocksize=COG_TILE,
                overview_resampling="AVERAGE",
                bigtiff="IF_SAFER",
                statistics="YES",
                num_threads="ALL_CPUS",
            )
    except Exception as error:  # rasterio lets GDAL's own errors through here
        raise _write_error(error) from error
    with rasterio.open(target) as dataset:
        height, width = dataset.shape
    _check_written(target, _tiles(slice(0, height), slice(0, width)))


def _tiles(rows: slice, columns: slice) -> Iterator[Tile]:
    """The file's tiles, by row and column, that some of its pixels lie in."""
    for row in range(rows.start // COG_TILE, -(-rows.stop // COG_TILE)):
        for column in range(columns.start // COG_TILE, -(-columns.stop // COG_TILE)):
            yield row, column


def _tiles_with_data(pixels: np.ndarray, block: Block, nodata: float) -> set[Tile]:
    """The tiles that get a value from a block's (bands, height, width) ``pixels``."""
    has_data = (~np.isnan(pixels) if np.isnan(nodata) else pixels != nodata).any(axis=0)
    top, left = block.rows.start, block.columns.start
    return {
        (row, column)
        for row, column in _tiles(block.rows, block.columns)
        if has_data[
            max(row * COG_TILE - top, 0) : (row + 1) * COG_TILE - top,
            max(column * COG_TILE - left, 0) : (column + 1) * COG_TILE - left,
        ].any()
    }


def _check_written(path: Path, tiles: Iterable[Tile]) -> None:
    """Check that the file holds ``tiles`` whole: GDAL tells nobody when its last writes fail.

    Raises:
        OutputError: it does not.
    """
    size = path.stat().st_size
    try:
        with rasterio.open(path) as dataset:
            for row, column in tiles:
                place = f"{column}_{row}"
                start = dataset.get_tag_item(f"BLOCK_OFFSET_{place}", "TIFF", bidx=1)
                length = dataset.get_tag_item(f"BLOCK_SIZE_{place}", "TIFF", bidx=1)
                if start is None or length is None or int(start) + int(length) > size:
                    raise _write_error("the file is not complete")
    except RasterioError as error:
        raise _write_error(error) from error


_COUNT_BAND = RasterBand("clear_days", "Number of clear days")


def _describe(
    dataset: rasterio.io.DatasetWriter, bands: Sequence[RasterBand], layout: RasterLayout
) -> None:
    dataset.descriptions = tuple(band.name for band in bands)
    for number, band in enumerate(bands, start=1):
        dataset.update_tags(number, title=band.title)
    if layout.dtype == "int16":
        step = 1 / INT16_STEPS
        dataset.scales = tuple(1.0 if band is _COUNT_BAND else step for band in bands)
        dataset.offsets = (0.0,) * len(bands)


def _encode(composite: BlockComposite, layout: RasterLayout) -> tuple[np.ndarray, int]:
    """(bands, height, width) in the file's dtype, and how many values were out of its range."""
    clamped = 0
    pixels = composite.values
    if layout.dtype == "int16":
        missing = np.isnan(pixels)
        # The first rounding takes off what float64 adds: 0.12345 is 1234.5 steps, no more.
        steps = np.rint(np.round(pixels * INT16_STEPS, 9))
        inside = np.clip(steps, -INT16_LIMIT, INT16_LIMIT)
        clamped = int(np.count_nonzero((steps != inside) & ~missing))
        pixels = np.where(missing, INT16_NODATA, inside)
    if layout.count_band:
        count = np.where(composite.inside, composite.clear_days, layout.nodata)
        pixels = np.concatenate([pixels, count[np.newaxis]])
    return pixels.astype(layout.dtype), clamped


def _write_error(error: Exception | str) -> OutputError:
    return OutputError(
        f"The composite cannot be written ({error}); see whether the disk is full, or choose "
        "another folder."
    )
