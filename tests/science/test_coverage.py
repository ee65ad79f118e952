"""What is told of dates and places without scenes, before a wrong answer."""

import json
import re
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
import shapely
from fairweather.core.bridge.profiles import Hole, find_profile
from fairweather.core.bridge.request import (
    Area,
    CompositeRequest,
    SceneSearch,
    Site,
    TimeSeriesRequest,
)
from fairweather.core.bridge.series_recipe import SeriesRecipe
from fairweather.core.science.catalog.found import FoundScenes
from fairweather.core.science.composite.coverage import clear_day_warnings
from fairweather.core.science.composite.job import run_composite
from fairweather.core.science.coverage import Coverage, date_warnings, percent
from fairweather.core.science.reporter import RecordingReporter
from fairweather.core.science.timeseries import coverage as site_coverage
from fairweather.core.science.timeseries.job import run_time_series
from pyproj import Transformer

UTM = "EPSG:32633"
LEFT, TOP = 500_000, 5_000_000
TO_DEGREES = Transformer.from_crs(UTM, "EPSG:4326", always_xy=True).transform


def in_metres(west, south, east, north):
    """A rectangle in kilometres from the corner, as one in UTM."""
    return shapely.box(
        LEFT + west * 1000, TOP + south * 1000, LEFT + east * 1000, TOP + north * 1000
    )


def item_of(number, day, geometry, collection="sentinel-2-c1-l2a"):
    """A scene whose pixels are the geometry's rectangle, and whose files are not there."""
    footprint = shapely.transform(geometry, TO_DEGREES, interleaved=False)
    west, south, east, north = geometry.bounds
    grid = {
        "proj:epsg": 32633,
        "proj:shape": [round((north - south) / 10), round((east - west) / 10)],
        "proj:transform": [10, 0, west, 0, -10, north],
    }
    return {
        "type": "Feature", "stac_version": "1.0.0", "stac_extensions": [], "links": [],
        "id": f"scene-{number}", "collection": collection, "bbox": list(footprint.bounds),
        "geometry": shapely.geometry.mapping(footprint),
        "properties": {"datetime": f"{day}T10:00:00Z", "eo:cloud_cover": 1.0},
        "assets": {name: {"href": f"./{number}-{name}.tif", **grid} for name in ("red", "scl")},
    }  # fmt: skip


@pytest.fixture
def plan_only(tmp_path):
    """A function: the warnings of a composite's dry run over an area in UTM."""

    def run(items, area, start="2023-06-01", end="2023-06-30", catalog="", area_crs=UTM, **fields):
        path = tmp_path / "items.json"
        path.write_text(json.dumps({"type": "FeatureCollection", "features": items}))
        search = SceneSearch(
            "sentinel-2-c1-l2a", Area(area_crs, shapely.geometry.mapping(area)), start, end,
            catalog=catalog or str(path),
        )  # fmt: skip
        request = CompositeRequest(
            search, ("red",), str(tmp_path / "c.tif"), dry_run=True, **fields
        )
        reporter = RecordingReporter()
        run_composite(request, reporter, tmp_path)
        return reporter.warnings

    return run


def days(count, first="2023-06-03"):
    return [date.fromisoformat(first) + timedelta(days=5 * number) for number in range(count)]


