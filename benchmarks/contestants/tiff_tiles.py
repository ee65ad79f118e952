"""Where the tiles of a TIFF lie, from its first bytes; and bytes by range, from file or server."""

from __future__ import annotations

import http.client
import os
import struct
import threading
from dataclasses import dataclass
from urllib.parse import urlsplit

HEADER_BYTES = 32 * 1024  # a Cloud Optimized GeoTIFF of this size tells all in these
IMAGE_WIDTH, IMAGE_HEIGHT, TILE_OFFSETS, TILE_SIZES = 256, 257, 324, 325
FORMATS = {3: "H", 4: "I"}


@dataclass(frozen=True)
class TileTable:
    """Offsets and lengths of the full resolution's tiles, by row."""

    across: int
    offsets: tuple[int, ...]
    lengths: tuple[int, ...]

    def place(self, row: int, column: int) -> tuple[int, int]:
        """Offset and length of one tile."""
        index = row * self.across + column
        return self.offsets[index], self.lengths[index]


def read_tile_table(header: bytes, tile: int) -> TileTable:
    """The table of a little-endian classic TIFF whose tiles are ``tile`` pixels square."""
    (directory,) = struct.unpack_from("<I", header, 4)
    (count,) = struct.unpack_from("<H", header, directory)
    entries = {}
    for number in range(count):
        place = directory + 2 + 12 * number
        tag, kind, length = struct.unpack_from("<HHI", header, place)
        if tag in (IMAGE_WIDTH, TILE_OFFSETS, TILE_SIZES):
            form = f"<{length}{FORMATS[kind]}"
            start = place + 8
            if struct.calcsize(form) > 4:
                (start,) = struct.unpack_from("<I", header, start)
            entries[tag] = struct.unpack_from(form, header, start)
    across = -(-entries[IMAGE_WIDTH][0] // tile)
    return TileTable(across, entries[TILE_OFFSETS], entries[TILE_SIZES])


class RangeReader(threading.local):
    """Bytes by range; every thread keeps its files and its connections open."""

    def __init__(self) -> None:
        self._files: dict[str, int] = {}
        self._connections: dict[str, http.client.HTTPConnection] = {}

    def __call__(self, href: str, offset: int, length: int) -> bytes:
        if not href.startswith("http"):
            if href not in self._files:
                self._files[href] = os.open(href, os.O_RDONLY)
            return os.pread(self._files[href], length, offset)
        address = urlsplit(href)
        if address.netloc not in self._connections:
            self._connections[address.netloc] = http.client.HTTPConnection(address.netloc)
        connection = self._connections[address.netloc]
        headers = {"Range": f"bytes={offset}-{offset + length - 1}"}
        connection.request("GET", address.path, headers=headers)
        return connection.getresponse().read()
