"""Files that GDAL reads: several bands in one file, unusual TIFFs, JPEG 2000 of one large tile.

They lie on this computer: what is remote was copied before, so that GDAL never asks a server.
"""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import rasterio
import rasterio.windows
import tifffile
from odc.geo.geobox import GeoBox
from rasterio.enums import MaskFlags
from rasterio.errors import RasterioError

from ....bridge.errors import ReadError
from ...web.addresses import without_query
from .codestream import check_every_tile
from .gdal_checks import (
    DamagedTileError,
    check_deflated_tiles,
    check_is_whole_by_itself,
    check_lerc_tiles,
    decoders_complaints_raised,
)
from .raster_file import Window, read_error, read_grid
from .tiff_tile import LERC

# GDAL finds a format by a file's content, and some formats name further files to open: an address
# that ends in .tif must not bring those in.
TIFF_DRIVER = "GTiff"
RASTER_DRIVERS = (TIFF_DRIVER, "JP2OpenJPEG")

# Below what macOS lets a process open (256), with room for all else.
MOST_OPEN_DATASETS = 128

BLOCK_CACHE_BYTES = 64 * 1024**2

GDAL_OPTIONS = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_NUM_THREADS": 1,
    "GDAL_PAM_ENABLED": "NO",
}


# GDAL decodes whole blocks: a file of a few kilobytes may claim one of many gigabytes.
MOST_BLOCK_PIXELS = 12_000 * 12_000


# A mask, or an overview of one, by TIFF's NewSubfileType.
MASK_IMAGE = 4
MOST_PAGES = 64


class _Key(NamedTuple):
    place: str
    level: int


class OpenDatasets:
    """Open datasets, lent to one thread at a time and kept for the next.

    Opening one reads its header again. Those used longest ago are closed first.
    """

    def __init__(self, most: int = MOST_OPEN_DATASETS) -> None:
        self._most = most
        self._idle: OrderedDict[int, tuple[_Key, rasterio.DatasetReader]] = OrderedDict()
        self._numbers = 0
        self._lock = threading.Lock()

    @contextmanager
    def lend(self, place: str, level: int) -> Iterator[rasterio.DatasetReader]:
        """The dataset of a file's level: 0 is full resolution, 1 the first overview.

        One that was read with an error is closed, not kept.

        Raises:
            RasterioError: it cannot be opened.
        """
        key = _Key(place, level)
        with rasterio.Env(**GDAL_OPTIONS):
            dataset = self._take(key) or _open(key)
            try:
                yield dataset
            except BaseException:
                dataset.close()
                raise
            self._keep(key, dataset)

    def close(self) -> None:
        """Close all idle datasets."""
        with self._lock:
            idle, self._idle = self._idle, OrderedDict()
        for _, dataset in idle.values():
            dataset.close()

    def _take(self, key: _Key) -> rasterio.DatasetReader | None:
        with self._lock:
            for number, (own, _) in self._idle.items():
                if own == key:
                    return self._idle.pop(number)[1]
        return None

    def _keep(self, key: _Key, dataset: rasterio.DatasetReader) -> None:
        with self._lock:
            self._numbers += 1
            self._idle[self._numbers] = (key, dataset)
            surplus = self._idle.popitem(last=False) if len(self._idle) > self._most else None
        if surplus:
            surplus[1][1].close()


@contextmanager
def limited_block_cache() -> Iterator[None]:
    """Keep GDAL's cache of decoded tiles, one for the whole process, within the memory budget.

    Only one thread may do this: whoever leaves it sets the cache back for all.
    """
    with rasterio.Env(GDAL_CACHEMAX=BLOCK_CACHE_BYTES):
        yield


