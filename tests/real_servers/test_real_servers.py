"""Searches in real servers find what a plain filter over the same items finds.

One test a server: each is started once, whatever the number of test processes.
"""

import contextlib
import json
from dataclasses import replace
from datetime import date, datetime
from itertools import chain

import pytest
import real_servers
import shapely
from fairweather.core.bridge.errors import CatalogError, NoScenesError
from fairweather.core.bridge.profiles import find_profile
from fairweather.core.bridge.request import Area, SceneSearch
from fairweather.core.science.area import read_area
from fairweather.core.science.catalog.api_source import ApiSource
from fairweather.core.science.catalog.checks import Checker, read_conditions
from fairweather.core.science.catalog.documents import DocumentReader
from fairweather.core.science.catalog.find import find_scenes
from fairweather.core.science.catalog.gathering import Gathering
from fairweather.core.science.reporter import RecordingReporter
from made_up_items import made_up_items

pytestmark = pytest.mark.slow

BOX = (14.2, 44.2, 16.3, 45.8)
PERIOD = {"start": "2023-06-15", "end": "2023-09-10"}
PLATFORM, TILE = "sentinel-2a", "MGRS-33TWM"


def plain(items, holds, max_cloud=100.0, start=PERIOD["start"], end=PERIOD["end"], box=BOX):
    """The ids of the items that meet the conditions, by arithmetic on rectangles and times."""
    first, last = (date.fromisoformat(text) for text in (start, end))
    west, south, east, north = box
    found = []
    for item in items:
        properties = item["properties"]
        cloud = properties.get("eo:cloud_cover")
        left, bottom, right, top = item["bbox"]
        if (
            item["collection"] == "sentinel-2-l2a"
            and left <= east and right >= west and bottom <= north and top >= south
            and first <= datetime.fromisoformat(properties["datetime"]).date() <= last
            and (max_cloud == 100 or (cloud is not None and cloud < max_cloud))
            and holds(properties)
        ):  # fmt: skip
            found.append((properties["datetime"], item["id"]))
    return [name for _, name in sorted(found)]


SEARCHES = {
    "no limit": ({"max_cloud": 100.0}, lambda _: True),
    "cloud": ({"max_cloud": 40.0}, lambda _: True),
    "text": (
        {"max_cloud": 60.0, "filter": f"platform = {PLATFORM}"},
        lambda properties: properties["platform"] == PLATFORM,
    ),
    "one of two": (
        {"max_cloud": 100.0, "filter": f"grid:code in ({TILE}, 'MGRS-33TXM')"},
        lambda properties: properties["grid:code"] in (TILE, "MGRS-33TXM"),
    ),
    "number": (
        {"max_cloud": 100.0, "filter": "s2:nodata_pixel_percentage < 25 and gsd <= 10"},
        lambda properties: properties["s2:nodata_pixel_percentage"] < 25,
    ),
    "not": (
        {"max_cloud": 100.0, "filter": f"grid:code != {TILE}"},
        lambda properties: properties["grid:code"] != TILE,
    ),
    "pattern": (
        {"max_cloud": 100.0, "filter": "grid:code like MGRS-33TW%"},
        lambda properties: properties["grid:code"].startswith("MGRS-33TW"),
    ),
    "everywhere": (
        {"max_cloud": 100.0, "start": "2023-01-01", "end": "2023-12-31", "box": (0, 0, 90, 89)},
        lambda _: True,
    ),
}


@pytest.fixture
def make_search():
    """A function that makes a search of the made-up items."""

    def make(catalog, box=BOX, collection="sentinel-2-l2a", **asked):
        area = Area("EPSG:4326", shapely.geometry.mapping(shapely.box(*box)))
        return SceneSearch(collection, area, **{**PERIOD, "catalog": catalog, **asked})

    return make


@pytest.fixture
def find(make_search):
    """A function that searches and returns the scenes found and the reporter."""

    def search(catalog, **asked):
        wanted = make_search(catalog, **asked)
        reporter = RecordingReporter()
        profile = find_profile(wanted.collection)
        return find_scenes(wanted, profile, read_area(wanted.area, reporter), reporter), reporter

    return search


