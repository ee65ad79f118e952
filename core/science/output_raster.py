"""The composite's file: blocks are streamed into a scratch raster, which becomes the COG."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np
import rasterio
import rasterio.shutil
from odc.geo.geobox import GeoBox
from rasterio.errors import RasterioError
from rasterio.windows import Window

from ..bridge.errors import OutputError
from .block_composite import Block, BlockComposite

COG_TILE = 512
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


class OutputRaster:
    """A raster on disk that takes finished blocks in any order, from any thread.

    Nothing larger than a block is held in memory.
    """

    def __init__(self, path: Path, layout: RasterLayout, tags: Mapping[str, str]) -> None:
        self._layout = layout
        self._lock = threading.Lock()
        self.clamped_values = 0
        height, width = layout.geobox.shape
        bands = [*layout.bands, *([_COUNT_BAND] if layout.count_band else [])]
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
        self._dataset.close()

    def write(self, block: Block, composite: BlockComposite) -> None:
        """Write one finished block.

        Raises:
            OutputError: the disk is full or failed.
        """
        pixels, clamped = _encode(composite, self._layout)
        window = Window.from_slices(block.rows, block.columns)
        with self._lock:
            self.clamped_values += clamped
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
        steps = np.rint(pixels * INT16_STEPS)
        inside = np.clip(steps, -INT16_LIMIT, INT16_LIMIT)
        clamped = int(np.count_nonzero((steps != inside) & ~missing))
        pixels = np.where(missing, INT16_NODATA, inside)
    if layout.count_band:
        count = np.where(composite.inside, composite.clear_days, layout.nodata)
        pixels = np.concatenate([pixels, count[np.newaxis]])
    return pixels.astype(layout.dtype), clamped


def _write_error(error: Exception) -> OutputError:
    return OutputError(
        f"The composite cannot be written ({error}); see whether the disk is full, or choose "
        "another folder."
    )
