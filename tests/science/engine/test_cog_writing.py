"""The Cloud Optimized GeoTIFF as its blocks come, against numpy and GDAL."""

import random
import tracemalloc
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import rasterio
from affine import Affine
from fairweather.core.science.composite.block import Block, BlockComposite
from fairweather.core.science.composite.cog import assembly
from fairweather.core.science.composite.output_raster import OutputRaster, RasterBand, RasterLayout
from odc.geo.geobox import GeoBox
from rasterio.enums import Resampling
from rio_cogeo import cog_validate

TRANSFORM = Affine(10, 0, 500_000, 0, -10, 5_000_000)
NODATA = {"float32": np.nan, "int16": -32_768}


def rectangles(height, width, seed, smallest=90):
    """Rectangles of any size that cover a raster once, in any order."""
    chance = random.Random(seed)
    whole, cut = [(0, height, 0, width)], []
    while whole:
        top, bottom, left, right = whole.pop()
        if bottom - top > 5 * smallest:
            middle = chance.randint(top + smallest, bottom - smallest)
            whole += [(top, middle, left, right), (middle, bottom, left, right)]
        elif right - left > 5 * smallest:
            middle = chance.randint(left + smallest, right - smallest)
            whole += [(top, bottom, left, middle), (top, bottom, middle, right)]
        else:
            cut.append((slice(top, bottom), slice(left, right)))
    chance.shuffle(cut)
    return cut


def write(folder, values, blocks=None, *, dtype="float32", days=None, threads=4, **band):
    """The file of (bands, height, width) ``values``, written in ``blocks`` from many threads."""
    count, height, width = values.shape
    grid = GeoBox((height, width), TRANSFORM, "EPSG:32633")
    bands = tuple(RasterBand(f"b{n}", f"Band {n}", **band) for n in range(count))
    layout = RasterLayout(grid, bands, dtype, days is not None)
    target = folder / "c.tif"
    with OutputRaster(folder / "s.tiles", layout, {"REQUEST": "{}"}) as raster:

        def put(place):
            rows, columns = place
            part = values[:, rows, columns]
            clear = np.ones(part.shape[1:], int) if days is None else days[rows, columns]
            composite = BlockComposite(part, clear, np.ones(clear.shape, bool), {})
            raster.write(Block(rows, columns, grid[rows, columns], ()), composite)

        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(put, blocks or [(slice(0, height), slice(0, width))]))
        raster.save(target)
    return target


