"""Files that are broken, or claim to be what they cannot be: an error, soon, and never pixels."""

import logging
import struct
import time
import zlib
from itertools import product

import numpy as np
import pytest
import rasterio
from affine import Affine
from fairweather.core.bridge.errors import ReadError
from fairweather.core.science.imagery.files.tiff import TiffFile
from fairweather.core.science.imagery.reading import BlockReader
from fairweather.core.science.imagery.scene import SourceBand
from odc.geo.geobox import GeoBox
from range_server import tile_places

TRANSFORM = Affine(10, 0, 500_000, 0, -10, 5_000_000)


def noise():
    return np.random.default_rng(5).integers(0, 60_000, (256, 256)).astype(np.uint16)


@pytest.fixture
def write(tmp_path):
    """A function that writes a GeoTIFF of noise by GDAL and returns its path."""

    def write(**options):
        options = {"crs": "EPSG:32633", "compress": "DEFLATE", **options}
        with rasterio.open(
            tmp_path / "band.tif", "w", driver="GTiff", count=1, dtype="uint16", height=256,
            width=256, transform=TRANSFORM, tiled=True, blockxsize=64, blockysize=64, **options,
        ) as dataset:  # fmt: skip
            dataset.write(noise(), 1)
        return str(tmp_path / "band.tif")

    return write


def read(files, href, block):
    return BlockReader(block, files).read(SourceBand(href, None, 1.0, 0.0, None, None))


