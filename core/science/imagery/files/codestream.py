"""JPEG 2000 codestreams (ISO/IEC 15444-1): where in a file the header and each tile lie.

Only lengths are read, no pixels: a tile is then fetched by range, and decoded by GDAL.
"""

from __future__ import annotations

import math
import struct
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from . import signatures
from .coding_style import MARKERS as CODING_STYLES
from .coding_style import check_coding_styles

CODESTREAM_BOX = b"jp2c"
MOST_BOXES = 64
MOST_HEADER_BYTES = 4 * 1024**2
# OpenJPEG takes six kilobytes for each tile and one for each of its components, whatever they hold.
MOST_TILES = 8_192
MOST_TILE_COMPONENTS = 32_768
MOST_TILE_PARTS = 65_535

# Of a number, as OpenJPEG holds it; and by how much an encoding may enlarge a tile.
DECODED_BYTES = 4
MOST_SWELLING = 2
SMALL_TILE_BYTES = 64 * 1024

START, SIZE, TILE_PART, END = b"\xff\x4f", b"\xff\x51", b"\xff\x90", b"\xff\xd9"
TILE_LENGTHS, PACKED_HEADERS = b"\xff\x55", b"\xff\x60"
TILE_PART_BYTES = 12
DATA = b"\xff\x93"
# Those that OpenJPEG knows (15444-1 and -2, annex A): of another one it does not skip the length
# that it tells, so that it may find within it what is not seen here.
KNOWN_MARKERS = frozenset(
    bytes([0xFF, number])
    for number in (
        *(0x50, 0x51, 0x52, 0x53, 0x55, 0x57, 0x58, 0x59, 0x5C, 0x5D, 0x5E, 0x5F),
        *(0x60, 0x61, 0x63, 0x64, 0x74, 0x75, 0x77, 0x78),
    )
)

# Bytes of a file by start and length; fewer where it ends.
Read = Callable[[int, int], bytes]


@dataclass(frozen=True)
class Header:
    """What comes before the first tile.

    ``boxes`` are the file's bytes before the codestream, ``markers`` the codestream's own header,
    without a list of lengths. ``shape`` and ``tile_shape`` are rows and columns. ``components``
    are what other formats call bands. ``start`` and ``end`` are where the tile parts lie (``end``
    None: to the end of the file), ``lengths`` the tile and the length of each part, empty where
    the header does not tell. ``has_plain_tiles`` says that the first one begins where the image
    does, and that all of a tile lies in its parts.
    """

    boxes: bytes
    markers: bytes
    shape: tuple[int, int]
    tile_shape: tuple[int, int]
    components: int
    start: int
    end: int | None
    lengths: tuple[tuple[int, int], ...]
    has_plain_tiles: bool

    @property
    def decoded_tile_bytes(self) -> int:
        """What a decoded tile takes, which has all components."""
        return math.prod(self.tile_shape) * self.components * DECODED_BYTES

    @property
    def most_tile_bytes(self) -> int:
        """How long all parts of a tile may be together."""
        return MOST_SWELLING * self.decoded_tile_bytes + SMALL_TILE_BYTES

    def file_of(self, parts: bytes) -> bytes:
        """A whole file that has only these tile parts."""
        return self.boxes + struct.pack(">I4s", 0, CODESTREAM_BOX) + self.markers + parts + END


def read_header(read: Read) -> Header | None:
    """The header; None where the file is no JPEG 2000.

    Raises:
        ValueError: it is broken, or claims more than any has.
    """
    if read(0, len(signatures.JPEG2000)) != signatures.JPEG2000:
        return None
    box, start, end = _find_codestream(read)
    if read(start, 2) != START:
        raise ValueError("it has no codestream")
    segments = list(_segments(read, start + 2, TILE_PART))
    return _header(read(0, box), segments, start + 2 + sum(map(len, segments)), end)


