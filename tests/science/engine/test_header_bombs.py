"""Headers that are far longer, or of more tiles, than any file has take little memory and time."""

import struct
import tracemalloc

import pytest
import rasterio
from fairweather.core.bridge.errors import ReadError
from fairweather.core.science.imagery.files import tiff_header
from fairweather.core.science.imagery.files.jpeg2000 import open_jpeg2000
from fairweather.core.science.imagery.files.tiff import TiffFile, open_tiff
from fairweather.core.science.imagery.files.tile_cache import TileCache
from headers_in_memory import MEGABYTE, Bytes, Costs, opened


def long_header(kind, count, pages):
    """A BigTIFF whose directories all have the same far too long lists of places and of sizes."""
    pages_at = range(16, 16 + pages * 156, 156)
    content = struct.pack("<2sHHHQ", b"II", 43, 8, 0, 16)
    for page in pages_at:
        tags = {256: 4096, 257: 4096, 258: 16, 259: 1, 322: 16, 323: 16}
        content += struct.pack("<Q", 7)
        for code in (256, 257, 258, 322, 323):
            content += struct.pack("<HHQQ", code, 4, 1, tags[code])
        for code in (324, 325):
            content += struct.pack("<HHQQ", code, kind, count, 8)
        content += struct.pack("<Q", 0 if page == pages_at[-1] else page + 156)
    return content


@pytest.mark.usefixtures("no_log")
@pytest.mark.parametrize(("megabytes", "pages"), [(1, 40), (7, 1), (30, 1)])
@pytest.mark.parametrize(
    ("kind", "size"), [(3, 2), (16, 8), (6, 1)], ids=["SHORT", "LONG8", "SBYTE"]
)
def test_long_lists_take_little_memory_also_where_they_are_there(kind, size, megabytes, pages):
    """The server sends them: as many bytes as it is asked for."""
    content = long_header(kind, megabytes * MEGABYTE // size, pages)
    ranges = Bytes(content, is_endless=True)
    assert opened(open_tiff, ranges) is None
    assert ranges.asked <= tiff_header.MOST_HEADER_BYTES


@pytest.fixture
def jpeg2000_claiming(honest):
    """A function that makes a small JPEG 2000 which tells other sizes than it has."""

    def make(width, height, tile_edge, components, *, left=0, before=b""):
        content = honest["small tiles"]
        stream = content.index(b"\xff\x4f\xff\x51") + 2
        end = stream + 2 + struct.unpack_from(">H", content, stream + 2)[0]
        edges = (width, height, left, 0, tile_edge, tile_edge, 0, 0)
        size = struct.pack(">HHH8IH", 0xFF51, 38 + 3 * components, 0, *edges, components)
        size += b"\x0f\1\1" * components
        box = struct.pack(">I4s", 0, b"jp2c")
        boxes = bytearray(content[: stream - 2 - len(box)])
        struct.pack_into(">IIH", boxes, boxes.index(b"ihdr") + 4, height, width, components)
        return bytes(boxes) + before + box + content[stream - 2 : stream] + size + content[end:]

    return make


@pytest.mark.parametrize(
    ("claims", "others"),
    [
        ((255, 257, 1, 1), {}),  # 400 MB in OpenJPEG's list of tiles
        ((255, 257, 1, 300), {}),  # 20 GB
        ((255, 257, 1, 16_384), {}),
        ((256, 32, 1, 8), {}),
        # Those that are left to GDAL: an image that does not begin with its first tile.
        ((255, 257, 1, 300), {"left": 1}),
        ((9, 5_000, 1, 1), {"left": 2}),
        # No header is that long, and GDAL would look for more.
        (
            (255, 257, 1, 300),
            {"before": struct.pack(">I4s", 5 * MEGABYTE, b"uuid").ljust(5 * MEGABYTE)},
        ),
        ((255, 257, 1, 300), {"before": struct.pack(">I4s", 8, b"free") * 70}),
    ],
)
def test_a_small_jpeg2000_of_very_many_tiles(jpeg2000_claiming, claims, others):
    content = jpeg2000_claiming(*claims, **others)
    with Costs(30 * MEGABYTE), pytest.raises(ReadError, match=r"many tiles|no codestream"):
        open_jpeg2000("it.jp2", Bytes(content), TileCache(0))


def test_a_jpeg2000_of_many_tiles_is_one(jpeg2000_claiming):
    content = jpeg2000_claiming(10_980, 10_980, 256, 1)
    file = open_jpeg2000("it.jp2", Bytes(content), TileCache(0))
    assert file.levels[0].shape == (10_980, 10_980)


@pytest.mark.parametrize("width", [0, 300])
def test_a_jpeg2000_without_a_place(jpeg2000_claiming, width):
    content = jpeg2000_claiming(width, 300, 128, 1, left=300)
    with pytest.raises(ReadError, match="no size"):
        open_jpeg2000("it.jp2", Bytes(content), TileCache(0))


def test_a_list_of_very_many_tile_parts(honest):
    content = honest["small tiles"]
    first = content.index(b"\xff\x90\0\x0a")
    lists = (
        struct.pack(">HHBB", 0xFF55, 65_532, number, 0) + b"\0\x20" * 32_764 for number in range(60)
    )
    changed = content[:first] + b"".join(lists) + content[first:]
    with Costs(60 * MEGABYTE), pytest.raises(ReadError, match="too many tile parts"):
        open_jpeg2000("it.jp2", Bytes(changed), TileCache(0))


def test_a_file_that_is_kept_keeps_little(tmp_path):
    """Two numbers of eight bytes for each tile, and not Python's own besides."""
    path, tiles = tmp_path / "tiles.tif", 128 * 128
    with rasterio.open(
        path, "w", driver="GTiff", width=2048, height=2048, count=1, dtype="uint8",
        crs="EPSG:32633", transform=rasterio.Affine(10, 0, 500_000, 0, -10, 5_000_000),
        SPARSE_OK=True, tiled=True, blockxsize=16, blockysize=16,
    ):  # fmt: skip
        pass
    ranges = Bytes(path.read_bytes())
    open_tiff("first", ranges, TileCache(0))
    tracemalloc.start(1)
    file = open_tiff("it", ranges, TileCache(0))
    kept = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert type(file) is TiffFile
    assert 16 * tiles <= kept < 18 * tiles
