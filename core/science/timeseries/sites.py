"""Sites: where a series is wanted, and which pixels of a grid are theirs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache

import numpy as np
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox
from pyproj import CRS, Transformer
from rasterio.features import geometry_mask
from shapely.geometry.base import BaseGeometry

from ...bridge.errors import InvalidRequestError
from ...bridge.request import Site
from ..antimeridian import (
    HALF_GLOBE,
    WHOLE_GLOBE,
    join_across_antimeridian,
    split_at_antimeridian,
    take_shorter_way,
)
from ..area import SEARCH_CRS, polygons_of
from ..area_checks import check_coordinates
from ..imagery.pixel_lookup import EDGE_TOLERANCE
from ..reporter import Reporter

# Of the rectangle around a site, 100 km × 100 km of 10 metres: its pixels are found all at once.
MOST_PIXELS_AROUND_A_SITE = 100_000_000


@dataclass(frozen=True)
class LocatedSite:
    """A site and its geometry: as it was drawn, in ``crs``, and in EPSG:4326.

    The latter has longitudes of -180 to 180 and is split where it crosses the antimeridian.
    """

    id: int
    name: str
    geometry: BaseGeometry
    crs: CRS
    geographic: BaseGeometry

    def geometry_in(self, crs: object) -> BaseGeometry:
        """The geometry in ``crs``, transformed vertex by vertex."""
        target = _read_crs(str(crs))
        return self.geometry if target == self.crs else _transform(self.geometry, self.crs, target)

    @cached_property
    def longitude(self) -> float:
        """The longitude of its centre, in degrees, -180 to 180."""
        longitude = float(join_across_antimeridian(self.geographic).centroid.x)
        return longitude - WHOLE_GLOBE if longitude > HALF_GLOBE else longitude


@dataclass(frozen=True)
class SitePixels:
    """The pixels of a site on an endless grid: ``rows`` and ``columns`` (pixels,) int64.

    They count from the grid's origin and may be negative. ``is_smaller_than_a_pixel`` says that a
    polygon holds no pixel's centre, so that it takes the one pixel it lies in.
    """

    rows: np.ndarray
    columns: np.ndarray
    is_smaller_than_a_pixel: bool = False


def locate_sites(sites: Sequence[Site], crs: str, reporter: Reporter) -> list[LocatedSite]:
    """The sites' geometries, checked; self-crossing polygons are repaired, and the log says so.

    Raises:
        InvalidRequestError: a geometry is empty, is neither points nor polygons, or lies where its
            CRS is not defined.
    """
    source = CRS.from_user_input(crs)
    located, repaired = [], 0
    for site in sites:
        geometry = shapely.force_2d(shapely.geometry.shape(site.geometry))
        if geometry.is_empty or "Line" in geometry.geom_type:
            raise InvalidRequestError(
                f"The site {site.name!r} has no point and no polygon; remove it or draw it again."
            )
        check_coordinates(geometry, source, f"The site {site.name!r}")
        if not geometry.is_valid:
            geometry, repaired = _repair(geometry), repaired + 1
        geographic = _transform(geometry, source, SEARCH_CRS)
        if not np.isfinite(shapely.get_coordinates(geographic)).all():
            raise InvalidRequestError(
                f"The site {site.name!r} lies where {source.name} is not defined; check its CRS."
            )
        if not source.is_geographic:
            geographic = take_shorter_way(geographic)
        geographic = split_at_antimeridian(geographic)
        located.append(LocatedSite(site.id, site.name, geometry, source, geographic))
    if repaired:
        reporter.message(f"{repaired} sites were not valid polygons and were repaired.")
    return located


def _repair(geometry: BaseGeometry) -> BaseGeometry:
    """The polygons that ``geometry`` means; of one without an area, a point that it goes through.

    A line that a repair leaves would take pixels of its own.
    """
    valid = shapely.make_valid(geometry)
    polygons = polygons_of(valid)
    return valid.representative_point() if polygons.is_empty else polygons


def find_pixels(site: LocatedSite, grid: GeoBox) -> SitePixels:
    """The pixels of ``site``: of a point the one it lies in, of a polygon those centred inside.

    A point on the edge of two pixels takes the higher row and column: a pixel owns its upper and
    left edges, so that every place has exactly one, as everywhere in Fairweather. A polygon without
    any pixel's centre takes the pixel of a point inside it.

    Raises:
        InvalidRequestError: the site is as large as a country.
    """
    geometry = site.geometry_in(grid.crs)
    if geometry.geom_type in ("Point", "MultiPoint"):
        return _pixels_at(shapely.get_coordinates(geometry), grid)
    corners = shapely.get_coordinates(geometry.envelope)
    left, top = np.floor(_positions(corners, grid).min(axis=0)).astype(int).tolist()
    right, bottom = np.ceil(_positions(corners, grid).max(axis=0)).astype(int).tolist()
    shape = (max(bottom - top, 1), max(right - left, 1))
    if shape[0] * shape[1] > MOST_PIXELS_AROUND_A_SITE:
        raise InvalidRequestError(
            f"The site {site.name!r} spans {shape[1]:,} × {shape[0]:,} pixels, too many for a time "
            "series; cut it into smaller polygons."
        )
    window = grid.transform * Affine.translation(left, top)
    rows, columns = np.nonzero(geometry_mask([geometry], shape, window, invert=True))
    if rows.size == 0:
        within = shapely.get_coordinates(geometry.representative_point())
        return replace(_pixels_at(within, grid), is_smaller_than_a_pixel=True)
    return SitePixels(rows + top, columns + left)


def _pixels_at(places: np.ndarray, grid: GeoBox) -> SitePixels:
    """The distinct pixels that hold ``places`` (points, 2), x and y in the grid's CRS."""
    cells = np.floor(_positions(places, grid) + EDGE_TOLERANCE).astype(np.int64)
    cells = np.unique(cells, axis=0)
    return SitePixels(cells[:, 1], cells[:, 0])


def _positions(places: np.ndarray, grid: GeoBox) -> np.ndarray:
    """(points, 2) fractional columns and rows of ``places``."""
    columns, rows = ~grid.transform * (places[:, 0], places[:, 1])
    return np.column_stack([columns, rows])


def _transform(geometry: BaseGeometry, source: CRS, target: CRS) -> BaseGeometry:
    return shapely.transform(geometry, _transformer(source, target).transform, interleaved=False)


@lru_cache(maxsize=16)
def _read_crs(text: str) -> CRS:
    return CRS.from_user_input(text)


@lru_cache(maxsize=16)  # making one takes as long as moving thousands of vertices
def _transformer(source: CRS, target: CRS) -> Transformer:
    return Transformer.from_crs(source, target, always_xy=True)
