"""One acquisition published twice, as each collection would."""

import pytest
from fairweather.core.bridge.profiles import find_profile
from fairweather.core.bridge.request import SceneSearch
from fairweather.core.science.area import read_area
from fairweather.core.science.catalog.find import find_scenes
from fairweather.core.science.reporter import RecordingReporter
from fairweather.core.science.scene_tile import scene_tile

WHEN = "2023-08-10T10:00:00.024Z"
ESA = {"platform": "sentinel-2a", "grid:code": "MGRS-33TWM"}
PC = {"platform": "Sentinel-2A", "s2:mgrs_tile": "33TWM"}
LANDSAT = {"platform": "landsat-8", "landsat:wrs_path": "190", "landsat:wrs_row": "029"}
STRIP = "S2A_OPER_MSI_L2A_DS_2BPS_{made}_S{start}_N05.09"

# By profile: the older and the newer processing, each (id, properties).
TWINS = {
    "sentinel-2-c1-l2a": (
        ("S2A_T33TWM_20230810T095651_L2A_1", {**ESA, "s2:processing_baseline": "05.00"}),
        ("S2A_T33TWM_20230810T095651_L2A_0", {**ESA, "s2:processing_baseline": "05.10"}),
    ),
    "sentinel-2-l2a": (
        ("S2A_33TWM_20230810_0_L2A", {**ESA, "s2:generation_time": "2023-08-10T13:01:04Z"}),
        ("S2A_33TWM_20230810_1_L2A", {**ESA, "s2:generation_time": "2023-08-12T13:01:04Z"}),
    ),
    "sentinel-2-l2a-pc": (
        ("S2A_MSIL2A_20230810T100000_R122_T33TWM_20230811T060000",
         {**PC, "s2:processing_baseline": "02.12",
          "s2:datastrip_id": STRIP.format(made="20230811T060000", start="20230810T100330")}),
        ("S2A_MSIL2A_20230810T100000_R122_T33TWM_20201007T214651",
         {**PC, "s2:processing_baseline": "05.00",
          "s2:datastrip_id": STRIP.format(made="20240811T060000", start="20230810T100331")}),
    ),
    "sentinel-2-l2a-cdse": (
        ("S2A_MSIL2A_20230810T100000_N0509_R065_T33TWM_20230810T150000",
         {**ESA, "processing:version": "05.09"}),
        ("S2A_MSIL2A_20230810T100000_N0510_R065_T33TWM_20240810T150000",
         {**ESA, "processing:version": "05.10"}),
    ),
    "landsat-c2-l2": (
        ("LC08_L2SP_190029_20230810_02_RT",
         {**LANDSAT, "landsat:product_generated": "2023-08-11T16:22:27Z"}),
        ("LC08_L2SP_190029_20230810_02_T1",
         {**LANDSAT, "landsat:product_generated": "2023-08-27T16:22:27Z"}),
    ),
    "landsat-c2-l2-pc": (
        ("LC08_L2SP_190029_20230810_02_T2", {**LANDSAT, "created": "2023-08-11T07:31:29.878Z"}),
        ("LC08_L2SP_190029_20230810_02_T1", {**LANDSAT, "created": "2023-08-30T07:31:29.878Z"}),
    ),
    "hls2-l30": (
        ("HLS.L30.T33TWM.2023222T100000.v2.0", {"platform": "landsat-8"}),
        ("HLS.L30.T33TWM.2023222T100000.v2.1", {"platform": "landsat-8"}),
    ),
    "hls2-s30": (
        ("HLS.S30.T33TWM.2023222T100000.v1.5", {"platform": "sentinel-2a"}),
        ("HLS.S30.T33TWM.2023222T100000.v2.0", {"platform": "sentinel-2a"}),
    ),
}  # fmt: skip


@pytest.fixture
def look(make_item, write_items, area_of):
    """A function that searches a profile's items, given as (id, properties, when)."""

    def look(profile, *items):
        collection = find_profile(profile).collection
        path = write_items(
            [make_item(name, when, collection=collection, properties=properties)
             for name, properties, when in items]
        )  # fmt: skip
        search = SceneSearch(
            profile, area_of((15.1, 45.1, 15.9, 45.9)), "2023-08-01", "2023-08-31", catalog=path
        )
        reporter = RecordingReporter()
        found = find_scenes(
            search, find_profile(profile), read_area(search.area, reporter), reporter
        )
        return [item.id for item in found.items], found.dropped, reporter.messages

    return look


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("profile", sorted(TWINS))
def test_the_newest_processing_counts_and_the_older_is_named(look, profile, order):
    twins = TWINS[profile]
    (older, _), (newer, _) = twins
    items = [(name, properties, WHEN) for name, properties in twins][::order]
    kept, dropped, messages = look(profile, *items)
    assert kept == [newer]
    (one,) = dropped
    assert (one.count, one.ids) == (1, (older,))
    assert any(text.startswith("1 scene dropped: an older") and older in text for text in messages)


@pytest.mark.parametrize("profile", sorted(TWINS))
def test_two_tiles_of_a_pass_are_two_scenes(look, profile):
    name, properties = TWINS[profile][0]
    other = {key: str(value).replace("33TWM", "33TWL") for key, value in properties.items()}
    if "landsat:wrs_row" in other:
        other["landsat:wrs_row"] = "030"
    other_name = name.replace("33TWM", "33TWL").replace("190029", "190030")
    kept, dropped, _ = look(profile, (name, properties, WHEN), (other_name, other, WHEN))
    assert sorted(kept) == sorted([name, other_name])
    assert not dropped


def test_two_datastrips_of_one_tile_are_two_scenes(look):
    """Planetary Computer gives them the time of the whole pass, which is one."""
    strips = [
        (f"S2A_MSIL2A_20230810T100000_R122_T33TWM_2023081{number}T060000",
         {**PC, "s2:datastrip_id": STRIP.format(made="20230810T130104", start=start)}, WHEN)
        for number, start in enumerate(("20230810T095651", "20230810T100040"))
    ]  # fmt: skip
    kept, dropped, _ = look("sentinel-2-l2a-pc", *strips)
    assert len(kept) == 2
    assert not dropped


def test_other_platforms_and_other_times_are_no_twins(look):
    kept, _, _ = look(
        "sentinel-2-l2a",
        ("a", ESA, WHEN),
        ("b", {**ESA, "platform": "sentinel-2c"}, WHEN),
        ("c", ESA, "2023-08-10T10:00:05.000Z"),
        ("d", {"platform": None, "grid:code": None}, WHEN),
        ("e", {"platform": None, "grid:code": None}, WHEN),
    )
    assert sorted(kept) == ["a", "b", "c", "d", "e"]


@pytest.mark.parametrize(
    ("name", "properties", "tile"),
    [
        ("x", {"grid:code": "MGRS-1CDE"}, "MGRS-1CDE"),
        ("x", {"s2:mgrs_tile": "33TWM", "grid:code": None}, "MGRS-33TWM"),
        ("x", {"landsat:wrs_path": "190", "landsat:wrs_row": "029"}, "WRS2-190029"),
        ("HLS.S30.T15MXV.2015333T161622.v2.0", {}, "MGRS-15MXV"),
        ("S2A_MSIL2A_20190101T000001_R116_T58UFE_20201007T214651", {}, "MGRS-58UFE"),
        ("T15MXV", {}, None),
        ("scene", {"landsat:wrs_path": "190"}, None),
    ],
)
def test_the_tile_of_a_scene(name, properties, tile):
    assert scene_tile(name, properties) == tile
