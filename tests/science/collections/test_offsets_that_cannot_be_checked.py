"""Files that fail while the offsets are checked: never a wrong brightness without a word."""

import csv
import dataclasses
import json

import numpy as np
import pytest
import rasterio
import shapely
from fairweather.core.bridge.errors import ReadError
from fairweather.core.bridge.request import (
    Area,
    CompositeRequest,
    SceneSearch,
    Site,
    TimeSeriesRequest,
)
from fairweather.core.bridge.series_recipe import SeriesRecipe
from fairweather.core.science.composite.job import run_composite
from fairweather.core.science.imagery.files import byte_ranges, patience
from fairweather.core.science.reporter import RecordingReporter
from fairweather.core.science.timeseries.job import run_time_series
from faulty_server import FaultyServer, running

FLAG = "earthsearch:boa_offset_applied"
EVERY_BYTE = (0, 1_000_000_000)
# A header and its retries: as many requests as are made before a read is given up.
ONE_READ = 11
# Of this day the item says that the offset was applied before, and the pixels that it was not.
LIAR = 1


class Server(FaultyServer):
    """The first requests of one file, ``victim``, fail: ``left`` of them."""

    victim, left = "", 0

    def fault_of(self, name, start, stop):
        with self.lock:
            if name == self.victim and self.left > 0:
                self.left -= 1
                return "503"
        return super().fault_of(name, start, stop)


class CalmAfterTheCheck(RecordingReporter):
    """The server is well again once the offsets are checked."""

    def __init__(self, server):
        super().__init__()
        self.server = server

    def progress(self, percent, text):
        super().progress(percent, text)
        if text == "Planning" and not self.server.script:
            self.server.lasting = {}


class Published:
    """A place on a server, as Earth Search publishes it, of whose items one lies."""

    def __init__(self, server, folder, extent, names):
        self.server = server
        self.folder = folder
        self.extent = extent
        self.names = names
        self.runs = 0

    def search(self, without, is_true):
        items = json.loads((self.folder / "items.json").read_text())
        found = [item for day, item in enumerate(items["features"]) if day not in without]
        for asset in (asset for item in found for asset in item["assets"].values()):
            asset["href"] = f"{self.server.address}/{asset['href'].removeprefix('./')}"
        for item in found:
            item["properties"][FLAG] ^= is_true and item["id"] == self.names[LIAR]
        path = self.folder / "asked.json"
        path.write_text(json.dumps({**items, "features": found}))
        return SceneSearch(
            "sentinel-2-l2a",
            Area("EPSG:32633", shapely.geometry.mapping(self.extent), True),
            "2024-05-01",
            "2024-06-30",
            catalog=str(path),
            max_cloud=100.0,
        )

    def scratch(self):
        self.runs += 1
        scratch = self.folder / f"scratch-{self.runs}"
        scratch.mkdir()
        return scratch

    def composite(self, without=(), is_true=False, **fields):
        """The pixels, what is named as skipped, the warnings, and the report.

        All days but those ``without``; as they would be if all items were true, or not.
        """
        scratch = self.scratch()
        request = CompositeRequest(
            self.search(without, is_true), ("red", "nir", "NDVI"), str(scratch / "composite.tif"),
            report=str(scratch / "report.html"), **fields,
        )  # fmt: skip
        reporter = CalmAfterTheCheck(self.server)
        run_composite(request, reporter, scratch)
        with rasterio.open(request.output) as dataset:
            pixels = dataset.read()
            skipped = json.loads(dataset.tags().get("FAIRWEATHER_SKIPPED", "[]"))
        page = (scratch / "report.html").read_text(encoding="utf-8")
        return pixels, [(one["item"], one["asset"]) for one in skipped], reporter.warnings, page

    def series(self, without=(), **fields):
        """(value, scene) of each observation that has a value, and the warnings."""
        scratch = self.scratch()
        request = TimeSeriesRequest(
            self.search(without, False), (Site(1, "all", shapely.geometry.mapping(self.extent)),),
            "EPSG:32633", ("red", "NDVI"), SeriesRecipe(),
            observations=str(scratch / "observations.csv"), **fields,
        )  # fmt: skip
        reporter = CalmAfterTheCheck(self.server)
        run_time_series(request, reporter, scratch)
        with (scratch / "observations.csv").open(newline="") as file:
            rows = [row for row in csv.DictReader(file) if row["value"]]
        values = [(row["index"], row["value"], row["item_ids"]) for row in rows]
        return values, reporter.warnings


@pytest.fixture
def place(layouts, published, extent, tmp_path, monkeypatch):
    # As many attempts as ever, after pauses that are short.
    policy = patience.RetryPolicy(first_pause=0.001, longest_pause=0.01, longest_in_silence=0.01)
    monkeypatch.setattr(byte_ranges, "retry_policy", lambda: policy)
    layout = layouts["sentinel-2-l2a"]

    def item(day):
        name, properties = layout.item(day)
        if day == LIAR:
            properties = {**properties, FLAG: not properties[FLAG]}
        return name, properties

    published(dataclasses.replace(layout, item=item))
    with running(Server(tmp_path)) as server:
        yield Published(server, tmp_path, extent, [layout.item(day)[0] for day in range(6)])


def about_offsets(warnings):
    return [warning for warning in warnings if "offset" in warning]


def corrected(name):
    return (
        "The catalogue gives a wrong brightness offset for 1 scene, and the one that fits the "
        f"pixels was used: {name}."
    )


