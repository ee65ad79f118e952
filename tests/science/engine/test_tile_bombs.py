"""Tiles of a few bytes that would become gigabytes: none is unpacked further than it may be."""

import zlib
from types import SimpleNamespace

import imagecodecs
import numpy as np
import pytest
from fairweather.core.science.imagery.files import tiff_tile
from fairweather.core.science.imagery.files.tiff import TiffFile, open_tiff
from fairweather.core.science.imagery.files.tiff_tile import (
    DECODED_HERE,
    LERC,
    BrokenTileError,
    decode_tile,
)
from fairweather.core.science.imagery.files.tile_cache import TileCache
from handmade_tiff import tiff_of_one_tile
from headers_in_memory import MEGABYTE, Bytes

EDGE = 64
# By their numbers: fax (3), JPEG (3), JBIG (2), JPEG 2000 (5), JPEG XR (2), PNG (2), WebP (2),
# JPEG XL (2), lossy (2), and numbers that are nothing.
IMAGES = (
    *(2, 3, 4, 6, 7, 99, 34661, 9, 33003, 33005, 34712, 33004, 33007, 22610, 34934, 34933, 50003),
    *(34927, 50001, 50002, 52546, 34892, 33007, 0, 65535),
)
BOMBS = {
    "Zstandard": lambda size: imagecodecs.zstd_encode(bytes(size), level=3),
    "Deflate": lambda size: zlib.compress(bytes(size), 9),
}


@pytest.mark.parametrize("compression", IMAGES)
def test_an_image_in_a_tile_is_none_of_ours(compression):
    """Its decoder would believe the size that it tells of itself."""
    ranges = Bytes(tiff_of_one_tile(compression, b"x" * 600, EDGE))
    assert open_tiff("it.tif", ranges, TileCache(MEGABYTE)) is None


@pytest.mark.parametrize("compression", sorted(DECODED_HERE))
def test_numbers_in_a_tile_are(compression):
    ranges = Bytes(tiff_of_one_tile(compression, b"x" * 600, EDGE))
    assert type(open_tiff("it.tif", ranges, TileCache(MEGABYTE))) is TiffFile


@pytest.fixture
def page():
    return SimpleNamespace(
        compression=LERC,
        is_tiled=True,
        tilelength=EDGE,
        tilewidth=EDGE,
        dtype=np.dtype(np.float32),
        parent=SimpleNamespace(byteorder="<"),
    )


@pytest.fixture
def streams(monkeypatch):
    """What LERC's decoder is given."""
    given, decode = [], imagecodecs.lerc_decode

    def watched(content, **options):
        given.append(content)
        return decode(content, **options)

    decoders = {name: getattr(imagecodecs, name) for name in ("zstd_decode", "zlib_decode")}
    monkeypatch.setattr(tiff_tile, "imagecodecs", SimpleNamespace(lerc_decode=watched, **decoders))
    return given


@pytest.mark.parametrize("packed_by", [*BOMBS, None])
def test_a_tile_is_what_it_was(page, streams, packed_by):
    pixels = np.random.default_rng(3).normal(size=(EDGE, EDGE)).astype(np.float32)
    stream = imagecodecs.lerc_encode(pixels, level=0)
    packed = {"Zstandard": imagecodecs.zstd_encode, "Deflate": zlib.compress, None: bytes}
    found = decode_tile(page, 0, packed[packed_by](stream), (EDGE, EDGE))
    np.testing.assert_array_equal(found, pixels)
    assert streams == [stream]


@pytest.mark.parametrize("packed_by", BOMBS)
@pytest.mark.parametrize("size", [tiff_tile.SMALL_TILE_BYTES + 4 * 4 * EDGE**2 + 1, 50 * MEGABYTE])
def test_a_tile_that_unpacks_to_more_than_a_tile(page, streams, packed_by, size):
    with pytest.raises(BrokenTileError, match="tile 5 is broken"):
        decode_tile(page, 5, BOMBS[packed_by](size), (EDGE, EDGE))
    assert not streams


@pytest.mark.parametrize("packed_by", BOMBS)
def test_a_tile_that_is_packed_twice(page, streams, packed_by):
    """The decoder would unpack it once more, as far as that goes."""
    inner = BOMBS[packed_by](50 * MEGABYTE)
    for content in (imagecodecs.zstd_encode(inner), zlib.compress(inner), b"", b"Lerc"):
        with pytest.raises(BrokenTileError):
            decode_tile(page, 0, content, (EDGE, EDGE))
    assert not streams
