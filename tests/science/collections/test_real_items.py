"""Every real item at hand is read as its collection's profile says, without a warning."""

import json

import numpy as np
import pytest
import shapely
from fairweather.core.bridge.profiles import find_profile
from fairweather.core.bridge.request import Area, SceneSearch
from fairweather.core.science.area import read_area
from fairweather.core.science.catalog.find import find_scenes
from fairweather.core.science.imagery.scene import read_scenes
from fairweather.core.science.reporter import RecordingReporter
from fairweather.core.science.scene_tile import scene_tile

WORLD = shapely.box(-180, -85, 180, 85)
S2_BANDS = tuple(find_profile("sentinel-2-c1-l2a").bands)
LANDSAT_BANDS = tuple(find_profile("landsat-c2-l2").bands)
HLS_BANDS = tuple(find_profile("hls2-s30").bands)
# File, profile, number of items, bands, scale and offset, dtype, mask's nodata
CASES = [
    ("e84_sentinel-2-c1-l2a.json", "sentinel-2-c1-l2a", 16, S2_BANDS, (1e-4, -0.1), "uint16", 0),
    ("pc_sentinel-2-l2a.json", "sentinel-2-l2a-pc", 20, S2_BANDS, (1e-4, 0.0), "", 0),
    ("cdse_sentinel-2-l2a.json", "sentinel-2-l2a-cdse", 2, S2_BANDS, (1e-4, -0.1), "uint16", 0),
    ("e84_landsat-c2-l2.json", "landsat-c2-l2", 1, LANDSAT_BANDS, (2.75e-5, -0.2), "uint16", 1),
    ("pc_landsat-c2-l2.json", "landsat-c2-l2-pc", 16, LANDSAT_BANDS, (2.75e-5, -0.2), "uint16", 1),
    # NASA's own catalogue: Planetary Computer publishes the same assets.
    ("lpcloud_HLSS30_2.0.json", "hls2-s30", 1, HLS_BANDS, (1e-4, 0.0), "", 255),
]
IDS = [case[0].removesuffix(".json") for case in CASES]


@pytest.fixture
def read_real(shared_data, tmp_path):
    """A function that finds and reads the items of a file: items, scenes, and what was told."""

    def read(name, profile_id, bands):
        content = json.loads((shared_data / "stac" / name).read_text(encoding="utf-8"))
        features = content.get("features", [content])
        profile = find_profile(profile_id)
        for feature in features:
            feature["collection"] = profile.collection
        path = tmp_path / "items.json"
        path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
        area = Area("EPSG:4326", shapely.geometry.mapping(WORLD))
        search = SceneSearch(profile_id, area, "2000-01-01", "2030-01-01", scenes=str(path))
        reporter = RecordingReporter()
        found = find_scenes(search, profile, read_area(area, reporter), reporter)
        scenes, incomplete = read_scenes(found.items, profile, bands, True)
        return features, scenes, (reporter.warnings, incomplete, found.dropped)

    return read


@pytest.mark.parametrize(
    ("name", "profile", "count", "bands", "encoding", "dtype", "mask_nodata"), CASES, ids=IDS
)
def test_real_items(read_real, name, profile, count, bands, encoding, dtype, mask_nodata):
    features, scenes, told = read_real(name, profile, bands)
    assert told == ([], [], ())
    assert len(scenes) == len(features) == count
    expected = find_profile(profile)
    nodata = expected.nodata
    for scene in scenes:
        assert scene.moment.tzinfo is not None
        assert scene_tile(scene.id, scene.properties)
        assert scene.properties["platform"]
        for band, source in scene.bands.items():
            assert (source.scale, source.offset) == encoding
            assert (source.nodata, source.data_type) == (nodata, dtype)
            assert source.href.startswith(("https://", "s3://"))
            assert source.geobox is not None
            resolution = 20 if (band, name[:4]) == ("coastal", "e84_") else None
            assert abs(source.geobox.transform.a) in {expected.bands[band].resolution, resolution}
        assert scene.mask.nodata == mask_nodata
        assert scene.mask.is_bits == (expected.mask.kind == "bits")
        assert scene.mask.geobox is not None
        assert abs(scene.mask.geobox.transform.a) == expected.mask.resolution


def test_the_bits_mean_what_the_items_say(shared_data):
    for name, profile in (
        ("e84_landsat-c2-l2.json", "landsat-c2-l2"),
        ("pc_landsat-c2-l2.json", "landsat-c2-l2-pc"),
    ):
        content = json.loads((shared_data / "stac" / name).read_text(encoding="utf-8"))
        item = content.get("features", [content])[0]
        mask = find_profile(profile).mask
        for field in item["assets"][mask.asset]["classification:bitfields"]:
            # cloud_shadow_confidence, say, is the shadow's.
            word = field["name"].removesuffix("_confidence").split("_")[-1]
            assert word in mask.classes[field["offset"]]


def test_the_classes_mean_what_the_items_say(shared_data):
    content = json.loads((shared_data / "stac/cdse_sentinel-2-l2a.json").read_text("utf-8"))
    mask = find_profile("sentinel-2-l2a-cdse").mask
    told = content["features"][0]["assets"][mask.asset]["classification:classes"]
    assert {one["value"] for one in told} == set(mask.classes)
    for one in told:
        told_words = set(one["name"].replace("shadows", "shadow").split("_"))
        words = set(mask.classes[one["value"]].replace(",", "").split())
        assert words & told_words - {"or", "not"}


@pytest.mark.parametrize(("name", "profile"), [(case[0], case[1]) for case in CASES], ids=IDS)
def test_the_made_up_layouts_are_shaped_like_the_real_items(shared_data, layouts, name, profile):
    content = json.loads((shared_data / "stac" / name).read_text(encoding="utf-8"))
    real = content.get("features", [content])[0]
    layout = layouts[profile]
    made_id, made = layout.item(0)
    pattern = np.array([letter.isdigit() for letter in made_id[:4]])
    assert list(pattern) == [letter.isdigit() for letter in real["id"][:4]]
    # NASA's own items name the CRS otherwise than Planetary Computer's.
    allowed = {"proj:code"} if profile == "hls2-s30" else set()
    assert set(made) - allowed <= set(real["properties"])
    for band, asset in layout.assets.items():
        size = layout.sizes[band]
        told = {**layout.projection(size), **layout.fields(0, band, size)}
        assert set(told) - {"bands"} <= set(real["assets"][asset])
        for key in ("raster:scale", "raster:offset", "nodata", "data_type"):
            assert told.get(key) == real["assets"][asset].get(key)
        if "raster:bands" in told:
            real_band = real["assets"][asset]["raster:bands"][0]
            assert {**real_band, **told["raster:bands"][0]} == real_band


@pytest.mark.parametrize("profile", ["hls2-l30", "hls2-s30"])
def test_the_assets_of_hls_are_planetary_computers(shared_data, profile):
    path = shared_data / "stac" / f"pc_{profile}_collection.json"
    assets = json.loads(path.read_text(encoding="utf-8"))["item_assets"]
    expected = find_profile(profile)
    centres = {"coastal": 0.46, "blue": 0.47, "green": 0.56, "red": 0.66, "nir": 0.86,
               "nir08": 0.86, "nirbroad": 0.835, "rededge1": 0.704, "rededge2": 0.74,
               "rededge3": 0.783, "nir09": 0.945, "swir16": 1.61, "swir22": 2.2}  # fmt: skip
    assert expected.mask.asset in assets
    for name, band in expected.bands.items():
        found = assets[band.asset]["eo:bands"][0]["center_wavelength"]
        assert found == pytest.approx(centres[name], abs=0.035)
