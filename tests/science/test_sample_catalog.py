"""The built-in synthetic catalogue: repeatable, readable by others, and true to its own truth."""

import hashlib
import json
from pathlib import Path

import numpy as np
import odc.stac
import pystac
import pytest
import rasterio
import shapely
from fairweather.core.bridge.profiles import find_profile
from fairweather.core.bridge.request import SampleCatalogRequest
from fairweather.core.science.reporter import RecordingReporter
from fairweather.core.science.sample_catalog.job import run_sample_catalog
from pyproj import Transformer
from rasterio.warp import Resampling, reproject
from rio_cogeo import cog_validate
from shapely.geometry import shape

pytestmark = pytest.mark.slow

DAYS = 12
FINE_BANDS = ("blue", "green", "red", "nir")
BANDS = (*FINE_BANDS, "swir16", "swir22")
MASKED = find_profile("fairweather-sample").mask.masked


def make(folder, days=DAYS, reporter=None):
    scratch = folder.parent / "scratch"
    scratch.mkdir(exist_ok=True)
    request = SampleCatalogRequest(str(folder), days)
    return Path(run_sample_catalog(request, reporter or RecordingReporter(), scratch)["CATALOG"])


@pytest.fixture(scope="module")
def told():
    return RecordingReporter()


@pytest.fixture(scope="module")
def catalog_path(tmp_path_factory, told):
    return make(tmp_path_factory.mktemp("sample") / "catalogue", reporter=told)


@pytest.fixture(scope="module")
def items(catalog_path):
    return sorted(
        pystac.Catalog.from_file(str(catalog_path)).get_items(recursive=True), key=in_time
    )


def in_time(item):
    return item.datetime, item.id


def read(item, asset):
    with rasterio.open(item.assets[asset].get_absolute_href()) as dataset:
        return dataset.read(1)


def tile_of(item):
    return item.properties["grid:code"].removeprefix("MGRS-")


def as_written(item):
    """The item's JSON as it is in the file: pystac turns it into a newer version of STAC."""
    return json.loads(Path(item.get_self_href()).read_text())


def hashes(folder):
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_two_runs_write_the_same_bytes(catalog_path, tmp_path):
    assert hashes(make(tmp_path / "again").parent) == hashes(catalog_path.parent)


def test_it_is_valid_stac(catalog_path, items):
    catalog = pystac.Catalog.from_file(str(catalog_path))
    collection = next(catalog.get_children())
    assert collection.id == "fairweather-sample"
    assert len(items) == 2 * DAYS - 1
    assert len({item.id for item in items}) == len(items)
    for item in items:
        assert item.get_collection().id == collection.id
        for asset in item.assets.values():
            assert Path(asset.get_absolute_href()).is_file()
    for asset in collection.assets.values():
        assert Path(asset.get_absolute_href()).is_file()
    assert not any(
        link.is_hierarchical() and Path(link.href).is_absolute() for link in items[0].links
    )


def test_every_document_is_labelled_synthetic(catalog_path, items):
    catalog = pystac.Catalog.from_file(str(catalog_path))
    collection = next(catalog.get_children())
    for words in (catalog.description, collection.description, collection.title):
        assert "synthetic" in words.lower()
    for item in items:
        assert item.properties["fairweather:synthetic"] is True
        assert "SYNTHETIC" in item.properties["title"]
    for path in catalog_path.parent.rglob("*.tif"):
        with rasterio.open(path) as dataset:
            assert "SYNTHETIC" in dataset.tags()["TIFFTAG_IMAGEDESCRIPTION"]


def test_items_have_the_keys_of_earth_search(items, shared_data):
    real = json.loads((shared_data / "stac" / "e84_sentinel-2-c1-l2a.json").read_text())[
        "features"
    ][0]
    ours = as_written(items[0])
    for name in set(ours["properties"]) - {"title", "description", "fairweather:synthetic"}:
        assert name in real["properties"], name
    for name in (*BANDS, "scl"):
        assert set(real["assets"][name]) - set(ours["assets"][name]) <= {
            "file:checksum",
            "file:size",
        }
    assert ours["assets"]["red"]["raster:bands"] == real["assets"]["red"]["raster:bands"]


