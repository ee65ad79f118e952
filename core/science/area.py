"""The area of interest in whatever CRS it is needed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely
from pyproj import CRS, Transformer
from pyproj.exceptions import ProjError
from shapely.errors import ShapelyError

from ..bridge.errors import InvalidRequestError
from ..bridge.request import Area
from .antimeridian import split_at_antimeridian, take_shorter_way

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

    from .reporter import Reporter

SEARCH_CRS = CRS.from_epsg(4326)
EDGES_PER_SIDE = 100


@dataclass(frozen=True)
class AreaOfInterest:
    """A polygon, or the rectangle of a map's extent, in the CRS it was drawn in.

    ``geometry`` is a valid, two-dimensional Polygon or MultiPolygon, x before y.
    """

    geometry: BaseGeometry
    crs: CRS
    is_extent: bool = False

    @cached_property
    def search_geometry(self) -> BaseGeometry:
        """The area in EPSG:4326, longitudes -180 to 180, split where it crosses the antimeridian.

        Long edges are given more vertices first: a straight edge of a map is none of the globe.

        Raises:
            InvalidRequestError: the area lies where its CRS cannot be transformed.
        """
        geometry = self.geometry
        if self.crs != SEARCH_CRS:
            geometry = take_shorter_way(_transform(_densify(geometry), self.crs, SEARCH_CRS))
        return _polygons_of(shapely.make_valid(split_at_antimeridian(geometry)))

    @cached_property
    def centre_longitude(self) -> float:
        """The longitude in degrees of the centre of the area's bounding rectangle, -180 to 180."""
        west, south, east, north = self.geometry.bounds
        centre = shapely.Point((west + east) / 2, (south + north) / 2)
        longitude = float(_transform(centre, self.crs, SEARCH_CRS).x)
        return (longitude + 180) % 360 - 180

    def geometry_in(self, crs: Any) -> BaseGeometry:
        """The area in ``crs`` (anything pyproj understands, odc.geo's CRS too).

        A polygon is transformed vertex by vertex, as geopandas' ``to_crs`` does; an extent becomes
        its bounding rectangle in ``crs``.

        Raises:
            InvalidRequestError: the area lies where ``crs`` is not defined.
        """
        target = CRS.from_user_input(crs)
        if target == self.crs:
            return self.geometry
        if self.is_extent:
            return shapely.box(*_transform(_densify(self.geometry), self.crs, target).bounds)
        return _transform(self.geometry, self.crs, target)


def read_area(area: Area, reporter: Reporter) -> AreaOfInterest:
    """The area that a request asks for; a self-crossing polygon is repaired, and the log says so.

    Raises:
        InvalidRequestError: an unknown CRS, no GeoJSON geometry, no polygon, or one without area.
    """
    crs = _read_crs(area.crs)
    geometry = _read_geometry(area.geometry)
    if not geometry.is_valid:
        reason = shapely.is_valid_reason(geometry)
        geometry = shapely.make_valid(geometry)
        reporter.message(
            f"The area of interest is not a valid polygon ({reason}); it was repaired."
        )
    polygons = _polygons_of(geometry)
    if polygons.is_empty or polygons.area == 0:
        raise InvalidRequestError(
            "The area of interest holds no polygon with an area; give at least one polygon."
        )
    return AreaOfInterest(polygons, crs, area.is_extent)


def _read_crs(text: str) -> CRS:
    try:
        return CRS.from_user_input(text)
    except ProjError as error:
        raise InvalidRequestError(
            f"The CRS of the area of interest, {text[:80]!r}, is unknown; "
            "give one such as EPSG:4326."
        ) from error


def _read_geometry(content: dict[str, Any]) -> BaseGeometry:
    try:
        geometry = shapely.force_2d(shapely.geometry.shape(content))
    except (ShapelyError, AttributeError, KeyError, TypeError, ValueError, IndexError) as error:
        raise InvalidRequestError(
            "The area of interest is not a GeoJSON geometry; give a polygon."
        ) from error
    if not np.isfinite(shapely.get_coordinates(geometry)).all():
        raise InvalidRequestError(
            "The area of interest has a coordinate that is not a finite number; draw it again."
        )
    return geometry


def _polygons_of(geometry: BaseGeometry) -> BaseGeometry:
    """The polygons in ``geometry``, without the points and lines that a repair may leave."""
    if geometry.geom_type == "Polygon" or (
        geometry.geom_type == "MultiPolygon" and geometry.is_valid
    ):
        return geometry
    parts = shapely.get_parts(shapely.get_parts(geometry))
    return shapely.union_all([part for part in parts if part.geom_type == "Polygon"])


def _densify(geometry: BaseGeometry) -> BaseGeometry:
    west, south, east, north = geometry.bounds
    return shapely.segmentize(geometry, max(east - west, north - south) / EDGES_PER_SIDE)


def _transform(geometry: BaseGeometry, source: CRS, target: CRS) -> BaseGeometry:
    transformer = Transformer.from_crs(source, target, always_xy=True)
    moved = shapely.transform(geometry, transformer.transform, interleaved=False)
    if not np.isfinite(shapely.get_coordinates(moved)).all():
        raise InvalidRequestError(
            f"The area of interest cannot be transformed from {source.name} to {target.name}; "
            "choose an area or a CRS where both are defined."
        )
    return moved
