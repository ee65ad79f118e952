"""What the contestants that hold a cube of xarray share: the mask, the encoding and the result."""

from __future__ import annotations

from typing import TYPE_CHECKING

import geopandas as gpd
import rioxarray  # noqa: F401  # adds .rio to what xarray makes
from case import MASK_BAND, MASKED_CLASSES, OFFSET, SCALE, Case

if TYPE_CHECKING:
    import xarray as xr


def reflectance_where_clear(stored: xr.Dataset) -> xr.Dataset:
    """Reflectance by band, NaN where there is no data or where the mask hides it."""
    stored = stored.where(stored != 0)
    bands = [name for name in stored.data_vars if name != MASK_BAND]
    scaled = stored[bands] * SCALE + OFFSET
    return scaled.where(~stored[MASK_BAND].isin(MASKED_CLASSES))


def degrees_around(case: Case) -> tuple[float, float, float, float]:
    """The bounds of the area in degrees, which is what the notebook asks for."""
    west, south, east, north = gpd.read_file(case.area).to_crs("EPSG:4326").total_bounds
    return west, south, east, north


def write_clipped(composite: xr.DataArray, case: Case) -> None:
    """Clip (band, y, x) to the area and write it as a COG."""
    area = gpd.read_file(case.area).to_crs(composite.rio.crs)
    clipped = composite.rio.clip(area.geometry).astype("float32")
    clipped.rio.to_raster(case.output, driver="COG")
