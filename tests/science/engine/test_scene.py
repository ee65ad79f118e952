import json
import math
from datetime import datetime, timezone

import pystac
import pytest
from affine import Affine
from fairweather.core.bridge.errors import InvalidRequestError
from fairweather.core.bridge.profiles import find_profile
from fairweather.core.science.imagery.scene import read_scenes
from odc.geo.geobox import GeoBox

PROJ = {"proj:code": "EPSG:32633", "proj:shape": [10, 20], "proj:transform": [10, 0, 5, 0, -10, 9]}


def item(properties=None, **fields):
    """An item whose red asset has ``fields``."""
    made = pystac.Item(
        "scene", None, None, datetime(2023, 5, 1, 10, tzinfo=timezone.utc), dict(properties or {})
    )
    for name in ("red", "nir", "scl"):
        asset = pystac.Asset(f"https://example.com/{name}.tif", extra_fields=dict(fields))
        made.add_asset(name, asset)
    return made


def read(made, profile="sentinel-2-l2a", bands=("red",)):
    found, incomplete = read_scenes([made], find_profile(profile), bands, True)
    assert not incomplete
    return found[0]


@pytest.mark.parametrize(
    "fields",
    [
        {"raster:bands": [{"nodata": 7, "scale": 0.01, "offset": -2, "data_type": "int16"}]},
        {"bands": [{"raster:scale": 0.01, "raster:offset": -2, "nodata": 7, "data_type": "int16"}]},
        {"raster:scale": 0.01, "raster:offset": -2, "nodata": 7, "data_type": "int16"},
        {"bands": [{"name": "B04"}], "raster:scale": 0.01, "raster:offset": -2, "nodata": 7,
         "data_type": "int16"},
    ],
)  # fmt: skip
def test_scale_offset_and_nodata_wherever_stac_puts_them(fields):
    band = read(item(**fields)).bands["red"]
    assert (band.scale, band.offset, band.nodata, band.data_type) == (0.01, -2, 7, "int16")


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"raster:bands": []},
        {"raster:bands": None, "bands": {}},
        {"raster:bands": [None]},
        {"raster:bands": [{"scale": None, "offset": None, "nodata": None}]},
        {"raster:bands": [{"scale": "0.1", "offset": [], "nodata": "none"}]},
        {"raster:bands": [{"scale": 0, "offset": math.nan}]},
        {"raster:bands": [{"scale": math.inf, "offset": math.inf}]},
    ],
)
def test_the_profile_serves_where_the_item_tells_nothing_of_use(fields):
    band = read(item(**fields)).bands["red"]
    assert (band.scale, band.offset, band.nodata) == (1e-4, -0.1, 0)


def test_nodata_may_be_nan():
    assert math.isnan(read(item(**{"raster:bands": [{"nodata": "nan"}]})).bands["red"].nodata)


@pytest.mark.parametrize(
    ("applied", "profile", "offset"),
    [
        (True, "sentinel-2-l2a", 0),
        (False, "sentinel-2-l2a", -0.1),
        (None, "sentinel-2-l2a", -0.1),
        ("true", "sentinel-2-l2a", -0.1),
        (True, "sentinel-2-c1-l2a", -0.1),
    ],
)
def test_an_offset_that_was_applied_is_not_applied_again(applied, profile, offset):
    made = item(
        {"earthsearch:boa_offset_applied": applied},
        **{"raster:bands": [{"scale": 1e-4, "offset": -0.1}]},
    )
    assert read(made, profile).bands["red"].offset == offset


@pytest.mark.parametrize(
    "fields",
    [
        PROJ,
        PROJ | {"proj:transform": [10, 0, 5, 0, -10, 9, 0, 0, 1]},
        {k: v for k, v in PROJ.items() if k != "proj:code"} | {"proj:epsg": 32633},
    ],
)
def test_the_grid_of_the_item(fields):
    expected = GeoBox((10, 20), Affine(10, 0, 5, 0, -10, 9), "EPSG:32633")
    assert read(item(**fields)).bands["red"].geobox == expected
    assert read(item(fields)).bands["red"].geobox == expected


