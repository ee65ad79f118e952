"""A made-up tile of Sentinel-2's kind and size: its files, and its items as a catalogue has them.

Pixels compress as real ones do, to about two thirds: a landscape with noise in the last bits.
Clouds are fields of many kilometres, so that whole blocks of a day may be hidden.

A year of such a tile is 20 GB. Here it takes less than 5 GB: the bands of the days are hard
links to fewer files, in another order for every band. To a reader each is a file of its own, at
an address of its own, and costs what it would cost; no two bands of a day are the same.
"""

from __future__ import annotations

import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import partial
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
BANDS = ("red", "green", "blue", "nir")
PIXEL, MASK_PIXEL = 10.0, 20.0
ENCODING = {"nodata": 0, "data_type": "uint16", "scale": 0.0001, "offset": -0.1}
MASK_ENCODING = {"nodata": 0, "data_type": "uint8"}
CLEAR_LAND, BARE, WATER = 4, 5, 6
SHADOW, LIKELY_CLOUD, CLOUD, CIRRUS = 3, 8, 9, 10
FILES = 18  # of pixels, which the days' bands link to
SHARE_OF_RAW = 0.67
OVERVIEWS = 4 / 3
VERSION = 1  # a tile made by an older version of this file is made anew


@dataclass(frozen=True)
class Tile:
    """A tile on disk: ``edge`` is its height and width in pixels of 10 m."""

    folder: Path
    edge: int
    days: int

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        """West, south, east and north in metres of ``CRS``."""
        return WEST, NORTH - self.edge * PIXEL, WEST + self.edge * PIXEL, NORTH


def make_tile(tile: Tile) -> None:
    """Write the tile's files; what is there already stays.

    Raises:
        SystemExit: the disk has no room.
    """
    made = tile.folder / "made.json"
    description = {"version": VERSION, "edge": tile.edge, "days": tile.days}
    if made.is_file() and json.loads(made.read_text(encoding="utf-8")) == description:
        return
    shutil.rmtree(tile.folder, ignore_errors=True)
    tile.folder.mkdir(parents=True)
    files = min(FILES, tile.days * len(BANDS))
    _check_room(tile, files)
    print(f"Making the tile of {tile.edge} pixels in {tile.folder}, once", flush=True)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(partial(_make_pixels, tile), range(files)))
        list(pool.map(partial(_make_mask, tile), range(tile.days)))
    made.write_text(json.dumps(description), encoding="utf-8")


def item_collection(tile: Tile, days: int, base: str) -> dict:
    """The items of ``days`` days of the year, whose files have addresses under ``base``.

    More days than the tile has take its days again and again, as files of their own.
    """
    start = datetime(2023, 1, 2, 10, 0, 20, tzinfo=timezone.utc)
    step = 365 // days
    features = [
        _make_item(tile, base, days, number, start + timedelta(days=step * number))
        for number in range(days)
    ]
    return {"type": "FeatureCollection", "features": features}


def warm(tile: Tile) -> None:
    """Read every file once, so that the first run finds what the last one finds."""
    for path in sorted((tile.folder / "pixels").iterdir()):
        with path.open("rb") as file:
            while file.read(1 << 24):
                pass


def _check_room(tile: Tile, files: int) -> None:
    needed = tile.edge**2 * 2 * SHARE_OF_RAW * OVERVIEWS * files + tile.edge**2 / 4 * tile.days
    free = shutil.disk_usage(tile.folder).free
    if needed > free:
        raise SystemExit(
            f"The benchmarks' tile needs {needed / 1e9:.1f} GB in {tile.folder}, where "
            f"{free / 1e9:.1f} GB are free; make room, or name another folder."
        )


def _make_pixels(tile: Tile, number: int) -> None:
    random = np.random.default_rng(number)
    land = 2300 + 400 * _field(random, tile.edge, 256) + 250 * _field(random, tile.edge, 32)
    land += 50 * random.standard_normal(land.shape, np.float32)
    pixels = np.clip(land, 1001, 20_000, out=land).astype(np.uint16)
    _write_cog(tile.folder / "pixels" / f"{number}.tif", pixels, PIXEL)


