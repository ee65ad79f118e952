import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
import rasterio
from affine import Affine
from fairweather.core.bridge.errors import OutputError
from fairweather.core.science.composite.block import Block, BlockComposite
from fairweather.core.science.composite.output_raster import (
    OutputRaster,
    RasterBand,
    RasterLayout,
)
from fairweather.core.science.imagery.files import gdal
from odc.geo.geobox import GeoBox
from rio_cogeo import cog_info, cog_validate

GRID = GeoBox((1100, 1300), Affine(10, 0, 500_000, 0, -10, 5_000_000), "EPSG:32633")
BANDS = (RasterBand("red", "Red (B04)"), RasterBand("NDVI", "Vegetation"))


def block(values, rows, columns, clear_days=None, inside=None, grid=GRID):
    shape = values.shape[1:]
    clear_days = np.ones(shape, np.int32) if clear_days is None else clear_days
    inside = np.ones(shape, bool) if inside is None else inside
    return (
        Block(rows, columns, grid[rows, columns], ()),
        BlockComposite(values, clear_days, inside, {}),
    )


def small(tmp_path, values, dtype="float32", bands=BANDS[:1], clear_days=None, inside=None):
    """The file of one block; ``values`` (bands, height, width)."""
    grid = GeoBox(values.shape[1:], GRID.transform, GRID.crs)
    layout = RasterLayout(grid, bands, dtype, clear_days is not None)
    rows, columns = (slice(0, n) for n in values.shape[1:])
    scratch, target = tmp_path / "scratch" / "s.tiles", tmp_path / "out" / "c.tif"
    scratch.parent.mkdir()
    target.parent.mkdir()
    with OutputRaster(scratch, layout, {"REQUEST": "{}"}) as raster:
        raster.write(*block(values, rows, columns, clear_days, inside, grid))
        raster.save(target)
    return target, raster


@pytest.mark.parametrize("dtype", ["float32", "int16"])
def test_a_valid_cog_with_everything_in_it(tmp_path, dtype):
    values = np.random.default_rng(1).random((2, 1100, 1300))
    values[:, :300, :200] = np.nan
    days = np.where(np.isnan(values[0]), 0, 5).astype(np.int32)
    layout = RasterLayout(GRID, BANDS, dtype, True)
    scratch, target = tmp_path / "s.tiles", tmp_path / "c.tif"
    with OutputRaster(scratch, layout, {"REQUEST": "{}", "SCENES": "a b"}) as raster:
        for rows in (slice(512, 1100), slice(0, 512)):
            for columns in (slice(0, 700), slice(700, 1300)):
                raster.write(*block(values[:, rows, columns], rows, columns, days[rows, columns]))
        raster.save(target)
    valid, errors, warnings = cog_validate(target, strict=True)
    assert (valid, errors, warnings) == (True, [], [])
    assert cog_info(target).COG
    with rasterio.open(target) as dataset:
        assert dataset.descriptions == ("red", "NDVI", "clear_days")
        assert [dataset.tags(n)["title"] for n in (1, 2)] == ["Red (B04)", "Vegetation"]
        assert dataset.tags()["REQUEST"] == "{}"
        assert dataset.tags()["SCENES"] == "a b"
        assert str(dataset.crs) == "EPSG:32633"
        assert dataset.transform == GRID.transform
        assert dataset.overviews(1) == [2, 4]
        assert len(set(dataset.dtypes)) == 1
        found = dataset.read()
        step = 1e-4 if dtype == "int16" else 1
        assert dataset.scales == pytest.approx((step, step, 1))
        assert dataset.offsets == (0, 0, 0)
        for number in (1, 2, 3):
            tags = dataset.tags(number)
            stored = found[number - 1].astype(float)
            stored = stored[stored != -32_768]
            for key, value in (
                ("MINIMUM", np.nanmin(stored)), ("MAXIMUM", np.nanmax(stored)),
                ("MEAN", np.nanmean(stored)), ("STDDEV", np.nanstd(stored)),
            ):  # fmt: skip
                assert float(tags[f"STATISTICS_{key}"]) == pytest.approx(value, rel=1e-4)
    if dtype == "float32":
        np.testing.assert_array_equal(found[:2], values.astype(np.float32))
    else:
        expected = np.where(np.isnan(values), -32_768, np.rint(values * 10_000))
        np.testing.assert_array_equal(found[:2], expected)
    np.testing.assert_array_equal(found[2], days)


def test_int16_takes_the_even_of_two_as_near(tmp_path):
    # Medians of two neighbouring numbers: exactly half a step in decimals, never in float64.
    halves = np.arange(-3000, 12_000)
    values = (halves + 0.5) * 1e-4
    target, raster = small(tmp_path, values[np.newaxis, np.newaxis], "int16")
    with rasterio.open(target) as dataset:
        found = dataset.read(1)[0]
    np.testing.assert_array_equal(found, [round(Fraction(2 * int(n) + 1, 2)) for n in halves])
    assert raster.clamped_values == 0


def test_int16_clamps_what_is_out_of_range_and_counts_it(tmp_path):
    values = np.array([[[3.2767, 3.27674, 3.2768, 9, np.inf, -3.2767, -3.2768, -9, np.nan, 0]]])
    target, raster = small(tmp_path, values, "int16")
    with rasterio.open(target) as dataset:
        np.testing.assert_array_equal(
            dataset.read(1)[0],
            [32_767, 32_767, 32_767, 32_767, 32_767, -32_767, -32_767, -32_767, -32_768, 0],
        )
    assert raster.clamped_values == 5


