"""Folders of Sentinel-2 and Landsat scenes on disk: the items that a person would write."""

import shutil
from pathlib import Path

import pytest
import rasterio
from fairweather.core.bridge.errors import NoScenesError
from fairweather.core.bridge.profiles import find_profile, load_profiles
from fairweather.core.science.imagery.scene import read_scenes
from rasterio.transform import Affine

SAFE = "S2B_MSIL2A_20230815T100031_N0509_R122_T33TWM_20230815T130000"
LANDSAT = "LC08_L2SP_190028_20230812_20230819_02_T1"
LEFT, TOP = 540000, 5040000
SIDE = 109800  # metres, of a tile


def test_a_sentinel2_scene(write_safe, find, tmp_path):
    folder = write_safe(parent="2023/08 August, Užice")
    found, reporter = find(str(tmp_path), collection="sentinel-2-c1-l2a")
    [item] = found.items
    assert not reporter.warnings
    assert item.id == SAFE
    assert item.bbox == pytest.approx([15.5, 44.5, 16.9, 45.5], abs=0.03)
    expected = {
        "datetime": "2023-08-15T10:08:01.123456Z",
        "platform": "sentinel-2b",
        "eo:cloud_cover": 12.25,
        "grid:code": "MGRS-33TWM",
        "s2:processing_baseline": "05.09",
        "s2:generation_time": "2023-08-15T13:00:00.000000Z",
        "proj:code": "EPSG:32633",
    }
    assert expected.items() <= item.properties.items()
    images = folder / "GRANULE" / "L2A_T33TWM_A033636_20230815T100027" / "IMG_DATA"
    files = {name: Path(asset.href) for name, asset in item.assets.items()}
    assert files["red"] == images / "R10m" / "T33TWM_20230815T100031_B04_10m.jp2"
    assert files["nir08"] == images / "R20m" / "T33TWM_20230815T100031_B8A_20m.jp2"
    assert files["coastal"] == images / "R60m" / "T33TWM_20230815T100031_B01_60m.jp2"
    assert files["scl"] == images / "R20m" / "T33TWM_20230815T100031_SCL_20m.jp2"
    assert files["thumbnail"] == folder / f"{SAFE}-ql.jpg"
    assert len(files) == 12 + 1 + 1


SENTINEL2_PROFILES = [name for name in load_profiles() if name.startswith("sentinel-2")]
LANDSAT_PROFILES = [name for name in load_profiles() if name.startswith("landsat")]


