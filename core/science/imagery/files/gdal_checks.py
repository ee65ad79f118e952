"""Damaged tiles that GDAL takes for whole ones, found by other means.

Most decoders of GDAL fail where a tile is damaged. Three things they overlook: JPEG and CCITT fax
fill up a tile that ends too early, with a warning only; JPEG 2000 does so with a file; and of
Deflate (zlib, RFC 1950) the checksum counts for nothing where the damaged stream gives more bytes
than there is room for, or where another library than libdeflate stops when it has enough.

And of LERC, the version before that of TIFF is decoded as large as it says it is.
"""

from __future__ import annotations

import logging
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
import rasterio
from rasterio.enums import ColorInterp
from rasterio.errors import RasterioIOError

from .raster_file import Window
from .tiff_tile import MOST_SWELLING, SMALL_TILE_BYTES, lerc_stream

# How warnings of decoders begin or end, as libtiff, libjpeg and OpenJPEG write them; others tell
# of tags that nobody needs.
DECODERS_WARN = ("Decode", "JPEGLib:", "does not end with EOC")

LIBRARY = "rasterio"
LONGEST_REASON = 100

# GDAL's name for how a file stores pixels; and what a tile's sides are multiples of (TIFF 6.0, 15).
STRUCTURE = "IMAGE_STRUCTURE"
TILE_STEP = 16

# Where a file, by a TIFF's GDAL_METADATA or an XML box of JPEG 2000, names that of its overviews.
OVERVIEWS, OVERVIEW_FILE = "OVERVIEWS", "OVERVIEW_FILE"

# Of a tile at a time: it may claim, and decode to, more than the memory holds.
PIECE_BYTES = 256 * 1024


class DamagedTileError(Exception):
    """A tile that GDAL has decoded, or would decode, is damaged."""


def check_is_whole_by_itself(dataset: rasterio.DatasetReader) -> None:
    """Check that a file just opened names no other as its overviews.

    GDAL would open that one, wherever it is and of whichever format, as soon as it is asked for
    overviews: an address, too, and any driver's (``GDALDefaultOverviews::OverviewScan``).

    Raises:
        RasterioIOError: it does.
    """
    if any(name.upper() == OVERVIEW_FILE for name in dataset.tags(ns=OVERVIEWS)):
        raise RasterioIOError("it names another file as its overviews")


@contextmanager
def decoders_complaints_raised() -> Iterator[None]:
    """What GDAL's decoders warn of in this thread within ``with`` is an error on leaving it.

    GDAL has no option for it, and tells its warnings to Python's logging only.

    Raises:
        DamagedTileError: there was a warning.
    """
    logger = logging.getLogger(LIBRARY)
    if not logger.isEnabledFor(logging.WARNING):
        # A program that is not to be told must not keep this from being told.
        logger.setLevel(logging.WARNING)
    # It stays there: while one handler is taken away, Python skips another one of that logger.
    logger.addHandler(_COMPLAINTS)
    with _COMPLAINTS.collected() as found:
        yield
    if found:
        raise DamagedTileError(f"a tile is broken: {found[0][:LONGEST_REASON]}")


