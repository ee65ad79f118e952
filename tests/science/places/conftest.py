"""Scenes of Sentinel-2 made up anywhere on the globe, both jobs run on them, and a plain oracle."""

import csv
import dataclasses
import json
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from fairweather.core.bridge.request import (
    Area,
    CompositeRequest,
    SceneSearch,
    Site,
    TimeSeriesRequest,
)
from fairweather.core.bridge.series_recipe import SeriesRecipe
from fairweather.core.science.composite.job import run_composite
from fairweather.core.science.reporter import RecordingReporter
from fairweather.core.science.timeseries.job import run_time_series
from pyproj import Transformer

CLOUD, CLEAR = 9, 4
FIRST = datetime(2024, 5, 3, 22, 6, tzinfo=timezone.utc)


def from_degrees(crs):
    return Transformer.from_crs("EPSG:4326", crs, always_xy=True).transform


def moved(geometry, source, target):
    """Vertex by vertex."""
    transform = Transformer.from_crs(source, target, always_xy=True).transform
    return shapely.transform(geometry, transform, interleaved=False)


def as_geojson(geometry):
    """As a request has it; of a dictionary, what it is already."""
    return geometry if isinstance(geometry, dict) else shapely.geometry.mapping(geometry)


@dataclasses.dataclass(frozen=True)
class Tile:
    """The pixels of a scene: CRS, upper left corner, pixel size and shape."""

    crs: str
    left: float
    top: float
    size: float = 100.0
    shape: tuple = (60, 80)

    @classmethod
    def around(cls, crs, longitude, latitude, **others):
        tile = cls(crs, 0.0, 0.0, **others)
        x, y = from_degrees(crs)(longitude, latitude)
        rows, columns = tile.shape
        left = round(x / tile.size - columns / 2) * tile.size
        top = round(y / tile.size + rows / 2) * tile.size
        return dataclasses.replace(tile, left=left, top=top)

    @property
    def transform(self):
        return Affine(self.size, 0, self.left, 0, -self.size, self.top)

    def box(self, inset=0.0):
        """The rectangle of the pixels, made smaller by ``inset`` pixels, in the tile's CRS."""
        rows, columns = self.shape
        right, bottom = self.left + columns * self.size, self.top - rows * self.size
        return shapely.box(self.left, bottom, right, self.top).buffer(
            -inset * self.size, join_style="mitre"
        )

    def footprint(self):
        """As catalogues publish it: corners in degrees, whichever side of 180 each is on."""
        return moved(self.box().segmentize(self.size * 20), self.crs, "EPSG:4326")


@dataclasses.dataclass(frozen=True)
class MadeScene:
    """A scene's pixels: reflectance (NaN under clouds) by row and column, and its item."""

    tile: Tile
    day: int
    reflectance: np.ndarray
    item: dict

    def at(self, x, y, crs):
        """The reflectance of the pixels that hold the places, NaN where the scene has none."""
        x, y = Transformer.from_crs(crs, self.tile.crs, always_xy=True).transform(x, y)
        columns, rows = ~self.tile.transform * (np.asarray(x), np.asarray(y))
        columns = np.floor(columns + 1e-6).astype(int)
        rows = np.floor(rows + 1e-6).astype(int)
        height, width = self.tile.shape
        known = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
        values = self.reflectance[np.clip(rows, 0, height - 1), np.clip(columns, 0, width - 1)]
        return np.where(known, values, np.nan), known