class TestBroken:
    """Each is an error in one sentence, never pixels."""

    @pytest.fixture
    def refuse(self, files, caplog):
        caplog.set_level(logging.CRITICAL)

        def refuse(path):
            with pytest.raises(ReadError) as caught:
                read(files, str(path), GeoBox((256, 256), TRANSFORM, "EPSG:32633"))
            text = str(caught.value)
            assert str(path) in text
            assert "\n" not in text
            assert text.endswith("leave its scene out.")
            return text

        return refuse

    def test_cut_in_a_tile(self, write, refuse, tmp_path):
        content = (tmp_path / write()).read_bytes()
        (tmp_path / "cut.tif").write_bytes(content[:-100])
        assert "cut short" in refuse(tmp_path / "cut.tif")

    @pytest.mark.parametrize("length", [0, 3, 4, 9, 100, 200, 300])
    def test_cut_in_the_header(self, write, refuse, tmp_path, length):
        content = (tmp_path / write()).read_bytes()
        (tmp_path / "cut.tif").write_bytes(content[:length])
        refuse(tmp_path / "cut.tif")

    # LZW and ZSTD, as TIFF has them, have no sum to check: half of a stream may be right by chance.
    @pytest.mark.parametrize(
        ("compress", "harm"),
        [
            *product(("DEFLATE", "LERC", "LZW", "ZSTD"), ("zeros", "ones")),
            ("DEFLATE", "half"),
            ("LERC", "half"),
        ],
    )
    def test_a_broken_tile(self, write, refuse, tmp_path, compress, harm):
        path = write(compress=compress)
        offset, size = tile_places(path)[2, 1]
        content = bytearray((tmp_path / "band.tif").read_bytes())
        harmed = {"zeros": bytes(size), "ones": b"\xff" * size, "half": bytes(size - size // 2)}
        start = offset + (size // 2 if harm == "half" else 0)
        content[start : offset + size] = harmed[harm]
        (tmp_path / "broken.tif").write_bytes(content)
        refuse(tmp_path / "broken.tif")

    def test_a_page_instead_of_a_tiff(self, refuse, tmp_path):
        (tmp_path / "page.tif").write_text("<html>Please sign in</html>")
        refuse(tmp_path / "page.tif")

    def test_no_crs(self, write, files):
        path = write(crs=None)
        with pytest.raises(ReadError, match="no CRS"):
            files.open(path)

    def test_an_unknown_crs(self, write, tmp_path, refuse):
        content = (tmp_path / write()).read_bytes()
        code = struct.pack("<4H", 3072, 0, 1, 32633)
        assert code in content
        (tmp_path / "odd.tif").write_bytes(
            content.replace(code, struct.pack("<4H", 3072, 0, 1, 29999))
        )
        refuse(tmp_path / "odd.tif")


TYPES = {"H": 3, "I": 4, "Q": 16, "d": 12}


def bigtiff(folder, *tags, behind=b"", next_header=0, name="made.tif"):
    """A BigTIFF of one page: tags are (code, format, count, value in eight bytes)."""
    entries = b"".join(
        struct.pack("<HHQ", code, TYPES[kind], count) + value.ljust(8, b"\0")
        for code, kind, count, value in sorted(tags)
    )
    content = struct.pack("<2sHHHQQ", b"II", 43, 8, 0, 16, len(tags)) + entries
    path = folder / name
    path.write_bytes(content + struct.pack("<Q", next_header) + behind)
    return str(path)


def short(code, number):
    return (code, "H", 1, struct.pack("<H", number))


def long(code, number):
    return (code, "I", 1, struct.pack("<I", number))


def huge(code, count, offset):
    return (code, "Q", count, struct.pack("<Q", offset))


def grid_tags(geo_at):
    """A scale, a tie point and EPSG:32633, whose values begin at ``geo_at``; and those values."""
    scale, tie = struct.pack("<3d", 10, 10, 0), struct.pack("<6d", 0, 0, 0, 5e5, 5e6, 0)
    keys = struct.pack("<12H", 1, 1, 0, 2, 1024, 0, 1, 1, 3072, 0, 1, 32633)
    tags = [
        (33550, "d", 3, struct.pack("<Q", geo_at)),
        (33922, "d", 6, struct.pack("<Q", geo_at + len(scale))),
        (34735, "H", 12, struct.pack("<Q", geo_at + len(scale) + len(tie))),
    ]
    return tags, scale + tie + keys


def made_up(folder, shape, tile, offsets, counts, *, behind=b"", **others):
    """A sparse-looking file that claims what it is told; offsets and counts are single tags."""
    basic = [
        long(256, shape[1]), long(257, shape[0]), short(258, 16), short(259, 8), short(262, 1),
        short(277, 1), long(322, tile[1]), long(323, tile[0]), short(339, 1), offsets, counts,
    ]  # fmt: skip
    geo_at = 16 + 8 + 20 * (len(basic) + 3) + 8
    geo, values = grid_tags(geo_at)
    return bigtiff(folder, *basic, *geo, behind=values + behind, **others)


BEHIND = 16 + 8 + 20 * 14 + 8 + 24 + 48 + 24


class TestBombs:
    """Small files that claim to be large take little memory and time."""

    @pytest.fixture
    def within(self, files, caplog):
        """Reads a corner of a file; None if it is refused. Counts the bytes that Python takes."""
        resource = pytest.importorskip("resource")
        caplog.set_level(logging.CRITICAL)

        def attempt(path):
            before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
            found, reason = None, ""
            try:
                found, _ = read(files, path, GeoBox((9, 9), TRANSFORM, "EPSG:32633"))
            except ReadError as error:
                reason = str(error)
            assert "\n" not in reason
            # All threads' together: the machine may be busy with others.
            assert time.process_time() - start < 3
            assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 60 * 1024
            return found

        return attempt

    def test_what_the_others_start_from_is_right(self, tmp_path, files, within):
        tile = np.arange(64 * 64, dtype="<u2").reshape(64, 64)
        stream = zlib.compress(tile.tobytes())
        path = made_up(
            tmp_path, (64, 64), (64, 64), huge(324, 1, BEHIND), huge(325, 1, len(stream)),
            behind=stream,
        )  # fmt: skip
        assert type(files.open(path)) is TiffFile
        np.testing.assert_array_equal(within(path), tile[:9, :9])

    @pytest.mark.parametrize("size", [2**20, 2**31 - 1, 2**32 - 16])
    def test_one_enormous_tile(self, tmp_path, within, size):
        assert (
            within(
                made_up(
                    tmp_path, (size, size), (size, size), huge(324, 1, BEHIND), huge(325, 1, 100),
                    behind=bytes(100),
                )
            )
            is None
        )  # fmt: skip

    @pytest.mark.parametrize("count", [2**20, 2**23, 2**24, 2**32, 2**60, 2**64 - 1])
    def test_more_tiles_than_the_file_has_bytes(self, tmp_path, within, count):
        path = made_up(
            tmp_path, (2**30, 2**30), (64, 64), huge(324, count, BEHIND), huge(325, count, BEHIND)
        )
        assert within(path) is None

    @pytest.mark.parametrize("code", [270, 305, 34735, 33550, 42112, 347])
    @pytest.mark.parametrize("count", [2**22, 2**40])
    def test_an_enormous_tag(self, tmp_path, within, code, count):
        path = bigtiff(
            tmp_path, long(256, 64), long(257, 64), short(258, 16), huge(code, count, 16),
            huge(324, 1, 16), huge(325, 1, 8),
        )  # fmt: skip
        assert within(path) is None

    @pytest.mark.parametrize("size", [2**30, 2**40, 2**62, 2**63, 2**64 - 1])
    def test_a_tile_of_enormous_size(self, tmp_path, within, size):
        path = made_up(
            tmp_path, (64, 64), (64, 64), huge(324, 1, BEHIND), huge(325, 1, size),
            behind=bytes(100),
        )  # fmt: skip
        assert within(path) is None

    @pytest.mark.parametrize("offset", [2**30, 2**62, 2**63 - 5, 2**64 - 1])
    def test_a_tile_far_behind_the_end(self, tmp_path, within, offset):
        path = made_up(tmp_path, (64, 64), (64, 64), huge(324, 1, offset), huge(325, 1, 100))
        assert within(path) is None

    def test_a_stream_that_swells(self, tmp_path, within):
        stream = zlib.compress(bytes(100 * 2**20), 1)
        path = made_up(
            tmp_path, (64, 64), (64, 64), huge(324, 1, BEHIND), huge(325, 1, len(stream)),
            behind=stream,
        )  # fmt: skip
        found = within(path)
        assert found is None or not found.any()

    def test_a_large_sparse_tile_takes_no_memory(self, tmp_path, within):
        path = made_up(tmp_path, (8192, 8192), (8192, 8192), huge(324, 1, BEHIND), huge(325, 1, 0))
        assert not within(path).any()

    def test_headers_in_a_circle(self, tmp_path, within):
        path = made_up(
            tmp_path, (64, 64), (64, 64), huge(324, 1, BEHIND), huge(325, 1, 0), next_header=16
        )
        assert not within(path).any()

    def test_a_header_that_begins_nowhere(self, tmp_path, within):
        for number, start in enumerate((0, 7, 2**20, 2**63, 2**64 - 1)):
            path = tmp_path / f"{number}.tif"
            path.write_bytes(struct.pack("<2sHHHQ", b"II", 43, 8, 0, start) + bytes(100))
            assert within(str(path)) is None

    def test_more_tags_than_bytes(self, tmp_path, within):
        for number, tags in enumerate((2**12, 2**32, 2**64 - 1)):
            path = tmp_path / f"{number}.tif"
            path.write_bytes(struct.pack("<2sHHHQQ", b"II", 43, 8, 0, 16, tags) + bytes(100))
            assert within(str(path)) is None