class TestAreas:
    AREA = in_metres(0, -10, 20, 0)

    def test_nothing_where_all_is_well(self, plan_only):
        items = [item_of(n, day, in_metres(-5, -15, 25, 5)) for n, day in enumerate(days(3))]
        assert plan_only(items, self.AREA) == []

    def test_a_part_without_any_scene_and_a_part_with_few(self, plan_only):
        wide, narrow = in_metres(3, -15, 25, 5), in_metres(9, -15, 25, 5)
        items = [item_of(n, day, wide) for n, day in enumerate(days(2))]
        items += [item_of(9, "2023-06-29", narrow)]
        none, few = plan_only(items, self.AREA)
        assert none == (
            "15 % of the area, in the west, has no scene at all; choose more dates, a higher "
            "MAX_CLOUD or another collection."
        )
        assert few == (
            "45 % of the area, in the west, has scenes on fewer than 3 days, too few for a median "
            "without clouds; choose more dates or a higher MAX_CLOUD."
        )

    def test_two_tiles_of_one_day_are_one_day(self, plan_only):
        halves = in_metres(-5, -15, 12, 5), in_metres(8, -15, 25, 5)
        items = [
            item_of(f"{n}-{half}", day, halves[half])
            for n, day in enumerate(days(2))
            for half in (0, 1)
        ]
        (few,) = plan_only(items, self.AREA)
        assert few.startswith("100 % of the area has scenes on fewer than 3 days")

    @pytest.mark.parametrize("seed", range(6))
    @pytest.mark.parametrize("crs", ["", "EPSG:3035", "EPSG:4326"])
    def test_shares_are_those_of_plain_geometry(self, seed, crs, plan_only):
        numbers = np.random.default_rng(seed)
        area = shapely.convex_hull(
            shapely.MultiPoint([(LEFT + x, TOP - y) for x, y in numbers.uniform(0, 20_000, (9, 2))])
        )
        by_day = []
        for _ in range(4):
            west, south = numbers.uniform(-8, 8, 2)
            by_day.append(in_metres(*np.round([west, south - 20, west + 18, south], 2)))
        items = [item_of(n, day, by_day[n]) for n, day in enumerate(days(4))]
        fields = {"crs": crs, "resolution": 0.001 if crs == "EPSG:4326" else 20.0} if crs else {}
        told = plan_only(items, area, **fields)
        some = shapely.union_all(by_day)
        enough = shapely.union_all(
            [
                shapely.intersection_all([by_day[a], by_day[b], by_day[c]])
                for a, b, c in ((0, 1, 2), (0, 1, 3), (0, 2, 3), (1, 2, 3))
            ]
        )
        none = 100 * (1 - some.intersection(area).area / area.area)
        few = 100 * (1 - enough.intersection(area).area / area.area)
        assert share_of(told, "no scene at all") == pytest.approx(none, abs=1.6)
        assert share_of(told, "fewer than 3 days") == pytest.approx(few, abs=1.6)

    def test_a_footprint_counts_as_far_as_there_are_pixels(self, plan_only):
        """Some items have a rectangle in degrees that reaches beyond the tile."""
        items = [item_of(n, day, in_metres(10, -15, 25, 5)) for n, day in enumerate(days(3))]
        for item in items:
            geometry = shapely.transform(in_metres(8, -16, 26, 6), TO_DEGREES, interleaved=False)
            item["geometry"] = shapely.geometry.mapping(geometry)
        (none,) = plan_only(items, self.AREA)
        assert none.startswith("50 % of the area, in the west, has no scene at all")

    @pytest.mark.parametrize("left", [120_000, 200_000])
    def test_across_the_antimeridian(self, left, plan_only):
        """In UTM 1, which is mostly east of it; the first tile crosses it."""
        to_degrees = Transformer.from_crs(32601, 4326, always_xy=True).transform
        corners = shapely.box(left, 900_000, left + 150_000, 1_050_000)
        footprint = shapely.transform(corners, to_degrees, interleaved=False)
        items = [item_of(n, day, corners) for n, day in enumerate(days(3))]
        for item in items:
            item["geometry"] = shapely.geometry.mapping(footprint)
            for asset in item["assets"].values():
                asset["proj:epsg"] = 32601
        told = plan_only(items, shapely.box(179.5, 8.7, 180.5, 9.2), area_crs="EPSG:4326")
        edge, _ = to_degrees(left, 990_000)
        expected = 100 * (edge % 360 - 179.5)
        assert share_of(told, "no scene at all") == pytest.approx(expected, abs=2)


def share_of(told, words):
    """The percent in the warning with ``words``; 0 where there is none."""
    found = [re.match(r"(\d+) %", sentence) for sentence in told if words in sentence]
    assert len(found) <= 1
    return int(found[0][1]) if found else 0.0


