"""JPEG 2000 codestreams (ISO/IEC 15444-1): where in a file the header and each tile lie.

Only lengths are read, no pixels: a tile is then fetched by range, and decoded by GDAL.
"""

from __future__ import annotations

import struct
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

SIGNATURE = b"\0\0\0\x0cjP  \r\n\x87\n"
CODESTREAM_BOX = b"jp2c"
MOST_BOXES = 64
MOST_HEADER_BYTES = 4 * 1024**2
MOST_TILES = 65_535

START, SIZE, TILE_PART, END = b"\xff\x4f", b"\xff\x51", b"\xff\x90", b"\xff\xd9"
TILE_LENGTHS, PACKED_HEADERS = b"\xff\x55", b"\xff\x60"
TILE_PART_BYTES = 12

# Bytes of a file by start and length; fewer where it ends.
Read = Callable[[int, int], bytes]


@dataclass(frozen=True)
class Header:
    """What comes before the first tile.

    ``boxes`` are the file's bytes before the codestream, ``markers`` the codestream's own header,
    without a list of lengths. ``shape`` and ``tile_shape`` are rows and columns. ``start`` and
    ``end`` are where the tile parts lie (``end`` None: to the end of the file), ``lengths`` the
    tile and the length of each part, empty where the header does not tell.
    """

    boxes: bytes
    markers: bytes
    shape: tuple[int, int]
    tile_shape: tuple[int, int]
    start: int
    end: int | None
    lengths: tuple[tuple[int, int], ...]

    def file_of(self, parts: bytes) -> bytes:
        """A whole file that has only these tile parts."""
        return self.boxes + struct.pack(">I4s", 0, CODESTREAM_BOX) + self.markers + parts + END


def read_header(read: Read) -> Header | None:
    """The header; None where the file is none that is read tile by tile here.

    Raises:
        ValueError: it is broken.
    """
    if read(0, len(SIGNATURE)) != SIGNATURE:
        return None
    found = _find_codestream(read)
    if found is None:
        return None
    box, start, end = found
    if read(start, 2) != START:
        raise ValueError("it has no codestream")
    kept, lengths, size = [START], [], b""
    position = start + 2
    while True:
        marker = read(position, 2)
        if marker == TILE_PART:
            break
        (length,) = _unpack(">H", read(position + 2, 2))
        if length < 2 or marker[:1] != b"\xff" or position - start > MOST_HEADER_BYTES:
            raise ValueError("its codestream's header is broken")
        content = read(position, length + 2)
        if marker == PACKED_HEADERS:
            return None
        if marker == SIZE:
            size = content
        if marker == TILE_LENGTHS:
            lengths.append(content)
        else:
            kept.append(content)
        position += length + 2
    return _header(
        read(0, box), b"".join(kept), size, position, end=end, lengths=_read_lengths(lengths)
    )


def _find_codestream(read: Read) -> tuple[int, int, int | None] | None:
    """Where its box, and its content, start and end."""
    position = 0
    for _ in range(MOST_BOXES):
        length, kind = _unpack(">I4s", read(position, 8))
        head = 8
        if length == 1:
            (length,) = _unpack(">Q", read(position + 8, 8))
            head = 16
        if kind == CODESTREAM_BOX:
            return position, position + head, position + length if length else None
        if length < head or position + length > MOST_HEADER_BYTES:
            return None
        position += length
    return None


def _header(
    boxes: bytes,
    markers: bytes,
    size: bytes,
    start: int,
    *,
    end: int | None,
    lengths: tuple[tuple[int, int], ...],
) -> Header | None:
    width, height, left, top, tile_width, tile_height, tile_left, tile_top = _unpack(
        ">8I", size[6:38]
    )
    if left or top or tile_left or tile_top:
        return None
    if not (width and height and tile_width and tile_height):
        raise ValueError("its codestream has no size")
    if -(-width // tile_width) * -(-height // tile_height) > MOST_TILES:
        raise ValueError("its codestream has too many tiles")
    return Header(boxes, markers, (height, width), (tile_height, tile_width), start, end, lengths)


def _read_lengths(markers: list[bytes]) -> tuple[tuple[int, int], ...]:
    """The tile and length of each part, in the file's order, as TLM markers tell them (A.7.1)."""
    parts: list[tuple[int, int]] = []
    for content in sorted(markers, key=lambda content: content[4]):
        tile_bytes, is_long = content[5] >> 4 & 3, content[5] >> 6 & 1
        layout = f">{('', 'B', 'H')[min(tile_bytes, 2)]}{'I' if is_long else 'H'}"
        for entry in struct.iter_unpack(layout, content[6:]):
            parts.append((entry[0] if tile_bytes else len(parts), entry[-1]))
    return tuple(parts)


def _unpack(layout: str, content: bytes) -> tuple[Any, ...]:
    try:
        return struct.unpack(layout, content)
    except struct.error as error:
        raise ValueError("it is cut short") from error


@dataclass
class TileParts:
    """Where the parts of each tile lie, found as far as they are asked for; for any thread."""

    header: Header
    read: Read
    _found: dict[int, list[tuple[int, int]]] = field(default_factory=lambda: defaultdict(list))
    _complete: set[int] = field(default_factory=set)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _walk: Iterator[int] | None = None

    def of(self, tile: int) -> list[tuple[int, int]]:
        """Start and length of each part of a tile.

        Raises:
            ValueError: the file is broken, or has no such tile.
        """
        with self._lock:
            self._walk = self._walk or self._parts()
            while tile not in self._complete and next(self._walk, None) is not None:
                pass
            if not self._found[tile]:
                raise ValueError(f"it has no tile {tile}")
            return list(self._found[tile])

    def _parts(self) -> Iterator[int]:
        """The tile of each part in turn, noted on the way."""
        position = self.header.start
        if self.header.lengths:
            for tile, length in self.header.lengths:
                self._found[tile].append((position, length))
                position += length
            self._complete.update(self._found)
            return
        while self.header.end is None or position + TILE_PART_BYTES <= self.header.end:
            content = self.read(position, TILE_PART_BYTES)
            if content[:2] != TILE_PART:
                if content[:2] == END:
                    return
                raise ValueError("its tiles are not where they should be")
            _, tile, length, number, count = _unpack(">HHIBB", content[2:])
            if length == 0 and self.header.end is not None:
                # The last part reaches to the codestream's end marker.
                length = self.header.end - len(END) - position
            if length < TILE_PART_BYTES:
                raise ValueError("a tile's length is not told")
            self._found[tile].append((position, length))
            if count and number == count - 1:
                self._complete.add(tile)
            position += length
            yield tile
