"""JPEG 2000 files read tile by tile, compared with GDAL's own reading of the whole file."""

import contextlib
import itertools
import struct
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import rasterio
from fairweather.core.bridge.errors import ReadError
from fairweather.core.science.imagery.files import codestream, jpeg2000
from fairweather.core.science.imagery.files.codestream import TileParts, read_header
from fairweather.core.science.imagery.files.gdal import GdalFile
from fairweather.core.science.imagery.files.jpeg2000 import Jpeg2000File
from fairweather.core.science.imagery.files.patience import RangeError
from fairweather.core.science.imagery.files.raster_files import RasterFiles
from hypothesis import given, settings
from hypothesis import strategies as st

SHAPE = (700, 900)


def terrain(dtype=np.uint16, shape=SHAPE, most=4000):
    """Smooth pixels with some noise, so that tiles of different sizes come out."""
    rows, columns = np.indices(shape)
    noise = np.random.default_rng(3).integers(0, 60, shape)
    return ((np.sin(rows / 40) * np.cos(columns / 55) + 1) * most / 2.2 + noise).astype(dtype)


def write(path, pixels, **options):
    options = {"QUALITY": 100, "REVERSIBLE": "YES", "RESOLUTIONS": 4, **options}
    bands = pixels if pixels.ndim == 3 else pixels[None]
    with rasterio.open(
        path,
        "w",
        driver="JP2OpenJPEG",
        width=bands.shape[2],
        height=bands.shape[1],
        count=len(bands),
        dtype=pixels.dtype,
        crs="EPSG:32633",
        transform=rasterio.Affine(10, 0, 500_000, 0, -10, 5_000_000),
        blockxsize=options.pop("tile", 256),
        blockysize=256,
        **options,
    ) as dataset:
        dataset.write(bands)
    return path


def compare(file, path):
    """Every level, whole and in a window that starts and ends inside of tiles."""
    for level, geobox in enumerate(file.levels):
        options = {"overview_level": level - 1} if level else {}
        with rasterio.open(path, **options) as dataset:
            expected = dataset.read(1)
            assert geobox.transform.almost_equals(dataset.transform)
        height, width = expected.shape
        assert tuple(geobox.shape) == (height, width)
        whole = (slice(0, height), slice(0, width))
        part = (slice(height // 3, height // 2), slice(width // 5, width - 3))
        for window in (part, whole):
            found = file.read(level, window, whole)
            assert found.dtype == expected.dtype
            np.testing.assert_array_equal(found, expected[window])


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"TLM": "YES"},
        {"PLT": "YES"},
        {"REVERSIBLE": "NO", "QUALITY": 20},
        {"PROGRESSION": "RPCL"},
        {"TILEPARTS": "RESOLUTIONS", "PROGRESSION": "RPCL"},
        {"TILEPARTS": "RESOLUTIONS", "PROGRESSION": "RPCL", "TLM": "YES"},
        {"GMLJP2": "NO"},
        {"GeoJP2": "NO"},
        {"tile": 512},
    ],
)
@pytest.mark.parametrize("is_remote", [False, True])
def test_the_pixels_that_gdal_reads(tmp_path, files, serve_files, options, is_remote):
    path = write(tmp_path / "a.jp2", terrain(), **options)
    href = serve_files(tmp_path).href("a.jp2") if is_remote else str(path)
    file = files.open(href)
    assert type(file) is Jpeg2000File
    assert len(file.levels) == 4
    compare(file, path)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16])
def test_dtypes(tmp_path, files, dtype):
    path = write(tmp_path / "a.jp2", terrain(dtype, most=200))
    compare(files.open(str(path)), path)


def test_a_mask_of_few_classes_and_several_bands(tmp_path, files):
    classes = np.random.default_rng(1).choice([3, 4, 9], SHAPE).astype(np.uint8)
    compare(files.open(str(write(tmp_path / "scl.jp2", classes))), tmp_path / "scl.jp2")
    colours = np.stack([terrain(np.uint8, most=200 - band) for band in range(3)])
    path = write(tmp_path / "tci.jp2", colours, YCC="NO")
    compare(files.open(str(path)), path)


def test_only_the_tiles_of_a_window_are_fetched(tmp_path, files, serve_files):
    path = write(tmp_path / "a.jp2", terrain(), TLM="YES")
    server = serve_files(tmp_path)
    file = files.open(server.href("a.jp2"))
    for_header = len(server.asked)
    window = (slice(10, 20), slice(300, 310))
    file.read(0, window, window)
    header = read_header(lambda start, length: path.read_bytes()[start : start + length])
    ((start, length),) = TileParts(header, None).of(1)
    assert [(one.start, one.stop) for one in server.asked[for_header:]] == [(start, start + length)]
    assert for_header == 1 + 1  # the look whether it is a TIFF is a request of its own


