"""The pixels of a raster whose centre is inside a polygon."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from odc.geo.geobox import GeoBox
from rasterio.features import geometry_mask
from shapely.geometry.base import BaseGeometry

# GDAL moves the polygon into the coordinates of the piece of raster that it burns, with rounding:
# a centre on the polygon's very edge may be in or out by that. So the pieces are always the same,
# whatever block is asked for; a raster of up to this size is one piece, as rasterio would burn it.
PIECE_EDGE = 1024


def pixels_inside(polygon: BaseGeometry, raster: GeoBox, rows: slice, columns: slice) -> np.ndarray:
    """Which pixels of a block have their centre inside ``polygon``.

    Args:
        polygon: in the raster's CRS.
        raster: the whole raster.
        rows: of the block, with start and stop.
        columns: of the block, with start and stop.

    Returns:
        (height, width) bool of the block.
    """
    inside = np.zeros((rows.stop - rows.start, columns.stop - columns.start), bool)
    height, width = raster.shape
    for piece_rows in _pieces(rows, height):
        for piece_columns in _pieces(columns, width):
            piece = raster[piece_rows, piece_columns]
            burnt = geometry_mask([polygon], piece.shape, piece.transform, invert=True)
            in_block, in_piece = zip(
                _shared(rows, piece_rows), _shared(columns, piece_columns), strict=True
            )
            inside[in_block] = burnt[in_piece]
    return inside


def _pieces(wanted: slice, length: int) -> Iterator[slice]:
    """The pieces of an axis of ``length`` pixels that ``wanted`` touches."""
    for start in range(wanted.start // PIECE_EDGE * PIECE_EDGE, wanted.stop, PIECE_EDGE):
        yield slice(start, min(start + PIECE_EDGE, length))


def _shared(block: slice, piece: slice) -> tuple[slice, slice]:
    """What both have, counted from the start of the block and from the start of the piece."""
    start, stop = max(block.start, piece.start), min(block.stop, piece.stop)
    return (
        slice(start - block.start, stop - block.start),
        slice(start - piece.start, stop - piece.start),
    )
