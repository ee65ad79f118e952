"""The composite of real imagery equals what plain xarray and odc-stac give."""

import json
import subprocess

import numpy as np
import odc.stac
import pystac
import pytest
import rasterio
import rioxarray
from odc.geo.geobox import GeoBox
from rasterio.features import geometry_mask
from rasterio.warp import transform_geom

pytestmark = pytest.mark.slow

BANDS = ("red", "green", "blue", "nir")
MASKED = (3, 8, 9, 10)
CRS = "EPSG:32633"
AREA = {
    "type": "Polygon",
    "coordinates": [
        [[15.6, 45.75], [15.95, 45.8], [15.9, 46.25], [15.55, 46.2], [15.6, 45.75]],
        [[15.7, 45.95], [15.7, 46.02], [15.76, 46.02], [15.76, 45.95], [15.7, 45.95]],
    ],
}


@pytest.fixture(scope="module")
def zagreb(shared_data, tmp_path_factory):
    """Parameters for a composite of the two tiles, clipped to a polygon with a hole."""
    folder = tmp_path_factory.mktemp("zagreb")
    area = folder / "area.geojson"
    area.write_text(json.dumps({"type": "Feature", "properties": {}, "geometry": AREA}))
    return {
        "COLLECTION": "sentinel-2-l2a",
        "CATALOG": shared_data / "zagreb" / "catalog.json",
        "AOI": area,
        "START": "2023-08-01",
        "END": "2023-08-31",
        "MAX_CLOUD": 100,
        "CRS": CRS,
        "RESOLUTION": 60,
    }


@pytest.fixture(scope="module")
def reflectance(shared_data):
    """Masked reflectance of every solar day on a grid, by odc-stac and xarray alone."""
    catalog = pystac.Catalog.from_file(str(shared_data / "zagreb" / "catalog.json"))
    items = sorted(catalog.get_items(recursive=True), key=lambda item: (item.datetime, item.id))
    for item in items:
        item.make_asset_hrefs_absolute()

    def load(geobox):
        loaded = odc.stac.load(
            items, bands=[*BANDS, "scl"], geobox=geobox, groupby="solar_day", resampling="nearest"
        )
        clear = (loaded.scl != 0) & ~loaded.scl.isin(MASKED)
        # earthsearch:boa_offset_applied is true: the offset of -0.1 must not be applied again.
        return {
            band: (loaded[band].where((loaded[band] != 0) & clear)).astype("float64") * 1e-4
            for band in BANDS
        }

    return load


def run_composite(qgis_process, path, parameters):
    run = qgis_process.run("composite", **parameters, OUTPUT=path)
    assert run.code == 0, run.errors
    with rasterio.open(path) as dataset:
        return dataset.read(), GeoBox.from_rio(dataset), dataset.profile, dataset.descriptions


def outside(geobox):
    shape = transform_geom("EPSG:4326", CRS, AREA)
    return geometry_mask([shape], geobox.shape, geobox.transform)


def test_bands(qgis_process, zagreb, reflectance, tmp_path):
    path = tmp_path / "composite.tif"
    parameters = {**zagreb, "BANDS": ",".join(BANDS)}
    pixels, geobox, profile, names = run_composite(qgis_process, path, parameters)
    days = reflectance(geobox)
    assert names == BANDS
    assert np.isnan(profile["nodata"])
    for band, found in zip(BANDS, pixels, strict=True):
        expected = days[band].median("time", skipna=True).values
        expected[outside(geobox)] = np.nan
        np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))
        np.testing.assert_allclose(found, expected, atol=1e-6, rtol=0, equal_nan=True)
        assert np.isfinite(found).mean() > 0.3
    assert np.nanmedian(pixels[0]) == pytest.approx(0.04, abs=0.02)


def test_an_index_is_computed_per_day(qgis_process, zagreb, reflectance, tmp_path):
    path = tmp_path / "ndvi.tif"
    pixels, geobox, _, _ = run_composite(
        qgis_process, path, {**zagreb, "BANDS": "NDVI", "CLIP": "false", "COUNT_BAND": "true"}
    )
    days = reflectance(geobox)
    nir, red = days["nir"], days["red"]
    index = ((nir - red) / (nir + red)).where(nir + red != 0)
    expected = index.median("time", skipna=True).values
    np.testing.assert_allclose(pixels[0], expected, atol=1e-6, rtol=0, equal_nan=True)
    np.testing.assert_array_equal(pixels[1], index.count("time").values)


def test_align_lies_on_another_rasters_pixels(qgis_process, zagreb, reflectance, tmp_path):
    grid = GeoBox.from_bbox(
        (560_013, 5_050_021, 575_013, 5_065_021), CRS, resolution=60, tight=True
    )
    other = tmp_path / "other.tif"
    with rasterio.open(
        other, "w", driver="GTiff", width=grid.width, height=grid.height, count=1,
        dtype="uint8", crs=CRS, transform=grid.transform,
    ) as dataset:  # fmt: skip
        dataset.write(np.ones((1, *grid.shape), "uint8"))
    parameters = {name: zagreb[name] for name in zagreb if name not in ("CRS", "RESOLUTION")}
    path = tmp_path / "aligned.tif"
    pixels, geobox, _, _ = run_composite(
        qgis_process, path, {**parameters, "BANDS": "red", "ALIGN": other}
    )
    shift = (~grid.transform) * (geobox.transform.c, geobox.transform.f)
    assert geobox.transform.a == 60
    assert shift == pytest.approx([round(shift[0]), round(shift[1])], abs=1e-6)
    expected = reflectance(geobox)["red"].median("time", skipna=True).values
    expected[outside(geobox)] = np.nan
    np.testing.assert_allclose(pixels[0], expected, atol=1e-6, rtol=0, equal_nan=True)


def test_the_script_way_gives_the_same_file(qgis_process, zagreb, plugin_root, tmp_path):
    """``processing.run`` in QGIS's Python and qgis_process: the same pixels."""
    by_script, by_process = tmp_path / "script.tif", tmp_path / "process.tif"
    parameters = {**zagreb, "BANDS": "red,NDVI"}
    run_composite(qgis_process, by_process, parameters)
    texts = {name: str(value) for name, value in parameters.items()}
    given = {**texts, "MAX_CLOUD": 100, "RESOLUTION": 60, "OUTPUT": str(by_script)}
    script = f"""
import sys
from pathlib import Path
from qgis.core import QgsApplication
application = QgsApplication([], False)
application.initQgis()
sys.path.append(str(Path(QgsApplication.pkgDataPath()) / "python" / "plugins"))
sys.path.insert(0, {str(qgis_process.plugins)!r})
import processing
from processing.core.Processing import Processing
Processing.initialize()
import fairweather
plugin = fairweather.classFactory(None)
plugin.initProcessing()
processing.run("fairweather:composite", {given!r})
plugin.unload()
application.exitQgis()
"""
    command = ["/usr/bin/python3", "-c", script]
    subprocess.run(command, env=qgis_process.environment, check=True)
    with rioxarray.open_rasterio(by_script) as one, rioxarray.open_rasterio(by_process) as other:
        np.testing.assert_array_equal(one.values, other.values)
        assert one.rio.transform() == other.rio.transform()
