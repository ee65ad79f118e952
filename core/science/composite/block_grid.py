"""How a raster is cut into blocks: along the source's own tiles, so that none is decoded twice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby, product

from odc.geo.geobox import GeoBox

# Of a pixel: two grids this close are the same.
SAME_GRID = 1e-3


@dataclass(frozen=True)
class BlockGrid:
    """Blocks of ``height`` × ``width`` pixels in groups of two by two.

    ``top`` and ``left`` are where the first group begins that does not begin before the raster.
    """

    height: int
    width: int
    top: int = 0
    left: int = 0

    def cut(self, raster: GeoBox) -> Iterator[tuple[slice, slice]]:
        """The rows and columns of each block, group by group.

        A mask's pixels are often twice as large as a band's, and its tiles as large as a group.
        """
        all_rows = list(_pieces(raster.shape[0], self.height, self.top % self.height))
        all_columns = list(_pieces(raster.shape[1], self.width, self.left % self.width))
        for row_group in _groups(all_rows, 2 * self.height, self.top):
            for column_group in _groups(all_columns, 2 * self.width, self.left):
                yield from product(row_group, column_group)


def choose_block_grid(
    raster: GeoBox, source: GeoBox, tile_shape: tuple[int, int], edge: int
) -> BlockGrid:
    """Blocks of about ``edge`` × ``edge`` pixels, of whole tiles where the pixels are the source's.

    Args:
        raster: the output's grid.
        source: the grid that most pixels are read from.
        tile_shape: height and width of its tiles.
        edge: what memory allows.
    """
    tile_height, tile_width = tile_shape
    offset = _offset(raster, source)
    if offset is None:
        return BlockGrid(edge, edge)
    if tile_height * tile_width > edge * edge:
        # Blocks are parts of tiles: at least none shall lie in two.
        return BlockGrid(edge, edge, -offset[0] % (2 * edge), -offset[1] % (2 * edge))
    width = max(min(edge, edge * edge // tile_height) // tile_width, 1) * tile_width
    height = max(edge * edge // width // tile_height, 1) * tile_height
    return BlockGrid(height, width, -offset[0] % (2 * height), -offset[1] % (2 * width))


def _offset(raster: GeoBox, source: GeoBox) -> tuple[int, int] | None:
    """The source's row and column at the raster's corner, None where pixels are not the same."""
    if raster.crs != source.crs:
        return None
    to_source = ~source.transform * raster.transform
    shape = (to_source.a - 1, to_source.b, to_source.d, to_source.e - 1)
    # Over the whole raster the error of a pixel's size adds up.
    drift = max(abs(part) for part in shape) * max(raster.shape)
    row, column = round(to_source.f), round(to_source.c)
    shift = max(abs(to_source.f - row), abs(to_source.c - column))
    return (row, column) if drift < SAME_GRID and shift < SAME_GRID else None


def _pieces(length: int, size: int, first: int) -> Iterator[slice]:
    start = 0
    for stop in [*range(first or size, length, size), length]:
        yield slice(start, stop)
        start = stop


def _groups(pieces: list[slice], size: int, first: int) -> Iterator[list[slice]]:
    """The pieces by the group of ``size`` pixels that they lie in."""
    for _, group in groupby(pieces, lambda piece: (piece.start - first) // size):
        yield list(group)