def test_rasters_are_what_the_items_say(items):
    profile = find_profile("fairweather-sample")
    for item in items[:4]:
        resolutions = {name: band.resolution for name, band in profile.bands.items()}
        for name, resolution in {**resolutions, "scl": profile.mask.resolution}.items():
            asset = as_written(item)["assets"][name]
            path = item.assets[name].get_absolute_href()
            valid, errors, _ = cog_validate(path, strict=True)
            assert valid, errors
            with rasterio.open(path) as dataset:
                assert dataset.crs.to_epsg() == as_written(item)["properties"]["proj:epsg"]
                assert list(dataset.shape) == asset["proj:shape"]
                assert list(dataset.transform)[:6] == asset["proj:transform"]
                assert dataset.res == (resolution, resolution)
                assert dataset.bounds.left % resolution == dataset.bounds.top % resolution == 0
                assert dataset.dtypes[0] == asset["raster:bands"][0]["data_type"]
                assert dataset.nodata == 0
                if name != "scl":
                    assert (dataset.scales[0], dataset.offsets[0]) == (1e-4, -0.1)


def test_scenes_are_as_varied_as_promised(items):
    cover = [item.properties["eo:cloud_cover"] for item in items]
    assert min(cover) == 0
    assert max(cover) > 75
    assert {tile_of(item) for item in items} == {"33VXC", "34VCH"}
    assert {item.properties["platform"] for item in items} == {"sentinel-2a", "sentinel-2b"}
    empty = [item.properties["s2:nodata_pixel_percentage"] for item in items]
    assert sum(30 < share < 80 for share in empty) >= 1
    assert sum(share == 0 for share in empty) > len(items) / 2


def test_properties_equal_the_mask(items):
    for item in items:
        classes = read(item, "scl")
        seen = classes != 0
        assert set(np.unique(classes)) <= {0, 3, 4, 5, 6, 8, 9, 10}
        clouds = 100 * np.isin(classes[seen], (8, 9, 10)).mean()
        assert item.properties["eo:cloud_cover"] == pytest.approx(clouds, abs=1e-5)
        empty = 100 * (~seen).mean()
        assert item.properties["s2:nodata_pixel_percentage"] == pytest.approx(empty, abs=1e-5)
        assert np.array_equal(seen, read(item, "swir16") != 0)
        assert np.array_equal(seen.repeat(2, 0).repeat(2, 1), read(item, "red") != 0)


def test_the_footprint_is_where_the_pixels_are(items):
    for item in items:
        seen = read(item, "scl") != 0
        grid = item.assets["scl"].extra_fields["proj:transform"]
        rows, columns = np.nonzero(np.ones_like(seen))
        to_degrees = Transformer.from_crs(item.properties["proj:code"], 4326, always_xy=True)
        x, y = grid[2] + grid[0] * (columns + 0.5), grid[5] + grid[4] * (rows + 0.5)
        inside = shapely.contains_xy(shape(item.geometry), *to_degrees.transform(x, y))
        assert (inside == seen.ravel()).mean() > 0.9995
        assert shape(item.geometry).bounds == pytest.approx(item.bbox)


def true_reflectance(folder, item, band):
    """Plain numpy over the truth's own files: curve of the land cover times brightness."""
    resolution = 10 if band in FINE_BANDS else 20
    curves = json.loads((folder / "truth" / "curves.json").read_text())
    table = np.zeros(7)
    for land_cover in curves["land_covers"]:
        of_day = land_cover["reflectance"][item.datetime.date().isoformat()]
        table[land_cover["number"]] = of_day[curves["bands"].index(band)]
    with rasterio.open(folder / "truth" / f"{tile_of(item)}_land_{resolution}m.tif") as dataset:
        return table[dataset.read(1)] * dataset.read(2) / 1000


def test_clear_pixels_are_the_truth_of_their_day(catalog_path, items):
    for item in items:
        classes = read(item, "scl")
        for band in BANDS:
            times = 2 if band in FINE_BANDS else 1
            clear = ~np.isin(classes, (0, *MASKED)).repeat(times, 0).repeat(times, 1)
            seen = read(item, band)[clear] * 1e-4 - 0.1
            truth = true_reflectance(catalog_path.parent, item, band)[clear]
            assert np.all(np.abs(seen - truth) <= 0.02 * truth + 1e-4)


def test_clouds_are_brighter_and_shadows_darker_than_the_truth(catalog_path, items):
    for item in items:
        classes = read(item, "scl")
        seen = read(item, "swir16") * 1e-4 - 0.1
        truth = true_reflectance(catalog_path.parent, item, "swir16")
        assert np.all(seen[classes == 9] > 0.3)
        assert np.all(seen[classes == 3] < 0.5 * truth[classes == 3] + 1e-4)


