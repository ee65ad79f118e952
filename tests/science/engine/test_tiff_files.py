"""Every way to read a file against rasterio, and which way it is."""

import shutil
import struct
from pathlib import Path

import numpy as np
import pytest
import rasterio
import tifffile
from affine import Affine
from fairweather.core.science.imagery.files import tiff
from fairweather.core.science.imagery.files.completed_file import CompletedFile
from fairweather.core.science.imagery.files.gdal import GdalFile
from fairweather.core.science.imagery.files.jpeg2000 import Jpeg2000File
from fairweather.core.science.imagery.files.tiff import TiffFile
from fairweather.core.science.imagery.reading import BlockReader
from fairweather.core.science.imagery.scene import SourceBand
from odc.geo.geobox import GeoBox
from rasterio.crs import CRS
from rasterio.enums import ColorInterp, Resampling

SHAPE = (100, 130)
TRANSFORM = Affine(10, 0, 500_000, 0, -10, 5_000_000)
TILED = {"tiled": True, "blockxsize": 64, "blockysize": 64}


def noise(dtype, shape=SHAPE):
    dtype = np.dtype(dtype)
    numbers = np.random.default_rng(5).integers(-120, 120, shape)
    if dtype.kind == "f":
        values = (numbers / 7).astype(dtype)
        values[3:9, 60:70] = np.nan
        return values
    if dtype.kind == "u":
        numbers = numbers + 120
    return (numbers * (1 if dtype.itemsize == 1 else 250)).astype(dtype)


@pytest.fixture
def write(tmp_path):
    """A function that writes a GeoTIFF by GDAL and returns its path."""

    def write(pixels=None, name="band.tif", **options):
        pixels = noise(np.uint16) if pixels is None else pixels
        bands = pixels[np.newaxis] if pixels.ndim == 2 else pixels
        options = {"crs": "EPSG:32633", "transform": TRANSFORM, "driver": "GTiff", **options}
        with rasterio.open(
            tmp_path / name, "w", count=len(bands), dtype=pixels.dtype,
            height=pixels.shape[-2], width=pixels.shape[-1], **options,
        ) as dataset:  # fmt: skip
            dataset.write(bands)
        return str(tmp_path / name)

    return write


def read(files, href, block=None):
    """A block's pixels, by default all of the file's."""
    block = files.open(href).levels[0] if block is None else block
    values, valid = BlockReader(block, files).read(SourceBand(href, None, 1.0, 0.0, None, None))
    return values, valid


@pytest.fixture
def check(files):
    """Checks a file's grid, pixels and tiles against rasterio, and who reads it."""

    def check(path, reader=TiffFile, href=None):
        href = href or path
        file = files.open(href)
        assert type(file) is reader
        with rasterio.open(path) as dataset:
            expected, transform, crs = dataset.read(1), dataset.transform, dataset.crs
            levels = len(dataset.overviews(1)) + 1
        assert file.levels[0].transform.almost_equals(transform)
        assert CRS.from_wkt(file.levels[0].crs.to_wkt()) == crs
        assert len(file.levels) == len(file.tile_shapes) == levels
        whole, _ = read(files, href)
        assert whole.dtype == expected.dtype
        assert whole.dtype.isnative
        np.testing.assert_array_equal(whole, expected)
        for rows, columns in (
            (slice(0, 64), slice(0, 64)), (slice(64, 100), slice(64, 130)),
            (slice(11, 12), slice(7, 8)), (slice(30, 77), slice(60, 129)),
        ):  # fmt: skip
            part, _ = read(files, href, file.levels[0][rows, columns])
            np.testing.assert_array_equal(part, expected[rows, columns])

    return check


