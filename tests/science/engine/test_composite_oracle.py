"""The composite of real scenes against odc-stac and xarray, in the plainest way."""

import warnings

import numpy as np
import odc.stac
import pystac
import pytest
import rasterio
import rioxarray  # noqa: F401
import shapely
from fairweather.core.bridge.profiles import find_profile
from fairweather.core.science.output_bands import choose_output_bands, source_bands
from fairweather.core.science.scene import read_scenes

BANDS = ("red", "green", "blue", "nir", "NDVI", "NDWI", "EVI", "EVI2", "SAVI", "GNDVI")
POLYGON = shapely.Polygon(
    [(545_000, 5_095_000), (580_000, 5_093_000), (575_000, 5_132_000), (550_000, 5_135_000)]
)
EXTENT = shapely.box(552_000, 5_088_000, 571_000, 5_121_000)


def indices(b):
    """By hand, float64."""
    return {
        "NDVI": (b["nir"] - b["red"]) / (b["nir"] + b["red"]),
        "NDWI": (b["green"] - b["nir"]) / (b["green"] + b["nir"]),
        "EVI": 2.5 * (b["nir"] - b["red"]) / (b["nir"] + 6 * b["red"] - 7.5 * b["blue"] + 1),
        "EVI2": 2.5 * (b["nir"] - b["red"]) / (b["nir"] + 2.4 * b["red"] + 1),
        "SAVI": 1.5 * (b["nir"] - b["red"]) / (b["nir"] + b["red"] + 0.5),
        "GNDVI": (b["nir"] - b["green"]) / (b["nir"] + b["green"]),
    }


@pytest.fixture(scope="module")
def items(shared_data):
    paths = sorted((shared_data / "zagreb/sentinel-2-l2a").glob("*/*.json"))
    assert len(paths) == 10
    return [pystac.Item.from_file(str(path)) for path in paths]


@pytest.fixture
def found_scenes(items):
    profile = find_profile("sentinel-2-l2a")
    needed = source_bands(choose_output_bands(BANDS, profile))
    found, incomplete = read_scenes(items, profile, needed, True)
    assert not incomplete
    return found


def xarray_composite(items, geobox, polygon, masked=(3, 8, 9, 10)):
    """({band: float64 plane}, count of clear days), clipped by rioxarray."""
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
    count = sum(
        (np.logical_and.reduce([bands[b].isel(time=t).notnull() for b in bands])).astype(float)
        for t in range(cube.sizes["time"])
    )
    planes = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a pixel that is never clear
        for name, band in (bands | indices(bands)).items():
            planes[name] = band.where(np.isfinite(band)).median("time")
    planes["clear_days"] = planes["red"].copy(data=count)
    if polygon is not None:
        planes = {
            name: plane.rio.write_crs(geobox.crs.to_wkt())
            .rio.write_nodata(np.nan)
            .rio.clip([polygon], drop=False)
            for name, plane in planes.items()
        }
    return {name: plane.values for name, plane in planes.items()}


@pytest.mark.parametrize("is_extent", [False, True])
@pytest.mark.parametrize("edge", [None, 256])
def test_the_real_composite_is_xarrays(items, found_scenes, engine, same, is_extent, edge):
    found = engine.compose(
        found_scenes, EXTENT if is_extent else POLYGON, BANDS, resolution=60.0,
        is_extent=is_extent, edge=edge, count_band=True,
    )  # fmt: skip
    assert str(found.plan.geobox.crs) == "EPSG:32633"
    expected = xarray_composite(items, found.plan.geobox, None if is_extent else POLYGON)
    for name in (*BANDS, "clear_days"):
        same(found.bands[name], expected[name], 1e-6)
    if not is_extent:
        assert np.nanmedian(found.bands["red"]) == pytest.approx(0.04, abs=0.01)
        assert np.nanmedian(found.bands["green"]) == pytest.approx(0.067, abs=0.012)
        assert np.nanmedian(found.bands["blue"]) == pytest.approx(0.044, abs=0.011)


def test_the_real_composite_as_int16(items, found_scenes, engine):
    found = engine.compose(
        found_scenes, POLYGON, BANDS, resolution=60.0, count_band=True, dtype="int16"
    )
    expected = xarray_composite(items, found.plan.geobox, POLYGON)
    with rasterio.open(found.path) as dataset:
        assert dataset.scales[:-1] == pytest.approx([1e-4] * len(BANDS))
        assert dataset.scales[-1] == 1
    for name in BANDS:
        stored, plane = found.bands[name].astype(float), expected[name]
        np.testing.assert_array_equal(stored == -32_768, np.isnan(plane))
        inside = ~np.isnan(plane)
        steps = np.clip(plane[inside] * 10_000, -32_767, 32_767)
        # Half a step, and the rounding of float64.
        assert np.abs(stored[inside] - steps).max() <= 0.5 + 1e-6
    count = np.where(np.isnan(expected["clear_days"]), -32_768, expected["clear_days"])
    np.testing.assert_array_equal(found.bands["clear_days"], count)


def test_the_real_composite_without_a_mask(items, found_scenes, engine, same):
    found = engine.compose(found_scenes, EXTENT, ("red", "NDVI"), resolution=60.0,
                           is_extent=True, masked=None)  # fmt: skip
    expected = xarray_composite(items, found.plan.geobox, None, masked=())
    for name in ("red", "NDVI"):
        same(found.bands[name], expected[name], 1e-6)
