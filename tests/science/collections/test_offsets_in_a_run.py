"""A catalogue as Earth Search v1 has it, whose word on the offset of one scene is wrong."""

import csv
import dataclasses

import numpy as np
import pytest
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
from fairweather.core.science.composite.job import run_composite
from fairweather.core.science.reporter import RecordingReporter
from fairweather.core.science.timeseries.job import run_time_series

FLAG = "earthsearch:boa_offset_applied"


def telling(layout, wrong_day):
    """The layout, with a false flag on one day."""

    def item(day):
        name, properties = layout.item(day)
        if day == wrong_day:
            properties = {**properties, FLAG: not properties[FLAG]}
        return name, properties

    return dataclasses.replace(layout, item=item)


@pytest.fixture
def layout(layouts):
    return layouts["sentinel-2-l2a"]


@pytest.fixture
def ask(extent, published):
    def search(layout):
        area = Area("EPSG:32633", shapely.geometry.mapping(extent), True)
        return SceneSearch(
            layout.profile, area, "2024-05-01", "2024-06-30",
            catalog=str(published(layout)), max_cloud=100.0,
        )  # fmt: skip

    return search


@pytest.fixture
def composite(ask, tmp_path):
    def run(layout, **fields):
        request = CompositeRequest(
            ask(layout), ("red", "nir", "swir16", "NDVI"), str(tmp_path / "composite.tif"),
            report=str(tmp_path / "report.html"), **fields,
        )  # fmt: skip
        reporter = RecordingReporter()
        (tmp_path / "scratch").mkdir(exist_ok=True)
        run_composite(request, reporter, tmp_path / "scratch")
        page = (tmp_path / "report.html").read_text(encoding="utf-8")
        if request.dry_run:
            return None, reporter.warnings, page
        with rasterio.open(request.output) as dataset:
            return dataset.read(), reporter.warnings, page

    return run


def about_offsets(warnings):
    return [warning for warning in warnings if "offset" in warning]


# Of day 0 the offset was applied before, of day 1 it was not.
@pytest.mark.parametrize(("day", "offset", "state"), [(0, "0", "already"), (1, "-0.1", "still")])
def test_the_composite_is_that_of_the_right_word(day, offset, state, layout, composite):
    true, told, page = composite(layout)
    assert not about_offsets(told)
    assert "by the pixels" not in page
    found, told, page = composite(telling(layout, day))
    np.testing.assert_array_equal(found, true)
    name, _ = layout.item(day)
    (warning,) = about_offsets(told)
    assert warning == (
        "The catalogue gives a wrong brightness offset for 1 scene, and the one that fits the "
        f"pixels was used: {name}."
    )
    assert f"scale 0.0001, offset {offset} (by the pixels, which {state} have it" in page
    assert "The catalogue gives a wrong brightness offset for 1 scene" in page


def test_the_series_is_that_of_the_right_word(layout, ask, extent, tmp_path):
    tables, told = [], []
    for one in (layout, telling(layout, 1)):
        table = tmp_path / "observations.csv"
        request = TimeSeriesRequest(
            ask(one), (Site(1, "all", shapely.geometry.mapping(extent)),), "EPSG:32633",
            ("NDVI", "swir16"), SeriesRecipe(), observations=str(table),
        )  # fmt: skip
        reporter = RecordingReporter()
        run_time_series(request, reporter, tmp_path)
        with table.open(newline="") as file:
            tables.append(list(csv.DictReader(file)))
        told.append(reporter)
    assert tables[0] == tables[1]
    assert [len(about_offsets(reporter.warnings)) for reporter in told] == [0, 1]
    assert any("1 scene: scale 0.0001, offset -0.1 (by the pixels" in t for t in told[1].messages)


def test_a_dry_run_reads_no_pixel(layout, composite):
    _, told, page = composite(telling(layout, 0), dry_run=True)
    assert not about_offsets(told)
    assert "by the pixels" not in page
