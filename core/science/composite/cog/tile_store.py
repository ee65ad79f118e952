"""Compressed tiles in one scratch file, in the order in which they come."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from ....bridge.part_files import FULL_DISK_ERRORS
from .tiles import Level, Tile


class TileStore:
    """A file that grows by one tile after the other, from any thread, and knows where each is.

    ``sizes`` is for each level uint32 (bands, tile rows, tile columns): the bytes of each band of
    a tile, 0 where no pixel has a value. ``make_room`` is called when the disk is full, until it
    says that there is nothing left to remove.

    Raises:
        OSError: the file cannot be made; of ``append`` and ``read`` too: the disk is full or
            failed.
    """

    def __init__(
        self, path: Path, levels: Sequence[Level], bands: int, make_room: Callable[[], bool]
    ) -> None:
        self._path = path
        self._make_room = make_room
        self._lock = threading.Lock()
        self._end = 0
        shapes = [(bands, level.tile_rows, level.tile_columns) for level in levels]
        self._starts = [np.zeros(shape, np.uint64) for shape in shapes]
        self.sizes = [np.zeros(shape, np.uint32) for shape in shapes]
        self._file = path.open("w+b")

    def append(self, tile: Tile, bands: Sequence[bytes]) -> None:
        """Add a tile."""
        with self._lock:
            for number, content in enumerate(bands):
                self._write(content)
                self._starts[tile.level][number, tile.row, tile.column] = self._end
                self.sizes[tile.level][number, tile.row, tile.column] = len(content)
                self._end += len(content)

    def _write(self, content: bytes) -> None:
        while True:
            try:
                self._file.seek(self._end)
                self._file.write(content)
                self._file.flush()
            except OSError as error:
                if error.errno not in FULL_DISK_ERRORS or not self._make_room():
                    raise
            else:
                return

    def read(self, tile: Tile, band: int) -> bytes:
        """One band of a tile, counted from 0."""
        size = int(self.sizes[tile.level][band, tile.row, tile.column])
        with self._lock:
            self._file.seek(int(self._starts[tile.level][band, tile.row, tile.column]))
            content = self._file.read(size)
        if len(content) != size:
            raise OSError("a tile is not complete")
        return content

    def close(self) -> None:
        """Remove the file; a tile that another thread still brings is an error there."""
        with self._lock:
            # What could not be written before cannot be flushed either.
            with contextlib.suppress(OSError):
                self._file.close()
            self._path.unlink(missing_ok=True)
