"""A level that is stored in tiles, and the pixels of a window of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from .raster_file import Window
from .tile_cache import TileCache

Tile = tuple[str, int, int]


@dataclass(frozen=True)
class TileGrid:
    """Where the tiles of a level lie, row by row; both shapes are rows and columns of pixels."""

    shape: tuple[int, int]
    tile_shape: tuple[int, int]

    @property
    def tiles_across(self) -> int:
        """How many tiles lie side by side."""
        return -(-self.shape[1] // self.tile_shape[1])

    def place(self, tile: int) -> Window:
        """The rows and columns of the level that a tile covers."""
        row, column = divmod(tile, self.tiles_across)
        height, width = self.tile_shape
        return (
            slice(row * height, min((row + 1) * height, self.shape[0])),
            slice(column * width, min((column + 1) * width, self.shape[1])),
        )

    def tiles_in(self, window: Window) -> list[int]:
        """The numbers of the tiles that a window touches."""
        rows, columns = window
        height, width = self.tile_shape
        return [
            row * self.tiles_across + column
            for row in range(rows.start // height, (rows.stop - 1) // height + 1)
            for column in range(columns.start // width, (columns.stop - 1) // width + 1)
        ]


@dataclass(frozen=True)
class TiledLevel:
    """A level whose tiles are made by ``decode`` and shared through ``cache``.

    ``key`` is the file's address and the level's number. ``decode`` yields tiles by number, each
    with its pixels, without what lies beyond the level's edge.
    """

    key: tuple[str, int]
    grid: TileGrid
    dtype: np.dtype
    decode: Callable[[list[int]], Iterable[tuple[int, np.ndarray]]]
    cache: TileCache

    def read(self, window: Window, whole: Window) -> np.ndarray:
        """The pixels of a window; see ``RasterFile``."""
        places = {tile: self.grid.place(tile) for tile in self.grid.tiles_in(window)}

        def is_shared(tile: Tile) -> bool:
            wanted = map(_overlap, places[tile[2]], whole)
            return any(_overlap(*pair) != pair[0] for pair in zip(wanted, window, strict=True))

        def make(tiles: list[Tile]) -> dict[Tile, np.ndarray]:
            decoded = self.decode([tile[2] for tile in tiles])
            return {(*self.key, tile): pixels for tile, pixels in decoded}

        found = self.cache.find([(*self.key, tile) for tile in places], is_shared, make)
        if list(places.values()) == [window]:
            return next(iter(found.values()))
        pixels = np.empty([side.stop - side.start for side in window], self.dtype)
        for (_, _, tile), tile_pixels in found.items():
            _paste(pixels, window, tile_pixels, places[tile])
        return pixels


def _overlap(first: slice, second: slice) -> slice:
    return slice(max(first.start, second.start), min(first.stop, second.stop))


def _paste(pixels: np.ndarray, window: Window, tile_pixels: np.ndarray, place: Window) -> None:
    """Copy what a tile and a window share into the window's ``pixels``."""
    into, out_of = [], []
    for wanted, stored in zip(window, place, strict=True):
        both = _overlap(wanted, stored)
        into.append(slice(both.start - wanted.start, both.stop - wanted.start))
        out_of.append(slice(both.start - stored.start, both.stop - stored.start))
    pixels[tuple(into)] = tile_pixels[tuple(out_of)]