class GdalFile:
    """A file that GDAL reads; see ``RasterFile``.

    Args:
        href: its address.
        datasets: where it is opened.
        place: what is opened, if not ``href`` itself.

    Raises:
        ReadError: it cannot be opened, or has no CRS.
    """

    def __init__(self, href: str, datasets: OpenDatasets, place: str | None = None) -> None:
        self._href = href
        self._place = place or href
        self._datasets = datasets
        try:
            with datasets.lend(self._place, 0) as dataset:
                overviews = len(dataset.overviews(1))
                flags = dataset.mask_flag_enums[0]
                self.stores_overviews = dataset.driver == TIFF_DRIVER
                self.nodata: float | None = dataset.nodata
            if not self.stores_overviews:
                self._check_every_tile()
            levels = [self._describe(level) for level in range(overviews + 1)]
        except (RasterioError, OSError, ValueError) as error:
            raise self._read_error(error) from error
        self.mask = _Mask(self) if MaskFlags.per_dataset in flags else None
        is_whole = self.mask is None or MaskFlags.alpha in flags or not self.stores_overviews
        masks = [] if is_whole else self._mask_compressions()
        self._has_coarse_masks = is_whole or len(masks) > overviews
        self._levels = tuple(geobox for geobox, _ in levels)
        self._tile_shapes = tuple(tile_shape for _, tile_shape in levels)

    @property
    def levels(self) -> tuple[GeoBox, ...]:
        """The pixel grids, full resolution first."""
        return self._levels

    @property
    def tile_shapes(self) -> tuple[tuple[int, int], ...]:
        """Height and width of each level's tiles."""
        return self._tile_shapes

    def read(self, level: int, window: Window, whole: Window) -> np.ndarray:  # noqa: ARG002
        """The pixels of a window; see ``RasterFile``."""
        place = rasterio.windows.Window.from_slices(*window)
        with self._reading(level) as dataset:
            if dataset.driver == TIFF_DRIVER:
                check_deflated_tiles(dataset, Path(self._place), window)
                check_lerc_tiles(dataset, Path(self._place), window)
            pixels: np.ndarray = dataset.read(1, window=place)
        return pixels

    def read_mask(self, level: int, window: Window) -> np.ndarray:
        """Where the pixels of a window count: uint8, 0 where they do not."""
        if level and not self._has_coarse_masks:
            return self._sample_mask(level, window)
        with self._reading(level) as dataset:
            if dataset.driver == TIFF_DRIVER:
                check_lerc_tiles(dataset, Path(self._place), window)
            place = rasterio.windows.Window.from_slices(*window)
            pixels: np.ndarray = dataset.read_masks(1, window=place)
        return pixels

    def _sample_mask(self, level: int, window: Window) -> np.ndarray:
        """The mask in the middle of a level's pixels.

        GDAL takes an overview's pixels for all shown where the mask has no overview.
        """
        rows, columns = (
            ((np.arange(side.start, side.stop) + 0.5) * full / coarse).astype(int)
            for side, full, coarse in zip(
                window, self._levels[0].shape, self._levels[level].shape, strict=True
            )
        )
        sampled = np.empty((len(rows), len(columns)), np.uint8)
        with self._reading(0) as dataset:
            for sampled_row, row in zip(sampled, rows, strict=True):
                width = columns[-1] + 1 - columns[0]
                place = rasterio.windows.Window(columns[0], row, width, 1)
                sampled_row[:] = dataset.read_masks(1, window=place)[0, columns - columns[0]]
        return sampled

    @contextmanager
    def _reading(self, level: int) -> Iterator[rasterio.DatasetReader]:
        """A level's dataset; whatever fails within, it is closed with the pixels that it holds."""
        try:
            with self._datasets.lend(self._place, level) as dataset, decoders_complaints_raised():
                yield dataset
        except (RasterioError, DamagedTileError, OSError) as error:
            raise self._read_error(error) from error

    def _read_error(self, error: Exception) -> ReadError:
        """The error of this file: where its copy lies, and on whose computer, is in no output."""
        place, words = Path(self._place), str(error)
        own_name = re.split(r"[/\\]", without_query(self._href))[-1]
        for name in (repr(self._place)[1:-1], self._place, place.as_posix(), place.name):
            words = words.replace(name, own_name)
        return read_error(self._href, words)

    def _check_every_tile(self) -> None:
        with Path(self._place).open("rb") as file:

            def read(start: int, length: int) -> bytes:
                file.seek(start)
                return file.read(length)

            check_every_tile(read, Path(self._place).stat().st_size)

    def _mask_compressions(self) -> list[int]:
        """How a TIFF's masks are compressed: one for each level, if whoever made it took care.

        Its header was found harmless before GDAL was given the file.
        """
        with tifffile.TiffFile(self._place) as file:
            pages = list(islice(file.pages, MOST_PAGES + 1))
        masks = [
            int(page.compression)
            for page in pages
            if isinstance(page, tifffile.TiffPage) and page.subfiletype & MASK_IMAGE
        ]
        if len(pages) > MOST_PAGES or LERC in masks:
            # No program makes one by LERC, whose tiles are looked at before GDAL decodes them.
            raise read_error(self._href, "its mask is none that can be read")
        return masks

    def _describe(self, level: int) -> tuple[GeoBox, tuple[int, int]]:
        with self._datasets.lend(self._place, level) as dataset:
            shape: tuple[int, int] = dataset.block_shapes[0]
            if shape[0] * shape[1] > MOST_BLOCK_PIXELS:
                raise read_error(self._href, "its tiles are too large to be read")
            return read_grid(self._href, dataset), shape


class _Mask:
    """The mask of a file, or its alpha band, as pixels."""

    def __init__(self, file: GdalFile) -> None:
        self._file = file

    def read(self, level: int, window: Window, whole: Window) -> np.ndarray:  # noqa: ARG002
        """The pixels of a window; see ``RasterFile``."""
        return self._file.read_mask(level, window)


def _open(key: _Key) -> rasterio.DatasetReader:
    options = {"overview_level": key.level - 1} if key.level else {}
    reasons: list[RasterioError] = []
    for driver in RASTER_DRIVERS:
        try:
            dataset = rasterio.open(key.place, driver=driver, sharing=False, **options)
        except RasterioError as error:
            reasons.append(error)
            continue
        # A level was counted before it is asked for, after this check.
        if not key.level:
            _check_or_close(dataset)
        return dataset
    # The others say only that the file is none of theirs.
    raise reasons[0]


def _check_or_close(dataset: rasterio.DatasetReader) -> None:
    try:
        check_is_whole_by_itself(dataset)
    except RasterioError:
        dataset.close()
        raise
