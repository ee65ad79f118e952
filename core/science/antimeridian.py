"""Geometries in degrees that cross the antimeridian or hold a pole."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import shapely

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

HALF_GLOBE = 180
# An edge exactly this long is a side of a box around the globe, not a way across 180 degrees.
WHOLE_GLOBE = 360
POLE = 90


def take_shorter_way(geometry: BaseGeometry) -> BaseGeometry:
    """The polygons with edges of more than half the globe going the other way, across 180 degrees.

    A ring that goes around the globe by that holds the pole of its hemisphere. The result is split
    at 180 degrees; a geometry without such an edge is returned as it is.
    """
    if not _jumps(geometry):
        return geometry
    return shapely.union_all([_laid_out(polygon) for polygon in shapely.get_parts(geometry)])


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


def join_across_antimeridian(geometry: BaseGeometry) -> BaseGeometry:
    """The geometry with its parts side by side: those that are nearer that way go beyond 180.

    Args:
        geometry: with longitudes of -180 to 180.
    """
    west, east = narrowest_range(geometry)
    if east <= HALF_GLOBE:
        return geometry
    parts = [
        shapely.transform(part, lambda xy: xy + np.array([WHOLE_GLOBE, 0]))
        if part.bounds[0] < west
        else part
        for part in shapely.get_parts(geometry)
    ]
    return shapely.union_all(parts)


def narrowest_range(geometry: BaseGeometry) -> tuple[float, float]:
    """The western and eastern end of the shortest stretch of longitudes that holds all parts.

    The eastern end is beyond 180 where the stretch crosses the antimeridian.

    Args:
        geometry: with longitudes of -180 to 180.
    """
    bounds = shapely.bounds(shapely.get_parts(geometry))
    bounds = bounds[np.argsort(bounds[:, 0])]
    wests, reached = bounds[:, 0], np.maximum.accumulate(bounds[:, 2])
    # The gap before each part; before the first lies the one behind the last.
    gaps = wests - np.concatenate([[reached[-1] - WHOLE_GLOBE], reached[:-1]])
    first = int(np.argmax(gaps))
    if first == 0:
        return float(wests[0]), float(reached[-1])
    return float(wests[first]), float(reached[first - 1]) + WHOLE_GLOBE


def middle_longitude(geometry: BaseGeometry) -> float:
    """The longitude amid ``narrowest_range``, from -180 up to 180."""
    return (sum(narrowest_range(geometry)) / 2 + HALF_GLOBE) % WHOLE_GLOBE - HALF_GLOBE


def has_jump(polygon: BaseGeometry) -> bool:
    """Whether a polygon has an edge of more than half the globe, other than around all of it."""
    return any(
        _is_jump(np.diff(shapely.get_coordinates(ring)[:, 0])).any()
        for ring in shapely.get_rings(polygon)
    )


def _jumps(geometry: BaseGeometry) -> bool:
    west, _, east, _ = geometry.bounds
    if not east - west > HALF_GLOBE:
        return False
    return any(map(has_jump, shapely.get_parts(geometry)))


def _is_jump(steps: np.ndarray) -> np.ndarray:
    widths = np.abs(steps)
    return np.asarray((widths > HALF_GLOBE) & (widths != WHOLE_GLOBE))


def _laid_out(polygon: BaseGeometry) -> BaseGeometry:
    shell, *holes = (
        split_at_antimeridian(_without_jumps(shapely.get_coordinates(ring)))
        for ring in shapely.get_rings(polygon)
    )
    return shapely.difference(shell, shapely.union_all(holes))


def _without_jumps(ring: np.ndarray) -> BaseGeometry:
    """The polygon inside a ring (vertices, 2), whose longitudes go on beyond 180 degrees."""
    longitudes, latitudes = ring.T
    steps = np.diff(longitudes)
    turns = np.concatenate([[0], -np.cumsum(np.sign(steps) * _is_jump(steps))])
    longitudes = longitudes + turns * WHOLE_GLOBE
    if turns[-1] != 0:
        pole = np.copysign(POLE, latitudes.mean())
        longitudes = np.concatenate([longitudes, [longitudes[-1], longitudes[0]]])
        latitudes = np.concatenate([latitudes, [pole, pole]])
    return shapely.make_valid(shapely.Polygon(np.column_stack([longitudes, latitudes])))
