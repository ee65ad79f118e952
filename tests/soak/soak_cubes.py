"""Random small cubes: scenes as files and items, a request for them, and the oracle's words."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import rasterio
import shapely
from affine import Affine
from fairweather.core.bridge.request import (
    Area,
    CompositeRequest,
    PixelGrid,
    SceneSearch,
)
from pyproj import Transformer
from soak_oracle import Asked, Band, Grid, Layer, Scene, ratio

HOME, NEXT_ZONE = "EPSG:32633", "EPSG:32634"
CORNER = {HOME: (700_000, 5_000_000), NEXT_ZONE: (228_100, 5_003_300)}
FIRST = datetime(2023, 5, 1, tzinfo=timezone.utc)
CLASSES, BITS = range(12), range(8)
DTYPES = ("uint8", "uint16", "int16", "float32")
# Scale and offset; those of other scenes differ from the first's by steps, by parts of one, or all.
ENCODINGS = ((1e-4, -0.1), (1e-4, 0.0), (2.75e-5, -0.2), (0.01, 0.0), (1.0, 0.0), (0.5, -3.0))
# A nodata value that no dtype has, for files whose every number is a value.
NEVER = -99_999.0
COMPRESSIONS = ("deflate", "lzw", "zstd", "none")


def _where_less(red: np.ndarray, nir: np.ndarray) -> np.ndarray:
    return np.where(np.isnan(red + nir), np.nan, np.where(red < nir, red, 0))


INDICES: dict[str, tuple[tuple[str, ...], Callable[..., np.ndarray]]] = {
    "NDVI": (("nir", "red"), lambda nir, red: ratio(nir - red, nir + red)),
    "d=nir-2*red": (("nir", "red"), lambda nir, red: nir - 2 * red),
    "q=red/(nir-0.5)": (("red", "nir"), lambda red, nir: ratio(red, nir - 0.5)),
    "m=max(red, nir)": (("red", "nir"), np.maximum),
    "w=where(red<nir, red, 0)": (("red", "nir"), _where_less),
}


@dataclass(frozen=True)
class Cube:
    """What is asked of the engine, what it is made of, and the size of its blocks."""

    request: CompositeRequest
    scenes: tuple[Scene, ...]
    asked: Asked
    block_edge: int


def make_cube(seed: int, folder: Path) -> Cube:
    """The cube of a seed, its files in ``folder``."""
    return _Maker(seed, folder).make()


class _Maker:
    def __init__(self, seed: int, folder: Path) -> None:
        self.random = Random(seed)
        self.chance = np.random.default_rng(seed)
        self.folder = folder
        self.is_float = self.chance_of(0.15)
        self.dtype = "float32" if self.is_float else self.pick(DTYPES[:3])
        self.nodata = self.pick(
            (None, math.nan, -9999.0) if self.is_float else (None, 0, 0, 7, 255)
        )
        self.are_bits = self.chance_of(0.3)
        self.mask_nodata = 1 if self.are_bits else self.pick((0, 0, 255))
        self.encoding = self.pick(ENCODINGS)
        self.other = self.pick((0.0, 0.0, 0.3, 0.6))
        self.size = self.pick((10.0, 10.0, 20.0, 2.5))

    def pick(self, choices: Any) -> Any:
        return self.random.choice(choices)

    def chance_of(self, share: float) -> bool:
        return self.random.random() < share

    def make(self) -> Cube:
        names = self._bands()
        scenes, items = [], []
        for number in range(self.random.randint(1, 7)):
            scene = self._scene(number)
            scenes.append(scene)
            items.append(self._item(scene))
        self.random.shuffle(items)
        catalog = self.folder / "items.json"
        catalog.write_text(json.dumps({"type": "FeatureCollection", "features": items}))
        request, asked = self._ask(names, str(catalog))
        return Cube(request, tuple(scenes), asked, self.pick((16, 48, 64, 64)))

    def _bands(self) -> tuple[str, ...]:
        bands = self.pick((("red",), ("red", "nir"), ("nir", "red")))
        if self.chance_of(0.4):
            bands += (self.pick(tuple(INDICES)),)
        if self.chance_of(0.15):
            bands = (self.pick(tuple(INDICES)),)
        return bands

    def _scene(self, number: int) -> Scene:
        crs = NEXT_ZONE if self.chance_of(0.12) else HOME
        left, top = CORNER[crs]
        shift = self.pick((0.0, 0.0, 0.5, 0.25)) if self.chance_of(0.3) else 0.0
        columns, rows = (self.random.randint(-12, 8) for _ in "xy")
        shape = (self.random.randint(14, 40), self.random.randint(14, 40))
        grid = Grid(
            crs,
            left + (columns + shift) * self.size,
            top + (rows - shift) * self.size,
            self.size,
            self.size,
            shape,
        )
        coarse = grid
        if self.chance_of(0.5):
            half = (-(-shape[0] // 2), -(-shape[1] // 2))
            coarse = Grid(crs, grid.left, grid.top, 2 * self.size, 2 * self.size, half)
        # Seconds apart, so that no two scenes are one acquisition; some days have several scenes.
        moment = FIRST + timedelta(
            days=self.random.randrange(5), hours=self.random.randrange(24), seconds=number
        )
        scale, offset = self._encoding()
        bands = {
            name: Layer(self._numbers(own.shape), own, self.nodata, scale, offset)
            for name, own in (("red", grid), ("nir", self.pick((grid, coarse))))
        }
        mask = Layer(self._classes(coarse.shape), coarse, self.mask_nodata)
        return Scene(f"scene-{self.random.randrange(1000):03}-{number}", moment, bands, mask)

    def _encoding(self) -> tuple[float, float]:
        scale, offset = self.encoding
        if not self.chance_of(self.other):
            return scale, offset
        other = self.pick((0.0, offset + 1000 * scale, offset + 0.5 * scale))
        return scale, round(other, 9)

    def _numbers(self, shape: tuple[int, int]) -> np.ndarray:
        if self.is_float:
            numbers = self.chance.normal(0.5, 2, shape).astype(np.float32)
            numbers[self.chance.random(shape) < 0.1] = np.nan
        else:
            limits = np.iinfo(self.dtype)
            low, high = self.pick(((limits.min, limits.max), (0, 12), (1, min(limits.max, 9000))))
            numbers = self.chance.integers(low, high, shape, self.dtype, endpoint=True)
        if self.nodata is not None and np.can_cast(np.min_scalar_type(self.nodata), self.dtype):
            numbers[self.chance.random(shape) < self.pick((0.02, 0.3))] = self.nodata
        return numbers

    def _classes(self, shape: tuple[int, int]) -> np.ndarray:
        if self.are_bits:
            bits = [self.chance.random(shape) < self.pick((0.05, 0.3)) for _ in BITS]
            return sum(bit.astype(np.uint16) << number for number, bit in enumerate(bits))
        classes = self.chance.integers(0, len(CLASSES), shape, np.uint8)
        classes[self.chance.random(shape) < 0.4] = 4
        classes[self.chance.random(shape) < 0.05] = self.mask_nodata
        return classes

    def _item(self, scene: Scene) -> dict[str, Any]:
        grid = scene.bands["red"].grid
        to_degrees = Transformer.from_crs(grid.crs, "EPSG:4326", always_xy=True)
        outline = shapely.segmentize(grid.box(), grid.width * 10)
        footprint = shapely.transform(
            outline, lambda xy: np.column_stack(to_degrees.transform(*xy.T))
        )
        layers = {**scene.bands, "mask": scene.mask}
        return {
            "type": "Feature", "stac_version": "1.0.0", "stac_extensions": [], "links": [],
            "id": scene.id, "collection": "made-up", "bbox": list(footprint.bounds),
            "geometry": shapely.geometry.mapping(footprint),
            "properties": {"datetime": scene.moment.isoformat(), "eo:cloud_cover": 5},
            "assets": {name: self._asset(scene, name, layer) for name, layer in layers.items()},
        }  # fmt: skip

    def _asset(self, scene: Scene, name: str, layer: Layer) -> dict[str, Any]:
        path = self.folder / f"{scene.id}-{name}.tif"
        grid, tile = layer.grid, self.pick((16, 32))
        affine = Affine(grid.width, 0, grid.left, 0, -grid.height, grid.top)
        tiles = {"tiled": True, "blockxsize": tile, "blockysize": tile}
        with rasterio.open(
            path, "w", driver="GTiff", count=1, dtype=layer.pixels.dtype, crs=grid.crs,
            height=grid.shape[0], width=grid.shape[1], transform=affine,
            compress=self.pick(COMPRESSIONS), **(tiles if self.chance_of(0.8) else {}),
        ) as dataset:  # fmt: skip
            dataset.write(layer.pixels, 1)
        encoding: dict[str, Any] = {"data_type": str(layer.pixels.dtype)}
        if name != "mask":
            nodata = "nan" if self.is_float and self.nodata != self.nodata else self.nodata
            encoding |= {"scale": layer.scale, "offset": layer.offset, "nodata": nodata}
        asset: dict[str, Any] = {"href": str(path), "raster:bands": [encoding]}
        if self.chance_of(0.8):
            asset |= {
                "proj:code": grid.crs,
                "proj:shape": list(grid.shape),
                "proj:transform": list(affine)[:6],
            }
        return asset

    def _profile(self) -> str:
        numbers = BITS if self.are_bits else CLASSES
        profile = {
            "id": "made-up", "title": "Made up", "catalog": "", "collection": "made-up",
            "access": "open", "attribution": "Nobody", "license": "CC0-1.0",
            "nodata": NEVER, "scale": 1.0, "offset": 0.0, "offset_rule": "item",
            "bands": {
                name: {"asset": name, "title": name, "resolution": 10} for name in ("red", "nir")
            },
            "mask": {
                "asset": "mask", "resolution": 10, "nodata": self.mask_nodata,
                "kind": "bits" if self.are_bits else "classes",
                "classes": {str(number): f"class {number}" for number in numbers},
                "words": {}, "masked": [3, 4] if self.are_bits else [3, 8, 9, 10],
            },
        }  # fmt: skip
        path = self.folder / "profile.json"
        path.write_text(json.dumps(profile))
        return str(path)

    def _ask(self, names: tuple[str, ...], catalog: str) -> tuple[CompositeRequest, Asked]:
        crs, resolution, align = self._grid_asked()
        area_crs = crs or (align[0] if align else HOME)
        if area_crs == HOME and self.chance_of(0.2):
            area_crs = self.pick((NEXT_ZONE, "EPSG:4326"))
        is_extent = self.chance_of(0.4)
        area = self._area(area_crs, is_extent)
        numbers = BITS if self.are_bits else CLASSES
        chosen = self.pick((None, None, (), tuple(self.random.sample(numbers, 3))))
        standard = (3, 4) if self.are_bits else (3, 8, 9, 10)
        masked = standard if chosen is None else chosen
        buffer = 0.0
        if masked and self.chance_of(0.15) and "EPSG:4326" not in (crs, align and align[0]):
            buffer = self.size * self.pick((1.0, 1.5, 2.3, 4.0))
        clip = self.chance_of(0.85)
        request = CompositeRequest(
            search=SceneSearch(
                "custom", Area(area_crs, shapely.geometry.mapping(area), is_extent),
                "2023-05-01", "2023-05-31", catalog=catalog, profile=self._profile(),
            ),
            bands=names, output=str(self.folder / "composite.tif"), mask_classes=chosen,
            mask_buffer=buffer, resolution=resolution, crs=crs,
            align=PixelGrid(*align) if align else None, clip=clip,
            dtype=self.pick(("float32", "float32", "int16")), count_band=self.chance_of(0.5),
            memory_gb=1.0,
        )  # fmt: skip
        bands = tuple(
            Band(name.split("=")[0], *INDICES[name]) if name in INDICES else Band(name, (name,))
            for name in names
        )
        asked = Asked(
            bands, area, area_crs, is_extent, frozenset(masked) if masked else None,
            self.are_bits, buffer, resolution, crs, align, clip,
        )  # fmt: skip
        return request, asked

    def _grid_asked(self) -> tuple[str, float | None, Any]:
        """CRS, RESOLUTION and ALIGN."""
        kind = self.random.random()
        if kind < 0.1:
            left, top = CORNER[HOME]
            x, y = left + self.random.random() * self.size, top + self.random.random() * self.size
            sizes = [self.size * self.random.uniform(0.8, 2.5) for _ in "xy"]
            return "", None, (HOME, x, y, *sizes)
        if kind < 0.3:
            crs = self.pick((NEXT_ZONE, "EPSG:3857", "EPSG:3035", "EPSG:4326"))
            size = self.size * self.random.uniform(0.8, 2.5)
            return crs, size / 90_000 if crs == "EPSG:4326" else size, None
        resolution = self.size * self.pick((1.5, 2, 0.7, 3, 0.5, 1)) if kind < 0.6 else None
        return "", resolution, None

    def _area(self, crs: str, is_extent: bool) -> shapely.Polygon:
        """A rectangle, or a polygon of any shape, where some of the scenes lie."""
        left, top = CORNER[HOME]
        middle = (left + self.random.uniform(6, 24) * self.size, top - 14 * self.size)
        to_area = Transformer.from_crs(HOME, crs, always_xy=True)
        x, y = to_area.transform(*middle)
        unit = self.size / (90_000 if crs == "EPSG:4326" else 1)
        if is_extent:
            wide, high = (self.random.uniform(3, 25) * unit for _ in "xy")
            return shapely.box(x - wide, y - high, x + wide, y + high)
        corners = self.random.randint(3, 9)
        points = []
        for corner in range(corners):
            angle = 2 * math.pi * (corner + self.random.uniform(-0.3, 0.3)) / corners
            reach = self.random.uniform(6, 25) * unit
            points.append((x + reach * math.cos(angle), y + reach * math.sin(angle)))
        return shapely.Polygon(points)
