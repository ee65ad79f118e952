"""How a raster and its overviews are cut into tiles."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

TILE_EDGE = 512


@dataclass(frozen=True, order=True)
class Tile:
    """A tile's place: ``level`` 0 is full resolution, each next one half of it."""

    level: int
    row: int
    column: int

    @property
    def top(self) -> int:
        """The level's row of its first pixels."""
        return self.row * TILE_EDGE

    @property
    def left(self) -> int:
        """The level's column of its first pixels."""
        return self.column * TILE_EDGE


@dataclass(frozen=True)
class Level:
    """One resolution of the raster: its height and width in pixels."""

    height: int
    width: int

    @property
    def tile_rows(self) -> int:
        """How many tiles it is high."""
        return -(-self.height // TILE_EDGE)

    @property
    def tile_columns(self) -> int:
        """How many tiles it is wide."""
        return -(-self.width // TILE_EDGE)

    def tile_shape(self, tile: Tile) -> tuple[int, int]:
        """Height and width of the tile's part that is inside the raster."""
        return min(TILE_EDGE, self.height - tile.top), min(TILE_EDGE, self.width - tile.left)


def levels_of(height: int, width: int) -> tuple[Level, ...]:
    """Full resolution, then overviews until one fits into a tile; half a pixel counts as one."""
    levels = [Level(height, width)]
    while max(levels[-1].height, levels[-1].width) > TILE_EDGE:
        levels.append(Level(-(-levels[-1].height // 2), -(-levels[-1].width // 2)))
    return tuple(levels)


def tiles_touching(level: int, rows: slice, columns: slice) -> Iterator[Tile]:
    """The tiles of a level that some of these rows and columns lie in, row by row."""
    for row in range(rows.start // TILE_EDGE, -(-rows.stop // TILE_EDGE)):
        for column in range(columns.start // TILE_EDGE, -(-columns.stop // TILE_EDGE)):
            yield Tile(level, row, column)