def _make_mask(tile: Tile, day: int) -> None:
    edge = tile.edge // 2
    random = np.random.default_rng([7, day])
    land = _field(random, edge, 64)
    classes = np.select([land > 0.5, land < -1.0], [BARE, WATER], CLEAR_LAND).astype(np.uint8)
    clouds = _field(random, edge, 1200) + 0.1 * _field(random, edge, 120)
    clouds += 0.03 * _field(random, edge, 16)
    levels = np.quantile(clouds[::16, ::16], 1 - cloud_cover(day) * np.array([1, 0.9, 0.7, 0.1]))
    for level, name in zip(levels, (SHADOW, LIKELY_CLOUD, CLOUD, CIRRUS), strict=True):
        classes[clouds > level] = name
    _write_cog(tile.folder / "pixels" / f"mask-{day}.tif", classes, MASK_PIXEL)


def cloud_cover(day: int) -> float:
    """The share of a day that is hidden."""
    return float(np.random.default_rng([11, day]).uniform(0.02, 0.5))


def _field(random: np.random.Generator, edge: int, step: int) -> np.ndarray:
    """float32 (edge, edge): random values ``step`` pixels apart, and straight lines between."""
    knots = edge // step + 2
    position = np.arange(edge, dtype=np.float32) / step
    weights = np.maximum(0, 1 - np.abs(position[:, np.newaxis] - np.arange(knots)))
    weights = weights.astype(np.float32)
    return weights @ random.standard_normal((knots, knots), np.float32) @ weights.T


def _write_cog(path: Path, pixels: np.ndarray, size: float) -> None:
    path.parent.mkdir(exist_ok=True)
    height, width = pixels.shape
    profile = {"width": width, "height": height, "count": 1, "dtype": pixels.dtype.name}
    profile |= {"crs": CRS, "transform": from_origin(WEST, NORTH, size, size), "nodata": 0}
    with MemoryFile() as memory:
        with memory.open(driver="GTiff", **profile) as raw:
            raw.write(pixels, 1)
        with memory.open() as raw:
            copy(
                raw,
                path,
                driver="COG",
                compress="DEFLATE",
                level=6,
                predictor="YES",
                blocksize=1024,
                overview_resampling=Resampling.nearest.name,
            )


def _make_item(tile: Tile, base: str, days: int, number: int, moment: datetime) -> dict:
    name = f"MADE_UP_{days}_{moment:%Y%m%d}"
    day = number % tile.days
    files = min(FILES, tile.days * len(BANDS))
    # Every band starts at another file, so no two of a day are the same.
    sources = {band: f"{(day + place * 4) % files}.tif" for place, band in enumerate(BANDS)}
    sources["scl"] = f"mask-{day}.tif"
    for band, source in sources.items():
        _link(tile.folder / "pixels" / source, tile.folder / "scenes" / name / f"{band}.tif")
    assets = {
        band: _asset(f"{base}/scenes/{name}/{band}.tif", tile.edge, PIXEL, ENCODING)
        for band in BANDS
    }
    mask = f"{base}/scenes/{name}/scl.tif"
    assets["scl"] = _asset(mask, tile.edge // 2, MASK_PIXEL, MASK_ENCODING)
    west, south, east, north = transform_bounds(CRS, "EPSG:4326", *tile.bounds)
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
            "eo:cloud_cover": round(100 * cloud_cover(day), 2),
            "proj:epsg": int(CRS.removeprefix("EPSG:")),
            "grid:code": "MGRS-33TWM",
            "platform": "sentinel-2a",
        },
        "links": [],
        "assets": assets,
    }


def _link(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.exists():
        os.link(source, target)


def _asset(href: str, edge: int, pixel: float, encoding: dict) -> dict:
    return {
        "href": href,
        "type": "image/tiff; application=geotiff; profile=cloud-optimized",
        "roles": ["data"],
        "proj:shape": [edge, edge],
        "proj:transform": [pixel, 0.0, WEST, 0.0, -pixel, NORTH],
        "raster:bands": [encoding],
    }