@pytest.mark.parametrize("on_error", ["skip", "fail"])
@pytest.mark.parametrize("asset", ["red", "scl"])
def test_a_burst_changes_nothing(place, asset, on_error):
    calm, _, warnings, _ = place.composite()
    assert about_offsets(warnings) == [corrected(place.names[LIAR])]
    place.server.victim, place.server.left = f"{asset}_{LIAR}.tif", ONE_READ
    found, skipped, warnings, _ = place.composite(on_error=on_error)
    assert place.server.left == 0
    np.testing.assert_array_equal(found, calm)
    assert about_offsets(warnings) == [corrected(place.names[LIAR])]
    assert not skipped


def test_a_burst_changes_no_value(place):
    calm, _ = place.series()
    place.server.victim, place.server.left = f"nir_{LIAR}.tif", ONE_READ
    # Of the bands of these indices, red is sampled first and nir next.
    found, warnings = place.series()
    assert place.server.left == 0
    assert found == calm
    assert about_offsets(warnings) == [corrected(place.names[LIAR])]


@pytest.mark.parametrize(("asset", "band"), [("red", "red"), ("scl", "mask")])
def test_a_scene_that_stays_unchecked_is_lost_and_named(place, asset, band):
    without, *_ = place.composite(without=[LIAR])
    file = f"{asset}_{LIAR}.tif"
    place.server.lasting = {file: ("503", *EVERY_BYTE)}
    found, skipped, warnings, page = place.composite()
    assert not place.server.lasting
    np.testing.assert_array_equal(found, without)
    assert skipped == [(place.names[LIAR], band)]
    assert any("1 file of 1 scene could not be read" in text for text in warnings)
    reason = "the server answers 503"
    (named,) = [text for text in warnings if text.startswith("Not read:")]
    assert f"{band} of {place.names[LIAR]} (2024-05-08), in 1 block: {reason}" in named
    assert reason in page
    assert f"{place.server.address}/{file}" in page


def test_a_series_has_no_value_of_a_scene_that_stays_unchecked(place):
    without, _ = place.series(without=[LIAR])
    place.server.lasting = {f"red_{LIAR}.tif": ("503", *EVERY_BYTE)}
    found, warnings = place.series()
    assert found == without
    assert any(f"Not read: red of {place.names[LIAR]}" in text for text in warnings)


@pytest.mark.parametrize("run", ["composite", "series"])
def test_on_error_fail_stops_the_run(place, run):
    place.server.lasting = {f"red_{LIAR}.tif": ("503", *EVERY_BYTE)}
    with pytest.raises(ReadError) as caught:
        getattr(place, run)(on_error="fail")
    file = f"{place.server.address}/red_{LIAR}.tif"
    assert str(caught.value) == (
        f"{file} cannot be read (the server answers 503, so that its brightness could not be "
        "checked); check the connection and that the file is there, or leave its scene out."
    )
    assert caught.value.href == file


@pytest.mark.parametrize("on_error", ["skip", "fail"])
def test_a_file_of_which_no_pixel_is_needed_costs_nothing(place, on_error):
    with rasterio.open(place.folder / f"scl_{LIAR}.tif", "r+") as mask:
        mask.write(np.full(mask.shape, 9, np.uint8), 1)
    calm, *_ = place.composite()
    place.server.lasting = {f"red_{LIAR}.tif": ("503", *EVERY_BYTE)}
    found, skipped, warnings, _ = place.composite(on_error=on_error)
    assert not place.server.lasting
    np.testing.assert_array_equal(found, calm)
    assert not skipped
    assert not [text for text in warnings if "not be read" in text]


def test_too_few_neighbours_for_the_failure_of_one(place):
    """The wrong word is not known beyond doubt any more, but told."""
    rest = (4, 5)
    _, _, warnings, _ = place.composite(without=rest)
    assert about_offsets(warnings) == [corrected(place.names[LIAR])]
    place.server.lasting = {"scl_3.tif": ("503", *EVERY_BYTE)}
    _, skipped, warnings, _ = place.composite(without=rest)
    assert skipped == [(place.names[3], "mask")]
    (warning,) = about_offsets(warnings)
    assert "may be wrong, but not beyond doubt" in warning
    assert warning.endswith(f": {place.names[LIAR]}.")


def test_no_neighbour_for_the_failure_of_the_only_one(place):
    rest = (2, 3, 4, 5)
    place.server.lasting = {"scl_0.tif": ("503", *EVERY_BYTE)}
    _, skipped, warnings, _ = place.composite(without=rest)
    assert skipped == [(place.names[0], "mask")]
    (warning,) = about_offsets(warnings)
    assert "may be wrong, but not beyond doubt" in warning
    assert warning.endswith(f": {place.names[LIAR]}.")


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["503", "for good 503", "for good 404"])
def test_walked(place, fault):
    """One file fails from request 1, 2, 3 … on: its day at most is lost, and named.

    The wrong brightness is corrected in all others, or it is told that it may be wrong.
    """
    true = {(): place.composite(is_true=True)[0]}
    for day, name in enumerate(place.names):
        true[(name,)] = place.composite(without=[day], is_true=True)[0]
    number = 0
    while place.server.requests >= number:
        number += 1
        place.server.calm()
        place.server.script = {number: fault}
        found, skipped, warnings, _ = place.composite()
        right = true[tuple(item for item, _ in skipped)]
        told = about_offsets(warnings)
        if told and "not beyond doubt" in told[0]:
            assert told[0].endswith(f": {place.names[LIAR]}.")
        else:
            np.testing.assert_array_equal(found, right, err_msg=f"request {number}")
    assert number > 3 * 6  # files
