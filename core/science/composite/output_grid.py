"""The output's pixel grid: where its pixel corners lie, and how far it reaches."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from affine import Affine
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox
from pyproj.exceptions import CRSError
from shapely.geometry.base import BaseGeometry

from ...bridge.errors import InvalidRequestError
from ...bridge.request import PixelGrid
from ..area import AreaOfInterest

MOST_PIXELS = 10_000_000_000

# A pixel of more degrees was meant in metres.
MOST_DEGREES = 1.0

# An edge of the area this close to a pixel corner (in pixels) lies on it: transformed coordinates
# carry rounding, and a sliver of it must not add a row or a column.
CORNER_TOLERANCE = 1e-6


@dataclass(frozen=True)
class Lattice:
    """An endless pixel grid: a CRS, one pixel corner, and the pixel's size in units of the CRS."""

    crs: CRS
    origin_x: float
    origin_y: float
    pixel_width: float
    pixel_height: float

    def covering(self, geometry: BaseGeometry) -> GeoBox:
        """The smallest piece of the grid, north up, that covers ``geometry``.

        Raises:
            InvalidRequestError: it would have an absurd number of pixels.
        """
        west, south, east, north = geometry.bounds
        wide = (east - west) / self.pixel_width
        high = (north - south) / self.pixel_height
        if not max(wide, 1) * max(high, 1) < MOST_PIXELS:
            raise InvalidRequestError(
                f"The composite would have {wide:,.0f} × {high:,.0f} pixels; give a coarser "
                "RESOLUTION or a smaller area."
            )
        first_column, columns = _steps(west, east, self.origin_x, self.pixel_width)
        first_row, rows = _steps(-north, -south, -self.origin_y, self.pixel_height)
        left = self.origin_x + first_column * self.pixel_width
        top = self.origin_y - first_row * self.pixel_height
        transform = Affine(self.pixel_width, 0, left, 0, -self.pixel_height, top)
        return GeoBox((rows, columns), transform, self.crs)


def choose_output_grid(
    area: AreaOfInterest,
    source_grids: Sequence[GeoBox],
    *,
    resolution: float | None,
    crs: str,
    align: PixelGrid | None,
) -> GeoBox:
    """The output grid by the rules of the design ("Grid"), covering the whole area.

    Args:
        area: the area of interest.
        source_grids: of the finest band asked for, a grid a scene, in the scenes' order.
        resolution: pixel size in units of the output CRS, None for the source's own.
        crs: the output CRS, empty for the scenes' most common.
        align: another raster's pixels, which win over ``resolution`` and ``crs``.

    Raises:
        InvalidRequestError: a CRS that is unknown or not in metres where metres are needed, a
            pixel size that is not above zero, or an absurd size.
    """
    lattice = _choose_lattice(source_grids, resolution, crs, align)
    return lattice.covering(area.geometry_in(lattice.crs))


def _choose_lattice(
    source_grids: Sequence[GeoBox], resolution: float | None, crs: str, align: PixelGrid | None
) -> Lattice:
    if align is not None:
        _check_pixel_size("ALIGN: the raster's pixel size", align.pixel_width)
        _check_pixel_size("ALIGN: the raster's pixel size", align.pixel_height)
        return Lattice(
            _parse_crs(align.crs),
            align.origin_x,
            align.origin_y,
            align.pixel_width,
            align.pixel_height,
        )
    if resolution is not None:
        _check_pixel_size("RESOLUTION", resolution)
    common_crs = _most_common([grid.crs for grid in source_grids])
    output_crs = _parse_crs(crs) if crs else common_crs
    if resolution is not None and output_crs.geographic and resolution > MOST_DEGREES:
        raise InvalidRequestError(
            f"RESOLUTION is {resolution:g}, which in {output_crs} means degrees; give a size in "
            "degrees, such as 0.0001 (about 10 metres)."
        )
    own_grids = [grid for grid in source_grids if grid.crs == output_crs]
    if not own_grids:
        size = resolution or _resolution_in_metres(source_grids, output_crs)
        return Lattice(output_crs, 0.0, 0.0, size, size)
    grid = _most_common(own_grids)
    width = resolution or abs(grid.transform.a)
    height = resolution or abs(grid.transform.e)
    return Lattice(output_crs, grid.transform.c, grid.transform.f, width, height)


def _resolution_in_metres(source_grids: Sequence[GeoBox], crs: CRS) -> float:
    grid = _most_common(list(source_grids))
    if not (_is_in_metres(grid.crs) and _is_in_metres(crs)):
        raise InvalidRequestError(
            f"The size of the scenes' pixels in {grid.crs} means nothing in {crs}, for not both "
            "are measured in metres; give RESOLUTION in the units of the CRS, or choose another."
        )
    return abs(float(grid.transform.a))


def _is_in_metres(crs: CRS) -> bool:
    return not crs.geographic and crs.units[0] in ("metre", "meter", "m")


def _check_pixel_size(name: str, size: float) -> None:
    if not 0 < size < math.inf:
        raise InvalidRequestError(f"{name} is {size:g}; give a number above zero.")


def _parse_crs(text: str) -> CRS:
    try:
        return CRS(text)
    except CRSError as error:
        raise InvalidRequestError(
            f"The CRS {text[:60]!r} is not known; give one such as EPSG:32633."
        ) from error


def _most_common(values: list[Any]) -> Any:
    """The most frequent value; of several, the one that comes first."""
    return Counter(values).most_common(1)[0][0]


def _steps(low: float, high: float, origin: float, size: float) -> tuple[int, int]:
    """The first step at or before ``low``, and the number of steps until ``high`` is covered."""
    first = math.floor((low - origin) / size + CORNER_TOLERANCE)
    last = math.ceil((high - origin) / size - CORNER_TOLERANCE)
    return first, max(last - first, 1)