class TestClearDays:
    def test_pixels_with_some_but_too_few(self):
        assert clear_day_warnings({0: 50, 1: 10, 2: 10, 3: 30}) == [
            "70 % of the area has fewer than 3 clear days, so a cloud that the mask missed shows "
            "there; choose more dates or a higher MAX_CLOUD."
        ]

    @pytest.mark.parametrize("pixels", [{}, {0: 9}, {3: 5, 8: 1000}, {0: 3, 2: 1, 4: 999}])
    def test_nothing_where_there_are_none_or_hardly_any(self, pixels):
        assert clear_day_warnings(pixels) == []


PROFILE = replace(find_profile("sentinel-2-c1-l2a"), holes=())
HOLE = Hole("2018-01-01", "2022-12-31", "Scenes are missing in many places.")
FOUND = FoundScenes((), (), "", "")


def asking(start, end, **fields):
    return SceneSearch("sentinel-2-c1-l2a", Area(UTM, {}), start, end, **fields)


def coverage_of(*places):
    """Of places, each the days on which it is seen."""
    seen_days = sorted({date.fromisoformat(day) for place in places for day in place})
    seen = [[day.isoformat() in place for place in places] for day in seen_days]
    return Coverage(tuple(seen_days), np.array(seen).reshape(-1, len(places)), "the area")


class TestDates:
    def test_a_known_hole_with_the_share_of_dates_and_of_the_area(self):
        coverage = coverage_of(["2022-06-01", "2023-05-01"], *[["2023-05-01"]] * 3)
        search = asking("2022-07-02", "2023-06-30")
        (sentence,) = date_warnings(search, replace(PROFILE, holes=(HOLE,)), FOUND, coverage)
        assert sentence == (
            f"{round(100 * 183 / 364)} % of the dates fall into a known hole of sentinel-2-c1-l2a, "
            "2018-01-01 to 2022-12-31, in which 75 % of the area has no scene: Scenes are missing "
            "in many places."
        )

    def test_months_that_are_left_out_do_not_count(self):
        search = asking("2022-01-01", "2023-12-31", months=(6,))
        coverage = coverage_of(["2022-06-01", "2023-06-01"])
        (sentence,) = date_warnings(search, replace(PROFILE, holes=(HOLE,)), FOUND, coverage)
        assert sentence.startswith("50 % of the dates fall into a known hole")
        winter = Hole("2022-11-01", "2023-02-28", "None.")
        assert not date_warnings(search, replace(PROFILE, holes=(winter,)), FOUND, coverage)

    def test_beside_a_hole(self):
        search = asking("2023-01-01", "2023-12-31")
        holes = replace(PROFILE, holes=(HOLE,))
        assert not date_warnings(search, holes, FOUND, coverage_of(["2023-06-01"]))

    def test_before_the_first_date_of_the_profile(self):
        search = asking("2014-01-01", "2016-12-31")
        (sentence,) = date_warnings(search, PROFILE, FOUND, coverage_of(["2016-06-01"]))
        assert sentence == (
            "49 % of the dates lie before sentinel-2-c1-l2a begins, on 2015-06-27, and have no "
            "scene; choose a later START or another collection."
        )

    def test_after_the_collection_ends_by_its_document(self):
        search = asking("2023-01-01", "2023-12-31")
        found = replace(FOUND, collection_ends=date(2023, 3, 31))
        (sentence,) = date_warnings(search, PROFILE, found, coverage_of(["2023-03-01"]))
        assert sentence.startswith("75 % of the dates lie after sentinel-2-c1-l2a ends, on 2023-03")
        # A document that is older than its scenes tells nothing.
        assert not date_warnings(search, PROFILE, found, coverage_of(["2023-09-01"]))

    def test_some_days_without_a_pass_are_no_end(self):
        search = asking("2023-01-01", "2023-12-31")
        found = replace(
            FOUND, collection_begins=date(2023, 1, 20), collection_ends=date(2023, 12, 5)
        )
        assert not date_warnings(search, PROFILE, found, coverage_of(["2023-03-01"]))

    def test_scenes_that_were_given_have_no_dates(self):
        search = asking("2014-01-01", "2022-12-31", scenes="scenes.json")
        profile = replace(PROFILE, holes=(HOLE,))
        assert not date_warnings(search, profile, FOUND, coverage_of(["2016-06-01"]))

    def test_shares_in_words(self):
        assert [percent(share) for share in (0, 0.001, 0.12, 0.996, 0.999, 1)] == [
            "0 %", "less than 1 %", "12 %", "more than 99 %", "more than 99 %", "100 %",
        ]  # fmt: skip


