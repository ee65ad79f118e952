"""Every condition of a search, at its boundaries, on a file of items."""

import pytest
import shapely
from fairweather.core.bridge.errors import InvalidRequestError, NoScenesError
from fairweather.core.bridge.request import Area


@pytest.fixture
def search(write_items, find):
    """A function: the ids that a search of these items finds."""

    def ids(items, **asked):
        found, _ = find(write_items(items), **asked)
        return [item.id for item in found.items]

    return ids


def test_end_includes_its_whole_day_and_start_its_midnight(search, make_item):
    items = [
        make_item("last", "2023-08-31T23:59:59.999Z"),
        make_item("after", "2023-09-01T00:00:00Z"),
        make_item("first", "2023-08-01T00:00:00Z"),
        make_item("before", "2023-07-31T23:59:59.999999Z"),
        make_item("other-zone", "2023-09-01T01:00:00+02:00"),
    ]
    assert search(items) == ["first", "other-zone", "last"]


def test_max_cloud_is_strict(search, make_item):
    items = [
        make_item("at", cloud=30),
        make_item("below", cloud=29.999),
        make_item("none", cloud=0),
    ]
    assert search(items, max_cloud=30.0) == ["below", "none"]


def test_max_cloud_100_is_no_limit(search, make_item):
    items = [make_item("full", cloud=100), make_item("unknown", cloud=None)]
    assert search(items, max_cloud=100.0) == ["full", "unknown"]
    with pytest.raises(NoScenesError, match="MAX_CLOUD 100 would find 2"):
        search(items, max_cloud=99.0)


def test_months_over_new_year(search, make_item):
    days = ["2022-10-31", "2022-11-01", "2023-01-15", "2023-02-28", "2023-03-01", "2023-12-31"]
    items = [make_item(day, f"{day}T12:00:00Z") for day in days]
    found = search(items, start="2022-01-01", end="2023-12-31", months=(1, 2, 11, 12))
    assert found == ["2022-11-01", "2023-01-15", "2023-02-28", "2023-12-31"]


def test_filter_is_typed_by_each_item(search, make_item):
    items = [
        make_item("number", properties={"zone": 33}),
        make_item("text", properties={"zone": "33"}),
        make_item("missing"),
    ]
    assert search(items, filter="zone = 33") == ["number", "text"]
    assert search(items, filter="zone = '33'") == ["text"]
    assert search(items, filter="zone >= 4") == ["number"]
    assert search(items, filter="zone != 34") == ["number", "text"]


def test_order_is_by_time_then_id(search, make_item):
    items = [
        make_item("c", "2023-08-02T00:00:00Z"),
        make_item("b", "2023-08-02T00:00:00.000Z"),
        make_item("z", "2023-08-01T00:00:00Z"),
    ]
    assert search(items) == ["z", "b", "c"]


def test_start_datetime_stands_for_a_missing_datetime(search, make_item):
    period = {
        "datetime": None,
        "start_datetime": "2023-08-05T00:00:00Z",
        "end_datetime": "2023-09-05T00:00:00Z",
    }
    assert search([make_item("month", properties=period)]) == ["month"]


def test_same_id_counts_once(search, make_item):
    assert search([make_item("a"), make_item("a")]) == ["a"]


def test_footprint_in_a_hole_of_the_polygon(search, make_item, area_of):
    ring = shapely.box(10, 40, 20, 50) - shapely.box(14, 44, 17, 47)
    items = [make_item("in-the-hole"), make_item("on-the-rim", box=(13, 45, 15, 46))]
    assert search(items, area=area_of(ring)) == ["on-the-rim"]


def test_area_in_utm(search, make_item, area_of):
    area = area_of((5e5, 5e6, 5.5e5, 5.05e6), "EPSG:32633", is_extent=True)
    items = [make_item("there"), make_item("elsewhere", box=(17, 45, 18, 46))]
    assert search(items, area=area) == ["there"]


def test_two_features_merged(search, make_item, area_of):
    area = area_of(shapely.union_all([shapely.box(15, 45, 15.5, 46), shapely.box(20, 45, 21, 46)]))
    items = [
        make_item("between", box=(16, 45, 19, 46)),
        make_item("east", "2023-08-02T00:00:00Z", box=(20.5, 45, 22, 46)),
        make_item("west", "2023-08-03T00:00:00Z", box=(14, 45, 15.1, 46)),
    ]
    assert search(items, area=area) == ["east", "west"]


def test_footprint_across_the_antimeridian(search, make_item):
    crossing = make_item("crossing", box=(-179.5, 0, 179.5, 1))
    beyond = make_item("beyond", box=(179, 0, 181, 1))
    assert search([crossing, beyond], area=(179.6, 0.1, 179.9, 0.9)) == ["beyond", "crossing"]
    assert search([crossing, beyond], area=(-179.9, 0.1, -179.8, 0.9)) == ["beyond", "crossing"]
    with pytest.raises(NoScenesError):
        search([crossing, beyond], area=(0, 0.1, 1, 0.9))


