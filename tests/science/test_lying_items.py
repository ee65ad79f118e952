"""Items that lie in ways that broke a reader once; ``make soak`` tries many more."""

import json

import pytest
from fairweather.core.bridge.errors import InvalidRequestError
from fairweather.core.science.catalog.candidates import read_candidate
from fairweather.core.science.catalog.checks import cloud_cover
from fairweather.core.science.imagery.scene import read_scenes

LARGE = {"proj:shape": [200, 200]}
EVERYWHERE = {"proj:shape": [1800, 3600], "proj:transform": [0.1, 0, -180, 0, -0.1, 90]}
HREF = "https://example.com/items.json"


@pytest.mark.parametrize("cover", [10**400, float("nan"), float("inf"), "5", True, None, [], {}])
def test_a_cloud_cover_that_is_no_number(find, make_item, write_items, cover, tmp_path):
    assert cloud_cover({"eo:cloud_cover": cover}) is None
    catalog = write_items([make_item("odd", cloud=cover), make_item("honest")])
    found, _ = find(catalog, max_cloud=50.0)
    assert [item.id for item in found.items] == ["honest"]


@pytest.mark.parametrize(
    "when", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "9999-12-31T23:59:59Z"]
)
def test_a_time_at_the_end_of_all_years(make_item, when):
    with pytest.raises(ValueError, match="year"):
        read_candidate(make_item("odd", when=when), HREF)


@pytest.mark.parametrize("collection", [["a"], {"a": 1}, 5])
def test_a_collection_that_is_no_text(make_item, collection):
    with pytest.raises(ValueError, match="collection"):
        read_candidate(make_item("odd", collection=collection), HREF)


@pytest.mark.parametrize("date", ["9999-12-31", "0001-01-01"])
def test_dates_at_the_end_of_all_years(find, make_item, write_items, date):
    with pytest.raises(InvalidRequestError, match="year"):
        find(write_items([make_item("a")]), start=date, end=date)


@pytest.mark.parametrize("factor", [1e308, 5e-324, 10**400, float("nan"), 0])
def test_a_scale_that_no_sensor_has(make_item, sentinel, factor):
    item = make_item("odd", assets=band(scale=factor))
    (scene,), _ = read_scenes([pystac_item(item)], sentinel, ["red"], with_mask=False)
    assert scene.bands["red"].scale == sentinel.scale


def test_an_offset_that_no_sensor_has(make_item, sentinel):
    item = make_item("odd", assets=band(offset=-1e308))
    (scene,), _ = read_scenes([pystac_item(item)], sentinel, ["red"], with_mask=False)
    assert scene.bands["red"].offset == sentinel.offset


@pytest.mark.parametrize("told", ["1e-300", "O", "S99999999999", "datetime64", "cint16", 5, {}])
def test_a_data_type_that_is_none(make_item, sentinel, told):
    item = make_item("odd", assets=band(data_type=told))
    (scene,), _ = read_scenes([pystac_item(item)], sentinel, ["red"], with_mask=False)
    assert scene.bands["red"].data_type == ""


@pytest.mark.parametrize(
    "lie",
    [
        {"proj:transform": {"a": 1}},
        {"proj:shape": [1e400, 1]},
        {"proj:code": "+proj=utm +zone=33 +nadgrids=../canary.gsb +type=crs"},
        {"proj:wkt2": "+init=../canary:1"},
        {"proj:code": ["EPSG:32633"]},
        # Heights alone, places around the Earth's centre, another planet, a drawing.
        {"proj:code": "EPSG:5773", **EVERYWHERE},
        {"proj:code": "EPSG:3855", **EVERYWHERE},
        {"proj:code": "EPSG:4978", "proj:transform": [1e5, 0, -1e7, 0, -1e5, 1e7], **LARGE},
        {"proj:code": "IAU_2015:49900", **EVERYWHERE},
        {"proj:wkt2": 'LOCAL_CS["drawing",UNIT["metre",1]]', **EVERYWHERE},
    ],
    ids=range(10),
)
def test_a_grid_that_makes_no_sense_is_asked_of_the_file(make_item, sentinel, lie):
    grid = {"proj:shape": [9, 9], "proj:transform": [9, 0, 5e5, 0, -9, 5e6], "proj:code": None}
    item = make_item("odd", assets={"red": {"href": HREF, **grid, **lie}})
    (scene,), _ = read_scenes([pystac_item(item)], sentinel, ["red"], with_mask=False)
    assert scene.bands["red"].geobox is None


def band(**fields):
    return {"red": {"href": HREF, "raster:bands": [fields]}}


def pystac_item(item):
    import pystac  # noqa: PLC0415

    return pystac.Item.from_dict(json.loads(json.dumps(item)))


@pytest.fixture
def sentinel():
    from fairweather.core.bridge.profiles import find_profile  # noqa: PLC0415

    return find_profile("sentinel-2-l2a")