class TestInARun:
    def test_a_dry_run_tells_of_a_hole(self, plan_only):
        area = in_metres(0, -10, 20, 0)
        items = [
            item_of(n, day, in_metres(-5, -15, 25, 5))
            for n, day in enumerate(days(4, "2022-06-03"))
        ]
        (told,) = plan_only(items, area, start="2022-06-01", end="2022-06-30")
        assert told.startswith(
            "100 % of the dates fall into a known hole of sentinel-2-c1-l2a, 2018-01-01 to "
            "2022-12-31, in which 0 % of the area has no scene: Scenes are missing"
        )

    def test_an_api_whose_collection_ends_is_asked_only_where_scenes_stop(
        self, plan_only, serve_stac
    ):
        collection = {
            "type": "Collection", "id": "sentinel-2-c1-l2a", "stac_version": "1.0.0",
            "description": "", "license": "other", "links": [],
            "extent": {
                "spatial": {"bbox": [[-180, -90, 180, 90]]},
                "temporal": {"interval": [["2015-06-27T00:00:00Z", "2023-06-30T00:00:00Z"]]},
            },
        }  # fmt: skip
        area = in_metres(0, -10, 20, 0)
        items = [item_of(n, day, in_metres(-5, -15, 25, 5)) for n, day in enumerate(days(6))]
        server = serve_stac(items, collections=[collection])
        for item in items:
            for asset in item["assets"].values():
                asset["href"] = f"{server.address}/missing.tif"

        def asked():
            return [path for _, path, _ in server.requests if "collections" in path]

        assert plan_only(items, area, catalog=server.address) == []
        assert not asked()
        (told,) = plan_only(items, area, catalog=server.address, end="2023-09-30")
        assert told.startswith("75 % of the dates lie after sentinel-2-c1-l2a ends, on 2023-06-30")
        assert len(asked()) == 1

    def test_sites_are_named(self, tmp_path):
        near, far, nowhere = ([LEFT + x * 1000, TOP - 5000] for x in (5, 15, 40))
        items = [item_of(n, day, in_metres(0, -10, 10, 0)) for n, day in enumerate(days(3))]
        items += [item_of(f"b{n}", day, in_metres(10, -10, 20, 0)) for n, day in enumerate(days(2))]
        path = tmp_path / "items.json"
        path.write_text(json.dumps({"type": "FeatureCollection", "features": items}))
        area = Area(UTM, shapely.geometry.mapping(in_metres(0, -10, 50, 0)))
        search = SceneSearch(
            "sentinel-2-c1-l2a", area, "2023-06-01", "2023-06-30", catalog=str(path)
        )
        sites = tuple(
            Site(number, name, {"type": "Point", "coordinates": place})
            for number, (name, place) in enumerate(
                {"near": near, "far": far, "nowhere": nowhere}.items()
            )
        )
        request = TimeSeriesRequest(search, sites, UTM, ("red",), SeriesRecipe(), dry_run=True)
        reporter = RecordingReporter()
        run_time_series(request, reporter, Path(tmp_path))
        assert reporter.warnings == [
            "1 of 3 sites lie under no scene, so they have no observation: nowhere.",
            "1 of 3 sites have scenes on fewer than 3 days: far.",
        ]

    def test_sites_with_too_few_clear_days_are_named_up_to_ten(self):
        names = [f"site {number}" for number in range(14)]
        sites = [type("Site", (), {"id": n, "name": name}) for n, name in enumerate(names)]
        seen = np.ones((5, 14), bool)
        seen[2:, 0] = False  # told before
        coverage = Coverage(tuple(days(5)), seen, "the sites")
        clear = dict.fromkeys(range(13), 2) | {13: 3}
        assert site_coverage.clear_day_warnings(coverage, sites, clear) == [
            "12 of 14 sites have fewer than 3 clear days: "
            + ", ".join(names[1:11])
            + " and 2 more."
        ]
