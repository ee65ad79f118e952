"""DRY_RUN: everything is planned and told, and no pixel is read nor an output made."""

import html
import re
from dataclasses import replace

import numpy as np
import pytest
import shapely
from fairweather.core.bridge.request import (
    CompositeRequest,
    SceneSearch,
    Site,
    TimeSeriesRequest,
    request_to_json,
)
from fairweather.core.bridge.series_recipe import SeriesRecipe
from fairweather.core.science.composite.job import run_composite
from fairweather.core.science.reporter import RecordingReporter
from fairweather.core.science.timeseries.job import run_time_series

AREA = (16.0, 45.97, 16.1, 46.03)


@pytest.fixture
def search(zagreb_items, write_items, area_of, tmp_path):
    """A search that finds the real scenes, whose files are not there."""
    for item in zagreb_items:
        for name, asset in item["assets"].items():
            asset["href"] = str(tmp_path / "missing" / item["id"] / f"{name}.tif")
    return SceneSearch(
        "sentinel-2-l2a",
        area_of(AREA),
        "2023-08-01",
        "2023-08-31",
        catalog=write_items(zagreb_items),
        max_cloud=100.0,
    )


@pytest.fixture
def composite(search, tmp_path):
    return CompositeRequest(
        search, ("red", "NDVI"), str(tmp_path / "made" / "composite.tif"), dry_run=True
    )


def run(job, request, scratch):
    reporter = RecordingReporter()
    return job(request, reporter, scratch), reporter


def estimate_of(reporter):
    (told,) = [text for text in reporter.messages if text.startswith("Estimate: ")]
    return told


def test_a_composite_is_told_and_not_made(composite, tmp_path):
    before = sorted(tmp_path.iterdir())
    values, reporter = run(run_composite, composite, tmp_path)
    assert values == {"SCENE_COUNT": 10, "DAY_COUNT": 5}
    assert "10 scenes on 5 days" in estimate_of(reporter)
    assert "Dry run" in reporter.messages[-1]
    assert reporter.progresses[-1][0] == 100
    assert sorted(tmp_path.iterdir()) == before


def test_the_report_says_what_would_be(composite, tmp_path):
    report = tmp_path / "report.html"
    values, reporter = run(run_composite, replace(composite, report=str(report)), tmp_path)
    assert values["OUTPUT_REPORT"] == str(report)
    page = report.read_text(encoding="utf-8")
    text = html.unescape(re.sub(r"<[^>]*>", "", page))
    assert estimate_of(reporter) in text
    assert "A dry run: no pixel was read" in text
    assert "made from 10 scenes" in text
    assert "composite.tif" in text
    for words in ("<img", "% clear", "of the area has a value", "Clear days per pixel", "None"):
        assert words not in page
    # The request that the page shows makes the composite.
    shown = html.unescape(re.search("<pre>(.*?)</pre>", page, re.S)[1])
    assert shown == request_to_json(replace(composite, report=str(report), dry_run=False))


def test_a_time_series_is_told_and_not_made(search, tmp_path):
    shapes = [shapely.Point(16.03, 46.0), shapely.box(16.05, 45.98, 16.06, 45.99)]
    request = TimeSeriesRequest(
        search,
        tuple(Site(n, str(n), shapely.geometry.mapping(shape)) for n, shape in enumerate(shapes)),
        "EPSG:4326",
        ("NDVI",),
        SeriesRecipe(),
        dry_run=True,
        **{
            name: str(tmp_path / "made" / name)
            for name in ("series", "observations", "site_summary", "chart", "chart_image")
        },
    )
    before = sorted(tmp_path.iterdir())
    values, reporter = run(run_time_series, request, tmp_path)
    assert values == {"SITE_COUNT": 2}
    assert "on 5 days" in estimate_of(reporter)
    assert "Dry run" in reporter.messages[-1]
    assert sorted(tmp_path.iterdir()) == before


def test_what_cannot_be_is_told_as_in_a_run(composite, tmp_path):
    """A mistake is found by a dry run, with the same words."""
    nowhere = replace(composite.search, start="2020-01-01", end="2020-01-31")
    words = []
    for dry_run in (True, False):
        with pytest.raises(Exception, match="scene") as caught:
            run(run_composite, replace(composite, search=nowhere, dry_run=dry_run), tmp_path)
        words.append(str(caught.value))
    assert words[0] == words[1]


@pytest.mark.parametrize("bands", [("red",), ("red", "green", "blue", "nir")])
def test_a_run_tells_first_what_it_will_read(shared_data, area_of, tmp_path, bands):
    """The small files of Zagreb are read whole: their pixels are what the estimate says."""
    search = SceneSearch(
        "sentinel-2-l2a",
        area_of(AREA),
        "2023-08-01",
        "2023-08-31",
        catalog=str(shared_data / "zagreb" / "catalog.json"),
        max_cloud=100.0,
    )
    request = CompositeRequest(search, bands, str(tmp_path / "composite.tif"))
    _, reporter = run(run_composite, request, tmp_path)
    told = estimate_of(reporter)
    pixels = 10 * 400 * 400 * np.array([len(bands), 1])
    expected = pixels @ [1.3, 0.05] / 1e6
    number = float(re.search(r"about ([\d.]+) MB to read", told)[1])
    assert number == pytest.approx(expected, rel=0.1)
    assert "Dry run" not in " ".join(reporter.messages)
    assert (tmp_path / "composite.tif").is_file()
