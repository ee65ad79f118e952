"""Items as no specification has them, and the rules for scale, offset, grid and time."""

import json

import pystac
import pytest
from fairweather.core.bridge.errors import InvalidRequestError
from fairweather.core.bridge.profiles import find_profile, load_profiles
from fairweather.core.science.imagery.scene import read_scenes
from hypothesis import given
from hypothesis import strategies as st

RASTER = {"raster:bands": [{"scale": 1e-4, "offset": -0.1, "nodata": 0}]}
UTM = {"proj:shape": [3660, 3660], "proj:transform": [30, 0, 600_000, 0, -30, 4_900_020]}
FOOTPRINT = {
    "type": "Polygon",
    "coordinates": [[[16.2, 43.3], [17.5, 43.3], [17.5, 44.2], [16.2, 44.2], [16.2, 43.3]]],
}


def item(profile="sentinel-2-l2a", properties=None, fields=None, geometry=None, **others):
    """An item with all assets of a profile, each saying ``fields``."""
    known = find_profile(profile)
    names = [*(band.asset for band in known.bands.values()), known.mask.asset]
    content = {
        "type": "Feature", "stac_version": "1.0.0", "id": "scene", "geometry": geometry,
        "bbox": [16, 43, 18, 45], "links": [], "stac_extensions": [],
        "properties": {"datetime": "2024-05-03T10:06:31.024Z", **(properties or {})},
        "assets": {name: {"href": f"https://example.com/{name}.tif", **(fields or {})}
                   for name in names},
        **others,
    }  # fmt: skip
    return pystac.Item.from_dict(content, migrate=False)


def read(made, profile="sentinel-2-l2a", bands=("red",)):
    scenes, incomplete = read_scenes([made], find_profile(profile), bands, True)
    assert not incomplete
    return scenes[0]


APPLIED = "earthsearch:boa_offset_applied"
BASELINE = "s2:processing_baseline"


@pytest.mark.parametrize(
    ("profile", "properties", "fields", "offset", "words"),
    [
        ("sentinel-2-l2a", {APPLIED: True, BASELINE: "05.09"}, RASTER, 0, "already have it"),
        ("sentinel-2-l2a", {APPLIED: False, BASELINE: "05.09"}, RASTER, -0.1, "as the item says"),
        ("sentinel-2-l2a", {APPLIED: False, BASELINE: "02.14"}, RASTER, 0, "none before"),
        ("sentinel-2-l2a", {APPLIED: False, BASELINE: "04.00"}, {}, -0.1, "of processing baseline"),
        ("sentinel-2-l2a", {APPLIED: None, BASELINE: None}, {}, -0.1, "the collection's"),
        ("sentinel-2-l2a-pc", {BASELINE: "02.12"}, {}, 0, "none before"),
        ("sentinel-2-l2a-pc", {BASELINE: "03.01"}, {}, 0, "none before"),
        ("sentinel-2-l2a-pc", {BASELINE: "04.00"}, {}, -0.1, "04.00 and later"),
        ("sentinel-2-l2a-pc", {BASELINE: "05.11"}, {}, -0.1, "04.00 and later"),
        ("sentinel-2-l2a-pc", {"s2:product_uri": "S2A_MSIL2A_X_N0212_R022_Y.SAFE"}, {}, 0, "none"),
        ("sentinel-2-l2a-pc", {"s2:datatake_id": "GS2A_2015_000162_N05.11"}, {}, -0.1, "later"),
        ("sentinel-2-l2a-pc", {}, RASTER, -0.1, "as the item says"),
        ("sentinel-2-l2a-cdse", {"processing:version": "02.14"}, RASTER, 0, "none before"),
        (
            "sentinel-2-l2a-cdse",
            {"processing:version": "05.00"},
            {"raster:offset": -0.1, "raster:scale": 1e-4},
            -0.1,
            "as the item says",
        ),
        (
            "sentinel-2-l2a-cdse",
            {"processing:version": "05.00"},
            {"bands": [{"name": "B04", "raster:offset": -0.1, "raster:scale": 1e-4}]},
            -0.1,
            "as the item says",
        ),
        ("sentinel-2-c1-l2a", {APPLIED: True, BASELINE: "02.14"}, RASTER, -0.1, "as the item says"),
        ("hls2-s30", {}, {}, 0, "the item says nothing"),
        ("landsat-c2-l2", {}, {}, -0.2, "the item says nothing"),
        ("landsat-c2-l2", {}, {"raster:bands": [{"scale": 3e-5}]}, -0.2, "the item says no offset"),
    ],
)
def test_the_offset_is_decided_by_item(profile, properties, fields, offset, words):
    scene = read(item(profile, properties, fields), profile)
    assert scene.bands["red"].offset == offset
    assert words in scene.encoding
    assert f"offset {offset:g} (" in scene.encoding


def test_a_scene_whose_offset_nothing_tells_is_left_out():
    known = item("sentinel-2-l2a-pc", {BASELINE: "05.11"})
    unknown = item("sentinel-2-l2a-pc", {BASELINE: None}, id="unknown")
    profile = find_profile("sentinel-2-l2a-pc")
    scenes, incomplete = read_scenes([known, unknown], profile, ("red",), True)
    assert [scene.id for scene in scenes] == ["scene"]
    assert incomplete == ["unknown"]
    with pytest.raises(InvalidRequestError, match="has the offset or the processing baseline of"):
        read_scenes([unknown], profile, ("red",), True)


