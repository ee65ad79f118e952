"""TIFF files read by their own tiles: each is fetched by range and decoded once.

tifffile parses the header and decodes the compressions of numbers, with more predictors than
satellite imagery uses. What is unusual otherwise (several bands in one file, a mask, a CRS without
an EPSG code, an image in each tile) is left to GDAL.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import IO, Any, cast

import numpy as np
import tifffile
from affine import Affine
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox

from ....bridge.errors import FairweatherError
from . import signatures
from .byte_ranges import RangeReader
from .patience import RangeError
from .raster_file import Window, check_grid, read_error
from .tiff_header import TiffHeader
from .tiff_tile import (
    DECODED_HERE,
    MOST_SWELLING,
    SMALL_TILE_BYTES,
    BrokenTileError,
    decode_tile,
)
from .tile_cache import TileCache
from .tile_grid import TiledLevel, TileGrid

# The header of a Sentinel-2 band with its overviews fits; a longer one takes a second request.
HEADER_BYTES = 32 * 1024
MOST_LEVELS = 32
# Of a tile that is decoded as a whole, in each of many threads; larger ones are left to GDAL.
MOST_DECODED_BYTES = 128 * 1024**2

# Where a header, or a tile, may lie at most.
MOST_FILE_BYTES = 2**50

# Tiles that lie as close as this in a file are fetched by one request, up to this size.
SMALL_GAP = 1024
LARGEST_REQUEST = 16 * 1024**2

# Offsets and byte counts, of strips and of tiles.
TILE_PLACES = (273, 279, 324, 325)
GDAL_NODATA = 42113
REDUCED_IMAGE = 1
MASK_IMAGE = 4
USER_DEFINED = 32767
PIXEL_IS_POINT = 2


@dataclass(frozen=True)
class _Level:
    """One resolution: where its tiles lie in the file, row by row, and how they are decoded."""

    geobox: GeoBox
    tile_shape: tuple[int, int]
    offsets: np.ndarray
    byte_counts: np.ndarray
    page: tifffile.TiffPage

    @property
    def grid(self) -> TileGrid:
        height, width = self.geobox.shape
        return TileGrid((int(height), int(width)), self.tile_shape)


class TiffFile:
    """A TIFF of one band whose tiles are read directly."""

    def __init__(
        self, href: str, levels: Sequence[_Level], ranges: RangeReader, cache: TileCache
    ) -> None:
        self._href = href
        self._levels = tuple(levels)
        self._nodata = _read_nodata(levels[0].page)
        self._ranges = ranges
        self._cache = cache

    @property
    def levels(self) -> tuple[GeoBox, ...]:
        """The pixel grids, full resolution first."""
        return tuple(level.geobox for level in self._levels)

    @property
    def tile_shapes(self) -> tuple[tuple[int, int], ...]:
        """Height and width of each level's tiles."""
        return tuple(level.tile_shape for level in self._levels)

    @property
    def stores_overviews(self) -> bool:
        """Each level has tiles of its own."""
        return True

    @property
    def nodata(self) -> float | None:
        """The file's own nodata value, None without."""
        return self._nodata

    @property
    def mask(self) -> None:
        """GDAL reads the files that have one."""
        return None

    def read(self, level: int, window: Window, whole: Window) -> np.ndarray:
        """The pixels of a window; see ``RasterFile``."""
        own = self._levels[level]
        tiles = TiledLevel(
            key=(self._href, level),
            grid=own.grid,
            dtype=np.dtype(own.page.dtype),
            decode=partial(self._decode, own),
            cache=self._cache,
        )
        return tiles.read(window, whole)

    def _decode(self, level: _Level, tiles: Sequence[int]) -> Iterator[tuple[int, np.ndarray]]:
        """Each tile's number and its pixels, without what lies beyond the level's edge."""
        for tile, content in self._fetch(level, tiles):
            rows, columns = level.grid.place(tile)
            shape = (rows.stop - rows.start, columns.stop - columns.start)
            if content is None:
                empty = np.array(self._nodata or 0, level.page.dtype)
                yield tile, np.broadcast_to(empty, shape)
                continue
            try:
                yield tile, decode_tile(level.page, tile, content, shape)
            except BrokenTileError as error:
                raise read_error(self._href, error) from error

    def _fetch(
        self, level: _Level, tiles: Sequence[int]
    ) -> Iterator[tuple[int, bytes | memoryview | None]]:
        """Each tile's number and content, None for one that is not stored as it is empty."""
        stored = [tile for tile in tiles if level.byte_counts[tile]]
        yield from ((tile, None) for tile in tiles if not level.byte_counts[tile])
        for run in _runs(level, stored):
            start = int(level.offsets[run[0]])
            end = int(level.offsets[run[-1]] + level.byte_counts[run[-1]])
            with self._ranges.in_flight.taken(end - start):
                content = self._read(start, end - start)
                for tile in run:
                    first = int(level.offsets[tile]) - start
                    # A copy of its own would cost more than it is worth; decoders take views.
                    yield tile, memoryview(content)[first : first + int(level.byte_counts[tile])]

    def _read(self, start: int, length: int) -> bytes:
        try:
            content = self._ranges.read(self._href, start, length)
        except RangeError as error:
            raise read_error(self._href, error) from error
        if len(content) < length:
            raise read_error(self._href, "the file is cut short")
        return content


