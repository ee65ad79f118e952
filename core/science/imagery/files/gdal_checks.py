"""Damaged tiles that GDAL takes for whole ones, found by other means.

Most decoders of GDAL fail where a tile is damaged. Three things they overlook: JPEG and CCITT fax
fill up a tile that ends too early, with a warning only; JPEG 2000 does so with a file; and of
Deflate (zlib, RFC 1950) the checksum counts for nothing where the damaged stream gives more bytes
than there is room for, or where another library than libdeflate stops when it has enough.
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
from rasterio.errors import RasterioIOError

from .raster_file import Window

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
    complaints = _Complaints()
    logger = logging.getLogger(LIBRARY)
    if not logger.isEnabledFor(logging.WARNING):
        # A program that is not to be told must not keep this from being told.
        logger.setLevel(logging.WARNING)
    logger.addHandler(complaints)
    try:
        yield
    finally:
        logger.removeHandler(complaints)
    if complaints.found:
        raise DamagedTileError(f"a tile is broken: {complaints.found[0][:LONGEST_REASON]}")


class _Complaints(logging.Handler):
    """Collects what decoders warn of in the thread that has made it."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._own_thread = threading.get_ident()
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        if threading.get_ident() != self._own_thread:
            return
        if any(part in text for part in DECODERS_WARN):
            self.found.append(" ".join(text.removeprefix("CPLE_AppDefined:").split()))


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
    tile_height, tile_width = dataset.block_shapes[0]
    rows, columns = window
    with path.open("rb") as file:
        for row in range(rows.start // tile_height, -(-rows.stop // tile_height)):
            lengths = _decoded_bytes(dataset, row)
            for column in range(columns.start // tile_width, -(-columns.stop // tile_width)):
                place = _place(dataset, row, column)
                if place is None:
                    continue
                fault = _fault_of_deflated(file, *place, lengths)
                if fault:
                    raise DamagedTileError(f"tile {column}, {row} is broken: {fault}")


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


def _place(dataset: rasterio.DatasetReader, row: int, column: int) -> tuple[int, int] | None:
    """The offset and the length of a tile of the first band, None where it is not stored."""
    offset, length = (
        dataset.get_tag_item(f"BLOCK_{what}_{column}_{row}", "TIFF", bidx=1)
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
