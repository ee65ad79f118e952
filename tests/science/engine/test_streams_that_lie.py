"""Tiles whose own streams tell other sizes than the tile's: refused before they are decoded."""

import struct

import imagecodecs
import numpy as np
import pytest
import rasterio
import tifffile
from affine import Affine
from fairweather.core.bridge.errors import ReadError
from fairweather.core.science.imagery.files import gdal, jpeg2000
from fairweather.core.science.imagery.files.coding_style import check_coding_styles
from fairweather.core.science.imagery.files.gdal import GdalFile
from fairweather.core.science.imagery.files.jpeg2000 import Jpeg2000File, open_jpeg2000
from fairweather.core.science.imagery.files.tiff import TiffFile
from fairweather.core.science.imagery.files.tile_cache import TileCache
from headers_in_memory import MEGABYTE, Bytes, Costs

EDGE, LIE = 64, 4_000
GRID = {"crs": "EPSG:32633", "transform": Affine(10, 0, 500_000, 0, -10, 5_000_000)}
ONE_TILE = {"tiled": True, "blockxsize": EDGE, "blockysize": EDGE, "width": EDGE, "height": EDGE}
WHOLE = (slice(0, EDGE), slice(0, EDGE))
LERC = {"compress": "LERC", "dtype": "float32"}
OFFSETS, COUNTS, COMPRESSION = 324, 325, 259


def lerc1(edge):
    """LERC's first version: ``edge`` x ``edge`` zeros, all of them numbers, in 67 bytes."""
    head = b"CntZImage " + struct.pack("<4id", 11, 8, edge, edge, 0)
    return head + struct.pack("<3if3if", 0, 0, 0, 1, 1, 1, 1, 0) + b"\2"


def lerc2(edge):
    return imagecodecs.lerc_encode(np.zeros((edge, edge), np.float32))


def webp(edge):
    return imagecodecs.webp_encode(np.zeros((edge, edge, 3), np.uint8), lossless=True)


def jpeg(edge):
    return imagecodecs.jpeg8_encode(np.zeros((edge, edge), np.uint8))


def jpeg_in_colour(edge):
    return imagecodecs.jpeg8_encode(np.zeros((edge, edge, 3), np.uint8))


@pytest.fixture
def write(tmp_path):
    """A function that writes a TIFF of one tile, all bands of which are the same stream."""

    def write(stream, **options):
        path = tmp_path / "lie.tif"
        with rasterio.open(path, "w", driver="GTiff", **GRID, **ONE_TILE, **options) as dataset:
            shape = (dataset.count, EDGE, EDGE)
            dataset.write(np.ones(shape, options["dtype"]))
        end = path.stat().st_size
        with path.open("ab") as file:
            file.write(stream)
        with tifffile.TiffFile(path, mode="r+b") as file:
            tags = file.pages[0].tags
            tags[OFFSETS].overwrite([end] * tags[OFFSETS].count)
            tags[COUNTS].overwrite([len(stream)] * tags[COUNTS].count)
        return str(path)

    return write


@pytest.mark.parametrize("edge", [EDGE, LIE])
def test_the_first_version_of_lerc(write, files, monkeypatch, edge):
    decoded = []
    monkeypatch.setattr(imagecodecs, "lerc_decode", lambda stream, **_: decoded.append(stream))
    file = files.open(write(lerc1(edge), count=1, **LERC))
    assert type(file) is TiffFile
    with pytest.raises(ReadError, match="tile 0 is broken"):
        file.read(0, WHOLE, WHOLE)
    assert not decoded


@pytest.mark.parametrize("pack", [bytes, imagecodecs.zlib_encode, imagecodecs.zstd_encode])
@pytest.mark.parametrize("interleave", ["pixel", "band"])
def test_the_first_version_of_lerc_in_several_bands(write, files, interleave, pack):
    """GDAL would decode it as large as it says it is."""
    packed = {bytes: "LERC", imagecodecs.zlib_encode: "LERC_DEFLATE"}.get(pack, "LERC_ZSTD")
    options = {**LERC, "compress": packed, "count": 3, "interleave": interleave}
    file = files.open(write(pack(lerc1(LIE)), **options))
    assert type(file) is GdalFile
    with Costs(30 * MEGABYTE), pytest.raises(ReadError, match="tile 0, 0 is broken"):
        file.read(0, WHOLE, WHOLE)


def test_an_alpha_band_of_the_first_version_of_lerc(write, files):
    options = {"compress": "LERC", "dtype": "uint8", "count": 4, "interleave": "band"}
    path = write(lerc1(LIE), **options, photometric="RGB", alpha="YES")
    with tifffile.TiffFile(path, mode="r+b") as file:
        tags = file.pages[0].tags
        # Three bands that are not stored.
        tags[COUNTS].overwrite([0, 0, 0, tags[COUNTS].value[3]])
        tags[OFFSETS].overwrite([0, 0, 0, tags[OFFSETS].value[3]])
    file = files.open(path)
    with Costs(30 * MEGABYTE), pytest.raises(ReadError, match="tile 0, 0 is broken"):
        file.mask.read(0, WHOLE, WHOLE)


