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
from .antimeridian import (
    HALF_GLOBE,
    join_across_antimeridian,
    middle_longitude,
    narrowest_range,
    split_at_antimeridian,
    take_shorter_way,
)
from .area_checks import check_coordinates, doubts

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

    from .reporter import Reporter

SEARCH_CRS = CRS.from_epsg(4326)
EDGES_PER_SIDE = 100
# A longer edge along a parallel is far from straight in a map: by more than 3 km at 45 degrees.
LONGEST_EDGE_DEGREES = 5
# In a CRS that ends at the antimeridian, the places on both sides of it are further apart.
FAR_APART = 1e6
MOST_METRES = 1e8


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
        return polygons_of(shapely.make_valid(split_at_antimeridian(geometry)))

    @cached_property
    def centre_longitude(self) -> float:
        """The longitude in degrees of the centre of the area's bounding rectangle, -180 to 180."""
        west, south, east, north = self.geometry.bounds
        if self._crosses_antimeridian:
            return middle_longitude(self.search_geometry)
        centre = shapely.Point((west + east) / 2, (south + north) / 2)
        longitude = float(_transform(centre, self.crs, SEARCH_CRS).x)
        return (longitude + 180) % 360 - 180

    def geometry_in(self, crs: Any) -> BaseGeometry:
        """The area in ``crs`` (anything pyproj understands, odc.geo's CRS too).

        A polygon is transformed vertex by vertex, as geopandas' ``to_crs`` does, but for edges of
        many degrees, which get more vertices; an extent becomes its bounding rectangle in ``crs``.
        In degrees, an area across the antimeridian has longitudes beyond 180.

        Raises:
            InvalidRequestError: the area lies where ``crs`` is not defined, or across its end.
        """
        target = CRS.from_user_input(crs)
        if target.is_geographic:
            moved = join_across_antimeridian(self._in_degrees(target))
        elif target == self.crs:
            return self.geometry
        else:
            self._check_seam(target)
            moved = _transform(self._with_vertices, self.crs, target)
        return shapely.box(*moved.bounds) if self.is_extent else moved

    @property
    def _crosses_antimeridian(self) -> bool:
        return narrowest_range(self.search_geometry)[1] > HALF_GLOBE

    @property
    def _with_vertices(self) -> BaseGeometry:
        """The geometry with as many vertices as moving it to another CRS takes."""
        if self.is_extent:
            return _densify(self.geometry)
        if self.crs.is_geographic:
            return shapely.segmentize(self.geometry, LONGEST_EDGE_DEGREES)
        return self.geometry

    def _in_degrees(self, target: CRS) -> BaseGeometry:
        if target == self.crs:
            return self.geometry
        return take_shorter_way(_transform(self._with_vertices, self.crs, target))

    def _check_seam(self, target: CRS) -> None:
        """Check that an area across the antimeridian does not fall apart in ``target``."""
        if not self._crosses_antimeridian:
            return
        _, south, _, north = self.search_geometry.bounds
        sides = shapely.MultiPoint([(side, (south + north) / 2) for side in (179.9999, -179.9999)])
        west, bottom, east, top = _transform(sides, SEARCH_CRS, target).bounds
        if max(east - west, top - bottom) > FAR_APART:
            raise InvalidRequestError(
                f"The area of interest crosses the antimeridian, where the CRS {target.name} ends; "
                "choose a CRS such as EPSG:4326 or the UTM zone's, or one side of it as the area."
            )


def read_area(area: Area, reporter: Reporter) -> AreaOfInterest:
    """The area that a request asks for; a self-crossing polygon is repaired, and the log says so.

    A place that is most likely not meant is warned of.

    Raises:
        InvalidRequestError: an unknown CRS, no GeoJSON geometry, no polygon, one without area, or
            one that lies nowhere on the globe.
    """
    crs = _read_crs(area.crs)
    geometry = _read_geometry(area.geometry)
    check_coordinates(geometry, crs, "The area of interest")
    if not geometry.is_valid:
        reason = shapely.is_valid_reason(geometry)
        geometry = shapely.make_valid(geometry)
        reporter.message(
            f"The area of interest is not a valid polygon ({reason}); it was repaired."
        )
    polygons = polygons_of(geometry)
    if polygons.is_empty or polygons.area == 0:
        raise InvalidRequestError(
            "The area of interest holds no polygon with an area; give at least one polygon."
        )
    interest = AreaOfInterest(polygons, crs, area.is_extent)
    for doubt in doubts(polygons, crs, interest.search_geometry):
        reporter.warning(doubt)
    return interest


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
    return geometry


def polygons_of(geometry: BaseGeometry) -> BaseGeometry:
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
    # Near places where a CRS is not defined it gives numbers larger than the globe.
    most = MOST_METRES / target.axis_info[0].unit_conversion_factor
    if not (np.abs(shapely.get_coordinates(moved)) < most).all():
        raise InvalidRequestError(
            f"The area of interest cannot be transformed from {source.name} to {target.name}; "
            "choose an area or a CRS where both are defined."
        )
    return moved