@pytest.mark.parametrize(
    ("dtype", "options"),
    [
        ("uint16", {"compress": "DEFLATE"}),
        ("uint16", {"compress": "DEFLATE", "predictor": 2}),
        ("int16", {"compress": "LZW", "predictor": 2}),
        ("uint16", {"compress": "LZW"}),
        ("uint16", {"compress": "ZSTD", "predictor": 2}),
        ("uint16", {"compress": "NONE"}),
        ("uint16", {"compress": "PACKBITS"}),
        ("uint16", {"compress": "LZMA"}),
        ("uint16", {"compress": "LERC_ZSTD"}),
        ("float32", {"compress": "DEFLATE", "predictor": 3}),
        ("float32", {"compress": "ZSTD", "predictor": 2}),
        ("float64", {"compress": "DEFLATE", "predictor": 3}),
        ("float32", {"compress": "NONE"}),
        ("uint8", {"compress": "DEFLATE", "predictor": 2}),
        ("int8", {"compress": "DEFLATE", "predictor": 2}),
        ("uint32", {"compress": "DEFLATE", "predictor": 2}),
        ("int32", {"compress": "LZW"}),
    ],
)
@pytest.mark.parametrize(
    "layout",
    [
        {**TILED},
        {**TILED, "endianness": "BIG"},
        {**TILED, "bigtiff": "YES"},
        {"blockysize": 7},
    ],
    ids=["tiles", "big-endian", "BigTIFF", "strips"],
)
def test_compressions_predictors_and_numbers(write, check, dtype, options, layout):
    check(write(noise(dtype), **layout, **options))


def test_one_strip_and_large_tiles(write, check):
    check(write(blockysize=100, name="strip.tif"))
    check(write(tiled=True, blockxsize=256, blockysize=256, name="tile.tif", compress="LZW"))


def test_big_endian_bigtiff(write, check):
    path = write(**TILED, bigtiff="YES", endianness="BIG", compress="DEFLATE")
    assert Path(path).read_bytes()[:4] == b"MM\0+"
    check(path)


@pytest.mark.parametrize("order", [(2, 4), (4, 2)])
@pytest.mark.parametrize("size", [(400, 520), (401, 523)])
def test_overviews_in_any_order(write, files, check, order, size):
    path = write(noise(np.uint16, size), **TILED, compress="DEFLATE")
    for factor in order:
        with rasterio.open(path, "r+") as dataset:
            dataset.build_overviews([factor], Resampling.average)
    check(path)
    centres = np.arange(90) + 0.5
    for factor in (1, 2, 4):
        level = {} if factor == 1 else {"overview_level": order.index(factor)}
        with rasterio.open(path, **level) as dataset:
            stored, inverse = dataset.read(1), ~dataset.transform
        # Up to twice the pixels: the next overview is coarser than the block.
        for pixel in (10 * factor, 19 * factor):
            block = GeoBox((90, 90), TRANSFORM * Affine.scale(pixel / 10), "EPSG:32633")
            columns = np.floor(inverse.a * (500_000 + centres * pixel) + inverse.c + 1e-6)
            rows = np.floor(inverse.e * (5_000_000 - centres * pixel) + inverse.f + 1e-6)
            rows, columns = rows.astype(int), columns.astype(int)
            rows, columns = rows[rows < len(stored)], columns[columns < stored.shape[1]]
            values, valid = read(files, path, block)
            assert valid.sum() == len(rows) * len(columns)
            np.testing.assert_array_equal(
                values[: len(rows), : len(columns)], stored[np.ix_(rows, columns)]
            )


def test_pixel_is_point(write, check):
    with rasterio.Env(GTIFF_POINT_GEO_IGNORE=False):
        path = write(**TILED)
        with rasterio.open(path, "r+") as dataset:
            dataset.update_tags(AREA_OR_POINT="Point")
    with tifffile.TiffFile(path) as file:
        assert int(file.pages[0].geotiff_tags["GTRasterTypeGeoKey"]) == 2
    check(path)


@pytest.mark.parametrize("scale", [(10.0, 10.0), (10.0, -10.0), (20.0, 5.0)])
@pytest.mark.parametrize("tie", [(0, 0), (5, 7), (0.5, 0.5)])
@pytest.mark.parametrize("is_point", [1, 2])
def test_scales_and_tie_points_as_others_write_them(tmp_path, check, scale, tie, is_point):
    keys = (1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, is_point, 3072, 0, 1, 32633)
    tifffile.imwrite(
        tmp_path / "other.tif",
        noise(np.uint16),
        extratags=[
            (33550, "d", 3, (*scale, 0.0), True),
            (33922, "d", 6, (*tie, 0.0, 500_000.0, 5_000_000.0, 0.0), True),
            (34735, "H", len(keys), keys, True),
        ],
    )
    check(str(tmp_path / "other.tif"))


def test_degrees(write, check):
    check(write(crs="EPSG:4326", transform=Affine(1e-4, 0, 15, 0, -1e-4, 45), **TILED))