def test_bands_of_several_encodings_are_all_told():
    made = item("landsat-c2-l2", {}, RASTER)
    made.assets["nir08"].extra_fields["raster:bands"] = [{"scale": 2e-4, "offset": 0}]
    scene = read(made, "landsat-c2-l2", ("red", "nir"))
    assert scene.encoding == (
        "scale 0.0001, offset -0.1 (as the item says); scale 0.0002, offset 0 (as the item says)"
    )


@pytest.mark.parametrize(
    ("properties", "moment"),
    [
        ({"datetime": None, "start_datetime": "2024-05-03T10:00:00Z",
          "end_datetime": "2024-05-03T11:00:00Z"}, "2024-05-03T10:00:00+00:00"),
        ({"datetime": "2024-05-03T12:00:00+02:00"}, "2024-05-03T10:00:00+00:00"),
        ({"datetime": "2024-05-03T10:00:00"}, "2024-05-03T10:00:00+00:00"),
    ],
)  # fmt: skip
def test_the_time_is_in_utc_and_an_intervals_beginning(properties, moment):
    assert read(item(properties=properties)).moment.isoformat() == moment


@pytest.mark.parametrize(
    ("code", "is_believed"),
    [
        ("EPSG:32633", True),
        (32633, True),
        ("EPSG:32733", False),  # the wrong hemisphere, as some items of HLS have it
        (32733, False),
        ("EPSG:32631", False),  # another zone
        ("EPSG:4326", False),
        ("EPSG:3857", False),
    ],
)
def test_a_grid_elsewhere_than_the_footprint_is_left_to_the_file(code, is_believed):
    made = item("hls2-l30", {**UTM, "proj:code": code}, geometry=FOOTPRINT)
    assert (read(made, "hls2-l30").bands["red"].geobox is not None) == is_believed
    without_footprint = item("hls2-l30", {**UTM, "proj:code": code})
    assert read(without_footprint, "hls2-l30").bands["red"].geobox is not None


@pytest.mark.parametrize(
    ("change", "is_believed"),
    [
        ({}, True),
        ({"proj:shape": [3660, 100]}, False),
        ({"proj:shape": [1, 1]}, False),
        ({"proj:shape": [3700, 3700]}, True),
        ({"proj:transform": [30, 0, 900_000, 0, -30, 4_900_020]}, False),
        ({"proj:transform": [30, 0, 600_000, 0, 30, 4_900_020]}, False),
        ({"proj:transform": [0.3, 0, 600_000, 0, -0.3, 4_900_020]}, False),
    ],
)
def test_a_wrong_shape_or_transform_is_left_to_the_file(change, is_believed):
    made = item("hls2-l30", {**UTM, "proj:code": "EPSG:32633", **change}, geometry=FOOTPRINT)
    assert (read(made, "hls2-l30").bands["red"].geobox is not None) == is_believed


def test_a_tile_across_the_antimeridian_is_believed():
    corners = [[179.6, -17.0], [-179.4, -17.0], [-179.4, -18.0], [179.6, -18.0], [179.6, -17.0]]
    fields = {
        "proj:code": "EPSG:32760",
        "proj:shape": [10_980, 10_980],
        "proj:transform": [10, 0, 776_000, 0, -10, 8_118_000],
    }
    made = item(properties=fields, geometry={"type": "Polygon", "coordinates": [corners]})
    assert read(made).bands["red"].geobox is not None


def test_the_meaning_of_bits_is_the_profiles():
    made = item("hls2-l30", {}, {"raster:bands": [{"nodata": 0}]})
    scene = read(made, "hls2-l30")
    assert (scene.mask.nodata, scene.mask.is_bits) == (255, True)
    assert scene.bands["red"].nodata == 0


def test_two_names_of_one_asset():
    scene = read(item("hls2-s30"), "hls2-s30", ("nir", "nir08", "nirbroad"))
    hrefs = [scene.bands[name].href[-7:] for name in ("nir", "nir08", "nirbroad")]
    assert hrefs == ["B8A.tif", "B8A.tif", "B08.tif"]


junk = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.just(10**400)
    | st.floats()
    | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=4,
)


@given(
    st.sampled_from(sorted(load_profiles())),
    st.dictionaries(
        st.sampled_from([
            BASELINE, APPLIED, "processing:version", "s2:product_uri", "proj:shape", "proj:epsg",
            "proj:code", "proj:transform", "platform", "grid:code", "eo:cloud_cover",
        ]),
        junk,
    ),
    st.dictionaries(
        st.sampled_from([
            "raster:bands", "bands", "raster:scale", "raster:offset", "nodata", "data_type",
            "proj:shape", "proj:transform", "proj:code", "proj:epsg", "proj:wkt2",
        ]),
        junk,
    ),
    st.none() | st.just(FOOTPRINT) | st.just({"type": "Point", "coordinates": []}),
)  # fmt: skip
def test_nothing_that_an_item_says_breaks_the_reading(profile, properties, fields, geometry):
    made = item(profile, properties, fields, geometry)
    known = item(profile, {BASELINE: "05.10"}, id="known")
    scenes, incomplete = read_scenes([made, known], find_profile(profile), ("red", "nir"), True)
    assert len(scenes) + len(incomplete) == 2
    assert not incomplete or find_profile(profile).offset_rule == "processing_baseline"
    for source in scenes[0].sources:
        assert isinstance(source.scale, float)
        assert source.scale != 0
        assert isinstance(source.offset, float)
    json.dumps(scenes[0].encoding)
