"""The pixel grid that an item tells, where it can be believed."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
import pystac
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from pyproj.exceptions import CRSError, ProjError
from shapely.geometry.base import BaseGeometry

from ..plain_crs import plain_crs

# Some footprints are rectangles in degrees around a tile, whose corners lie beyond its edges. In
# shares of the tile's height and width.
BEYOND_THE_EDGE = 0.25


def item_grid(item: pystac.Item, asset: pystac.Asset, footprint: BaseGeometry) -> GeoBox | None:
    """The grid of ``asset`` by ``proj:*`` of the asset, else of the item.

    None where it tells none, one that makes no sense, or one that does not cover the item's
    ``footprint`` (EPSG:4326): the file itself has one then.
    """

    def value(key: str) -> Any:
        return asset.extra_fields.get(key, item.properties.get(key))

    shape, transform = value("proj:shape"), value("proj:transform")
    crs = value("proj:code") or value("proj:wkt2") or value("proj:epsg")
    if isinstance(crs, int):  # some write the old number under the new name
        crs = f"EPSG:{crs}"
    try:
        height, width = (int(length) for length in shape)
        affine = Affine(*(float(number) for number in transform[:6]))
        if height < 1 or width < 1 or not 0 < abs(affine.determinant) < math.inf:
            return None
        grid = GeoBox((height, width), affine, plain_crs(crs))
        # Heights alone, and places around the Earth's centre, lie on no map.
        is_map = grid.crs is not None and (grid.crs.projected or grid.crs.geographic)
        return grid if is_map and _covers(grid, footprint) else None
    except (CRSError, ProjError, TypeError, ValueError, KeyError, OverflowError):
        return None


@lru_cache(maxsize=16)  # the bands of an item share it
def _covers(grid: GeoBox, footprint: BaseGeometry) -> bool:
    """Whether every corner of ``footprint`` lies on the grid, or not far beyond its edges.

    A wrong shape, hemisphere or UTM zone in an item shows here.
    """
    degrees = shapely.get_coordinates(footprint)
    x, y = _from_degrees(str(grid.crs)).transform(degrees[:, 0], degrees[:, 1])
    columns, rows = ~grid.transform * (np.asarray(x), np.asarray(y))
    height, width = grid.shape
    # Written so that infinities and NaN, which stand for no place at all, fail.
    return bool(
        np.all(abs(columns - width / 2) <= (0.5 + BEYOND_THE_EDGE) * width)
        and np.all(abs(rows - height / 2) <= (0.5 + BEYOND_THE_EDGE) * height)
    )


@lru_cache(maxsize=64)
def _from_degrees(crs: str) -> Transformer:
    return Transformer.from_crs("EPSG:4326", crs, always_xy=True)