class _Complaints(logging.Handler):
    """Collects what decoders warn of, for the thread in which they do."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._own = threading.local()

    @contextmanager
    def collected(self) -> Iterator[list[str]]:
        """A list that holds, on leaving, what was warned of in this thread within ``with``."""
        found: list[str] = []
        self._own.found = found
        try:
            yield found
        finally:
            self._own.found = None

    def emit(self, record: logging.LogRecord) -> None:
        found: list[str] | None = getattr(self._own, "found", None)
        text = record.getMessage()
        if found is not None and any(part in text for part in DECODERS_WARN):
            found.append(" ".join(text.removeprefix("CPLE_AppDefined:").split()))


_COMPLAINTS = _Complaints()


def check_deflated_tiles(dataset: rasterio.DatasetReader, path: Path, window: Window) -> None:
    """Check the checksum and the length of the first band's tiles in a window, where it has any.

    Args:
        dataset: a level of a TIFF.
        path: the file itself.
        window: rows and columns inside the level.

    Raises:
        DamagedTileError: a tile's checksum or length is wrong.
        OSError: the file cannot be read.
    """
    if dataset.tags(ns=STRUCTURE).get("COMPRESSION") != "DEFLATE":
        return
    if dataset.dtypes[0].startswith("complex"):
        # Whoever reads them refuses them.
        return
    with path.open("rb") as file:
        for row, column, place in _stored_tiles(dataset, window):
            fault = _fault_of_deflated(file, *place, _decoded_bytes(dataset, row))
            if fault:
                raise DamagedTileError(f"tile {column}, {row} is broken: {fault}")


def check_lerc_tiles(dataset: rasterio.DatasetReader, path: Path, window: Window) -> None:
    """Check the version of the tiles in a window that LERC has compressed, where it has any.

    They are those of the first band and of an alpha band.

    Args:
        dataset: a level of a TIFF.
        path: the file itself.
        window: rows and columns inside the level.

    Raises:
        DamagedTileError: a tile is of another version, or none of LERC's.
        OSError: the file cannot be read.
    """
    if not dataset.tags(ns=STRUCTURE).get("COMPRESSION", "").startswith("LERC"):
        return
    kinds = dataset.colorinterp
    bands = {1, *(band for band, kind in enumerate(kinds, 1) if kind == ColorInterp.alpha)}
    with path.open("rb") as file:
        for band in bands:
            for row, column, (offset, stored) in _stored_tiles(dataset, window, band):
                most = MOST_SWELLING * max(_decoded_bytes(dataset, row)) + SMALL_TILE_BYTES
                file.seek(offset)
                try:
                    lerc_stream(file.read(min(stored, most)), most)
                except Exception as error:  # each codec has errors of its own
                    words = f"tile {column}, {row} is broken: {error}"
                    raise DamagedTileError(words) from error


def _stored_tiles(
    dataset: rasterio.DatasetReader, window: Window, band: int = 1
) -> Iterator[tuple[int, int, tuple[int, int]]]:
    """The row and the column of each tile of a band in a window, and its place in the file."""
    tile_height, tile_width = dataset.block_shapes[0]
    rows, columns = window
    for row in range(rows.start // tile_height, -(-rows.stop // tile_height)):
        for column in range(columns.start // tile_width, -(-columns.stop // tile_width)):
            place = _place(dataset, row, column, band)
            if place is not None:
                yield row, column, place


def _fault_of_deflated(file: BinaryIO, offset: int, stored: int, lengths: set[int]) -> str:
    """What is wrong with bytes in a file, that should decode to one of ``lengths``; or nothing."""
    file.seek(offset)
    decoder = zlib.decompressobj()
    decoded = 0
    while not decoder.eof:
        content = decoder.unconsumed_tail
        if not content:
            content = file.read(min(stored, PIECE_BYTES))
            stored -= len(content)
        try:
            piece = decoder.decompress(content, PIECE_BYTES)
        except zlib.error as error:
            return str(error)
        decoded += len(piece)
        if decoded > max(lengths):
            return "it is too long"
        if not content and not piece:
            return "it ends too early"
    return "" if decoded in lengths else "it has another length"


def _place(
    dataset: rasterio.DatasetReader, row: int, column: int, band: int
) -> tuple[int, int] | None:
    """The offset and the length of a tile of a band, None where it is not stored."""
    offset, length = (
        dataset.get_tag_item(f"BLOCK_{what}_{column}_{row}", "TIFF", bidx=band)
        for what in ("OFFSET", "SIZE")
    )
    return (int(offset), int(length)) if offset and length else None


def _decoded_bytes(dataset: rasterio.DatasetReader, row: int) -> set[int]:
    """How many bytes a tile, or a strip, may decode to.

    The last strip has only the rows that are left for it, a tile never fewer than all.
    """
    height, width = dataset.block_shapes[0]
    by_pixel = dataset.tags(ns=STRUCTURE).get("INTERLEAVE") == "PIXEL"
    bits = dataset.tags(1, ns=STRUCTURE).get("NBITS")
    bits_by_number = int(bits) if bits else 8 * np.dtype(dataset.dtypes[0]).itemsize
    by_row = -(-int(width) * bits_by_number * (dataset.count if by_pixel else 1) // 8)
    heights = {int(height)}
    if width == dataset.width:
        left = min(int(height), dataset.height - row * int(height))
        may_be_tile = height % TILE_STEP == 0 and width % TILE_STEP == 0
        heights = {left, int(height)} if may_be_tile else {left}
    return {rows * by_row for rows in heights}