@pytest.mark.parametrize("name", SENTINEL2_PROFILES)
@pytest.mark.parametrize(("baseline", "offset"), [("05.09", -0.1), ("02.14", 0.0)])
def test_each_sentinel2_profile_reads_its_bands(write_safe, find, tmp_path, name, baseline, offset):
    write_safe(baseline=baseline, has_offsets=offset != 0)
    profile = find_profile(name)
    found, _ = find(str(tmp_path), collection=name)
    [scene], incomplete = read_scenes(found.items, profile, tuple(profile.bands), True)
    assert not incomplete
    for band, source in scene.bands.items():
        assert source.scale == 0.0001
        # The scene's metadata give B8A, their band 8, another offset than the others.
        expected = -0.09 if offset and band == "nir08" else offset
        assert source.offset == pytest.approx(expected), band
        resolution = profile.bands[band].resolution
        assert source.geobox.transform == Affine(resolution, 0, LEFT, 0, -resolution, TOP)
        assert source.geobox.shape == (SIDE // resolution, SIDE // resolution)
        assert source.geobox.crs.to_epsg() == 32633
    assert scene.mask.href.endswith("_SCL_20m.jp2")
    assert scene.mask.nodata == 0


@pytest.mark.parametrize("name", LANDSAT_PROFILES)
@pytest.mark.parametrize("spacecraft", ["LANDSAT_8", "LANDSAT_5"])
def test_each_landsat_profile_reads_its_bands(write_landsat, find, tmp_path, name, spacecraft):
    write_landsat(spacecraft=spacecraft)
    profile = find_profile(name)
    found, reporter = find(str(tmp_path), collection=name)
    [item] = found.items
    assert not reporter.warnings
    expected = {
        "datetime": "2023-08-12T09:40:55.956478Z",
        "platform": spacecraft.replace("_", "-").lower(),
        "eo:cloud_cover": 7.5,
        "landsat:wrs_path": "190",
        "landsat:wrs_row": "028",
        "proj:code": "EPSG:32633",
    }
    assert expected.items() <= item.properties.items()
    numbers = {"red": 4, "nir": 5, "nir08": 5, "swir16": 6, "swir22": 7}
    if spacecraft == "LANDSAT_5":
        numbers = {"red": 3, "nir": 4, "nir08": 4, "swir16": 5, "swir22": 7}
    [scene], _ = read_scenes(found.items, profile, tuple(numbers), True)
    for band, source in scene.bands.items():
        assert Path(source.href).name == f"{LANDSAT}_SR_B{numbers[band]}.TIF"
        assert (source.scale, source.offset, source.nodata) == (2.75e-05, -0.2, 0)
        assert source.geobox.transform == Affine(30, 0, 442185, 0, -30, 5135715)
        assert source.geobox.shape == (7871, 7761)
    assert scene.mask.href.endswith("_QA_PIXEL.TIF")
    assert scene.mask.nodata == 1


def test_scenes_of_both_sensors_in_one_folder(write_safe, write_landsat, find, tmp_path):
    write_safe()
    write_landsat(parent="flat")
    write_landsat(LANDSAT.replace("190028", "190029"), parent="flat")
    sentinel2, _ = find(str(tmp_path), collection="sentinel-2-l2a")
    assert [item.id for item in sentinel2.items] == [SAFE]
    landsat, _ = find(str(tmp_path), collection="landsat-c2-l2")
    assert len(landsat.items) == 2


def test_catalog_may_be_one_scene(write_safe, write_landsat, find):
    assert len(find(str(write_safe()), collection="sentinel-2-l2a")[0].items) == 1
    assert len(find(str(write_landsat()), collection="landsat-c2-l2")[0].items) == 1


def test_conditions_apply_as_to_any_catalogue(write_safe, find, tmp_path):
    write_safe()
    assert find(str(tmp_path), filter="grid:code = MGRS-33TWM")[0].items
    with pytest.raises(NoScenesError, match="MAX_CLOUD 13 would find 1"):
        find(str(tmp_path), max_cloud=10.0)


def test_reprocessed_scene_counts_once(write_safe, find, tmp_path):
    write_safe(SAFE.replace("N0509", "N0500"), baseline="05.00")
    write_safe()
    found, _ = find(str(tmp_path))
    assert [item.id for item in found.items] == [SAFE]


def test_band_in_another_resolution_where_its_own_is_missing(write_safe, find, tmp_path):
    shutil.rmtree(next(write_safe().glob("GRANULE/*/IMG_DATA/R10m")))
    found, _ = find(str(tmp_path))
    red = found.items[0].assets["red"]
    assert red.href.endswith("_B04_20m.jp2")
    assert red.extra_fields["proj:transform"][0] == 20
    assert "nir" not in found.items[0].assets


def test_metadata_of_landsat_lead_to_nothing_outside(write_landsat, find, tmp_path):
    (tmp_path / "secret.TIF").touch()

    def change(content):
        content["PRODUCT_CONTENTS"]["FILE_NAME_BAND_4"] = "../secret.TIF"
        content["PRODUCT_CONTENTS"]["FILE_NAME_BAND_3"] = str(tmp_path / "secret.TIF")

    write_landsat(change=change)
    found, _ = find(str(tmp_path), collection="landsat-c2-l2")
    assert not {"red", "green"} & set(found.items[0].assets)


def test_items_of_a_folder_can_be_given_again(write_safe, find, tmp_path, write_items):
    write_safe()
    items = [item.to_dict(transform_hrefs=False) for item in find(str(tmp_path))[0].items]
    again, _ = find("", scenes=write_items(items))
    assert again.items[0].assets["red"].href == items[0]["assets"]["red"]["href"]


def test_the_grid_of_the_metadata_is_that_of_the_file(write_safe, find, tmp_path):
    # A real JPEG 2000 file, as the product has it.
    path = next(write_safe(side=240).glob("GRANULE/*/IMG_DATA/R10m/*_B04_10m.jp2"))
    transform = Affine(10, 0, LEFT, 0, -10, TOP)
    with rasterio.open(
        path, "w", driver="JP2OpenJPEG", width=24, height=24, count=1, dtype="uint16",
        crs="EPSG:32633", transform=transform, QUALITY=100, REVERSIBLE="YES",
    ):  # fmt: skip
        pass
    found, _ = find(str(tmp_path))
    profile = find_profile("sentinel-2-l2a")
    [scene], _ = read_scenes(found.items, profile, ("red",), False)
    with rasterio.open(scene.bands["red"].href) as file:
        assert file.shape == scene.bands["red"].geobox.shape
        assert file.transform == scene.bands["red"].geobox.transform
        assert file.crs.to_epsg() == scene.bands["red"].geobox.crs.to_epsg()