def test_pages_that_are_not_overviews_are_left_alone(tmp_path, check, write):
    path = write(**TILED, compress="DEFLATE")
    with tifffile.TiffWriter(path, append=True) as writer:
        writer.write(noise(np.uint8, (40, 30)), subfiletype=0)
        writer.write(noise(np.uint16, (50, 65)), subfiletype=2)
    check(path)


@pytest.mark.parametrize(("dtype", "reader"), [("uint16", TiffFile), ("float64", GdalFile)])
def test_a_tile_is_bounded_in_bytes(write, check, monkeypatch, dtype, reader):
    monkeypatch.setattr(tiff, "MOST_DECODED_BYTES", 64 * 64 * 4)
    check(write(noise(dtype), **TILED), reader)


class TestByGdal:
    """What is left to GDAL, and read right by it."""

    @pytest.mark.parametrize("interleave", ["pixel", "band"])
    def test_several_bands(self, write, check, interleave):
        pixels = np.stack([noise(np.uint16), noise(np.uint16) // 2, noise(np.uint16) // 3])
        check(write(pixels, **TILED, interleave=interleave, compress="DEFLATE"), GdalFile)

    def test_an_internal_mask(self, write, check):
        with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True):
            path = write(**TILED)
            with rasterio.open(path, "r+") as dataset:
                dataset.write_mask(noise(np.uint16) > 20_000)
        check(path, GdalFile)

    def test_a_crs_without_a_code(self, write, check):
        crs = "+proj=laea +lat_0=45.3 +lon_0=15.7 +x_0=1000 +y_0=2000 +ellps=GRS80 +units=m"
        check(write(crs=crs, **TILED), GdalFile)

    def test_rotated(self, write, files):
        path = write(transform=TRANSFORM * Affine.rotation(20), **TILED)
        assert type(files.open(path)) is GdalFile
        assert (
            files.open(path)
            .levels[0]
            .transform.almost_equals(TRANSFORM * Affine.rotation(20), 1e-6)
        )

    @pytest.mark.parametrize("bits", [1, 12])
    def test_odd_numbers_of_bits(self, write, check, bits):
        pixels = noise(np.uint16) % 2**bits
        check(write(pixels.astype(np.uint8 if bits == 1 else np.uint16), nbits=bits), GdalFile)

    def test_jpeg(self, write, check):
        check(write(noise(np.uint8), **TILED, compress="JPEG"), GdalFile)

    def test_a_thumbnail_in_colour(self, write, check):
        path = write(**TILED)
        with tifffile.TiffWriter(path, append=True) as writer:
            writer.write(noise(np.uint8, (10, 13, 3)), photometric="rgb", subfiletype=0)
        check(path, GdalFile)

    @pytest.mark.parametrize("dtype", ["uint8", "uint16"])
    def test_jpeg_2000(self, write, check, dtype):
        check(
            write(
                noise(dtype), name="band.jp2", driver="JP2OpenJPEG", quality=100, reversible="YES",
                blockxsize=64, blockysize=64,
            ),
            Jpeg2000File,
        )  # fmt: skip

    def test_jpeg_2000_over_http(self, write, check, serve_files, tmp_path):
        path = write(
            noise("uint16"), name="band.jp2", driver="JP2OpenJPEG", quality=100, reversible="YES"
        )
        check(path, Jpeg2000File, serve_files(tmp_path).href(path))

    def test_alpha(self, write, check):
        pixels = np.stack([noise(np.uint8), np.full(SHAPE, 255, np.uint8)])
        path = write(pixels, **TILED)
        with rasterio.open(path, "r+") as dataset:
            dataset.colorinterp = (ColorInterp.gray, ColorInterp.alpha)
        check(path, GdalFile)


class TestPlaces:
    """Grids that are not the file's own."""

    @pytest.fixture
    def path(self, write):
        return write(noise(np.uint16, (300, 310)), **TILED, compress="DEFLATE")

    def test_a_block_that_sticks_out_of_the_file(self, files, path):
        file = files.open(path)
        assert type(file) is TiffFile
        values, valid = read(files, path, file.levels[0].pad(9))
        with rasterio.open(path) as dataset:
            np.testing.assert_array_equal(values[9:-9, 9:-9], dataset.read(1))
        assert valid[9:-9, 9:-9].all()
        assert valid.sum() == 300 * 310

    @pytest.mark.parametrize("shift", [(0.3, 0.4), (0.5, 0.5), (-0.2, 7.9)])
    @pytest.mark.parametrize("size", [1, 0.37, 1.7])
    def test_grids_that_do_not_agree(self, files, path, shift, size):
        block = GeoBox(
            (70, 80), TRANSFORM * Affine.translation(50 + shift[0], 90 + shift[1])
            * Affine.scale(size), "EPSG:32633",
        )  # fmt: skip
        columns = np.floor(50 + shift[0] + (np.arange(80) + 0.5) * size + 1e-6).astype(int)
        rows = np.floor(90 + shift[1] + (np.arange(70) + 0.5) * size + 1e-6).astype(int)
        with rasterio.open(path) as dataset:
            expected = dataset.read(1)[np.ix_(rows, columns)]
        np.testing.assert_array_equal(read(files, path, block)[0], expected)

    def test_another_crs(self, files, path):
        block = files.open(path).levels[0].to_crs("EPSG:32634")
        values, valid = read(files, path, block)
        columns, rows = np.meshgrid(*(np.arange(side) + 0.5 for side in block.shape[::-1]))
        x, y = block.transform * (columns, rows)
        with rasterio.open(path) as dataset:
            pixels = dataset.read(1)
        x, y = (
            np.array(side).reshape(block.shape)
            for side in rasterio.warp.transform("EPSG:32634", "EPSG:32633", x.ravel(), y.ravel())
        )
        column, row = np.floor((x - 500_000) / 10).astype(int), np.floor((5e6 - y) / 10).astype(int)
        inside = (row >= 0) & (row < 300) & (column >= 0) & (column < 310)
        assert (valid != inside).mean() < 1e-3  # two ways of the same, and centres on an edge
        both = valid & inside
        assert both.mean() > 0.5
        assert (values != pixels[row.clip(0, 299), column.clip(0, 309)])[both].mean() < 1e-3


def test_headers_far_into_a_large_file(tmp_path, check, write):
    """GDAL writes overviews, and what is written anew, behind the pixels."""
    path = write(noise(np.uint16), **TILED, bigtiff="YES")
    with Path(path).open("r+b") as file:
        start = struct.unpack("<Q", file.read(16)[8:])[0]
        header = file.read()[start - 16 : start - 16 + 8 + 20 * 30]
        far = 5 * 2**30
        file.seek(far)
        file.write(header)  # values of its tags stay where they are
        file.seek(8)
        file.write(struct.pack("<Q", far))
    check(path)


@pytest.mark.parametrize(
    "options",
    [{**TILED, "compress": "NONE"}, {**TILED, "compress": "DEFLATE"}, {"blockysize": 7}],
)
def test_a_tile_that_is_kept_keeps_nothing_larger_in_memory(write, files, options):
    path = write(noise(np.uint16, (300, 310)), **options)
    read(files, path, files.open(path).levels[0][201:299, 1:309])
    kept = files._cache._kept
    assert kept
    for tile in kept.values():
        owner = tile
        while isinstance(owner, np.ndarray) and owner.base is not None:
            owner = owner.base
        size = owner.nbytes if isinstance(owner, np.ndarray) else len(owner)
        assert size == tile.nbytes


@pytest.fixture
def one_of_each(write, tmp_path):
    """One small file a kind, for the servers."""
    shutil.rmtree(tmp_path / "served", ignore_errors=True)
    (tmp_path / "served").mkdir()
    tiff = write(noise(np.uint16, (256, 256)), name="served/a.tif", **TILED, compress="DEFLATE")
    jp2 = write(
        noise(np.uint16, (300, 310)), name="served/b.jp2", driver="JP2OpenJPEG", quality=100,
        reversible="YES",
    )  # fmt: skip
    return tiff, jp2


def test_a_server_without_ranges(one_of_each, check, serve_files, tmp_path):
    server = serve_files(tmp_path / "served", has_ranges=False)
    tiff, jp2 = one_of_each
    check(tiff, CompletedFile, server.href(tiff))
    assert len(server.asked) == 1
    check(jp2, CompletedFile, server.href(jp2))
    assert len(server.asked) == 2