def test_without_lengths_it_walks_from_tile_to_tile_once(tmp_path, files, serve_files):
    write(tmp_path / "a.jp2", terrain())
    server = serve_files(tmp_path)
    file = files.open(server.href("a.jp2"))
    for_header = len(server.asked)
    window = (slice(300, 310), slice(300, 310))  # tile 5 of rows of four
    file.read(0, window, window)
    sizes = [one.stop - one.start for one in server.asked[for_header:]]
    assert sizes[:-1] == [12] * 6
    again = len(server.asked)
    window = (slice(10, 20), slice(10, 20))
    file.read(0, window, window)
    assert len(server.asked) == again + 1


def test_many_threads(tmp_path, files):
    pixels = terrain()
    file = files.open(str(write(tmp_path / "a.jp2", pixels)))
    places = list(itertools.product(range(0, 600, 90), range(0, 800, 110)))
    whole = (slice(0, SHAPE[0]), slice(0, SHAPE[1]))

    def read(place):
        row, column = place
        return file.read(0, (slice(row, row + 77), slice(column, column + 99)), whole)

    with ThreadPoolExecutor(16) as threads:
        for (row, column), found in zip(places, threads.map(read, places), strict=True):
            np.testing.assert_array_equal(found, pixels[row : row + 77, column : column + 99])


BOXES = b"\0\0\0\x0cjP  \r\n\x87\n"
SIZE = struct.pack(">HHH8IH", 0xFF51, 41, 0, 20, 10, 0, 0, 10, 10, 0, 0, 1) + b"\x0f\1\1"


def part(tile, number, count, content, length=None):
    length = 12 + len(content) if length is None else length
    return struct.pack(">HHHIBB", 0xFF90, 10, tile, length, number, count) + content


def made_up(body, markers=b"", box_length=0):
    """A file of two tiles of 10 × 10 pixels, written by hand (ISO/IEC 15444-1, A)."""
    stream = b"\xff\x4f" + SIZE + markers + body + b"\xff\xd9"
    length = 8 + len(stream) if box_length is None else box_length
    file = BOXES + struct.pack(">I4s", length, b"jp2c") + stream
    return lambda start, length: file[start : start + length]


def test_tile_parts_by_their_description():
    """Two parts a tile, interleaved."""
    body, expected = b"", {0: [], 1: []}
    first = len(BOXES) + 8 + 2 + len(SIZE)
    for tile, number in [(0, 0), (1, 0), (0, 1), (1, 1)]:
        content = bytes([tile, number]) * (5 + number)
        expected[tile].append((first + len(body), 12 + len(content)))
        body += part(tile, number, 2, content)
    for box_length in (None, 0):
        read = made_up(body, box_length=box_length)
        header = read_header(read)
        assert (header.shape, header.tile_shape) == ((10, 20), (10, 10))
        found = TileParts(header, read)
        assert {tile: found.of(tile) for tile in (1, 0)} == expected
        with pytest.raises(ValueError, match="no tile 2"):
            found.of(2)


@pytest.mark.parametrize("failing", range(5))
def test_an_error_on_the_way_to_a_tile_is_not_its_end(failing):
    """After one read that fails, every tile has all of its parts, or an error again."""
    body = b"".join(part(tile, number, 2, bytes(9)) for number in (0, 1) for tile in (0, 1))
    read = made_up(body)
    header = read_header(read)
    reads = itertools.count()

    def failing_once(start, length):
        if next(reads) == failing:
            raise RangeError("the server answers 503")
        return read(start, length)

    found, expected = TileParts(header, failing_once), TileParts(header, read)
    for tile in (0, 1, 0, 1):
        with contextlib.suppress(RangeError):
            assert found.of(tile) == expected.of(tile)
    assert [len(found.of(tile)) for tile in (0, 1)] == [2, 2]


@pytest.mark.parametrize(
    "markers",
    [
        struct.pack(">HH", 0xFF55, 2),
        struct.pack(">HHB", 0xFF55, 3, 0),
        struct.pack(">HHBBBH", 0xFF55, 7, 0, 0x50, 0, 30),
    ],
    ids=["empty", "no sizes", "half an entry"],
)
def test_a_broken_list_of_lengths_is_an_error_of_the_file(tmp_path, files, markers):
    with pytest.raises(ValueError, match="list of tile lengths is broken"):
        read_header(made_up(part(0, 0, 1, b""), markers))
    (tmp_path / "a.jp2").write_bytes(made_up(part(0, 0, 1, b""), markers)(0, 1000))
    with pytest.raises(ReadError, match="list of tile lengths is broken"):
        files.open(str(tmp_path / "a.jp2"))