class Globe:
    """Makes scenes, and runs both jobs on them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.scenes: list[MadeScene] = []
        self.reporter = RecordingReporter()

    def scene(self, tile, day=0, *, minutes=0, footprint=None):
        """Write a scene with noise, and clouds on a tenth of its pixels."""
        number = len(self.scenes)
        noise = np.random.default_rng(number)
        numbers = noise.integers(1500, 4000, tile.shape).astype(np.uint16)
        mask = np.where(noise.random(tile.shape) < 0.1, CLOUD, CLEAR).astype(np.uint8)
        footprint = tile.footprint() if footprint is None else footprint
        moment = FIRST + timedelta(days=5 * day, minutes=minutes)
        properties = {
            "datetime": moment.isoformat().replace("+00:00", "Z"),
            "eo:cloud_cover": 10.0,
            "platform": "sentinel-2a",
            "proj:code": tile.crs,
        }
        item = {
            "type": "Feature",
            "stac_version": "1.0.0",
            "stac_extensions": [],
            "id": f"made-{number}",
            "collection": "sentinel-2-c1-l2a",
            "geometry": shapely.geometry.mapping(footprint),
            "bbox": list(footprint.bounds),
            "links": [],
            "properties": properties,
            "assets": {
                "red": self._asset("red", number, numbers, tile, scale=1e-4, offset=-0.1),
                "scl": self._asset("scl", number, mask, tile),
            },
        }
        reflectance = np.where(mask == CLOUD, np.nan, numbers * 1e-4 - 0.1)
        self.scenes.append(MadeScene(tile, day, reflectance, item))
        return self.scenes[-1]

    def _asset(self, name, number, pixels, tile, **encoding):
        path = self.folder / f"{name}_{number}.tif"
        with rasterio.open(
            path, "w", driver="GTiff", height=tile.shape[0], width=tile.shape[1], count=1,
            dtype=pixels.dtype, crs=tile.crs, transform=tile.transform, tiled=True,
            blockxsize=64, blockysize=64,
        ) as dataset:  # fmt: skip
            dataset.write(pixels, 1)
        return {
            "href": f"./{path.name}",
            "proj:shape": list(tile.shape),
            "proj:transform": list(tile.transform)[:6],
            "raster:bands": [{"nodata": 0, "data_type": str(pixels.dtype), **encoding}],
        }

    def _search(self, area):
        path = self.folder / "items.json"
        items = [scene.item for scene in self.scenes]
        path.write_text(json.dumps({"type": "FeatureCollection", "features": items}))
        return SceneSearch(
            "sentinel-2-c1-l2a", area, "2024-05-01", "2024-06-30", str(path), max_cloud=100.0
        )

    def composite(self, geometry, crs="EPSG:4326", *, is_extent=False, output_crs="", **asked):
        """The composite's (rows, columns) values, and its grid as rasterio tells it.

        ``geometry`` is a shape or GeoJSON.
        """
        area = Area(crs, as_geojson(geometry), is_extent)
        output = self.folder / "composite.tif"
        asked = {"memory_gb": 1.0, "crs": output_crs, **asked}
        request = CompositeRequest(self._search(area), ("red",), str(output), **asked)
        run_composite(request, self.reporter, self.folder)
        assert not any("no scene" in warning for warning in self.reporter.warnings)
        with rasterio.open(output) as dataset:
            return dataset.read(1), dataset.transform, dataset.crs.to_string()

    def observations(self, geometries, crs="EPSG:4326"):
        """The rows of the table of observations, by site from 1 on."""
        shapes = [as_geojson(geometry) for geometry in geometries]
        sites = tuple(Site(number, f"site {number}", one) for number, one in enumerate(shapes, 1))
        everywhere = shapely.geometry.mapping(shapely.box(-180, -90, 180, 90))
        paths = {name: self.folder / f"{name}.csv" for name in ("series", "observations")}
        request = TimeSeriesRequest(
            self._search(Area("EPSG:4326", everywhere)),
            sites,
            crs,
            ("red",),
            SeriesRecipe(),
            **{name: str(path) for name, path in paths.items()},
        )
        run_time_series(request, self.reporter, self.folder)
        rows = list(csv.DictReader(paths["observations"].open()))
        return {
            number: [row for row in rows if row["site_id"] == str(number)]
            for number in range(1, len(sites) + 1)
        }

    def days(self, x, y, crs):
        """The reflectance at places on each day: of a day's scenes the first that has a pixel."""
        planes = []
        for day in sorted({scene.day for scene in self.scenes}):
            plane, seen = np.full(np.shape(x), np.nan), np.zeros(np.shape(x), bool)
            for scene in self.scenes:
                if scene.day == day:
                    values, known = scene.at(x, y, crs)
                    plane[known & ~seen] = values[known & ~seen]
                    seen |= known
            planes.append(plane)
        return np.stack(planes)

    def expected(self, shape, transform, crs, polygon=None):
        """The median over days on a grid, inside ``polygon`` (in ``crs``) by shapely's word."""
        columns, rows = np.meshgrid(np.arange(shape[1]) + 0.5, np.arange(shape[0]) + 0.5)
        x, y = transform * (columns, rows)
        days = self.days(x, y, crs)
        plane = np.full(shape, np.nan)
        some = ~np.isnan(days).all(axis=0)
        plane[some] = np.nanmedian(days[:, some], axis=0)
        if polygon is not None:
            plane[~shapely.contains_xy(polygon, x, y)] = np.nan
        return plane


def assert_same(found, expected):
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
    assert np.isfinite(found).any()


@pytest.fixture
def globe(tmp_path):
    return Globe(tmp_path)


@pytest.fixture(scope="session")
def tile():
    """The class of a scene's pixels."""
    return Tile


@pytest.fixture(scope="session")
def move():
    return moved


@pytest.fixture(scope="session")
def same():
    return assert_same
