"""Geometries in degrees that cross the antimeridian."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import shapely

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

HALF_GLOBE = 180
# An edge exactly this long is a side of a box around the globe, not a way across 180 degrees.
WHOLE_GLOBE = 360


def take_shorter_way(geometry: BaseGeometry) -> BaseGeometry:
    """The polygon with edges of more than half the globe going the other way, across 180 degrees.

    Then its longitudes are 0 to 360; a polygon without such an edge is returned as it is.
    """
    if not _jumps(geometry):
        return geometry
    return shapely.transform(geometry, lambda xy: np.column_stack([xy[:, 0] % 360, xy[:, 1]]))


def split_at_antimeridian(geometry: BaseGeometry) -> BaseGeometry:
    """The geometry with what lies beyond longitude -180 or 180 moved to the other side."""
    west, south, east, north = geometry.bounds
    if west >= -HALF_GLOBE and east <= HALF_GLOBE:
        return geometry
    geometry = shapely.make_valid(geometry)
    pieces = []
    for turn in range(int((west + 180) // 360), int((east + 180) // 360) + 1):
        window = shapely.box(turn * 360 - 180, south, turn * 360 + 180, north)
        part = shapely.intersection(geometry, window)
        pieces.append(shapely.transform(part, lambda xy, turn=turn: xy - [turn * 360, 0]))
    return shapely.union_all(pieces)


def _jumps(geometry: BaseGeometry) -> bool:
    west, _, east, _ = geometry.bounds
    if not east - west > HALF_GLOBE:
        return False
    return any(
        _is_jump(np.abs(np.diff(shapely.get_coordinates(ring)[:, 0])))
        for polygon in shapely.get_parts(geometry)
        for ring in shapely.get_parts(shapely.get_rings(polygon))
    )


def _is_jump(edge_widths: np.ndarray) -> bool:
    return bool(((edge_widths > HALF_GLOBE) & (edge_widths != WHOLE_GLOBE)).any())