def lengths_marker(*lengths):
    entries = b"".join(struct.pack(">BI", tile, length) for tile, length in enumerate(lengths))
    return struct.pack(">HHBB", 0xFF55, 4 + len(entries), 0, 0x50) + entries


@pytest.mark.parametrize("length", [4_000_000_000, 200_000, 11])
@pytest.mark.parametrize("is_told", [True, False])
def test_lengths_that_no_tile_can_have(length, is_told):
    read = made_up(
        part(0, 0, 1, bytes(9), length=length), lengths_marker(length, 21) if is_told else b""
    )
    parts = TileParts(read_header(read), read)
    for _ in range(2):
        with pytest.raises(ValueError, match="length"):
            parts.of(0)


def test_parts_of_a_tile_are_not_too_long_together(monkeypatch):
    monkeypatch.setattr(codestream, "SMALL_TILE_BYTES", 100)
    body = b"".join(part(0, number, 0, bytes(100)) for number in range(12))
    read = made_up(body)
    with pytest.raises(ValueError, match="length"):
        TileParts(read_header(read), read).of(0)


def test_parts_without_end(monkeypatch):
    monkeypatch.setattr(codestream, "MOST_TILE_PARTS", 6)
    read = made_up(b"".join(part(number % 2, number // 2, 0, b"") for number in range(7)))
    with pytest.raises(ValueError, match="too many tile parts"):
        TileParts(read_header(read), read).of(0)


@pytest.mark.parametrize("cut", [0.3, 0.6, 0.95])
def test_a_file_that_was_cut_is_an_error(tmp_path, files, cut):
    path = write(tmp_path / "a.jp2", terrain())
    content = path.read_bytes()
    path.write_bytes(content[: int(cut * len(content))])
    file = files.open(str(path))
    whole = (slice(0, SHAPE[0]), slice(0, SHAPE[1]))
    with pytest.raises(ReadError, match="leave its scene out"):
        file.read(0, whole, whole)


@pytest.mark.parametrize(("bands", "reader"), [(1, Jpeg2000File), (3, GdalFile)])
def test_all_bands_of_a_tile_count(tmp_path, files, monkeypatch, bands, reader):
    monkeypatch.setattr(jpeg2000, "MOST_DECODED_BYTES", 256 * 256 * 4)
    pixels = np.stack([terrain(np.uint8, most=200 - band) for band in range(bands)])
    path = write(tmp_path / "a.jp2", pixels, YCC="NO")
    assert type(files.open(str(path))) is reader


def test_a_single_large_tile_is_left_to_gdal(tmp_path, files, serve_files, monkeypatch):
    monkeypatch.setattr(jpeg2000, "MOST_DECODED_BYTES", 400)
    path = write(tmp_path / "a.jp2", terrain())
    server = serve_files(tmp_path)
    for href in (str(path), server.href("a.jp2")):
        file = files.open(href)
        assert type(file) is GdalFile
        compare(file, path)


@settings(max_examples=60)
@given(st.data())
def test_broken_bytes_are_an_error_or_pixels(tmp_path, data):
    path = tmp_path / "good.jp2"
    if not path.exists():
        write(path, terrain(shape=(300, 300)), TLM="YES")
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, 3200))] = data.draw(st.integers(0, 255))
    broken = tmp_path / "broken.jp2"
    broken.write_bytes(content)
    files = RasterFiles(2, tmp_path, 1024**2)
    try:
        file = files.open(str(broken))
        height, width = file.levels[0].shape
        window = (slice(0, min(height, 300)), slice(0, min(width, 300)))
        file.read(0, window, window)
    except ReadError:
        pass
    finally:
        files.close()


@pytest.mark.parametrize(
    "first_box",
    [
        struct.pack(">I4sQ", 1, b"jP  ", 20) + b"\r\n\x87\n",
        struct.pack(">I4s", 13, b"jP  ") + b"\r\n\x87\n\0",
    ],
    ids=["length of 64 bits", "longer"],
)
def test_a_file_that_begins_another_way_is_not_given_to_gdal(tmp_path, files, first_box):
    """GDAL takes it, and its header would not have been looked through."""
    content = write(tmp_path / "a.jp2", terrain(shape=(64, 64))).read_bytes()
    path = tmp_path / "b.jp2"
    path.write_bytes(first_box + content[12:])
    with rasterio.open(path) as dataset:
        assert dataset.shape == (64, 64)
    with pytest.raises(ReadError, match="neither TIFF nor JPEG 2000"):
        files.open(str(path))
