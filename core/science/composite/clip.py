"""The pixels of a raster whose centre is inside a polygon."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import shapely
from odc.geo.geobox import GeoBox
from rasterio.features import geometry_mask, shapes
from shapely.geometry.base import BaseGeometry

# GDAL moves the polygon into the coordinates of the piece of raster that it burns, with rounding:
# a centre on the polygon's very edge may be in or out by that. So the pieces are always the same,
# whatever block is asked for; a raster of up to this size is one piece, as rasterio would burn it.
PIECE_EDGE = 1024

# Of a ring with an area, the last of which is the first again.
FEWEST_VERTICES = 4


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
            burnt = _burn(polygon, raster[piece_rows, piece_columns])
            in_block, in_piece = zip(
                _shared(rows, piece_rows), _shared(columns, piece_columns), strict=True
            )
            inside[in_block] = burnt[in_piece]
    return inside


def holds_no_centre(polygon: BaseGeometry, raster: GeoBox) -> bool:
    """Whether not one pixel of ``raster`` has its centre inside ``polygon``."""
    return not any(
        _burn(polygon, raster[rows, columns]).any() for rows, columns in _all_pieces(raster)
    )


def touched_pixels(polygon: BaseGeometry, raster: GeoBox) -> BaseGeometry:
    """The squares of all pixels of ``raster`` that ``polygon`` touches, as one geometry."""
    squares = []
    for rows, columns in _all_pieces(raster):
        piece = raster[rows, columns]
        touched = _burn(polygon, piece, all_touched=True)
        squares += [
            shapely.geometry.shape(square)
            for square, _ in shapes(touched.astype(np.uint8), touched, transform=piece.transform)
        ]
    return shapely.union_all(squares)


def _burn(polygon: BaseGeometry, piece: GeoBox, *, all_touched: bool = False) -> np.ndarray:
    near = _rings_near(polygon, piece)
    if not near["coordinates"]:
        return np.zeros(piece.shape, bool)
    burnt = geometry_mask(
        [near], piece.shape, piece.transform, all_touched=all_touched, invert=True
    )
    return np.asarray(burnt)


def _rings_near(polygon: BaseGeometry, piece: GeoBox) -> dict[str, Any]:
    """``polygon`` as GeoJSON, without what changes nothing in ``piece``.

    GDAL looks at every vertex for every row of pixels. Vertices beyond a side of the piece are
    left out where the next on both sides lie beyond it too; edges that reach into the piece stay
    as they are, to the last digit.
    """
    bounds = piece.pad(1).boundingbox.bbox
    parts = _touching(shapely.get_parts(polygon), bounds)
    polygons = []
    for part in parts:
        shell, *holes = shapely.get_rings(part)
        rings = [shell, *_touching(np.array(holes, object), bounds)]
        shortened = [_shorten(shapely.get_coordinates(ring), bounds) for ring in rings]
        if len(shortened[0]) >= FEWEST_VERTICES:
            polygons.append([ring.tolist() for ring in shortened if len(ring) >= FEWEST_VERTICES])
    return {"type": "MultiPolygon", "coordinates": polygons}


def _touching(geometries: np.ndarray, bounds: tuple[float, ...]) -> np.ndarray:
    """Those whose bounding rectangle touches ``bounds`` (west, south, east, north)."""
    west, south, east, north = shapely.bounds(geometries).reshape(-1, 4).T
    near = (west <= bounds[2]) & (east >= bounds[0]) & (south <= bounds[3]) & (north >= bounds[1])
    return np.asarray(geometries[near])


def _shorten(ring: np.ndarray, bounds: tuple[float, ...]) -> np.ndarray:
    """The (vertices, 2) of a ring without those that only lead around ``bounds``."""
    west, south, east, north = bounds
    for axis, sign, limit in ((0, -1, west), (0, 1, east), (1, -1, south), (1, 1, north)):
        beyond = (ring[:, axis] - limit) * sign > 0
        needed = np.ones(len(ring), bool)
        needed[1:-1] = ~(beyond[:-2] & beyond[1:-1] & beyond[2:])
        ring = ring[needed]
    return ring


def _all_pieces(raster: GeoBox) -> Iterator[tuple[slice, slice]]:
    height, width = raster.shape
    for rows in _pieces(slice(0, height), height):
        for columns in _pieces(slice(0, width), width):
            yield rows, columns


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
