"""From blocks of any position and size to whole tiles of full resolution and of all overviews."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import numpy as np

from .pixels import halve, have_value
from .tiles import Level, Tile, tiles_touching


class _IncompleteTile:
    """``missing`` pixels have not come yet; ``pixels`` is None while none of them has a value."""

    def __init__(self, missing: int) -> None:
        self.missing = missing
        self.pixels: np.ndarray | None = None


class TilePyramid:
    """Gathers blocks, from any thread, and hands on each tile in the thread that completes it.

    A complete tile is halved at once and becomes a part of a tile of the next level. Only
    incomplete tiles are held.

    Args:
        levels: full resolution first.
        nodata: the value of pixels without one.
        take: called once for every tile with its pixels (bands, height, width), or None where
            none of them has a value; from several threads at once.
    """

    def __init__(
        self,
        levels: Sequence[Level],
        nodata: float,
        take: Callable[[Tile, np.ndarray | None], None],
    ) -> None:
        self._levels = levels
        self._nodata = nodata
        self._take = take
        self._lock = threading.Lock()
        self._incomplete: dict[Tile, _IncompleteTile] = {}

    def put(self, rows: slice, columns: slice, pixels: np.ndarray) -> None:
        """Add a block's (bands, height, width) ``pixels``; no pixel may come twice."""
        self._put(0, rows, columns, pixels)

    def complete(self) -> None:
        """Hand on what is still incomplete; pixels that never came have no value."""
        for level in range(len(self._levels)):
            for tile in sorted(tile for tile in self._incomplete if tile.level == level):
                self._finish(tile, self._incomplete.pop(tile).pixels)

    def _put(self, level: int, rows: slice, columns: slice, pixels: np.ndarray | None) -> None:
        for tile in tiles_touching(level, rows, columns):
            height, width = self._levels[level].tile_shape(tile)
            top, bottom = max(rows.start, tile.top), min(rows.stop, tile.top + height)
            left, right = max(columns.start, tile.left), min(columns.stop, tile.left + width)
            part = None
            if pixels is not None:
                part = pixels[
                    :,
                    top - rows.start : bottom - rows.start,
                    left - columns.start : right - columns.start,
                ]
            if (bottom - top, right - left) == (height, width):
                self._finish(tile, self._unless_empty(part))
            else:
                place = (
                    slice(top - tile.top, bottom - tile.top),
                    slice(left - tile.left, right - tile.left),
                )
                self._add(tile, place, self._unless_empty(part))

    def _unless_empty(self, pixels: np.ndarray | None) -> np.ndarray | None:
        if pixels is None or not have_value(pixels, self._nodata).any():
            return None
        return pixels

    def _add(self, tile: Tile, place: tuple[slice, slice], part: np.ndarray | None) -> None:
        rows, columns = place
        height, width = self._levels[tile.level].tile_shape(tile)
        with self._lock:
            held = self._incomplete.setdefault(tile, _IncompleteTile(height * width))
            if part is not None and held.pixels is None:
                held.pixels = np.full((len(part), height, width), self._nodata, part.dtype)
        if part is not None and held.pixels is not None:
            # Outside the lock: parts do not overlap.
            held.pixels[:, rows, columns] = part
        with self._lock:
            held.missing -= (rows.stop - rows.start) * (columns.stop - columns.start)
            if held.missing > 0:
                return
            del self._incomplete[tile]
        self._finish(tile, held.pixels)

    def _finish(self, tile: Tile, pixels: np.ndarray | None) -> None:
        self._take(tile, pixels)
        level = tile.level + 1
        if level < len(self._levels):
            height, width = self._levels[tile.level].tile_shape(tile)
            top, left = tile.top // 2, tile.left // 2
            rows, columns = slice(top, top + -(-height // 2)), slice(left, left + -(-width // 2))
            half = None if pixels is None else halve(pixels, self._nodata)
            self._put(level, rows, columns, half)
