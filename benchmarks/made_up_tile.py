"""A made-up tile of Sentinel-2's kind, for benchmarks: scenes of a year, as a static catalogue.

Every pixel of a day is compressible as real ones are: smooth fields with noise in the last bits.
"""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
from rasterio.enums import Resampling
from rasterio.io import MemoryFile
from rasterio.shutil import copy
from rasterio.transform import from_origin
from rasterio.warp import transform_bounds

CRS = "EPSG:32633"
WEST, NORTH = 500_000.0, 5_100_000.0
COLLECTION = "sentinel-2-c1-l2a"
ENCODING = {"nodata": 0, "data_type": "uint16", "scale": 0.0001, "offset": -0.1}


def make_tile(folder: Path, edge: int, days: int, bands: tuple[str, ...]) -> Path:
    """Write the scenes and their catalogue; the path of ``catalog.json``. Nothing is made twice.

    ``edge`` is the tile's height and width in pixels of 10 m, a multiple of 2048.
    """
    catalog = folder / "catalog.json"
    if catalog.is_file():
        return catalog
    step = 365 // days
    start = datetime(2023, 1, 2, 10, 0, 20, tzinfo=timezone.utc)
    with ThreadPoolExecutor(2) as pool:
        moments = [start + timedelta(days=step * number) for number in range(days)]
        items = list(pool.map(lambda m: _make_scene(folder, edge, m, bands), moments))
    links = [{"rel": "item", "href": f"{item}/{item}.json"} for item in items]
    _write(catalog, _document("Catalog", "made-up-tile", links))
    return catalog


def _make_scene(folder: Path, edge: int, moment: datetime, bands: tuple[str, ...]) -> str:
    name = f"MADE_UP_{moment:%Y%m%d}"
    (folder / name).mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(moment.toordinal())
    assets = {}
    for band in bands:
        smooth = _enlarge(random.integers(1300, 4000, (edge // 64, edge // 64)), 64)
        pixels = smooth + random.integers(0, 48, (edge, edge), dtype=np.uint16)
        assets[band] = _write_cog(folder / name / f"{band}.tif", pixels, 10.0, ENCODING)
    clouds = random.random((edge // 512, edge // 512)) < random.uniform(0, 0.6)
    classes = np.where(_enlarge(clouds, 256), 9, 4).astype(np.uint8)
    mask = {"nodata": 0, "data_type": "uint8"}
    assets["scl"] = _write_cog(folder / name / "scl.tif", classes, 20.0, mask)
    _write(folder / name / f"{name}.json", _item(name, moment, edge, assets))
    return name


def _enlarge(values: np.ndarray, factor: int) -> np.ndarray:
    return values.astype(np.uint16).repeat(factor, axis=0).repeat(factor, axis=1)


def _write_cog(path: Path, pixels: np.ndarray, size: float, encoding: dict) -> dict:
    height, width = pixels.shape
    transform = from_origin(WEST, NORTH, size, size)
    profile = {"width": width, "height": height, "count": 1, "dtype": pixels.dtype.name}
    with MemoryFile() as memory:
        with memory.open(driver="GTiff", crs=CRS, transform=transform, nodata=0, **profile) as raw:
            raw.write(pixels, 1)
        with memory.open() as raw:
            copy(
                raw,
                path,
                driver="COG",
                compress="DEFLATE",
                level=1,
                predictor="YES",
                blocksize=1024,
                overview_resampling=Resampling.nearest.name,
            )
    return {
        "href": path.name,
        "roles": ["data"],
        "proj:shape": [height, width],
        "proj:transform": list(transform)[:6],
        "raster:bands": [encoding],
    }


def _item(name: str, moment: datetime, edge: int, assets: dict) -> dict:
    west, south, east, north = transform_bounds(
        CRS, "EPSG:4326", WEST, NORTH - edge * 10, WEST + edge * 10, NORTH
    )
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {
        "type": "Feature",
        "stac_version": "1.0.0",
        "stac_extensions": [
            "https://stac-extensions.github.io/projection/v1.1.0/schema.json",
            "https://stac-extensions.github.io/raster/v1.1.0/schema.json",
        ],
        "id": name,
        "collection": COLLECTION,
        "bbox": [west, south, east, north],
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {
            "datetime": f"{moment:%Y-%m-%dT%H:%M:%SZ}",
            "eo:cloud_cover": 20.0,
            "proj:epsg": 32633,
        },
        "links": [],
        "assets": assets,
    }


def _document(kind: str, name: str, links: list[dict]) -> dict:
    return {
        "type": kind,
        "stac_version": "1.0.0",
        "id": name,
        "description": "Made up for benchmarks",
        "links": links,
    }


def _write(path: Path, content: dict) -> None:
    path.write_text(json.dumps(content), encoding="utf-8")


def tile_geobox_bounds(edge: int) -> tuple[float, float, float, float]:
    """West, south, east and north of the tile, in metres of its CRS."""
    return WEST, NORTH - edge * 10, WEST + edge * 10, NORTH