def _segments(read: Read, start: int, last: bytes) -> Iterator[bytes]:
    """Each marker with its segment, from ``start`` up to the marker ``last``.

    Raises:
        ValueError: one is cut short, or is none that may be skipped.
    """
    position = start
    while (marker := read(position, 2)) != last:
        (length,) = _unpack(">H", read(position + 2, 2))
        is_known = length >= 2 and marker in KNOWN_MARKERS
        if not is_known or position - start > MOST_HEADER_BYTES:
            raise ValueError("its codestream's header is broken")
        yield read(position, length + 2)
        position += length + 2


def _find_codestream(read: Read) -> tuple[int, int, int | None]:
    """Where its box, and its content, start and end.

    Raises:
        ValueError: there is none that begins within a header's length.
    """
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
            break
        position += length
    raise ValueError("it has no codestream")


def check_part(read: Read, start: int = 0) -> None:
    """Check that a tile part, which begins at ``start``, is coded as the header says.

    Raises:
        ValueError: it has a coding style of its own, as hardly any has, or is broken.
    """
    segments = _segments(read, start + TILE_PART_BYTES, DATA)
    if any(content.startswith(CODING_STYLES) for content in segments):
        raise ValueError("its tiles have coding styles of their own, which are not read here")


def check_every_tile(read: Read, file_bytes: int) -> None:
    """Check what it takes to decode each tile of a file of this length, that is read as a whole.

    Raises:
        ValueError: it is more than for any, is told by a tile itself, or the file is broken.
    """
    header = read_header(read)
    if header is None:
        return
    # As the header lists them, and as each leads to the next: OpenJPEG may go either way.
    for lengths in {header.lengths, ()}:
        own = replace(header, lengths=lengths, end=header.end or file_bytes)
        for start, _ in TileParts(own, read).all():
            check_part(read, start)


def _header(boxes: bytes, segments: list[bytes], start: int, end: int | None) -> Header:
    size = b"".join(content for content in segments if content.startswith(SIZE))
    _check_size(size)
    width, height, left, top, tile_width, tile_height, tile_left, tile_top, components = _numbers(
        size
    )
    lengths = [content for content in segments if content.startswith(TILE_LENGTHS)]
    kept = (content for content in segments if not content.startswith(TILE_LENGTHS))
    is_packed = any(content.startswith(PACKED_HEADERS) for content in segments)
    header = Header(
        boxes=boxes,
        markers=START + b"".join(kept),
        shape=(height, width),
        tile_shape=(tile_height, tile_width),
        components=components,
        start=start,
        end=end,
        lengths=_read_lengths(lengths),
        has_plain_tiles=not (is_packed or left or top or tile_left or tile_top),
    )
    check_coding_styles(
        [content for content in segments if content.startswith(CODING_STYLES)],
        (min(height, tile_height), min(width, tile_width)),
        components,
    )
    return header


def _numbers(size: bytes) -> tuple[int, ...]:
    """The marker's Xsiz, Ysiz, XOsiz, YOsiz, XTsiz, YTsiz, XTOsiz, YTOsiz and Csiz (A.5.1)."""
    return _unpack(">8IH", size[6:40])