def test_a_mask_by_lerc(tmp_path, files):
    path = tmp_path / "mask.tif"
    options = {"driver": "GTiff", "count": 1, "dtype": "uint8", "compress": "LERC"}
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        rasterio.open(path, "w", **GRID, **ONE_TILE, **options) as dataset,
    ):
        dataset.write(np.ones((1, EDGE, EDGE), np.uint8))
        dataset.write_mask(np.eye(EDGE, dtype=bool))
    np.testing.assert_array_equal(
        files.open(str(path)).mask.read(0, WHOLE, WHOLE) > 0, np.eye(EDGE, dtype=bool)
    )
    lie = tmp_path / "lie.tif"
    lie.write_bytes(path.read_bytes())
    with tifffile.TiffFile(lie, mode="r+b") as file:
        file.pages[1].tags[COMPRESSION].overwrite(34887)
    with pytest.raises(ReadError):
        files.open(str(lie))


@pytest.mark.parametrize("interleave", ["pixel", "band"])
@pytest.mark.parametrize("compress", ["LERC", "LERC_DEFLATE", "LERC_ZSTD"])
def test_several_bands_by_lerc_are_what_they_are(tmp_path, files, compress, interleave):
    path = str(tmp_path / "true.tif")
    pixels = np.random.default_rng(3).normal(size=(4, 100, 130)).astype(np.float32)
    with rasterio.open(
        path, "w", driver="GTiff", count=4, dtype="float32", height=100, width=130, **GRID,
        tiled=True, blockxsize=EDGE, blockysize=EDGE, compress=compress, interleave=interleave,
    ) as dataset:  # fmt: skip
        dataset.write(pixels)
    whole = (slice(0, 100), slice(0, 130))
    np.testing.assert_array_equal(files.open(path).read(0, whole, whole), pixels[0])


@pytest.mark.parametrize(
    ("make", "options"),
    [
        (webp, {"compress": "WEBP", "dtype": "uint8", "count": 3}),
        (jpeg, {"compress": "JPEG", "dtype": "uint8", "count": 1}),
        (jpeg_in_colour, {"compress": "JPEG", "dtype": "uint8", "count": 3}),
        (lerc2, {**LERC, "count": 3}),
    ],
)
def test_what_is_left_to_gdal_is_compared_with_the_tile_by_gdal(write, files, make, options):
    file = files.open(write(make(LIE), **options))
    assert type(file) is GdalFile
    with Costs(30 * MEGABYTE), pytest.raises(ReadError):
        file.read(0, WHOLE, WHOLE)


def coding_style(*, levels=0, block=4, precincts=(), layers=1):
    """COD: code blocks of 2 ** (block + 2) numbers, precincts as they are written."""
    sizes = bytes([levels, block, block, 0, 1]) + bytes(precincts)
    content = bytes([bool(precincts)]) + struct.pack(">BHB", 0, layers, 0) + sizes
    return struct.pack(">HH", 0xFF52, len(content) + 2) + content


def style_of_a_component(*, wide_numbers, **options):
    """COC: the same, of component 0."""
    style = coding_style(**options)
    content = bytes(1 + wide_numbers) + style[4:5] + style[9:]
    return struct.pack(">HH", 0xFF53, len(content) + 2) + content


@pytest.fixture
def jpeg2000_with(honest):
    """A function that makes a JPEG 2000 of one tile with other markers, before or in its tile."""

    def make(edge, style, before=b"", within=b"", tile_list=b""):
        content = honest["small tiles"]
        stream = content.index(b"\xff\x4f\xff\x51") + 2
        boxes = bytearray(content[: stream - 10])
        struct.pack_into(">II", boxes, boxes.index(b"ihdr") + 4, edge, edge)
        size = struct.pack(">HHH8IH", 0xFF51, 41, 0, edge, edge, 0, 0, edge, edge, 0, 0, 1)
        quantization = struct.pack(">HHB", 0xFF5C, 4, 0x40) + b"\x88"
        part = struct.pack(">HHHIBB", 0xFF90, 10, 0, 34 + len(within), 0, 1)
        start = bytes(boxes) + struct.pack(">I4s", 0, b"jp2c") + b"\xff\x4f"
        header = size + b"\x0f\1\1" + style + quantization + before + tile_list
        return start + header + part + within + b"\xff\x93" + bytes(20) + b"\xff\xd9"

    return make


FINE = {
    "a precinct a number": {"precincts": [0x00]},
    "precincts of 4 x 4": {"precincts": [0x22]},
    "code blocks of 4 x 4": {"block": 0},
    "many layers": {"precincts": [0x66], "layers": 65_535},
    "many levels of small precincts": {"levels": 5, "precincts": [0x11] * 6},
    "a broken precinct": {"levels": 1, "precincts": [0x11, 0x01]},
    "more levels than there are": {"levels": 33},
    "precincts that are not told": {"levels": 4, "precincts": [0xFF] * 4},
}