def noisy(count, height, width, holes=0.2, seed=1):
    """Steps of a scale with noise, single pixels and large areas without a value."""
    rng = np.random.default_rng(seed)
    values = rng.integers(-900, 9000, (count, height, width)) * 1e-4
    values[rng.random(values.shape) < holes] = np.nan
    values[:, : height // 3, width // 4 : width // 2] = np.nan
    return values


def stored(values, dtype):
    if dtype == "float32":
        return values.astype(np.float32)
    return np.where(np.isnan(values), -32_768, np.rint(values * 10_000)).astype(np.int16)


def half(pixels, dtype):
    """Means of 2 x 2 pixels that have a value, in float64."""
    count, height, width = pixels.shape
    rows, columns = -(-height // 2), -(-width // 2)
    whole = np.full((count, 2 * rows, 2 * columns), np.nan)
    whole[:, :height, :width] = np.where(pixels == NODATA[dtype], np.nan, pixels)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        means = np.nanmean(whole.reshape(count, rows, 2, columns, 2), axis=(2, 4))
    if dtype == "float32":
        return means
    away = np.sign(means) * np.floor(np.abs(means) + 0.5)
    return np.where(np.isnan(means), -32_768, away)


def overviews(path):
    with rasterio.open(path) as dataset:
        levels = range(len(dataset.overviews(1)))
    for level in levels:
        with rasterio.open(path, overview_level=level) as dataset:
            yield dataset.read()


@pytest.mark.parametrize(
    ("count", "shape", "dtype", "counted"),
    [
        (3, (1101, 1303), "float32", False),
        (4, (600, 1025), "float32", True),
        (1, (1301, 700), "int16", True),
        (2, (513, 41), "int16", False),
    ],
)
def test_pixels_overviews_and_statistics_whatever_the_blocks(
    tmp_path, count, shape, dtype, counted
):
    values = noisy(count, *shape)
    days = np.random.default_rng(2).integers(0, 30, shape) if counted else None
    blocks = rectangles(*shape, seed=3)
    target = write(tmp_path, values, blocks, dtype=dtype, days=days)
    assert cog_validate(target, strict=True) == (True, [], [])
    expected = stored(values, dtype)
    if counted:
        expected = np.concatenate([expected, days[np.newaxis].astype(dtype)])
    with rasterio.open(target) as dataset:
        assert dataset.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        np.testing.assert_array_equal(dataset.read(), expected)
        for number, band in enumerate(expected, start=1):
            seen = band[band != NODATA[dtype]].astype(float)
            seen = seen[~np.isnan(seen)]
            tags = {name: float(text) for name, text in dataset.tags(number).items()
                    if name.startswith("STATISTICS_")}  # fmt: skip
            assert tags == {
                "STATISTICS_MINIMUM": pytest.approx(seen.min(), rel=1e-12),
                "STATISTICS_MAXIMUM": pytest.approx(seen.max(), rel=1e-12),
                "STATISTICS_MEAN": pytest.approx(seen.mean(), rel=1e-12),
                "STATISTICS_STDDEV": pytest.approx(seen.std(), rel=1e-12),
                "STATISTICS_VALID_PERCENT": pytest.approx(100 * seen.size / band.size, rel=1e-3),
            }
    levels = list(overviews(target))
    assert levels
    for level in levels:
        expected = half(expected, dtype)
        np.testing.assert_allclose(level, expected, rtol=1e-6, atol=1e-7)
        expected = level  # what the next one is made of
    assert max(levels[-1].shape[1:]) <= 512


@pytest.mark.parametrize("dtype", ["float32", "int16"])
def test_overviews_are_gdals_where_pixels_go_in_pairs(tmp_path, dtype):
    target = write(tmp_path, noisy(1, 1536, 1028), dtype=dtype)
    theirs = tmp_path / "gdal.tif"
    with rasterio.open(target) as ours:
        profile = {**ours.profile, "driver": "GTiff", "compress": None}
        with rasterio.open(theirs, "w", **profile) as dataset:
            dataset.write(ours.read())
    with rasterio.open(theirs, "r+") as dataset:
        dataset.build_overviews([2, 4], Resampling.average)
    for found, expected in zip(overviews(target), overviews(theirs), strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6 if dtype == "float32" else 0)


def test_an_odd_size_moves_no_overview_pixel_by_more_than_one_pixel(tmp_path):
    # GDAL stretches an odd size over its overview; here the last pixel stands alone.
    ramp = np.broadcast_to(np.arange(1101.0), (1, 1101, 1101))
    target = write(tmp_path, ramp)
    for level, found in enumerate(overviews(target), start=1):
        size = found.shape[2]
        centres = (np.arange(size) + 0.5) * 1101 / size - 0.5
        assert np.abs(found[0, 0] - centres).max() < 2**level


@pytest.mark.parametrize(
    ("shape", "factors"), [((512, 512), []), ((3, 5), []), ((1, 513), [2]), ((1024, 20), [2])]
)
def test_overviews_end_when_one_tile_holds_all(tmp_path, shape, factors):
    values = noisy(1, *shape, holes=0)
    target = write(tmp_path, values)
    with rasterio.open(target) as dataset:
        assert dataset.overviews(1) == factors
        assert dataset.shape == shape
        np.testing.assert_array_equal(dataset.read(), values.astype(np.float32))
    assert cog_validate(target)[0]


def test_the_file_is_the_same_whatever_the_order_and_the_threads(tmp_path):
    values = noisy(2, 1100, 1200)
    made = [
        write(tmp_path, values, rectangles(1100, 1200, seed), threads=threads).read_bytes()
        for seed, threads in ((1, 1), (2, 4))
    ]
    assert made[0] == made[1]


@pytest.mark.parametrize("dtype", ["float32", "int16"])
def test_tiles_without_a_value_take_no_room(tmp_path, dtype):
    values = np.full((2, 1536, 900), np.nan)
    values[1, 600:620, 10:20] = 0.25
    target = write(tmp_path, values, rectangles(1536, 900, seed=1), dtype=dtype)
    assert target.stat().st_size < 10_000
    with rasterio.open(target) as dataset:
        np.testing.assert_array_equal(dataset.read(), stored(values, dtype))
        places = [
            (band, place)
            for band in (1, 2)
            for place in ("0_0", "1_0", "0_1", "1_1", "0_2", "1_2")
            if dataset.get_tag_item(f"BLOCK_OFFSET_{place}", "TIFF", bidx=band)
        ]
        assert places == [(2, "0_1")]
        assert dataset.tags(1)["STATISTICS_VALID_PERCENT"] == "0"
        assert "STATISTICS_MEAN" not in dataset.tags(1)
    assert cog_validate(target)[0]


def test_what_the_file_promises_of_its_tiles_is_so(tmp_path):
    target = write(tmp_path, noisy(2, 1100, 1200, holes=0))
    content = target.read_bytes()
    places = []
    for level in (None, 0, 1):
        options = {} if level is None else {"overview_level": level}
        with rasterio.open(target, **options) as dataset:
            columns, rows = -(-dataset.width // 512), -(-dataset.height // 512)
            for band in (1, 2):
                for tile in range(rows * columns):
                    name = f"{tile % columns}_{tile // columns}"
                    start, size = (
                        int(dataset.get_tag_item(f"BLOCK_{what}_{name}", "TIFF", bidx=band))
                        for what in ("OFFSET", "SIZE")
                    )
                    places.append((-(level if level is not None else -1), band, tile, start))
                    assert content[start - 4 : start] == size.to_bytes(4, "little")
                    tail = content[start + size - 4 : start + size + 4]
                    assert tail[:4] == tail[4:]
    places.sort()
    assert [start for *_, start in places] == sorted(start for *_, start in places)


def test_a_file_too_long_for_32_bits_is_a_bigtiff(tmp_path, monkeypatch):
    values = noisy(2, 1100, 1200)
    classic = write(tmp_path, values).read_bytes()
    assert classic[:4] == b"II\x2a\x00"
    monkeypatch.setattr(assembly, "CLASSIC_LIMIT", len(classic))
    assert write(tmp_path, values).read_bytes() == classic
    monkeypatch.setattr(assembly, "CLASSIC_LIMIT", len(classic) - 1)
    big = write(tmp_path, values)
    assert big.read_bytes()[:4] == b"II\x2b\x00"
    assert cog_validate(big, strict=True) == (True, [], [])
    with rasterio.open(big) as dataset:
        assert dataset.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert dataset.tags()["REQUEST"] == "{}"
        assert dataset.overviews(1) == [2, 4]
        np.testing.assert_array_equal(dataset.read(), values.astype(np.float32))
    for found in overviews(big):
        assert np.isfinite(found).any()


@pytest.mark.parametrize(("is_computed", "predictor"), [(False, "2"), (True, "3")])
def test_pixels_are_exact_with_either_predictor(tmp_path, is_computed, predictor):
    values = np.random.default_rng(1).normal(size=(1, 700, 600))
    target = write(tmp_path, values, is_computed=is_computed)
    with rasterio.open(target) as dataset:
        assert dataset.tags(ns="IMAGE_STRUCTURE")["PREDICTOR"] == predictor
        np.testing.assert_array_equal(dataset.read(), values.astype(np.float32))


def test_memory_does_not_grow_with_the_raster(tmp_path):
    def peak(height):
        values = np.broadcast_to(np.arange(600) * 1e-4, (1, height, 600))
        blocks = [
            (slice(top, min(top + 200, height)), slice(left, left + 300))
            for top in range(0, height, 200)
            for left in (0, 300)
        ]
        tracemalloc.start()
        try:
            write(tmp_path, values, blocks, threads=1)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(8192) < 1.2 * peak(2048)