def _check_size(size: bytes) -> None:
    """Check what every decoder of the file has to hold.

    Raises:
        ValueError: there is no image, or it is in more tiles than any is.
    """
    width, height, left, top, tile_width, tile_height, tile_left, tile_top, components = _numbers(
        size
    )
    is_place = tile_left <= left < width and tile_top <= top < height
    if not (is_place and tile_width and tile_height and components):
        raise ValueError("its codestream has no size")
    across, down = -(-(width - tile_left) // tile_width), -(-(height - tile_top) // tile_height)
    tiles = across * down
    if tiles > MOST_TILES or tiles * components > MOST_TILE_COMPONENTS:
        raise ValueError("its codestream has too many tiles")


def _read_lengths(markers: list[bytes]) -> tuple[tuple[int, int], ...]:
    """The tile and length of each part, in the file's order, as TLM markers tell them (A.7.1)."""
    parts: list[tuple[int, int]] = []
    try:
        for content in sorted(markers, key=lambda content: content[4]):
            tile_bytes, is_long = content[5] >> 4 & 3, content[5] >> 6 & 1
            layout = f">{('', 'B', 'H')[min(tile_bytes, 2)]}{'I' if is_long else 'H'}"
            for entry in struct.iter_unpack(layout, content[6:]):
                parts.append((entry[0] if tile_bytes else len(parts), entry[-1]))
            if len(parts) > MOST_TILE_PARTS:
                raise ValueError("its codestream has too many tile parts")
    except (struct.error, IndexError) as error:
        raise ValueError("its list of tile lengths is broken") from error
    return tuple(parts)


def _unpack(layout: str, content: bytes) -> tuple[Any, ...]:
    try:
        return struct.unpack(layout, content)
    except struct.error as error:
        raise ValueError("it is cut short") from error


@dataclass(frozen=True)
class _Part:
    """A tile part; ``is_last`` where it tells that its tile is complete with it."""

    tile: int
    length: int
    is_last: bool = False


class TileParts:
    """Where the parts of each tile lie, found as far as they are asked for; for any thread."""

    def __init__(self, header: Header, read: Read) -> None:
        self._header = header
        self._read = read
        self._found: dict[int, list[tuple[int, int]]] = defaultdict(list)
        self._bytes: Counter[int] = Counter()
        self._complete: set[int] = set()
        # What is found next: kept, so that an error on the way leaves nothing half done.
        self._position = header.start
        self._count = 0
        self._is_at_end = False
        self._lock = threading.Lock()

    def of(self, tile: int) -> list[tuple[int, int]]:
        """Start and length of each part of a tile.

        Raises:
            ValueError: the file is broken, or has no such tile.
        """
        with self._lock:
            while tile not in self._complete and not self._is_at_end:
                self._find_next()
            if tile not in self._found:
                raise ValueError(f"it has no tile {tile}")
            return list(self._found[tile])

    def all(self) -> list[tuple[int, int]]:
        """Start and length of every part of the file.

        Raises:
            ValueError: it is broken.
        """
        with self._lock:
            while not self._is_at_end:
                self._find_next()
            return [part for parts in self._found.values() for part in parts]

    def _find_next(self) -> None:
        part = self._told_part() if self._header.lengths else self._read_part()
        if part is None:
            self._is_at_end = True
            return
        size = self._bytes[part.tile] + part.length
        if part.length < TILE_PART_BYTES or size > self._header.most_tile_bytes:
            raise ValueError("a tile's length is not told, or none that a tile can have")
        if self._count >= MOST_TILE_PARTS:
            raise ValueError("its codestream has too many tile parts")
        self._found[part.tile].append((self._position, part.length))
        self._bytes[part.tile] = size
        if part.is_last:
            self._complete.add(part.tile)
        self._position += part.length
        self._count += 1

    def _told_part(self) -> _Part | None:
        """The next part as the header tells it."""
        lengths = self._header.lengths
        return _Part(*lengths[self._count]) if self._count < len(lengths) else None

    def _read_part(self) -> _Part | None:
        """The next part as it tells itself."""
        end = self._header.end
        if end is not None and self._position + TILE_PART_BYTES > end:
            return None
        content = self._read(self._position, TILE_PART_BYTES)
        if content[:2] == END:
            return None
        if content[:2] != TILE_PART:
            raise ValueError("its tiles are not where they should be")
        _, tile, length, number, count = _unpack(">HHIBB", content[2:])
        if length == 0 and end is not None:
            # The last part reaches to the codestream's end marker.
            length = end - len(END) - self._position
        return _Part(tile, length, is_last=count > 0 and number == count - 1)
