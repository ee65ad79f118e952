"""The finished file: header, all directories, then the tiles, coarsest overview first."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from .tiff_directory import (
    BIG,
    CLASSIC,
    LONG,
    LONG8,
    Directory,
    Tag,
    TiffForm,
    directories_as_bytes,
    long_tag,
)
from .tile_store import TileStore
from .tiles import Level, Tile

# What GDAL's COG driver promises of its files, and this module keeps: the order of the tiles, each
# after its size and before its own last bytes. The blank lets GDAL write YES over NO.
PROMISES = (
    b"LAYOUT=IFDS_BEFORE_DATA\n"
    b"BLOCK_ORDER=ROW_MAJOR\n"
    b"BLOCK_LEADER=SIZE_AS_UINT4\n"
    b"BLOCK_TRAILER=LAST_4_BYTES_REPEATED\n"
    b"KNOWN_INCOMPATIBLE_EDITION=NO\n "
)
STRUCTURE = b"GDAL_STRUCTURAL_METADATA_SIZE=%06d bytes\n" % len(PROMISES) + PROMISES
LEADER_BYTES = TRAILER_BYTES = 4

NEW_SUBFILE_TYPE, IMAGE_WIDTH, IMAGE_LENGTH = 254, 256, 257
TILE_OFFSETS, TILE_BYTE_COUNTS = 324, 325
REDUCED_IMAGE = 1
# How pixels are stored, and nodata: all else is said once, of full resolution.
TAGS_OF_EVERY_LEVEL = (258, 259, 262, 277, 284, 317, 322, 323, 338, 339, 42113)

# Bytes that 32-bit offsets reach.
CLASSIC_LIMIT = 2**32 - 1


def assemble_cog(
    target: Path, template: Directory, levels: Sequence[Level], store: TileStore
) -> None:
    """Write the file: BigTIFF where it is too long for classic TIFF.

    Args:
        target: is made anew.
        template: the tags of full resolution; the places of the tiles are set here.
        levels: full resolution first.
        store: holds the tiles.

    Raises:
        OSError: the disk is full or failed.
    """
    data_size = sum(int(_bytes_in_file(sizes).sum()) for sizes in store.sizes)
    form = CLASSIC
    if len(_head(template, levels, store, form)) + data_size > CLASSIC_LIMIT:
        form = BIG
    head = _head(template, levels, store, form)
    with target.open("wb") as file:
        file.write(head)
        for tile, band in _in_file_order(store.sizes):
            content = store.read(tile, band)
            file.write(struct.pack("<I", len(content)))
            file.write(content)
            file.write(content[-TRAILER_BYTES:])
    if target.stat().st_size != len(head) + data_size:
        raise OSError("the file is not complete")


def _in_file_order(sizes: Sequence[np.ndarray]) -> Iterator[tuple[Tile, int]]:
    """Tiles with their band: the coarsest level first, band by band, row by row."""
    for level in reversed(range(len(sizes))):
        for band, row, column in np.argwhere(sizes[level]).tolist():
            yield Tile(level, row, column), band


def _bytes_in_file(sizes: np.ndarray) -> np.ndarray:
    framed = sizes.astype(np.uint64) + np.uint64(LEADER_BYTES + TRAILER_BYTES)
    return np.where(sizes > 0, framed, np.uint64(0))


def _head(template: Directory, levels: Sequence[Level], store: TileStore, form: TiffForm) -> bytes:
    """Everything before the tiles."""
    start = len(form.header) + form.inline_bytes + len(STRUCTURE)
    padding = bytes(-start % 8)
    start += len(padding)
    shared = _overview_tags(template)
    head = form.header + struct.pack(form.offset_format, start) + STRUCTURE + padding

    def directories(data_start: int) -> bytes:
        parts = zip(levels, _tile_offsets(store.sizes, data_start), store.sizes, strict=True)
        first, *overviews = [_tags_of_level(*part, form) for part in parts]
        contents = [{**template, **first}, *({**shared, **tags} for tags in overviews)]
        return directories_as_bytes(contents, start, form)

    # Where tiles begin depends on the directories' length, which does not depend on that.
    return head + directories(start + len(directories(0)))


def _overview_tags(template: Directory) -> Directory:
    tags = {code: template[code] for code in TAGS_OF_EVERY_LEVEL if code in template}
    return {**tags, NEW_SUBFILE_TYPE: long_tag([REDUCED_IMAGE])}


def _tags_of_level(
    level: Level, offsets: np.ndarray, sizes: np.ndarray, form: TiffForm
) -> Directory:
    kind, dtype = (LONG8, "<u8") if form is BIG else (LONG, "<u4")
    return {
        IMAGE_WIDTH: long_tag([level.width]),
        IMAGE_LENGTH: long_tag([level.height]),
        TILE_OFFSETS: Tag(kind, offsets.size, offsets.astype(dtype).tobytes()),
        TILE_BYTE_COUNTS: Tag(LONG, sizes.size, sizes.astype("<u4").tobytes()),
    }


def _tile_offsets(sizes: Sequence[np.ndarray], start: int) -> list[np.ndarray]:
    """For each level uint64 (bands, tile rows, tile columns), 0 for bands without any value."""
    offsets = []
    for level in reversed(sizes):
        lengths = _bytes_in_file(level)
        ends = np.cumsum(lengths).reshape(lengths.shape) + np.uint64(start)
        begins = ends - lengths + np.uint64(LEADER_BYTES)
        offsets.append(np.where(level > 0, begins, np.uint64(0)))
        start = int(ends.flat[-1])
    return offsets[::-1]
