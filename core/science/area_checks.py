"""What is wrong, or most likely wrong, with the coordinates of an area or a site."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import shapely
from pyproj import CRS

from ..bridge.errors import InvalidRequestError
from .antimeridian import has_jump

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

# Longitudes up to here are another way to write one of -180 to 180.
MOST_DEGREES_EAST = 360
# A CRS is used beyond the area that it is made for, but not further than this.
DEGREES_BEYOND_USE = 10


def check_coordinates(geometry: BaseGeometry, crs: CRS, name: str) -> None:
    """Check that each coordinate is a number and, in a CRS of degrees, a place on the globe.

    Args:
        geometry: x before y.
        crs: of the geometry.
        name: of what is checked, which begins the sentence.

    Raises:
        InvalidRequestError: a coordinate is no such number.
    """
    places = shapely.get_coordinates(geometry)
    if not np.isfinite(places).all():
        raise InvalidRequestError(
            f"{name} has a coordinate that is not a finite number; draw it again."
        )
    if not crs.is_geographic:
        return
    quarter_turn = math.pi / 2 / crs.axis_info[0].unit_conversion_factor
    most = np.array([MOST_DEGREES_EAST / 90, 1]) * quarter_turn * (1 + 1e-12)
    outside = places[(np.abs(places) > most).any(axis=1)]
    if outside.size:
        x, y = outside[0]
        raise InvalidRequestError(
            f"{name} has the coordinates {x:g}, {y:g}, which are no longitude and latitude; set "
            "the CRS that they are in, or exchange them if the latitude comes first."
        )


def doubts(geometry: BaseGeometry, crs: CRS, in_degrees: BaseGeometry) -> Iterator[str]:
    """Sentences on why an area of interest may lie elsewhere than its user means.

    Args:
        geometry: polygons in ``crs``.
        crs: as given.
        in_degrees: the polygons in EPSG:4326, split at the antimeridian.
    """
    if crs.is_geographic:
        if any(map(has_jump, shapely.get_parts(geometry))):
            yield (
                "An edge of the area of interest goes more than half around the globe; if the area "
                "is to cross the antimeridian, give it longitudes beyond 180 (179 to 181) or cut "
                "it in two there."
            )
        return
    most_x, most_y = np.abs(shapely.get_coordinates(geometry)).max(axis=0)
    if crs.to_authority() and most_x <= MOST_DEGREES_EAST and most_y <= 90:
        yield (
            f"The coordinates of the area of interest look like degrees, but its CRS {crs.name} is "
            f"in {crs.axis_info[0].unit_name}s; check the CRS of the layer."
        )
    elif _is_far_from_use(crs, in_degrees):
        yield (
            f"The area of interest lies far from where its CRS {crs.name} is meant to be used; "
            "check the CRS of the layer, and whether x and y are exchanged."
        )


def _is_far_from_use(crs: CRS, in_degrees: BaseGeometry) -> bool:
    use = crs.area_of_use
    if use is None:
        return False
    east = use.east if use.east >= use.west else use.east + 360
    west, east = use.west - DEGREES_BEYOND_USE, east + DEGREES_BEYOND_USE
    around = [shapely.box(west + turn, -90, east + turn, 90) for turn in (-360, 0, 360)]
    return not shapely.intersects(in_degrees, around).any()
