"""Two years of the sample catalogue against plain rasterio and the notebook's steps in xarray."""

import csv
import json
from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np
import pyproj
import pytest
import rasterio
import shapely
import xarray as xr
from fairweather.core.bridge.request import (
    Area,
    SampleCatalogRequest,
    SceneSearch,
    Site,
    TimeSeriesRequest,
)
from fairweather.core.bridge.series_recipe import SeriesRecipe
from fairweather.core.science.reporter import RecordingReporter
from fairweather.core.science.sample_catalog.job import run_sample_catalog
from fairweather.core.science.timeseries.job import run_time_series

pytestmark = pytest.mark.slow

DAYS = 146
MASKED = (3, 8, 9, 10)
UTM33, UTM34 = "EPSG:32633", "EPSG:32634"
# Metres east and north of the land's centre, on the border of the zones; both tiles reach over it.
LOCAL = "+proj=tmerc +lat_0=56.2 +lon_0=18 +ellps=WGS84 +units=m"
FIELD = shapely.box(-3_400, -1_700, -2_900, -1_300).difference(
    shapely.box(-3_200, -1_600, -3_100, -1_450)
)
SITES = {
    "western field": shapely.Point(-3_010.3, 1_204.8),
    "eastern field": shapely.Point(3_102.2, -1_411.7),
    "on the seam": shapely.Point(12.4, 333.1),
    "parcel with a hole": FIELD,
    "two parts on the seam": shapely.MultiPolygon(
        [shapely.box(-130, -700, 60, -560), shapely.box(110, -690, 240, -610)]
    ),
}


@dataclass(frozen=True)
class Item:
    """A scene as its files tell it, read by nothing of the project."""

    id: str
    time: datetime
    footprint: shapely.Geometry
    folder: object
    crs: str
    grid: tuple


