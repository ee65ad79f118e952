"""The STAC item (1.1) of a scene on disk, in the asset names of a collection's profile."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import shapely

EXTENSIONS = (
    "https://stac-extensions.github.io/eo/v2.0.0/schema.json",
    "https://stac-extensions.github.io/grid/v1.1.0/schema.json",
    "https://stac-extensions.github.io/projection/v2.0.0/schema.json",
    "https://stac-extensions.github.io/raster/v2.0.0/schema.json",
)
MEDIA_TYPES = {
    ".jp2": "image/jp2",
    ".tif": "image/tiff; application=geotiff",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
}


@dataclass(frozen=True)
class PixelGrid:
    """Rows and columns, and the outer corner of the first pixel in the scene's CRS.

    ``pixel_height`` is negative where rows go south.
    """

    rows: int
    columns: int
    left: float
    top: float
    pixel_width: float
    pixel_height: float


@dataclass(frozen=True)
class LocalFile:
    """One raster of a scene; physical value = pixel * ``scale`` + ``offset``."""

    path: Path
    nodata: float
    data_type: str
    grid: PixelGrid | None
    scale: float | None = None
    offset: float | None = None


@dataclass(frozen=True)
class LocalScene:
    """A scene on disk; ``footprint`` has longitudes and latitudes, ``files`` go by asset name.

    ``crs`` is a code such as ``EPSG:32633``, None where the files have to tell it.
    """

    id: str
    metadata: Path
    footprint: list[tuple[float, float]]
    crs: str | None
    properties: Mapping[str, Any]
    files: Mapping[str, LocalFile]
    thumbnail: Path | None


def read_number(text: str) -> float:
    """The number that a product's metadata give as text.

    Raises:
        ValueError: it is none, or not finite.
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"its metadata say {text[:40]!r} where a number is due")
    return value


def scene_item(scene: LocalScene, collection: str, thumbnail_asset: str) -> dict[str, Any]:
    """The item of ``collection``; its picture, if it has one, is the asset ``thumbnail_asset``."""
    footprint = shapely.Polygon(scene.footprint)
    assets = {name: _asset(file) for name, file in scene.files.items()}
    if scene.thumbnail and thumbnail_asset:
        assets[thumbnail_asset] = {
            "href": str(scene.thumbnail),
            "type": MEDIA_TYPES[scene.thumbnail.suffix.lower()],
            "roles": ["thumbnail"],
        }
    properties = dict(scene.properties)
    if scene.crs:
        properties["proj:code"] = scene.crs
    return {
        "type": "Feature",
        "stac_version": "1.1.0",
        "stac_extensions": list(EXTENSIONS),
        "id": scene.id,
        "collection": collection,
        "geometry": shapely.geometry.mapping(footprint),
        "bbox": list(footprint.bounds),
        "properties": properties,
        "assets": assets,
        "links": [],
    }


def _asset(file: LocalFile) -> dict[str, Any]:
    asset: dict[str, Any] = {
        "href": str(file.path),
        "type": MEDIA_TYPES.get(file.path.suffix.lower(), "application/octet-stream"),
        "roles": ["data"],
        "nodata": file.nodata,
        "data_type": file.data_type,
    }
    if file.scale is not None and file.offset is not None:
        asset["raster:scale"] = file.scale
        asset["raster:offset"] = file.offset
    if file.grid:
        grid = file.grid
        asset["proj:shape"] = [grid.rows, grid.columns]
        asset["proj:transform"] = [
            *(grid.pixel_width, 0.0, grid.left),
            *(0.0, grid.pixel_height, grid.top),
        ]
    return asset
