"""MASK_BUFFER in composites and series of whole runs, against scipy's distance transform."""

import csv
import warnings
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import pytest
import rasterio
import shapely
from affine import Affine
from fairweather.core.bridge.errors import InvalidRequestError
from fairweather.core.bridge.request import (
    Area,
    CompositeRequest,
    SceneSearch,
    Site,
    TimeSeriesRequest,
)
from fairweather.core.bridge.series_recipe import SeriesRecipe
from fairweather.core.science.composite.job import run_composite
from fairweather.core.science.imagery.scene import Scene, SourceBand
from fairweather.core.science.reporter import RecordingReporter
from fairweather.core.science.timeseries.job import run_time_series
from fairweather.core.science.timeseries.site_blocks import plan_sites
from fairweather.core.science.timeseries.sites import locate_sites
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from scipy.ndimage import distance_transform_edt

BUFFER = 45.0
CELL = 60
HIDDEN = ("cloud", "shadow", "cirrus")
PROFILES = ("sentinel-2-c1-l2a", "landsat-c2-l2")


@pytest.fixture
def ask(extent, published):
    def search(layout):
        area = Area("EPSG:32633", shapely.geometry.mapping(extent), True)
        return SceneSearch(
            layout.profile, area, "2024-05-01", "2024-06-30",
            catalog=str(published(layout)), max_cloud=100.0,
        )  # fmt: skip

    return search


def days_of(layout, truth, band, size):
    """(days, rows, columns) at ``size`` metres, NaN where masked or near to it, or no value is."""
    planes = []
    repeats = CELL // size
    for day, kinds in enumerate(truth.kinds):
        fine = kinds.repeat(repeats, 0).repeat(repeats, 1)
        hidden = distance_transform_edt(~np.isin(fine, HIDDEN), sampling=size) <= BUFFER
        values = layout.decoded(truth, band, day).repeat(repeats, 0).repeat(repeats, 1)
        planes.append(np.where(hidden | (fine == "fill"), np.nan, values))
    return np.stack(planes)


@pytest.mark.parametrize("profile", PROFILES)
def test_a_composite(profile, layouts, ask, truth, tmp_path):
    layout = layouts[profile]
    request = CompositeRequest(
        ask(layout), ("red",), str(tmp_path / "c.tif"), count_band=True, mask_buffer=BUFFER
    )
    run_composite(request, RecordingReporter(), tmp_path)
    with rasterio.open(request.output) as dataset:
        red, count = dataset.read()
    days = days_of(layout, truth, "red", layout.sizes["red"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pixels that are never clear
        np.testing.assert_allclose(red, np.nanmedian(days, axis=0), rtol=0, atol=1e-7)
    np.testing.assert_array_equal(count, (~np.isnan(days)).sum(axis=0))
    assert 0 < count.sum() < truth.clear.sum() * (CELL // layout.sizes["red"]) ** 2


def observe(request, tmp_path):
    run_time_series(request, RecordingReporter(), tmp_path)
    with Path(request.observations).open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("profile", PROFILES)
def test_a_series_whose_sites_do_not_depend_on_each_other(
    profile, layouts, ask, truth, extent, tmp_path
):
    layout = layouts[profile]
    search = ask(layout)
    west, south, east, north = extent.bounds
    middle = west - 1 + 4 * CELL
    halves = shapely.box(west, south, middle, north), shapely.box(middle, south, east, north)
    sites = [Site(n, str(n), shapely.geometry.mapping(half)) for n, half in enumerate(halves)]

    def rows_of(*chosen):
        request = TimeSeriesRequest(
            search, chosen, "EPSG:32633", ("red",), SeriesRecipe(), mask_buffer=BUFFER,
            observations=str(tmp_path / "observations.csv"),
        )  # fmt: skip
        return observe(request, tmp_path)

    together = rows_of(*sites)
    assert together == rows_of(sites[0]) + rows_of(sites[1])
    size = layout.sizes["red"]
    days = days_of(layout, truth, "red", size)
    split = 4 * CELL // size
    for number, part in enumerate((days[:, :, :split], days[:, :, split:])):
        rows = [row for row in together if row["site_id"] == str(number)]
        clear = (~np.isnan(part)).sum(axis=(1, 2))
        assert [int(row["clear_pixels"]) for row in rows] == clear.tolist()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # days that are not clear
            expected = np.nanmean(part, axis=(1, 2))
        found = [float(row["value"] or "nan") for row in rows]
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


def test_what_is_no_distance_is_refused(layouts, ask, extent, tmp_path):
    search = ask(layouts["sentinel-2-c1-l2a"])
    composite = CompositeRequest(search, ("red",), str(tmp_path / "c.tif"), mask_buffer=-5.0)
    site = Site(1, "all", shapely.geometry.mapping(extent))
    series = TimeSeriesRequest(
        search, (site,), "EPSG:32633", ("red",), SeriesRecipe(), mask_buffer=-5.0
    )
    for job, request in ((run_composite, composite), (run_time_series, series)):
        with pytest.raises(InvalidRequestError, match="MASK_BUFFER is -5; give metres from 0"):
            job(request, RecordingReporter(), tmp_path)


def scene_of(name, day, left):
    """A tile of 100 × 100 pixels of 10 m in UTM 33."""
    grid = GeoBox((100, 100), Affine(10, 0, left, 0, -10, 5_000_000), "EPSG:32633")
    to_degrees = Transformer.from_crs("EPSG:32633", "EPSG:4326", always_xy=True).transform
    corners = shapely.box(left, 4_999_000, left + 1000, 5_000_000)
    footprint = shapely.transform(corners, to_degrees, interleaved=False)
    band = SourceBand(name, 0.0, 1e-4, 0.0, grid)
    moment = datetime(2024, 5, day, 10, tzinfo=timezone.utc)
    return Scene(name, moment, footprint, {"red": band}, band, "", {})


def test_the_masks_of_scenes_beside_a_site_are_read_on_the_sites_own_days():
    scenes = [scene_of("own 1", 1, 500_000), scene_of("beside 1", 1, 501_000)]
    scenes += [scene_of("beside 2", 2, 501_000), scene_of("own 3", 3, 500_000)]
    place = {"type": "Point", "coordinates": [500_965.0, 4_999_500.0]}
    sites = locate_sites([Site(1, "edge", place)], "EPSG:32633", RecordingReporter())
    grids = [scene.bands["red"].geobox for scene in scenes]

    def read(buffer):
        plan = plan_sites(sites, scenes, grids, buffer)
        own = plan.days_by_site[1]
        assert [[scene.id for scene in day.scenes] for day in own] == [["own 1"], ["own 3"]]
        (block,) = plan.blocks
        assert block.has_day.all()
        return [[scene.id for scene in day.scenes] for day in block.days]

    assert read(0.0) == read(30.0) == [["own 1"], ["own 3"]]
    assert read(60.0) == [["beside 1", "own 1"], ["own 3"]]
