"""JPEG 2000 files read by their own tiles: each is fetched by range, and decoded by GDAL.

GDAL is given a small file in memory that has the header and one tile, so it never asks a server,
and fetches no more than the tile.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import numpy as np
import rasterio
import rasterio.windows
from odc.geo.geobox import GeoBox
from rasterio.enums import MaskFlags
from rasterio.errors import RasterioError
from rasterio.io import MemoryFile

from .byte_ranges import RangeReader
from .codestream import MOST_HEADER_BYTES, Header, Read, TileParts, check_part, read_header
from .gdal import GDAL_OPTIONS
from .gdal_checks import check_is_whole_by_itself
from .patience import RangeError
from .raster_file import Window, read_error, read_grid
from .tile_cache import TileCache
from .tile_grid import TiledLevel, TileGrid

DRIVER = "JP2OpenJPEG"
HEADER_BYTES = 32 * 1024
# Of a tile, more than any of many has; a larger one is left to GDAL, which decodes a part of it.
MOST_DECODED_BYTES = 64 * 1024**2


@dataclass(frozen=True)
class _Level:
    """``number`` as GDAL has it: 0 is full resolution."""

    number: int
    geobox: GeoBox
    grid: TileGrid


# With the dtype that they have in common.
_Levels = tuple[tuple[_Level, ...], np.dtype]


class Jpeg2000File:
    """A JPEG 2000 of small tiles; see ``RasterFile``."""

    def __init__(
        self, href: str, header: Header, levels: _Levels, ranges: RangeReader, cache: TileCache
    ) -> None:
        self._href = href
        self._header = header
        self._parts = TileParts(header, partial(ranges.read, href))
        self._levels, self._dtype = levels
        self._ranges = ranges
        self._cache = cache

    @property
    def levels(self) -> tuple[GeoBox, ...]:
        """The pixel grids, full resolution first."""
        return tuple(level.geobox for level in self._levels)

    @property
    def tile_shapes(self) -> tuple[tuple[int, int], ...]:
        """Height and width of each level's tiles."""
        return tuple(level.grid.tile_shape for level in self._levels)

    @property
    def stores_overviews(self) -> bool:
        """A coarse level is decoded from the tiles of full resolution."""
        return False

    @property
    def nodata(self) -> None:
        """JPEG 2000 tells none."""
        return None

    @property
    def mask(self) -> None:
        """GDAL reads the files that have an alpha band as wholes."""
        return None

    def read(self, level: int, window: Window, whole: Window) -> np.ndarray:
        """The pixels of a window; see ``RasterFile``."""
        tiles = TiledLevel(
            key=(self._href, level),
            grid=self._levels[level].grid,
            dtype=self._dtype,
            decode=partial(self._decode, self._levels[level]),
            cache=self._cache,
        )
        return tiles.read(window, whole)

    def _decode(self, level: _Level, tiles: list[int]) -> Iterator[tuple[int, np.ndarray]]:
        """Each tile's number and its pixels."""
        for tile in tiles:
            try:
                content = self._header.file_of(self._fetch(tile))
                with _open(content, level.number) as dataset:
                    window = rasterio.windows.Window.from_slices(*level.grid.place(tile))
                    yield tile, dataset.read(1, window=window)
            except (RangeError, ValueError, RasterioError) as error:
                raise read_error(self._href, error) from error

    def _fetch(self, tile: int) -> bytes:
        content = b""
        for start, length in self._parts.of(tile):
            part = self._ranges.read(self._href, start, length)
            if len(part) < length:
                raise ValueError("the file is cut short")
            check_part(_bytes_of(part))
            content += part
        return content


def open_jpeg2000(href: str, ranges: RangeReader, cache: TileCache) -> Jpeg2000File | None:
    """The file, or None where it is no JPEG 2000 or one that GDAL reads as a whole.

    Raises:
        ReadError: it cannot be read, or has no CRS.
    """
    head = _Head(partial(ranges.read, href))
    try:
        header = read_header(head.read)
        if header is None or not header.has_plain_tiles:
            return None
        if header.decoded_tile_bytes > MOST_DECODED_BYTES:
            return None
        levels = _read_levels(href, header)
    except (RangeError, ValueError, RasterioError) as error:
        raise read_error(href, error) from error
    return Jpeg2000File(href, header, levels, ranges, cache) if levels else None


def _read_levels(href: str, header: Header) -> _Levels | None:
    """All levels as GDAL finds them; None where they do not share the tiles' edges, or have an
    alpha band."""
    # A tile part of no bytes: the driver wants to see one, but reads it only for pixels.
    content = header.file_of(b"\xff\x90\x00\x0a\x00\x00\x00\x00\x00\x0e\x00\x01\xff\x93")
    with _open(content, 0) as dataset:
        check_is_whole_by_itself(dataset)
        if MaskFlags.per_dataset in dataset.mask_flag_enums[0]:
            return None
        if dataset.shape != header.shape:
            raise ValueError("its two headers differ")
        factors, dtype = dataset.overviews(1), np.dtype(dataset.dtypes[0])
    levels = []
    for number in range(len(factors) + 1):
        factor = 2**number
        if any(side % factor for side in header.tile_shape):
            return None
        with _open(content, number) as dataset:
            grid = TileGrid(dataset.shape, tuple(side // factor for side in header.tile_shape))
            levels.append(_Level(number, read_grid(href, dataset), grid))
    return tuple(levels), dtype


@contextmanager
def _open(content: bytes, level: int) -> Iterator[rasterio.DatasetReader]:
    """One level of a file in memory."""
    options = {"overview_level": level - 1} if level else {}
    with (
        rasterio.Env(**GDAL_OPTIONS),
        MemoryFile(content) as file,
        file.open(driver=DRIVER, **options) as dataset,
    ):
        yield dataset


def _bytes_of(content: bytes) -> Read:
    return lambda start, length: content[start : start + length]


class _Head:
    """The start of a file, fetched in pieces and kept."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._content = b""
        self._is_whole = False

    def read(self, start: int, length: int) -> bytes:
        """Bytes of the file, fewer where it ends.

        Raises:
            ValueError: they lie too far behind.
        """
        if start + length > 2 * MOST_HEADER_BYTES:
            raise ValueError("its header is too long")
        while len(self._content) < start + length and not self._is_whole:
            piece = self._read(len(self._content), HEADER_BYTES)
            self._content += piece
            self._is_whole = len(piece) < HEADER_BYTES
        return self._content[start : start + length]