@pytest.fixture
def check_searches(find, subtests):
    """A function that compares every search of a server with the plain filter."""

    def check(catalog):
        items = made_up_items()
        for name, (asked, holds) in SEARCHES.items():
            with subtests.test(name):
                by_hand = {key: value for key, value in asked.items() if key != "filter"}
                expected = plain(items, holds, **by_hand)
                assert len(expected) > 5
                found, reporter = find(catalog, **asked)
                assert [item.id for item in found.items] == expected
                assert not reporter.warnings
        with subtests.test("limit"):
            found, reporter = find(catalog, max_cloud=100.0, limit=7)
            assert len(found.items) == 7
            assert "LIMIT is reached" in reporter.warnings[0]
        with subtests.test("nothing found"), pytest.raises(NoScenesError, match="MAX_CLOUD"):
            find(catalog, max_cloud=0.0)
        with subtests.test("other collection"), pytest.raises(CatalogError, match="landsat-c2-l2"):
            find(catalog, collection="sentinel-2-c1-l2a")

    return check


@pytest.fixture
def serve():
    """A function that starts a server by its name; where it is not installed, the test skips."""
    with contextlib.ExitStack() as stack:

        def start(name):
            try:
                return stack.enter_context(getattr(real_servers, name)(made_up_items()))
            except real_servers.ServerMissingError as error:
                return pytest.skip(str(error))

        yield start


def test_pgstac(serve, check_searches, find, make_search, subtests):
    address = serve("pgstac")
    check_searches(address)
    items = made_up_items()
    with subtests.test("what the server dropped is told"):
        found, _ = find(address, max_cloud=40.0, filter=f"grid:code = {TILE}")
        told = {one.reason: one.count for one in found.dropped}
        there = plain(items, lambda _: True)
        clear = plain(items, lambda _: True, max_cloud=40.0)
        reason = "MAX_CLOUD: not below 40 % cloud (told by the catalogue)"
        assert told[reason] == len(there) - len(clear)
    with subtests.test("names with quotation marks"):
        quoted = "s2:product_uri = 'O''Brien''s \"3\"'"
        expected = plain(items, lambda one: one["s2:product_uri"] == "O'Brien's \"3\"")
        found, _ = find(address, max_cloud=100.0, filter=quoted)
        assert [item.id for item in found.items] == expected
    for name, (asked, holds) in SEARCHES.items():
        with subtests.test(f"by GET: {name}"):
            by_hand = {key: value for key, value in asked.items() if key != "filter"}
            found = by_get_only(address, make_search(address, **asked))
            assert found == plain(items, holds, **by_hand)


def by_get_only(address, search):
    """The ids found if the server offered GET only: comparisons go as CQL2 text."""
    root = DocumentReader().read(address)
    is_post = [link.get("method") == "POST" for link in root.content["links"]]
    assert any(is_post)
    links = [link for link in root.content["links"] if link.get("method") != "POST"]
    source = ApiSource(replace(root, content={**root.content, "links": links}))
    area = read_area(search.area, RecordingReporter())
    conditions = read_conditions(search, search.collection, area.search_geometry)
    batches = list(source.batches(conditions))
    checker = Checker(conditions)
    candidates = Gathering(source).read(chain.from_iterable(batches))
    kept = [(one.moment, one.id) for one in candidates if checker.accepts(one)]
    sent = {one.property for group in conditions.sendable() for one in group.comparisons}
    assert not sent or not any("MAX_CLOUD" in one.failed for one in checker.dropped)
    if {one.property for one in conditions.comparisons} <= sent:
        assert not any("FILTER" in one.failed for one in checker.dropped)
    return [name for _, name in sorted(kept)]


def test_rustac(serve, check_searches):
    check_searches(serve("rustac"))


def test_geoparquet_of_rustac(find, tmp_path):
    pytest.importorskip("arro3.io", reason="arro3-io, which reads GeoParquet, is not installed")
    try:
        real_servers.check_environment()
    except real_servers.ServerMissingError as error:
        pytest.skip(str(error))
    items = made_up_items()
    in_json, in_parquet = tmp_path / "items.json", tmp_path / "items.parquet"
    content = {"type": "FeatureCollection", "features": items}
    in_json.write_text(json.dumps(content), encoding="utf-8")
    real_servers.run([real_servers.program("rustac"), "translate", in_json, in_parquet])
    for asked, holds in SEARCHES.values():
        by_hand = {key: value for key, value in asked.items() if key != "filter"}
        found, _ = find(str(in_parquet), **asked)
        assert [item.id for item in found.items] == plain(items, holds, **by_hand)