def test_limit_keeps_the_earliest_and_warns(write_items, make_item, find):
    items = [make_item(f"{day:02}", f"2023-08-{day:02}T00:00:00Z") for day in (5, 3, 4, 1)]
    found, reporter = find(write_items(items), limit=2)
    assert [item.id for item in found.items] == ["01", "03"]
    assert "LIMIT is reached" in reporter.warnings[0]
    _, reporter = find(write_items(items), limit=4)
    assert not reporter.warnings


def test_log_says_how_many_each_condition_dropped(write_items, make_item, find):
    items = [
        make_item("kept", properties={"tile": "A"}),
        make_item("cloudy", cloud=50, properties={"tile": "A"}),
        make_item("cloudy-too", cloud=90, properties={"tile": "B"}),
        make_item("other-tile", properties={"tile": "B"}),
        make_item("no-tile"),
        make_item("away", box=(0, 0, 1, 1)),
        make_item("late", "2023-09-10T00:00:00Z"),
        make_item("other", collection="landsat"),
    ]
    found, reporter = find(write_items(items), filter="tile = A")
    assert [item.id for item in found.items] == ["kept"]
    assert {one.reason: one.count for one in found.dropped} == {
        "COLLECTION: of another collection": 1,
        "AREA: outside the area of interest": 1,
        "DATES: not between 2023-08-01 and 2023-08-31": 1,
        "MAX_CLOUD: not below 30 % cloud": 2,
        "FILTER: not tile = A": 2,
    }
    assert "2 scenes dropped: MAX_CLOUD: not below 30 % cloud" in reporter.messages


TILE = {"platform": "sentinel-2a", "grid:code": "MGRS-33TWM"}


def test_newest_processing_of_twins_counts(write_items, make_item, find):
    def twin(name, baseline, when="2023-08-10T10:00:00.000Z", **others):
        return make_item(
            name, when, properties={**TILE, "s2:processing_baseline": baseline, **others}
        )

    items = [
        twin("old", "04.00"),
        twin("new", "05.09", "2023-08-10T10:00:00.004Z"),
        twin("middle", "05.00"),
        twin("other-tile", "02.00", **{"grid:code": "MGRS-33TWL"}),
        twin("other-platform", "02.00", platform="sentinel-2b"),
        twin("next-datastrip", "02.00", "2023-08-10T10:00:05Z"),
        make_item("no-tile"),
    ]
    found, reporter = find(write_items(items))
    assert {item.id for item in found.items} == {
        "new", "other-tile", "other-platform", "next-datastrip", "no-tile",
    }  # fmt: skip
    assert any("2 scenes dropped: an older processing" in text for text in reporter.messages)


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        (
            {"s2:generation_time": "2023-08-11T00:00:00Z"},
            {"s2:generation_time": "2023-09-01T00:00:00Z"},
        ),
        ({"created": "2023-08-11T00:00:00Z"}, {"created": "2024-01-01T00:00:00Z"}),
        ({"processing:version": "9.1"}, {"processing:version": "10.0"}),
    ],
)
def test_what_makes_a_processing_newer(search, make_item, older, newer):
    items = [
        make_item("a-newer", properties={**TILE, **newer}),
        make_item("b-older", properties={**TILE, **older}),
    ]
    assert search(items) == ["a-newer"]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"start": "2023-09-01"}, "START .* is after END"),
        ({"start": "01.08.2023"}, "START '01.08.2023' is no date"),
        ({"end": "2023-02-30"}, "END '2023-02-30' is no date"),
        ({"months": (13,)}, "MONTHS: 13"),
        ({"max_cloud": 101.0}, "MAX_CLOUD is 101"),
        ({"max_cloud": float("nan")}, "MAX_CLOUD is nan"),
        ({"limit": 0}, "LIMIT is 0"),
        ({"filter": "x"}, "FILTER does not parse"),
        (
            {"filter": "clouds < 5"},
            "FILTER: 'clouds' is an unknown property.* known are .*datetime",
        ),
        ({"catalog": "ftp://example.com/catalog.json"}, "http or https"),
    ],
)
def test_wrong_requests(write_items, make_item, find, asked, words):
    with pytest.raises(InvalidRequestError, match=words):
        find(**{"catalog": write_items([make_item("a")]), **asked})


def test_profile_without_catalogue_needs_one(find):
    with pytest.raises(InvalidRequestError, match="give the address or path of one as CATALOG"):
        find("", collection="fairweather-sample")


def test_closest_names_of_an_unknown_property_come_first(write_items, make_item, find):
    others = {f"a:{number:02}": number for number in range(20)}
    item = make_item("a", properties={**others, "grid:code": "MGRS-33TWM"})
    with pytest.raises(InvalidRequestError, match=r"known are grid:code, a:00.* and others"):
        find(write_items([item]), filter="gridcode = x")


def test_empty_area(find):
    with pytest.raises(InvalidRequestError, match="no polygon"):
        find("", area=Area("EPSG:4326", {"type": "Point", "coordinates": [1, 2]}))
