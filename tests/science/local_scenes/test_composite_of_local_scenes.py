"""A composite of scenes on disk, without a network, equal to plain numpy."""

import warnings

import numpy as np
import pytest
import rasterio
import shapely
from fairweather.core.bridge.request import Area, CompositeRequest, SceneSearch
from fairweather.core.science.composite.job import run_composite
from fairweather.core.science.reporter import RecordingReporter
from rasterio.transform import Affine

SAFE = "S2B_MSIL2A_202308{day:02}T100031_N0509_R122_T33TWM_202308{day:02}T130000"
LANDSAT = "LC08_L2SP_190028_202308{day:02}_20230819_02_T1"
LEFT, TOP = 540000, 5040000
SIDE = 1200
DAYS = (5, 10, 15)


@pytest.fixture
def composite(tmp_path):
    """A function that makes a composite of red over a square of the scenes and reads it."""

    def make(collection, left, top, side):
        square = shapely.box(left, top - side, left + side, top)
        area = Area("EPSG:32633", shapely.geometry.mapping(square), is_extent=True)
        search = SceneSearch(
            collection, area, "2023-08-01", "2023-08-31", catalog=str(tmp_path / "disk")
        )
        output = tmp_path / "composite.tif"
        reporter = RecordingReporter()
        run_composite(CompositeRequest(search, ("red",), str(output)), reporter, tmp_path)
        with rasterio.open(output) as file:
            assert file.bounds == (left, top - side, left + side, top)
            return file.read(1), reporter

    return make


def write(path, values, metres, left=LEFT, top=TOP, **options):
    """Write ``values`` without a loss, in the format that the file's name has."""
    driver = "JP2OpenJPEG" if path.suffix == ".jp2" else "GTiff"
    path.unlink()
    with rasterio.open(
        path, "w", driver=driver, width=values.shape[1], height=values.shape[0], count=1,
        dtype=values.dtype, crs="EPSG:32633", transform=Affine(metres, 0, left, 0, -metres, top),
        **options,
    ) as file:  # fmt: skip
        file.write(values, 1)


def median(values, is_clear):
    """The median over days of the clear values, NaN where there is none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.nanmedian(np.where(is_clear, values, np.nan), axis=0)


def test_sentinel2(write_safe, composite):
    chance = np.random.default_rng(1)
    size = SIDE // 10
    values = chance.integers(1001, 5000, (len(DAYS), size, size), np.uint16)
    values[:, :3, :3] = 0
    classes = chance.choice(np.array([4, 5, 8, 9, 3], np.uint8), (len(DAYS), size // 2, size // 2))
    for day, red, scl in zip(DAYS, values, classes, strict=True):
        folder = write_safe(SAFE.format(day=day), parent="disk/2023", side=SIDE, day=day)
        lossless = {"QUALITY": 100, "REVERSIBLE": "YES"}
        write(next(folder.rglob("*_B04_10m.jp2")), red, 10, **lossless)
        write(next(folder.rglob("*_SCL_20m.jp2")), scl, 20, **lossless)
    found, _ = composite("sentinel-2-c1-l2a", LEFT, TOP, SIDE)
    is_clear = np.isin(classes, (4, 5)).repeat(2, 1).repeat(2, 2) & (values != 0)
    np.testing.assert_allclose(found, median(values * 1e-4 - 0.1, is_clear), atol=1e-6)


def test_landsat(write_landsat, composite):
    chance = np.random.default_rng(2)
    shape = (7871, 7761)
    left, top, side = 442185, 5135715, 1200
    size = side // 30
    values = chance.integers(8000, 20000, (len(DAYS), size, size), np.uint16)
    quality = chance.choice(np.array([1, 21824, 22280, 23888], np.uint16), values.shape)
    for day, red, bits in zip(DAYS, values, quality, strict=True):
        name = LANDSAT.format(day=day)
        folder = write_landsat(name, parent=f"disk/{name}", day=day)
        for ending, pixels in (("SR_B4", red), ("QA_PIXEL", bits)):
            whole = np.zeros(shape, np.uint16)
            whole[:size, :size] = pixels
            path = folder / f"{name}_{ending}.TIF"
            options = {"tiled": True, "compress": "zstd", "sparse_ok": True}
            write(path, whole, 30, left, top, **options)
    found, _ = composite("landsat-c2-l2", left, top, side)
    # 21824: clear land; 22280: cloud; 23888: cloud shadow; 1: fill.
    expected = median(values * 2.75e-5 - 0.2, quality == 21824)
    np.testing.assert_allclose(found, expected, atol=1e-6)
