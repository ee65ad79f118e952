"""Footprints of scenes: whatever an item's geometry holds, read in little time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from shapely.errors import ShapelyError

from .antimeridian import has_jump, split_at_antimeridian, take_shorter_way

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

# Longitudes of up to two turns, and latitudes up to the poles but for rounding.
MOST_DEGREES = np.array([720.0, 90.1])
# A polygon that crosses itself is repaired in a time that grows with the cube of its vertices;
# honest footprints that do so have a dozen, and none has thousands.
MOST_VERTICES_REPAIRED = 100
MOST_VERTICES = 10_000
# Of a ring that is thinned.
FEWEST_VERTICES = 12


def read_footprint(geometry: Any) -> BaseGeometry:
    """A GeoJSON geometry in degrees as a valid footprint, split at the antimeridian.

    One that could take minutes becomes its convex hull, which holds it, or, across the
    antimeridian, keeps only some of its vertices.

    Raises:
        ValueError: it is no geometry, is empty, or lies nowhere on the globe.
    """
    try:
        footprint = shapely.force_2d(shapely.geometry.shape(geometry))
        _check_places(footprint)
        footprint = split_at_antimeridian(take_shorter_way(_made_easy(footprint)))
        return footprint if footprint.is_valid else shapely.make_valid(footprint)
    except (
        *(KeyError, TypeError, AttributeError, IndexError, OverflowError, RecursionError),
        ShapelyError,
    ) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error


def _check_places(footprint: BaseGeometry) -> None:
    places = shapely.get_coordinates(footprint)
    if footprint.is_empty or not np.isfinite(places).all():
        raise ValueError("its footprint is empty")
    if (np.abs(places) > MOST_DEGREES).any():
        raise ValueError("its footprint lies nowhere on the globe")


def _made_easy(footprint: BaseGeometry) -> BaseGeometry:
    """The same, if it is read in no time; else one about alike."""
    vertices = shapely.get_num_coordinates(footprint)
    jumps = any(map(has_jump, shapely.get_parts(footprint)))
    if vertices > MOST_VERTICES_REPAIRED:
        if jumps:
            return _thinned(footprint)
        if vertices > MOST_VERTICES or not footprint.is_valid:
            return shapely.convex_hull(footprint)
    # Across the antimeridian, what is valid is seen only when all lies on one side of it.
    return footprint if jumps or footprint.is_valid else shapely.make_valid(footprint)


def _thinned(footprint: BaseGeometry) -> BaseGeometry:
    """The outer rings, a hundred at most, each with some of its vertices."""
    parts = shapely.get_parts(footprint)[:MOST_VERTICES_REPAIRED]
    most = max(FEWEST_VERTICES, MOST_VERTICES_REPAIRED // max(1, len(parts)))
    rings = (shapely.get_coordinates(shapely.get_exterior_ring(part))[:-1] for part in parts)
    return shapely.MultiPolygon([shapely.Polygon(ring[:: -(-len(ring) // most)]) for ring in rings])
