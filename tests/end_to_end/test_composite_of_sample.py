"""The composite of the sample catalogue, over two UTM zones, against plain xarray and the truth."""

import warnings

import numpy as np
import odc.stac
import pystac
import pytest
import rasterio
import rioxarray
import xarray
from odc.geo.geobox import GeoBox
from pyproj import Transformer
from rasterio.features import geometry_mask
from rasterio.warp import transform_geom
from shapely.geometry import mapping, shape

pytestmark = pytest.mark.slow

BANDS = ("red", "nir")
ASSETS = (*BANDS, "scl")
MASKED = (3, 8, 9, 10)
MAX_CLOUD = 60


@pytest.fixture(scope="module")
def composite(qgis_process, sample_catalog, tmp_path_factory):
    """Pixels and grid of the composite that qgis_process makes."""
    path = tmp_path_factory.mktemp("composite") / "composite.tif"
    run = qgis_process.run("composite", **sample_catalog, BANDS="red,nir,NDVI", OUTPUT=path)
    assert run.code == 0, run.errors
    with rasterio.open(path) as dataset:
        return dataset.read(), GeoBox.from_rio(dataset)


@pytest.fixture(scope="module")
def items(sample_catalog):
    """What the search is to find: the catalogue's items below MAX_CLOUD, in order."""
    catalog = pystac.Catalog.from_file(str(sample_catalog["CATALOG"]))
    found = [
        item
        for item in catalog.get_items(recursive=True)
        if item.properties["eo:cloud_cover"] < MAX_CLOUD
    ]
    for item in found:
        item.make_asset_hrefs_absolute()
    return sorted(found, key=lambda item: (item.datetime, item.id))


def nearest(href, geobox):
    """A file's values at the centres of the grid's pixels, 0 outside, each centre by itself."""
    with rioxarray.open_rasterio(href) as dataset:
        source = dataset.squeeze(drop=True).load()
    x, y = np.meshgrid(geobox.coords["x"].values, geobox.coords["y"].values)
    to_source = Transformer.from_crs(str(geobox.crs), source.rio.crs, always_xy=True)
    columns, rows = ~source.rio.transform() * to_source.transform(x, y)
    columns, rows = np.floor(columns).astype(int), np.floor(rows).astype(int)
    height, width = source.shape
    inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    values = source.values[rows.clip(0, height - 1), columns.clip(0, width - 1)]
    return np.where(inside, values, 0)


def in_days(items, geobox):
    """The stored integers by day: of each day the first item's value that is not 0."""
    days = {}
    for item in items:
        read = {name: nearest(item.assets[name].href, geobox) for name in ASSETS}
        day = days.setdefault(item.datetime.date(), read)
        for name in ASSETS:
            day[name] = np.where(day[name] != 0, day[name], read[name])
    return xarray.Dataset(
        {name: (("time", "y", "x"), [day[name] for day in days.values()]) for name in ASSETS}
    )


def expected_composite(stored, geobox, area):
    clear = (stored.scl != 0) & ~stored.scl.isin(MASKED)
    red, nir = ((stored[b] * 1e-4 - 0.1).where((stored[b] != 0) & clear) for b in BANDS)
    total = (nir + red).where(np.abs(nir + red) > 1e-12)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a pixel without a clear day
        layers = [layer.median("time").values for layer in (red, nir, (nir - red) / total)]
    outside = geometry_mask([area], geobox.shape, geobox.transform)
    return np.where(outside, np.nan, layers)


@pytest.fixture(scope="module")
def area(sample_catalog, composite):
    feature = pystac.StacIO.default().read_json(str(sample_catalog["AOI"]))["features"][0]
    crs = str(composite[1].crs)
    return mapping(shape(transform_geom("EPSG:4326", crs, feature["geometry"], precision=-1)))


def test_two_zones_are_xarrays(composite, items, area):
    pixels, geobox = composite
    assert {item.properties["grid:code"][5:7] for item in items} == {"33", "34"}
    expected = expected_composite(in_days(items, geobox), geobox, area)
    np.testing.assert_array_equal(np.isnan(pixels), np.isnan(expected))
    np.testing.assert_allclose(pixels, expected, atol=1e-6, rtol=0)
    assert np.isfinite(pixels).mean() > 0.3


def test_two_zones_are_odc_stacs_but_for_its_approximation(composite, items, area):
    """GDAL's warper moves pixel centres between zones by up to an eighth of a pixel."""
    pixels, geobox = composite
    loaded = odc.stac.load(items, bands=ASSETS, geobox=geobox, groupby="solar_day")
    expected = expected_composite(loaded, geobox, area)
    same = np.isclose(pixels, expected, atol=1e-6, rtol=0, equal_nan=True)
    print(f"{100 * same.mean():.3f} % are the same")
    assert same.mean() > 0.999


def test_the_error_against_the_truth_is_small(composite, sample_catalog):
    pixels, geobox = composite
    path = sample_catalog["CATALOG"].parent / "truth" / "33VXC_median_10m.tif"
    for band, found in zip(BANDS, pixels[:2], strict=True):
        with rasterio.open(path) as dataset:
            index = dataset.descriptions.index(band) + 1
        with rioxarray.open_rasterio(path, masked=True) as truth:
            there = truth.sel(band=index).reindex(
                x=geobox.coords["x"].values, y=geobox.coords["y"].values,
                method="nearest", tolerance=1,
            )  # fmt: skip
        error = np.abs(found - there.values)
        print(f"{band}: mean error against the truth {np.nanmean(error):.4f}")
        assert np.isfinite(error).sum() > 100_000
        assert np.nanmedian(error) < 0.01
        assert np.nanmean(error) < 0.02