@pytest.mark.parametrize(("dtype", "nodata"), [("float32", np.nan), ("int16", -32_768)])
def test_the_count_is_zero_inside_and_nodata_outside(tmp_path, dtype, nodata):
    values = np.array([[[0.1, np.nan, np.nan]]])
    days, inside = np.array([[3, 0, 0]], np.int32), np.array([[True, True, False]])
    target, _ = small(tmp_path, values, dtype, clear_days=days, inside=inside)
    with rasterio.open(target) as dataset:
        np.testing.assert_array_equal(dataset.read(2)[0], [3, 0, nodata])


@pytest.mark.parametrize("dtype", ["float32", "int16"])
def test_a_raster_without_any_data_is_a_valid_cog(tmp_path, dtype):
    target, _ = small(tmp_path, np.full((1, 600, 600), np.nan), dtype)
    assert cog_validate(target)[0]
    with rasterio.open(target) as dataset:
        assert not dataset.read_masks(1).any()


def test_blocks_that_were_never_written_have_no_data(tmp_path):
    layout = RasterLayout(GRID, BANDS[:1], "float32", False)
    with OutputRaster(tmp_path / "s.tiles", layout, {}) as raster:
        raster.write(*block(np.ones((1, 10, 10)), slice(600, 610), slice(700, 710)))
        raster.save(tmp_path / "c.tif")
    with rasterio.open(tmp_path / "c.tif") as dataset:
        assert np.isfinite(dataset.read(1)).sum() == 100


def test_overviews_are_means_of_what_has_a_value(tmp_path):
    values = np.random.default_rng(1).random((1, 1024, 1024))
    values[0, :, ::2] = np.nan
    target, _ = small(tmp_path, values)
    with rasterio.open(target, overview_level=0) as dataset:
        expected = np.nanmean(values[0].reshape(512, 2, 512, 2), axis=(1, 3))
        np.testing.assert_allclose(dataset.read(1), expected, atol=1e-6)


def test_nothing_is_left_but_the_target(tmp_path):
    target, _ = small(tmp_path, np.random.default_rng(1).random((1, 1100, 1300)))
    assert list((tmp_path / "scratch").iterdir()) == []
    assert list((tmp_path / "out").iterdir()) == [target]


def test_a_target_that_cannot_be_written_is_one_sentence(tmp_path):
    layout = RasterLayout(GRID, BANDS[:1], "float32", False)
    with (
        OutputRaster(tmp_path / "s.tiles", layout, {}) as raster,
        pytest.raises(OutputError, match="cannot be written"),
    ):
        raster.save(tmp_path / "no such folder" / "c.tif")


def test_a_scratch_that_cannot_be_made_is_one_sentence(tmp_path):
    layout = RasterLayout(GRID, BANDS[:1], "float32", False)
    with pytest.raises(OutputError, match="cannot be written"):
        OutputRaster(tmp_path / "no such folder" / "s.tif", layout, {})


def test_the_cache_of_decoded_tiles_is_limited_while_it_runs():
    with gdal.limited_block_cache():
        assert rasterio.env.getenv()["GDAL_CACHEMAX"] == gdal.BLOCK_CACHE_BYTES


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
import numpy as np
sys.path.insert(0, sys.argv[1])
import launch
launch.load_package()
from affine import Affine
from odc.geo.geobox import GeoBox
from fairweather.core.bridge.errors import OutputError
from fairweather.core.science.composite.block import Block, BlockComposite
from fairweather.core.science.composite.output_raster import (
    OutputRaster,
    RasterBand,
    RasterLayout,
)

folder = Path(sys.argv[2])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
grid = GeoBox((1500, 1500), Affine(10, 0, 5e5, 0, -10, 5e6), "EPSG:32633")
layout = RasterLayout(grid, (RasterBand("red", "Red"),), "float32", False)
values = np.random.default_rng(1).random((1, 1500, 1500))
rows = columns = slice(0, 1500)
block = Block(rows, columns, grid, ())
composite = BlockComposite(values, np.ones((1500, 1500), np.int32), np.ones((1500, 1500), bool), {})
for scratch_limit, target_limit, name in (
    (3_000_000, 99_000_000, "scratch"), (99_000_000, 3_000_000, "target"),
    (99_000_000, 99_000_000, "whole"),
):
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (scratch_limit, resource.RLIM_INFINITY))
        with OutputRaster(folder / "s.tiles", layout, {}) as raster:
            raster.write(block, composite)
            resource.setrlimit(resource.RLIMIT_FSIZE, (target_limit, resource.RLIM_INFINITY))
            raster.save(folder / "c.tif")
        print(name, "written")
    except OutputError as error:
        left = len(list(folder.glob("s.*")))
        print(name, "refused", "cannot be written: the disk" in str(error), left)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no limit of a file's size on Windows")
def test_a_full_disk_is_an_error_and_never_a_hole(plugin_root, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(plugin_root / "core"), str(tmp_path)],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.stdout.splitlines() == [
        "scratch refused True 0", "target refused True 0", "whole written",
    ], done.stderr  # fmt: skip