def test_the_median_truth_is_the_median_of_the_days(catalog_path, items):
    west = [item for item in items if tile_of(item) == "33VXC"]
    assert len(west) == DAYS
    for band, resolution in (("red", 10), ("nir", 10), ("swir22", 20)):
        days = [true_reflectance(catalog_path.parent, item, band) for item in west]
        path = catalog_path.parent / "truth" / f"33VXC_median_{resolution}m.tif"
        with rasterio.open(path) as dataset:
            told = dataset.read(dataset.descriptions.index(band) + 1)
        assert np.allclose(told, np.median(days, axis=0), rtol=0, atol=1e-6)


def test_the_two_tiles_show_the_same_land(catalog_path):
    """Land cover of the eastern tile on the western grid; edges of fields may differ by a pixel."""
    truth = catalog_path.parent / "truth"
    with (
        rasterio.open(truth / "33VXC_land_10m.tif") as west,
        rasterio.open(truth / "34VCH_land_10m.tif") as east,
    ):
        seen = np.zeros(west.shape, np.uint16)
        reproject(
            rasterio.band(east, 1),
            seen,
            dst_transform=west.transform,
            dst_crs=west.crs,
            dst_nodata=0,
            resampling=Resampling.nearest,
        )
        overlap = seen > 0
        assert 0.15 < overlap.mean() < 0.3
        assert (seen == west.read(1))[overlap].mean() > 0.95


def test_the_two_tiles_agree_where_both_are_clear(items):
    """One pass, one sky: pixels inside a field are the same in both tiles."""
    by_day = {}
    for item in items:
        by_day.setdefault(item.datetime.date(), []).append(item)
    compared = 0
    for pair in by_day.values():
        if len(pair) < 2:
            continue
        west, east = (
            odc.stac.load([item], bands=["nir", "scl"], crs="EPSG:32633", resolution=10,
                          bbox=pair[0].bbox).isel(time=0)
            for item in sorted(pair, key=tile_of)
        )  # fmt: skip
        clear = ~(west.scl.isin((0, *MASKED)) | east.scl.isin((0, *MASKED))).values
        if clear.sum() < 1000:
            continue
        difference = np.abs(west.nir.values.astype(int) - east.nir.values)[clear]
        assert np.median(difference) <= 40
        assert (difference < 150).mean() > 0.75
        compared += 1
    assert compared >= DAYS // 3


def test_a_plain_composite_comes_close_to_the_truth(catalog_path, items):
    """The notebook's way (odc-stac, xarray, median of clear days) on the western tile's grid."""
    wanted = [item for item in items if item.properties["eo:cloud_cover"] < 60]
    west = next(item for item in items if tile_of(item) == "33VXC")
    cube = odc.stac.load(
        wanted, bands=["red", "nir", "scl"], crs="EPSG:32633", resolution=10,
        bbox=west.bbox, groupby="solar_day", chunks={},
    )  # fmt: skip
    clear = (cube.red != 0) & ~cube.scl.isin(MASKED)
    for band in ("red", "nir"):
        values = (cube[band] * 1e-4 - 0.1).where(clear).median("time").compute()
        with rasterio.open(catalog_path.parent / "truth" / "33VXC_median_10m.tif") as dataset:
            truth = dataset.read(dataset.descriptions.index(band) + 1)
            x = dataset.bounds.left + 10 * (np.arange(dataset.width) + 0.5)
            y = dataset.bounds.top - 10 * (np.arange(dataset.height) + 0.5)
        made = values.sel(x=x, y=y).values
        assert np.isfinite(made).mean() > 0.99
        error = np.abs(made - truth)
        # Days lost to clouds shift the season's median; clouds left in would shift it far more.
        assert np.nanmedian(error) < 0.02
        assert np.nanmean(error) < 0.05


def test_the_area_lies_on_both_tiles_and_has_a_hole(catalog_path, items):
    content = json.loads((catalog_path.parent / "area.geojson").read_text())
    area = shape(content["features"][0]["geometry"])
    assert area.is_valid
    assert len(area.interiors) == 1
    assert len(area.exterior.coords) > 20
    whole = {
        tile_of(i): shape(i.geometry)
        for i in items
        if i.properties["s2:nodata_pixel_percentage"] == 0
    }
    assert len(whole) == 2
    assert shapely.union_all(list(whole.values())).covers(area)
    assert not any(tile.covers(area) for tile in whole.values())


def test_it_says_how_far_it_is(catalog_path, told):
    percents = [percent for percent, _ in told.progresses]
    assert percents == sorted(percents)
    assert percents[-1] == 100
    assert "23 of 23 scenes" in told.progresses[-1][1]
    assert "synthetic" in told.messages[-1]