@pytest.mark.parametrize(
    "change",
    [
        {"proj:code": "EPSG:123456"},
        {"proj:code": None},
        {"proj:code": 7.5},
        {"proj:shape": [10]},
        {"proj:shape": [0, -3]},
        {"proj:shape": ["a", "b"]},
        {"proj:shape": 7},
        {"proj:transform": [1, 2, 3]},
        {"proj:transform": [0, 0, 0, 0, 0, 0]},
        {"proj:transform": [math.nan] * 6},
        {"proj:transform": [math.inf, 0, 0, 0, 1, 0]},
        {"proj:transform": {}},
        {"proj:transform": None},
    ],
)
def test_a_grid_that_makes_no_sense_is_left_to_the_file(change):
    assert read(item(**(PROJ | change))).bands["red"].geobox is None


def test_items_without_an_asset_are_told():
    whole, without = item(), item()
    without.id = "without"
    del without.assets["red"]
    profile = find_profile("sentinel-2-l2a")
    found, incomplete = read_scenes([whole, without], profile, ("red",), True)
    assert [scene.id for scene in found] == ["scene"]
    assert incomplete == ["without"]
    with pytest.raises(InvalidRequestError, match="'red'"):
        read_scenes([without], profile, ("red",), True)


def test_the_mask_is_read_only_where_it_is_asked_for():
    made = item()
    del made.assets["scl"]
    found, _ = read_scenes([made], find_profile("sentinel-2-l2a"), ("red",), False)
    assert found[0].mask is None
    assert len(found[0].sources) == 1


def test_the_mask_has_no_scale():
    mask = read(item(**{"raster:bands": [{"scale": 1e-4, "offset": -0.1, "nodata": 0}]})).mask
    assert (mask.scale, mask.offset, mask.nodata) == (1, 0, 0)


def test_real_items_of_both_collections(shared_data):
    content = json.loads((shared_data / "stac/e84_sentinel-2-c1-l2a.json").read_text())
    features = content["features"]
    found, incomplete = read_scenes(
        [pystac.Item.from_dict(feature) for feature in features],
        find_profile("sentinel-2-c1-l2a"), ("red", "swir16"), True,
    )  # fmt: skip
    assert len(found) == 16
    assert not incomplete
    for scene in found:
        red, swir = scene.bands["red"], scene.bands["swir16"]
        assert (red.scale, red.offset, red.nodata, red.data_type) == (1e-4, -0.1, 0, "uint16")
        assert red.geobox.shape == (10_980, 10_980)
        assert swir.geobox.shape == (5490, 5490)
        assert red.href.startswith("https://")


def test_the_trap_of_the_real_items(shared_data):
    paths = sorted((shared_data / "zagreb/sentinel-2-l2a").glob("*/*.json"))
    items = [pystac.Item.from_file(str(path)) for path in paths]
    found, _ = read_scenes(items, find_profile("sentinel-2-l2a"), ("red",), True)
    assert len(found) == 10
    for scene in found:
        assert (scene.bands["red"].scale, scene.bands["red"].offset) == (1e-4, 0)
        assert "already" in scene.encoding


def test_a_local_path_is_one_wherever_the_item_was_published():
    made = item({"proj:code": "EPSG:32633"})
    made.set_self_href("https://example.com/published/item.json")
    made.assets["red"].href = "/local/red.tif"
    assert read(made).bands["red"].href == "/local/red.tif"


def test_of_the_properties_only_those_are_kept_that_reports_tell():
    made = item({"platform": "sentinel-2a", "grid:code": "MGRS-33TWM", "s2:tile_id": "S2A_OPER"})
    assert read(made).properties == {"platform": "sentinel-2a", "grid:code": "MGRS-33TWM"}