def _runs(level: _Level, tiles: Sequence[int]) -> Iterator[list[int]]:
    """Tiles in the file's order, those that lie together in one list."""
    run: list[int] = []
    for tile in sorted(tiles, key=lambda tile: int(level.offsets[tile])):
        if run:
            end = int(level.offsets[run[-1]] + level.byte_counts[run[-1]])
            size = int(level.offsets[tile] + level.byte_counts[tile] - level.offsets[run[0]])
            if not 0 <= int(level.offsets[tile]) - end <= SMALL_GAP or size > LARGEST_REQUEST:
                yield run
                run = []
        run.append(tile)
    if run:
        yield run


def open_tiff(href: str, ranges: RangeReader, cache: TileCache) -> TiffFile | None:
    """The file, or None where it is no TIFF or one for GDAL.

    Raises:
        ReadError: it cannot be read.
    """
    header = TiffHeader(href, ranges, HEADER_BYTES)
    try:
        if header.read(4) not in signatures.TIFF:
            return None
        header.seek(0)
        levels = _read_levels(header)
        if levels:
            check_grid(href, levels[0].geobox)
    except RangeError as error:
        raise read_error(href, error) from error
    except FairweatherError:
        raise
    except Exception as error:  # tifffile has errors of many types for a broken header
        words = str(error) or type(error).__name__
        raise read_error(href, f"its header is broken: {words}") from error
    finally:
        header.close()
    return TiffFile(href, levels, ranges, cache) if levels else None


def _read_levels(header: TiffHeader) -> list[_Level]:
    """Full resolution and its overviews; empty where GDAL has to read the file."""
    pages: list[tifffile.TiffPage] = []
    with tifffile.TiffFile(cast("IO[bytes]", header), size=MOST_FILE_BYTES) as file:
        for page in file.pages:
            if len(pages) >= MOST_LEVELS:
                return []
            if isinstance(page, tifffile.TiffPage):
                pages.append(page)
    if not pages or not all(_is_plain(page) for page in pages):
        return []
    place = _read_place(pages[0])
    if place is None:
        return []
    full, code = place
    levels = [_level(pages[0], _grid(pages[0].shape, full, code))]
    for page in pages[1:]:
        if page.subfiletype & REDUCED_IMAGE:
            height, width = page.shape
            scale = Affine.scale(pages[0].shape[1] / width, pages[0].shape[0] / height)
            levels.append(_level(page, _grid(page.shape, full * scale, code)))
    return levels


def _is_plain(page: tifffile.TiffPage) -> bool:
    """Whether the page is one band of numbers, and no mask, in tiles of a sensible size."""
    return (
        page.samplesperpixel == 1
        and page.ndim == 2
        and not page.subfiletype & MASK_IMAGE
        and page.dtype is not None
        and page.bitspersample == page.dtype.itemsize * 8
        and page.dtype.kind in "iuf"
        and page.compression in DECODED_HERE
        and len(page.dataoffsets) == len(page.databytecounts) > 0
        and 0 < _decoded_bytes(page) <= MOST_DECODED_BYTES
    )


