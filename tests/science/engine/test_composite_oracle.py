"""The composite of real scenes against odc-stac and xarray, in the plainest way."""

import warnings

import numpy as np
import odc.stac
import pystac
import pytest
import rasterio
import rioxarray  # noqa: F401
import shapely
from affine import Affine
from fairweather.core.bridge.profiles import find_profile
from fairweather.core.science.imagery.output_bands import choose_output_bands, source_bands
from fairweather.core.science.imagery.scene import read_scenes
from odc.geo.geobox import GeoBox

BANDS = ("red", "green", "blue", "nir", "NDVI", "NDWI", "EVI", "EVI2", "SAVI", "GNDVI")
POLYGON = shapely.Polygon(
    [(545_000, 5_095_000), (580_000, 5_093_000), (575_000, 5_132_000), (550_000, 5_135_000)]
)
EXTENT = shapely.box(552_000, 5_088_000, 571_000, 5_121_000)


def ratio(numerator, denominator):
    """A denominator of zero is one in the stored integers too, where float64 leaves 1e-16 of it.

    Reflectances are whole steps of 1e-4 here: four pixels of these scenes meet that in EVI.
    """
    return numerator / denominator.where(np.round(denominator * 20_000) != 0)


def indices(b):
    """By hand, float64."""
    return {
        "NDVI": ratio(b["nir"] - b["red"], b["nir"] + b["red"]),
        "NDWI": ratio(b["green"] - b["nir"], b["green"] + b["nir"]),
        "EVI": ratio(2.5 * (b["nir"] - b["red"]), b["nir"] + 6 * b["red"] - 7.5 * b["blue"] + 1),
        "EVI2": ratio(2.5 * (b["nir"] - b["red"]), b["nir"] + 2.4 * b["red"] + 1),
        "SAVI": ratio(1.5 * (b["nir"] - b["red"]), b["nir"] + b["red"] + 0.5),
        "GNDVI": ratio(b["nir"] - b["green"], b["nir"] + b["green"]),
    }


@pytest.fixture(scope="module")
def items(shared_data):
    paths = sorted((shared_data / "zagreb/sentinel-2-l2a").glob("*/*.json"))
    assert len(paths) == 10
    return [pystac.Item.from_file(str(path)).make_asset_hrefs_absolute() for path in paths]


@pytest.fixture
def found_scenes(items):
    profile = find_profile("sentinel-2-l2a")
    needed = source_bands(choose_output_bands(BANDS, profile))
    found, incomplete = read_scenes(items, profile, needed, True)
    assert not incomplete
    return found


def xarray_composite(items, geobox, names, polygon=None, masked=(3, 8, 9, 10)):
    """{name: float64 plane}, with the count of clear days, clipped by rioxarray."""
    ordered = sorted(items, key=lambda item: (item.datetime, item.id))
    cube = odc.stac.load(
        ordered, bands=["red", "green", "blue", "nir", "scl"], geobox=geobox, groupby="solar_day"
    )
    clear = ~cube.scl.isin(masked)
    bands = {
        # boa_offset_applied is true for all: the offset is not applied again.
        name: cube[name].astype("float64").where((cube[name] != 0) & clear) * 1e-4
        for name in ("red", "green", "blue", "nir")
    }
    everything = bands | indices(bands)
    planes = {"clear_days": sum(band.notnull() for band in bands.values()) == len(bands)}
    planes["clear_days"] = planes["clear_days"].sum("time").astype("float64")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a pixel that is never clear
        for name in names:
            planes[name] = everything[name].median("time")
    if polygon is not None:
        planes = {
            name: plane.rio.write_crs(geobox.crs.to_wkt())
            .rio.write_nodata(np.nan)
            .rio.clip([polygon], drop=False)
            for name, plane in planes.items()
        }
    return {name: plane.values for name, plane in planes.items()}


@pytest.fixture(scope="module")
def expected(items):
    """Of all bands, in the polygon, on a grid written by hand: 60 m steps of the tiles' origin."""
    west, south, east, north = POLYGON.bounds
    left, top = west // 60 * 60, -(-north // 60) * 60
    shape = (round((top - south // 60 * 60) / 60), round((-(-east // 60) * 60 - left) / 60))
    geobox = GeoBox(shape, Affine(60, 0, left, 0, -60, top), "EPSG:32633")
    return geobox, xarray_composite(items, geobox, BANDS, POLYGON)


@pytest.mark.parametrize("edge", [pytest.param(None, marks=pytest.mark.slow), 256])
def test_the_real_composite_is_xarrays(found_scenes, expected, engine, same, edge):
    geobox, planes = expected
    found = engine.compose(
        found_scenes, POLYGON, BANDS, resolution=60.0, edge=edge, count_band=True
    )
    assert found.plan.geobox == geobox
    for name in (*BANDS, "clear_days"):
        same(found.bands[name], planes[name], 1e-6)
    assert np.nanmedian(found.bands["red"]) == pytest.approx(0.04, abs=0.01)
    assert np.nanmedian(found.bands["green"]) == pytest.approx(0.067, abs=0.012)
    assert np.nanmedian(found.bands["blue"]) == pytest.approx(0.044, abs=0.011)


@pytest.mark.slow
def test_the_real_composite_as_int16(found_scenes, expected, engine):
    _, planes = expected
    found = engine.compose(
        found_scenes, POLYGON, BANDS, resolution=60.0, count_band=True, dtype="int16"
    )
    with rasterio.open(found.path) as dataset:
        assert dataset.scales[:-1] == pytest.approx([1e-4] * len(BANDS))
        assert dataset.scales[-1] == 1
    for name in BANDS:
        stored, plane = found.bands[name].astype(float), planes[name]
        np.testing.assert_array_equal(stored == -32_768, np.isnan(plane))
        inside = ~np.isnan(plane)
        steps = np.clip(plane[inside] * 10_000, -32_767, 32_767)
        # Half a step, and the rounding of float64.
        assert np.abs(stored[inside] - steps).max() <= 0.5 + 1e-6
    count = np.where(np.isnan(planes["clear_days"]), -32_768, planes["clear_days"])
    np.testing.assert_array_equal(found.bands["clear_days"], count)


@pytest.mark.slow
@pytest.mark.parametrize("masked", [(3, 8, 9, 10), None])
def test_the_real_composite_of_an_extent(items, found_scenes, engine, same, masked):
    names = ("red", "EVI")
    found = engine.compose(
        found_scenes, EXTENT, names, resolution=60.0, is_extent=True, masked=masked
    )
    planes = xarray_composite(items, found.plan.geobox, names, masked=masked or ())
    for name in names:
        same(found.bands[name], planes[name], 1e-6)
