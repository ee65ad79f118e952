"""Random whole runs over the sample catalogue: what is asked, and what must come of it."""

from __future__ import annotations

import csv
import dataclasses
import json
import math
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import rasterio
import shapely
from fairweather.core.bridge.request import (
    Area,
    CompositeRequest,
    SceneSearch,
    Site,
    TimeSeriesRequest,
)
from fairweather.core.bridge.series_recipe import SeriesRecipe
from soak_compare import check_band, check_count
from soak_oracle import Asked, Band, Scene, compose, ratio, transformed
from soak_sample import MASK, Wanted, wanted_scenes
from soak_series_oracle import observe, regular

COLLECTION = "fairweather-sample"
ZONES = ("EPSG:32633", "EPSG:32634")
DEGREES = "EPSG:4326"
LOCAL = "+proj=tmerc +lat_0=56.2 +lon_0=18 +ellps=WGS84 +units=m"
# The middle of each tile, and how far from it a site may be to lie in that tile alone.
TILES, REACH = (-2700, 2700), 1500
DATES = (("2024-01-01", "2024-12-31"), ("2024-04-01", "2024-09-30"), ("2024-01-20", "2024-06-25"))
FINE = ("blue", "green", "red", "nir")
# CRS and RESOLUTION; in another CRS, one for which no overview is coarse enough.
GRIDS = (
    *(("", None), ("", None), ("", 10.0), ("", 20.0), ("", 30.0), ("", 45.0)),
    *((ZONES[1], None), ("EPSG:3035", 13.0), ("EPSG:3857", 25.0)),
)
INDICES = {
    "NDVI": Band("NDVI", ("nir", "red"), lambda nir, red: ratio(nir - red, nir + red)),
    "NDWI": Band("NDWI", ("green", "nir"), lambda green, nir: ratio(green - nir, green + nir)),
    "d=nir-red": Band("d", ("nir", "red"), lambda nir, red: nir - red),
}


@dataclass(frozen=True)
class Run:
    """A request, and the oracle's words for it; files of the scenes ``lost`` cannot be read."""

    request: CompositeRequest | TimeSeriesRequest
    wanted: Wanted
    bands: tuple[Band, ...]
    asked: Asked | None = None
    lost: frozenset[str] = frozenset()

    @property
    def needed(self) -> tuple[str, ...]:
        """The names of the files that are read of each scene."""
        sources = tuple(dict.fromkeys(name for band in self.bands for name in band.sources))
        is_masked = self.asked is None or self.asked.masked is not None
        return (*sources, MASK) if is_masked else sources


def make_run(random: Random, catalog: str, folder: Path) -> Run:
    """A composite, or one time in three a time series, with outputs in ``folder``."""
    return (_make_series if random.random() < 1 / 3 else _make_composite)(random, catalog, folder)


def check_run(run: Run, sample: Path) -> int:
    """Assert that the outputs are the oracle's; how many numbers were compared."""
    return (_check_series if run.asked is None else _check_composite)(run, sample)


def _search(random: Random, catalog: str, area: Area) -> tuple[SceneSearch, Wanted]:
    start, end = random.choice(DATES)
    months = random.choice(((), (), (3, 4, 5, 6, 7, 8, 9)))
    cloud = random.choice((100.0, 100.0, 70.0))
    search = SceneSearch(
        COLLECTION, area, start, end, catalog=catalog, months=months, max_cloud=cloud
    )
    return search, Wanted(start, end, months, cloud)


def _make_composite(random: Random, catalog: str, folder: Path) -> Run:
    crs, resolution = random.choice(GRIDS)
    area_crs = random.choice((DEGREES, *ZONES))
    is_extent = random.random() < 0.4
    area = _area(random, area_crs, is_extent)
    search, wanted = _search(random, catalog, Area(area_crs, _geojson(area), is_extent))
    names = tuple(random.sample(FINE, random.randint(1, 3)))
    if random.random() < 0.2:
        names = (*names, "swir16")
    if random.random() < 0.4:
        names = (*names, random.choice(tuple(INDICES)))
    chosen = random.choice((None, None, (), (8, 9), (0, 3, 9)))
    masked = (3, 8, 9, 10) if chosen is None else chosen
    clip = random.random() < 0.8
    request = CompositeRequest(
        search, names, str(folder / "composite.tif"), mask_classes=chosen, resolution=resolution,
        report=str(folder / "report.html") if random.random() < 0.3 else "", crs=crs, clip=clip,
        dtype=random.choice(("float32", "int16")), count_band=random.random() < 0.5,
        memory_gb=random.choice((0.0, 0.7, 1.0)),
    )  # fmt: skip
    bands = tuple(INDICES.get(name, Band(name, (name,))) for name in names)
    asked = Asked(
        bands, area, area_crs, is_extent, frozenset(masked) if masked else None,
        resolution=resolution, crs=crs, clip=clip,
    )  # fmt: skip
    return Run(request, wanted, bands, asked)


def _area(random: Random, crs: str, is_extent: bool) -> shapely.Polygon:
    x, y = random.uniform(-3500, 3500), random.uniform(-1500, 1500)
    wide, high = random.uniform(150, 1500), random.uniform(150, 1500)
    if is_extent:
        box = shapely.box(x - wide, y - high, x + wide, y + high)
        return shapely.box(*transformed(box, LOCAL, crs).bounds)
    corners = random.randint(3, 12)
    angles = [2 * math.pi * (n + random.uniform(-0.3, 0.3)) / corners for n in range(corners)]
    reach = [random.uniform(0.5, 1) for _ in angles]
    points = [
        (x + wide * far * math.cos(angle), y + high * far * math.sin(angle))
        for angle, far in zip(angles, reach, strict=True)
    ]
    return transformed(shapely.Polygon(points), LOCAL, crs)


