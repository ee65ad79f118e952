"""The built-in sample catalogue as the oracle reads it: items by json, pixels by rasterio."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import rasterio
import shapely
from soak_oracle import Grid, Layer, Scene

MASK = "scl"


@dataclass(frozen=True)
class Wanted:
    """What of the catalogue's scenes is wanted, in a request's words."""

    start: str
    end: str
    months: tuple[int, ...] = ()
    max_cloud: float = 100.0


def wanted_scenes(
    folder: Path, wanted: Wanted, names: tuple[str, ...], pixel: float | None
) -> list[Scene]:
    """The scenes with these bands, read for output pixels of ``pixel`` metres (None: the own)."""
    return [_scene(path, names, pixel) for path in _paths(folder) if _fits(_item(path), wanted)]


@cache
def _paths(folder: Path) -> list[Path]:
    return sorted(folder.glob("fairweather-sample/*/*.json"))


@cache
def _item(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


def _moment(item: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(item["properties"]["datetime"].replace("Z", "+00:00"))


def _fits(item: dict[str, Any], wanted: Wanted) -> bool:
    day = _moment(item).date()
    return (
        date.fromisoformat(wanted.start) <= day <= date.fromisoformat(wanted.end)
        and (not wanted.months or day.month in wanted.months)
        and (wanted.max_cloud >= 100 or item["properties"]["eo:cloud_cover"] < wanted.max_cloud)
    )


def _scene(path: Path, names: tuple[str, ...], pixel: float | None) -> Scene:
    item = _item(path)
    bands = {name: _layer(path.parent / f"{name}.tif", pixel, 1e-4, -0.1) for name in names}
    mask = _layer(path.parent / f"{MASK}.tif", pixel, 1.0, 0.0)
    footprint = shapely.geometry.shape(item["geometry"])
    return Scene(item["id"], _moment(item), bands, mask, footprint)


def _layer(path: Path, pixel: float | None, scale: float, offset: float) -> Layer:
    with rasterio.open(path) as dataset:
        factors = [1, *dataset.overviews(1)]
        own = dataset.transform.a
    # The coarsest overview whose pixels are no larger than the output's.
    factor = max((one for one in factors if pixel and one * own <= pixel), default=1)
    return _read(path, factors.index(factor), factor, scale, offset)


@lru_cache(maxsize=400)
def _read(path: Path, level: int, factor: int, scale: float, offset: float) -> Layer:
    with rasterio.open(path) as dataset:
        affine, crs = dataset.transform, dataset.crs.to_string()
        full = Grid(crs, affine.c, affine.f, affine.a, -affine.e, dataset.shape)
    options = {"overview_level": level - 1} if level else {}
    with rasterio.open(path, **options) as dataset:
        pixels = dataset.read(1)
    size = full.width * factor
    grid = Grid(crs, full.left, full.top, size, size, pixels.shape)
    return Layer(pixels, grid, 0, scale, offset, full)