@pytest.fixture(scope="module")
def catalog(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two years")
    request = SampleCatalogRequest(str(folder / "sample"), DAYS)
    run_sample_catalog(request, RecordingReporter(), folder)
    return folder / "sample" / "catalog.json"


@pytest.fixture(scope="module")
def items(catalog):
    found = []
    for path in catalog.parent.glob("fairweather-sample/*/*.json"):
        content = json.loads(path.read_text())
        with rasterio.open(path.parent / "red.tif") as dataset:
            found.append(
                Item(
                    content["id"],
                    datetime.fromisoformat(content["properties"]["datetime"]),
                    shapely.geometry.shape(content["geometry"]),
                    path.parent,
                    f"EPSG:{dataset.crs.to_epsg()}",
                    tuple(dataset.transform)[:6],
                )
            )
    return sorted(found, key=lambda item: (item.time, item.id))


def moved(geometry, source, target):
    transformer = pyproj.Transformer.from_crs(source, target, always_xy=True)
    return shapely.transform(geometry, transformer.transform, interleaved=False)


@pytest.fixture(scope="module")
def tables(catalog, tmp_path_factory):
    """The job's rows by table: all sites, both zones and both years in one run."""
    folder = tmp_path_factory.mktemp("tables")
    shapes = [moved(shape, LOCAL, "EPSG:4326") for shape in SITES.values()]
    hull = shapely.union_all(shapes).buffer(1e-4).envelope
    search = SceneSearch(
        "fairweather-sample",
        Area("EPSG:4326", shapely.geometry.mapping(hull)),
        "2024-01-01",
        "2025-12-31",
        catalog=str(catalog),
        max_cloud=100.0,
    )
    sites = tuple(
        Site(number, name, shapely.geometry.mapping(shape))
        for number, (name, shape) in enumerate(zip(SITES, shapes, strict=True))
    )
    paths = {name: folder / f"{name}.csv" for name in ("series", "observations")}
    request = TimeSeriesRequest(
        search, sites, "EPSG:4326", ("NDVI",), SeriesRecipe(),
        **{name: str(path) for name, path in paths.items()},
    )  # fmt: skip
    run_time_series(request, RecordingReporter(), folder)
    return {name: list(csv.DictReader(path.open())) for name, path in paths.items()}


def centres_of(shape, crs, grid):
    """The centres (x, y) of the pixels that the notebook's rules give to a site."""
    size, left, top = grid[0], grid[2], grid[5]
    place = moved(moved(shape, LOCAL, "EPSG:4326"), "EPSG:4326", crs)
    if place.geom_type == "Point":
        column, row = np.floor((place.x - left) / size), np.floor((top - place.y) / size)
        return np.array([left + (column + 0.5) * size]), np.array([top - (row + 0.5) * size])
    columns, rows = np.meshgrid(np.arange(512), np.arange(512))
    x, y = left + (columns + 0.5) * size, top - (rows + 0.5) * size
    inside = shapely.contains_xy(place, x, y)
    return x[inside], y[inside]


def pixels_at(item, band, x, y, crs):
    """The values of the pixels that hold the places, 0 outside of the file."""
    if crs != item.crs:
        x, y = pyproj.Transformer.from_crs(crs, item.crs, always_xy=True).transform(x, y)
    with rasterio.open(item.folder / f"{band}.tif") as dataset:
        columns, rows = np.floor(~dataset.transform * (x, y)).astype(int)
        held = (rows >= 0) & (columns >= 0) & (rows < dataset.height) & (columns < dataset.width)
        values = np.zeros(len(rows), int)
        values[held] = dataset.read(1)[rows[held], columns[held]]
    return values


def observe(shape, items):
    """NDVI on each scene day: a day's pixel is the first scene's that is not nodata, by band."""
    place = moved(shape, LOCAL, "EPSG:4326")
    own = [item for item in items if item.footprint.intersects(place)]
    grids = [(item.crs, item.grid) for item in own]
    crs, grid = max(grids, key=grids.count)
    x, y = centres_of(shape, crs, grid)
    days = defaultdict(list)
    for item in own:
        days[(item.time + timedelta(hours=int(place.centroid.x / 15))).date()].append(item)
    times, values, clear_pixels = [], [], []
    for _, scenes in sorted(days.items()):
        fused = {}
        for band in ("red", "nir", "scl"):
            fused[band] = np.zeros(len(x), int)
            for scene in scenes:
                here = pixels_at(scene, band, x, y, crs)
                fused[band] = np.where(fused[band] == 0, here, fused[band])
        red, nir = (fused[band] * 1e-4 - 0.1 for band in ("red", "nir"))
        clear = (fused["red"] > 0) & (fused["nir"] > 0) & ~np.isin(fused["scl"], (0, *MASKED))
        ndvi = ((nir - red) / (nir + red))[clear]
        times.append(scenes[0].time.replace(tzinfo=None))
        values.append(ndvi.mean() if len(ndvi) else np.nan)
        clear_pixels.append(len(ndvi))
    coordinates = {"time": np.array(times, "datetime64[ns]")}
    return xr.DataArray(values, dims="time", coords=coordinates), clear_pixels, len(x)


def column(rows, site, name):
    texts = [row[name] for row in rows if row["site"] == site]
    return np.array([float(text) if text else np.nan for text in texts])


@pytest.mark.parametrize("site", SITES)
def test_two_years_equal_the_notebooks_steps(site, tables, items):
    daily, clear_pixels, all_pixels = observe(SITES[site], items)
    observed = [row for row in tables["observations"] if row["site"] == site]
    assert [row["time"] for row in observed] == [
        f"{time.astype('datetime64[s]')}Z" for time in daily.time.values
    ]
    np.testing.assert_allclose(column(observed, site, "value"), daily, rtol=0, atol=1e-9)
    assert [int(row["clear_pixels"]) for row in observed] == clear_pixels
    assert {int(row["all_pixels"]) for row in observed} == {all_pixels}
    assert np.isfinite(daily).sum() > 60

    resampled = daily.resample(time="5D").mean(dim="time")
    interpolated = resampled.interpolate_na("time", use_coordinate=False)
    smoothed = interpolated.rolling(time=3, min_periods=1, center=True).mean()
    steps = [row["time"] for row in tables["series"] if row["site"] == site]
    assert steps == [f"{time.astype('datetime64[s]')}Z" for time in resampled.time.values]
    for name, expected in (
        ("value", resampled),
        ("interpolated", interpolated),
        ("smoothed", smoothed),
    ):
        found = column(tables["series"], site, name)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)


def test_the_steps_pass_the_leap_day_and_the_turn_of_the_year(tables):
    for site in SITES:
        steps = [
            date.fromisoformat(row["time"][:10]) for row in tables["series"] if row["site"] == site
        ]
        assert steps[0] < date(2024, 2, 29) < date(2024, 12, 31) < date(2025, 2, 28) < steps[-1]
        assert {later - earlier for earlier, later in zip(steps, steps[1:], strict=False)} == {
            timedelta(days=5)
        }


def test_the_seam_has_scenes_of_both_zones_on_one_day(tables):
    for site in ("on the seam", "two parts on the seam"):
        both = [
            row
            for row in tables["observations"]
            if row["site"] == site and "33VXC" in row["item_ids"] and "34VCH" in row["item_ids"]
        ]
        assert len(both) > 50
    days = [row["time"][:10] for row in tables["observations"] if row["site"] == "on the seam"]
    assert len(days) == len(set(days))