def _tile_height(page: tifffile.TiffPage) -> int:
    return int(page.tilelength if page.is_tiled else min(page.rowsperstrip, page.imagelength))


def _tile_width(page: tifffile.TiffPage) -> int:
    return int(page.tilewidth if page.is_tiled else page.imagewidth)


def _decoded_bytes(page: tifffile.TiffPage) -> int:
    return _tile_height(page) * _tile_width(page) * np.dtype(page.dtype).itemsize


def _level(page: tifffile.TiffPage, geobox: GeoBox) -> _Level:
    level = _Level(
        geobox=geobox,
        tile_shape=(_tile_height(page), _tile_width(page)),
        offsets=np.array(page.dataoffsets, np.int64),
        byte_counts=np.array(page.databytecounts, np.int64),
        page=page,
    )
    down = -(-int(geobox.shape[0]) // level.tile_shape[0])
    if len(level.offsets) != down * level.grid.tiles_across:
        raise ValueError("its tiles do not cover it")
    _check_range(level.byte_counts, MOST_SWELLING * _decoded_bytes(page) + SMALL_TILE_BYTES)
    _check_range(level.offsets, MOST_FILE_BYTES)
    # Python's own numbers take ten times the memory of an array, for thousands of files.
    page.dataoffsets = page.databytecounts = ()
    for code in TILE_PLACES:
        if code in page.tags:
            page.tags[code].value = ()
    return level


def _check_range(numbers: np.ndarray, most: int) -> None:
    if numbers.min() < 0 or numbers.max() > most:
        raise ValueError("it tells places or sizes that its tiles cannot have")


def _read_nodata(page: tifffile.TiffPage) -> float | None:
    """The page's nodata as its pixels hold it, None where it tells none that they can hold.

    Like GDAL, which rounds it to the nearest number of the dtype if that is one of floats.
    """
    try:
        # Some programs write a comma where their language has one.
        told = float(str(page.tags.valueof(GDAL_NODATA)).replace(",", "."))
    except ValueError:
        return None
    dtype = np.dtype(page.dtype)
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            return float(np.float64(told).astype(dtype))
    limits = np.iinfo(dtype)
    return told if told.is_integer() and limits.min <= told <= limits.max else None


def _read_place(page: tifffile.TiffPage) -> tuple[Affine, int] | None:
    """The page's transform and EPSG code by GeoTIFF's tags (OGC 19-008r4).

    None where only GDAL understands them.
    """
    tags: dict[str, Any] = page.geotiff_tags or {}
    # A code without a name stays a number, others are of an enumeration.
    model = int(tags.get("GTModelTypeGeoKey", 0))
    key = {1: "ProjectedCSTypeGeoKey", 2: "GeographicTypeGeoKey"}.get(model)
    code = int(tags.get(key, USER_DEFINED)) if key else USER_DEFINED
    scale, tiepoint = tags.get("ModelPixelScale"), tags.get("ModelTiepoint")
    if not 0 < code < USER_DEFINED or scale is None or tiepoint is None or len(tiepoint) != 6:
        return None
    column, row, _, x, y, _ = (float(number) for number in tiepoint)
    # Like GDAL, which knows no rasters from bottom to top by this tag.
    width, height = float(scale[0]), abs(float(scale[1]))
    if int(tags.get("GTRasterTypeGeoKey", 1)) == PIXEL_IS_POINT:
        column, row = column + 0.5, row + 0.5
    transform = Affine.translation(x, y) * Affine.scale(width, -height)
    transform *= Affine.translation(-column, -row)
    return transform, code


@lru_cache(maxsize=256)
def _grid(shape: tuple[int, ...], transform: Affine, code: int) -> GeoBox:
    """One grid for all files that have it; ``code`` is EPSG's of its CRS."""
    return GeoBox((shape[0], shape[1]), transform, CRS(f"EPSG:{code}"))
