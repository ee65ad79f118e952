"""The header of a TIFF, fetched as it is parsed, and no more of it than a header has."""

from __future__ import annotations

import io
from contextlib import ExitStack

from .byte_ranges import MOST_BYTES_IN_FLIGHT, RangeReader

# What is fetched for a header, and all that is read of it: the places of half a million tiles. What
# claims to be longer is broken, or meant to fill the memory, where a number takes twenty times its
# bytes; so headers that are not small are parsed one after the other.
MOST_HEADER_BYTES = 16 * 1024**2
SMALL_HEADER_BYTES = 512 * 1024


class TiffHeader(io.RawIOBase):
    """The start of a file as a file: more of it is fetched as it is asked for."""

    def __init__(self, href: str, ranges: RangeReader, piece_bytes: int) -> None:
        """It is fetched in pieces of ``piece_bytes``."""
        self._href = href
        self._ranges = ranges
        self._piece_bytes = piece_bytes
        self._pieces: dict[int, bytes] = {}
        self._position = 0
        self._bytes = 0
        self._turn = ExitStack()

    def readable(self) -> bool:
        """As a file says it."""
        return True

    def seekable(self) -> bool:
        """As a file says it."""
        return True

    def tell(self) -> int:
        """The position."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Move the position, from the start or from where it is."""
        if whence == io.SEEK_END:
            raise io.UnsupportedOperation("the end is not known")
        self._position = offset + (self._position if whence == io.SEEK_CUR else 0)
        return self._position

    def read(self, size: int = -1) -> bytes:
        """``size`` bytes from the position on, fewer where the file ends."""
        if size == 0:
            return b""
        self._count(size)
        first, skipped = divmod(self._position, self._piece_bytes)
        last = (self._position + size - 1) // self._piece_bytes
        self._fetch(first, last)
        # Behind the end of the file all pieces are empty.
        pieces = (self._pieces[number] for number in range(first, last + 1))
        content = b"".join(pieces)[skipped : skipped + size]
        self._position += len(content)
        return content

    def close(self) -> None:
        """Let go of what was read: pages that are kept hold on to their file."""
        self._pieces.clear()
        self._turn.close()
        super().close()

    def _count(self, size: int) -> None:
        was_small = self._bytes <= SMALL_HEADER_BYTES
        self._bytes += size
        if size < 0 or self._bytes > MOST_HEADER_BYTES:
            raise ValueError("it is too long")
        if was_small and self._bytes > SMALL_HEADER_BYTES:
            self._turn.enter_context(self._ranges.in_flight.taken(MOST_BYTES_IN_FLIGHT))

    def _fetch(self, first: int, last: int) -> None:
        """See to it that the pieces from ``first`` to ``last`` are here, by one request."""
        missing = [number for number in range(first, last + 1) if number not in self._pieces]
        if not missing:
            return
        count, size = missing[-1] - missing[0] + 1, self._piece_bytes
        self._count(count * size)
        content = self._ranges.read(self._href, missing[0] * size, count * size)
        for number in range(count):
            self._pieces[missing[0] + number] = content[number * size : (number + 1) * size]
