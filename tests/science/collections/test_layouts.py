"""Composite and series of every collection's layout against plain numpy."""

import csv
import dataclasses
import json
import warnings

import numpy as np
import pytest
import rasterio
import shapely
from fairweather.core.bridge.profiles import PROFILES_FOLDER, load_profiles
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

BANDS = ("red", "nir", "swir16")
PROFILES = sorted(set(load_profiles()) - {"fairweather-sample"})
HALF_A_UNIT = 1e-4 / 2  # of the coarsest encoding, Sentinel-2's and HLS'
FLOAT32 = 1e-7


@pytest.fixture
def ask(extent):
    """The search for a layout's scenes in its items file."""

    def search(layout, items, profile=""):
        area = Area("EPSG:32633", shapely.geometry.mapping(extent), True)
        return SceneSearch(
            layout.profile,
            area,
            "2024-05-01",
            "2024-06-30",
            catalog=str(items),
            max_cloud=100.0,
            profile=profile,
        )

    return search


@pytest.fixture
def composite(ask, published, tmp_path):
    """A function that composes a layout at the truth's own 60 m: {band: plane}, and the log."""

    def run(layout, profile=""):
        request = CompositeRequest(
            ask(layout, published(layout), profile),
            (*BANDS, "NDVI"),
            str(tmp_path / "composite.tif"),
            report=str(tmp_path / "report.html"),
            resolution=60.0,
            count_band=True,
        )
        reporter = RecordingReporter()
        (tmp_path / "scratch").mkdir()
        run_composite(request, reporter, tmp_path / "scratch")
        with rasterio.open(request.output) as dataset:
            planes = dict(zip(dataset.descriptions, dataset.read().astype(float), strict=True))
        return planes, reporter

    return run


def days_of(layout, truth, band):
    """(days, rows, columns) float64 of a band, NaN where it is hidden."""
    numbers = np.stack([layout.decoded(truth, band, day) for day in range(len(truth.kinds))])
    return np.where(truth.clear, numbers, np.nan)


def median(days):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pixels that are never clear
        return np.nanmedian(days, axis=0)


def ndvi(red, nir):
    return (nir - red) / (nir + red)


def undeserved(told):
    """One cell is never clear and some are seldom, and warnings of them deserved."""
    deserved = ("had no clear day", "of the area has fewer than 3 clear days")
    return [warning for warning in told if not any(words in warning for words in deserved)]


def test_every_collection_has_a_layout(layouts):
    assert sorted(layouts) == PROFILES


@pytest.mark.parametrize("profile", PROFILES)
def test_the_composite_is_numpys_and_the_truth(profile, layouts, composite, truth, tmp_path):
    layout = layouts[profile]
    planes, reporter = composite(layout)
    assert undeserved(reporter.warnings) == []
    bands = {band: days_of(layout, truth, band) for band in BANDS}
    for band, days in bands.items():
        np.testing.assert_allclose(planes[band], median(days), rtol=0, atol=FLOAT32)
        published_nowhere_else = median(np.where(truth.clear, truth.bands[band], np.nan))
        np.testing.assert_allclose(
            planes[band], published_nowhere_else, rtol=0, atol=HALF_A_UNIT + FLOAT32
        )
    expected = median(ndvi(bands["red"], bands["nir"]))
    np.testing.assert_allclose(planes["NDVI"], expected, rtol=0, atol=FLOAT32)
    np.testing.assert_array_equal(planes["clear_days"], truth.clear.sum(axis=0))
    assert np.isnan(planes["red"][0, 0])
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    for scale, offset in set(layout.encodings):
        assert f"scale {scale:g}, offset {offset:g} (" in page


@pytest.mark.parametrize("profile", PROFILES)
def test_the_series_is_numpys(profile, layouts, ask, published, extent, truth, tmp_path):
    layout = layouts[profile]
    tables = {name: tmp_path / f"{name}.csv" for name in ("series", "observations")}
    request = TimeSeriesRequest(
        ask(layout, published(layout)),
        (Site(1, "all", shapely.geometry.mapping(extent)),),
        "EPSG:32633",
        ("NDVI", "swir16"),
        SeriesRecipe(),
        **{name: str(path) for name, path in tables.items()},
    )
    reporter = RecordingReporter()
    run_time_series(request, reporter, tmp_path)
    assert not reporter.warnings
    for scale, offset in set(layout.encodings):
        assert any(f"scale {scale:g}, offset {offset:g} (" in text for text in reporter.messages)
    with tables["observations"].open(newline="") as file:
        rows = list(csv.DictReader(file))
    bands = {band: days_of(layout, truth, band) for band in BANDS}
    expected = {"NDVI": ndvi(bands["red"], bands["nir"]), "swir16": bands["swir16"]}
    for index, days in expected.items():
        found = [float(row["value"]) for row in rows if row["index"] == index]
        np.testing.assert_allclose(found, np.nanmean(days, axis=(1, 2)), rtol=0, atol=1e-12)


def test_a_profile_of_ones_own_does_what_the_built_in_one_does(layouts, composite, truth, tmp_path):
    layout = layouts["hls2-s30"]
    own = tmp_path / "own.json"
    content = json.loads((PROFILES_FOLDER / "hls2-s30.json").read_text(encoding="utf-8"))
    own.write_text(json.dumps({**content, "id": "own", "catalog": ""}), encoding="utf-8")
    planes, reporter = composite(dataclasses.replace(layout, profile="custom"), str(own))
    assert undeserved(reporter.warnings) == []
    for band in BANDS:
        expected = median(days_of(layout, truth, band))
        np.testing.assert_allclose(planes[band], expected, rtol=0, atol=FLOAT32)


def test_copernicus_own_files_are_jpeg_2000(jpeg_2000_layout, composite, truth):
    planes, reporter = composite(jpeg_2000_layout)
    assert undeserved(reporter.warnings) == []
    for band in BANDS:
        expected = median(days_of(jpeg_2000_layout, truth, band))
        np.testing.assert_allclose(planes[band], expected, rtol=0, atol=FLOAT32)