def _geojson(geometry: shapely.Geometry) -> dict[str, Any]:
    return shapely.geometry.mapping(geometry)


def _check_composite(run: Run, sample: Path) -> int:
    request = run.request
    sources = tuple(dict.fromkeys(name for band in run.bands for name in band.sources))
    pixel = request.resolution if not request.crs else None
    scenes = wanted_scenes(sample, run.wanted, sources, pixel)
    expected = compose(scenes, dataclasses.replace(run.asked, lost=run.lost))
    with rasterio.open(request.output) as dataset:
        assert dataset.shape == expected.grid.shape, f"{dataset.shape}, not {expected.grid.shape}"
        found = dict(zip(dataset.descriptions, dataset.read(), strict=True))
        skipped = json.loads(dataset.tags().get("FAIRWEATHER_SKIPPED", "[]"))
    assert {one["item"] for one in skipped} <= run.lost, f"{skipped} were skipped"
    for name, values in expected.values.items():
        check_band(found[name], name, values, expected, request.dtype)
    if request.count_band:
        check_count(found["clear_days"], expected)
    if request.report:
        assert Path(request.report).stat().st_size > 1000
    return expected.inside.size * len(found)


def _make_series(random: Random, catalog: str, folder: Path) -> Run:
    crs = random.choice((DEGREES, *ZONES))
    sites = tuple(
        Site(number, f"site {number}", _geojson(_site(random, crs)))
        for number in range(random.randint(1, 4))
    )
    hull = shapely.union_all([shapely.geometry.shape(site.geometry) for site in sites])
    around = hull.buffer(1e-4 if crs == DEGREES else 10).envelope
    search, wanted = _search(random, catalog, Area(crs, _geojson(around)))
    index = random.choice((*INDICES, "red", "nir"))
    request = TimeSeriesRequest(
        search, sites, crs, (index,), SeriesRecipe(step=random.choice((5, 16, 30))),
        statistic=random.choice(("mean", "mean", "median", "min", "max", "std", "p10", "p90")),
        series=str(folder / "series.csv"), observations=str(folder / "observations.csv"),
        chart=str(folder / "chart.html") if random.random() < 0.3 else "",
    )  # fmt: skip
    return Run(request, wanted, (INDICES.get(index, Band(index, (index,))),))


def _site(random: Random, crs: str) -> shapely.Geometry:
    """A point or a small polygon within one tile."""
    x = random.choice(TILES) + random.uniform(-REACH, REACH)
    y = random.uniform(-REACH, REACH)
    if random.random() < 0.4:
        return transformed(shapely.Point(x, y), LOCAL, crs)
    circle = shapely.Point(x, y).buffer(random.uniform(30, 200), quad_segs=random.randint(1, 5))
    return transformed(circle, LOCAL, crs)


def _check_series(run: Run, sample: Path) -> int:
    request, (band,) = run.request, run.bands
    scenes = wanted_scenes(sample, run.wanted, band.sources, None)
    lost = {_time(scene) for scene in scenes if scene.id in run.lost}
    observations, series = (_rows(path) for path in (request.observations, request.series))
    compared = 0
    for site in request.sites:
        own = [row for row in observations if row["site_id"] == str(site.id) and row["time"]]
        expected = observe(
            scenes, shapely.geometry.shape(site.geometry), request.sites_crs, band,
            masked=frozenset((3, 8, 9, 10)), statistic=request.statistic,
        )  # fmt: skip
        found = {row["time"]: row for row in own}
        for time, one in expected.items():
            is_needed = one.clear_pixels and time not in lost
            assert time in found or not is_needed, f"{site.name} has no row of {time}"
        for time, row in found.items():
            one = None if time in lost else expected.get(time)
            told = (_number(row["value"]), int(row["clear_pixels"]))
            wanted = (one.value, one.clear_pixels) if one else (np.nan, 0)
            assert np.allclose(told, wanted, rtol=0, atol=1e-9, equal_nan=True), (
                f"{site.name} has {told} instead of {wanted} at {time}"
            )
        compared += len(own) + _check_regular(site, own, series, request.recipe.step)
    return compared


def _time(scene: Scene) -> str:
    return scene.moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _check_regular(site: Site, observed: list[Any], series: list[Any], step: int) -> int:
    rows = [row for row in series if row["site_id"] == str(site.id) and row["time"]]
    if not observed:
        return 0
    expected = regular([r["time"] for r in observed], [_number(r["value"]) for r in observed], step)
    for name in expected:
        told = np.array([_number(row[name]) for row in rows])
        assert len(told) == len(expected), f"{site.name}: {len(told)} of {len(expected)} steps"
        is_same = np.isclose(told, expected[name], rtol=0, atol=1e-9, equal_nan=True)
        assert is_same.all(), f"{site.name}: {(~is_same).sum()} of {len(told)} steps of {name}"
    return 3 * len(rows)


def _rows(path: str) -> list[dict[str, str]]:
    with Path(path).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _number(text: str) -> float:
    return float(text) if text else np.nan
