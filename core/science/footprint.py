"""Footprints of scenes: whatever an item's geometry holds, read in little time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
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
MOST_VERTICES_REPAIRED = 50
MOST_VERTICES = 10_000
# What is read at all: rings, lines and points, and their vertices. Each costs time before anything
# is known of it; honest footprints have dozens of parts at most.
MOST_PARTS = 1000
MOST_VERTICES_READ = 100_000
# Of a ring that is thinned.
FEWEST_VERTICES = 12


def read_footprint(geometry: Any) -> BaseGeometry:
    """A GeoJSON geometry in degrees as a valid footprint, split at the antimeridian.

    One that could take minutes becomes its convex hull, which holds it, or, across the
    antimeridian, keeps only some of its vertices; one of thousands of parts, its bounding box.

    Raises:
        ValueError: it is no geometry, is empty, or lies nowhere on the globe.
    """
    try:
        is_large = _is_large(geometry)
        footprint = _box(geometry) if is_large else shapely.geometry.shape(geometry)
        footprint = shapely.force_2d(footprint)
        _check_places(footprint)
        if is_large:
            return footprint
        footprint = split_at_antimeridian(take_shorter_way(_made_easy(footprint)))
        return footprint if footprint.is_valid else shapely.make_valid(footprint)
    except (
        *(KeyError, TypeError, AttributeError, IndexError, OverflowError, RecursionError),
        ShapelyError,
    ) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error


def _is_large(geometry: Any) -> bool:
    """Whether a geometry is too large to be read; it is only counted."""
    vertices = 0
    for parts, line in enumerate(_lines(geometry), start=1):
        vertices += len(line)
        if parts > MOST_PARTS or vertices > MOST_VERTICES_READ:
            return True
    return False


def _box(geometry: Any) -> BaseGeometry:
    places = np.array([place[:2] for place in chain.from_iterable(_lines(geometry))], dtype=float)
    if not np.isfinite(places).all():
        raise ValueError("its footprint is empty")
    return shapely.box(*places.min(axis=0), *places.max(axis=0))


def _lines(geometry: Any) -> Iterator[Sequence[Any]]:
    """The rings, lines and points of a GeoJSON geometry, each a list of places."""
    waiting = [geometry]
    while waiting:
        one = waiting.pop()
        kind = str(one["type"]).lower()
        if kind == "geometrycollection":
            # Empty ones count, too.
            yield ()
            waiting += one["geometries"]
        elif kind in {"polygon", "multilinestring"}:
            yield from one["coordinates"]
        elif kind == "multipolygon":
            yield from chain.from_iterable(one["coordinates"])
        elif kind == "multipoint":
            yield from ([place] for place in one["coordinates"])
        else:
            yield [one["coordinates"]] if kind == "point" else one["coordinates"]


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
    """The outer rings, fifty at most, each with some of its vertices."""
    parts = shapely.get_parts(footprint)[:MOST_VERTICES_REPAIRED]
    most = max(FEWEST_VERTICES, MOST_VERTICES_REPAIRED // max(1, len(parts)))
    rings = (shapely.get_coordinates(shapely.get_exterior_ring(part))[:-1] for part in parts)
    return shapely.MultiPolygon([shapely.Polygon(ring[:: -(-len(ring) // most)]) for ring in rings])