@pytest.mark.parametrize(
    ("fine", "where"),
    [
        *((fine, where) for fine in FINE for where in ("all", "left to GDAL")),
        # A component tells no layers.
        *((fine, "a component") for fine in FINE if fine != "many layers"),
    ],
)
def test_a_tile_of_very_many_pieces_is_not_opened(jpeg2000_with, monkeypatch, fine, where):
    if where == "left to GDAL":
        monkeypatch.setattr(jpeg2000, "MOST_DECODED_BYTES", 1)
    style, before = coding_style(**FINE[fine]), b""
    if where == "a component":
        style, before = coding_style(), style_of_a_component(wide_numbers=False, **FINE[fine])
    monkeypatch.setattr(jpeg2000, "_open", pytest.fail)
    with pytest.raises(ReadError, match=r"too many pieces|coding style is broken"):
        open_jpeg2000("it.jp2", Bytes(jpeg2000_with(LIE, style, before)), TileCache(0))


def test_components_of_more_than_a_byte():
    style = style_of_a_component(wide_numbers=True, precincts=[0x00])
    check_coding_styles([style], (16, 16), 300)
    with pytest.raises(ValueError, match="too many pieces"):
        check_coding_styles([style], (64, 64), 300)


@pytest.mark.parametrize(
    ("shape", "components", "style"),
    [
        # Sentinel-2's tiles, and what other archives have.
        ((1024, 1024), 1, {"levels": 5, "layers": 12, "precincts": [0x77, *[0x88] * 5]}),
        ((4096, 4096), 3, {"levels": 6, "layers": 20, "precincts": [0x66, *[0x77] * 6]}),
        ((10_980, 10_980), 3, {"levels": 5, "block": 3, "layers": 5}),
        ((256, 256), 200, {"levels": 5}),
    ],
)
def test_what_archives_have_is_not_too_much(shape, components, style):
    check_coding_styles([coding_style(**style)], shape, components)


@pytest.fixture(params=[Jpeg2000File, GdalFile])
def reader(request, monkeypatch):
    """Who reads a JPEG 2000."""
    if request.param is GdalFile:
        monkeypatch.setattr(jpeg2000, "MOST_DECODED_BYTES", 1)
    return request.param


def test_a_jpeg2000_by_hand_is_one(jpeg2000_with, files, tmp_path, reader):
    path = tmp_path / "honest.jp2"
    path.write_bytes(jpeg2000_with(EDGE, coding_style()))
    file = files.open(str(path))
    assert type(file) is reader
    assert file.read(0, WHOLE, WHOLE).shape == (EDGE, EDGE)


@pytest.mark.usefixtures("reader")
@pytest.mark.parametrize("has_list", [False, True])
@pytest.mark.parametrize("own", [coding_style(), style_of_a_component(wide_numbers=False)])
def test_a_tile_with_a_coding_style_of_its_own(
    jpeg2000_with, files, tmp_path, monkeypatch, has_list, own
):
    tile_list = struct.pack(">HHBBBI", 0xFF55, 9, 0, 0x50, 0, 34 + len(own)) if has_list else b""
    path = tmp_path / "own.jp2"
    path.write_bytes(jpeg2000_with(EDGE, coding_style(), within=own, tile_list=tile_list))
    monkeypatch.setattr(rasterio.DatasetReader, "read", pytest.fail)
    with pytest.raises(ReadError, match="of their own"):
        files.open(str(path)).read(0, WHOLE, WHOLE)


def test_a_header_that_hides_another_size(jpeg2000_with, monkeypatch):
    """OpenJPEG looks for what it knows within what it does not know."""
    for module in (jpeg2000, gdal):
        monkeypatch.setattr(module, "_open", pytest.fail)
    hidden = struct.pack(">HHH8IH", 0xFF51, 41, 0, LIE, LIE, 0, 0, LIE, LIE, 0, 0, 1) + b"\x0f\1\1"
    unknown = struct.pack(">HH", 0xFF73, 2 + len(hidden)) + hidden
    content = jpeg2000_with(EDGE, coding_style(), unknown)
    with pytest.raises(ReadError, match="header is broken"):
        open_jpeg2000("it.jp2", Bytes(content), TileCache(0))


@pytest.mark.parametrize("place", ["before", "within"])
def test_a_second_size(jpeg2000_with, files, tmp_path, place):
    size = struct.pack(">HHH8IH", 0xFF51, 41, 0, LIE, LIE, 0, 0, LIE, LIE, 0, 0, 1) + b"\x0f\1\1"
    path = tmp_path / "second.jp2"
    path.write_bytes(jpeg2000_with(EDGE, coding_style(), **{place: size}))
    with Costs(30 * MEGABYTE), pytest.raises(ReadError):
        files.open(str(path)).read(0, WHOLE, WHOLE)
