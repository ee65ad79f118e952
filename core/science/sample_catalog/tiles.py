"""The two tiles: squares of pixels in neighbouring UTM zones that overlap in the middle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from pyproj import Transformer
from rasterio import Affine
from shapely import Polygon, box

from .landscape import LOCAL_CRS
from .noise import FloatArray

FINE_RESOLUTION = 10
COARSE_RESOLUTION = 20
TILE_SIZE = 5120  # metres
DISTANCE_FROM_CENTRE = 2000  # metres from the zones' border to a tile's middle


@dataclass(frozen=True)
class Tile:
    """A tile: its MGRS name in parts, its CRS and its upper left corner in that CRS, in metres."""

    zone: int
    latitude_band: str
    grid_square: str
    epsg: int
    left: int
    top: int

    @property
    def name(self) -> str:
        """The MGRS name, such as ``33VXC``."""
        return f"{self.zone}{self.latitude_band}{self.grid_square}"

    @property
    def crs(self) -> str:
        """The CRS as an authority code."""
        return f"EPSG:{self.epsg}"

    def grid(self, resolution: int) -> dict[str, Any]:
        """Pixels of ``resolution`` metres as rasterio's ``open`` takes them."""
        return {
            "crs": self.crs,
            "transform": Affine(resolution, 0, self.left, 0, -resolution, self.top),
            "width": TILE_SIZE // resolution,
            "height": TILE_SIZE // resolution,
        }

    def outline(self) -> Polygon:
        """The tile's square in its CRS."""
        return box(self.left, self.top - TILE_SIZE, self.left + TILE_SIZE, self.top)

    def pixel_centres(self, resolution: int) -> tuple[FloatArray, FloatArray]:
        """x and y of every pixel's centre in ``LOCAL_CRS``, in metres, float32."""
        steps = (np.arange(TILE_SIZE // resolution) + 0.5) * resolution
        eastings, northings = np.meshgrid(self.left + steps, self.top - steps)
        to_local = Transformer.from_crs(self.crs, LOCAL_CRS, always_xy=True)
        x, y = to_local.transform(eastings, northings)
        # To the millimetre, so that the last digit of another PROJ changes no pixel.
        return np.round(x, 3).astype(np.float32), np.round(y, 3).astype(np.float32)


def make_tiles() -> tuple[Tile, Tile]:
    """The western tile in UTM zone 33 and the eastern one in zone 34."""
    return (
        _make_tile(33, "XC", -DISTANCE_FROM_CENTRE),
        _make_tile(34, "CH", DISTANCE_FROM_CENTRE),
    )


def _make_tile(zone: int, grid_square: str, middle_x: float) -> Tile:
    epsg = 32600 + zone
    from_local = Transformer.from_crs(LOCAL_CRS, f"EPSG:{epsg}", always_xy=True)
    easting, northing = from_local.transform(middle_x, 0.0)
    return Tile(
        zone=zone,
        latitude_band="V",
        grid_square=grid_square,
        epsg=epsg,
        left=_whole_pixel(easting - TILE_SIZE / 2),
        top=_whole_pixel(northing + TILE_SIZE / 2),
    )


def _whole_pixel(coordinate: float) -> int:
    return round(coordinate / COARSE_RESOLUTION) * COARSE_RESOLUTION
