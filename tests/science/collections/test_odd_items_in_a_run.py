"""A run over items that are odd in every way at once gives what the good ones of them hold."""

import json
import warnings

import numpy as np
import rasterio
import shapely
from fairweather.core.bridge.request import Area, CompositeRequest, SceneSearch
from fairweather.core.science.composite.job import run_composite
from fairweather.core.science.reporter import RecordingReporter


def make_odd(path):
    """Each of the six items gets an oddity of its own, and two more appear."""
    items = json.loads(path.read_text())["features"]
    lacking, twice, interval, wrong_shape, silent, reprocessed = items
    del lacking["assets"]["nir"]
    start = interval["properties"]["datetime"]
    interval["properties"].update(
        {"datetime": None, "start_datetime": start, "end_datetime": "2024-05-13T23:00:00Z"}
    )
    for asset in wrong_shape["assets"].values():
        asset["proj:shape"] = [3, 3]
    wrong_shape["properties"].update(dict.fromkeys(("eo:cloud_cover", "created", "platform")))
    for asset in silent["assets"].values():
        asset["raster:bands"] = None
    older = json.loads(json.dumps(reprocessed))
    older["id"] += "_older"
    older["properties"]["s2:processing_baseline"] = "04.00"
    for name in ("red", "nir"):
        older["assets"][name]["href"] = older["assets"]["swir16"]["href"]  # something else
    items += [twice, older]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": items}))
    return lacking["id"], older["id"]


def test_odd_items(layouts, published, truth, extent, tmp_path):
    layout = layouts["sentinel-2-c1-l2a"]
    path = published(layout)
    lacking, older = make_odd(path)
    area = Area("EPSG:32633", shapely.geometry.mapping(extent), True)
    search = SceneSearch(
        layout.profile, area, "2024-05-01", "2024-06-30", catalog=str(path), max_cloud=100.0
    )
    request = CompositeRequest(
        search,
        ("red", "nir"),
        str(tmp_path / "composite.tif"),
        report=str(tmp_path / "report.html"),
        resolution=60.0,
    )
    reporter = RecordingReporter()
    (tmp_path / "scratch").mkdir()
    values = run_composite(request, reporter, tmp_path / "scratch")
    assert values["SCENE_COUNT"] == values["DAY_COUNT"] == 5
    with rasterio.open(request.output) as dataset:
        planes = dict(zip(dataset.descriptions, dataset.read(), strict=True))
    for band in ("red", "nir"):
        days = np.stack([layout.decoded(truth, band, day) for day in range(1, 6)])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pixels that are never clear
            expected = np.nanmedian(np.where(truth.clear[1:], days, np.nan), axis=0)
        np.testing.assert_allclose(planes[band], expected, rtol=0, atol=1e-7)
    assert any("1 of 6 scenes lack a band" in warning for warning in reporter.warnings)
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert lacking in page
    assert older in page
    assert "the collection&#39;s; the item says nothing" in page
