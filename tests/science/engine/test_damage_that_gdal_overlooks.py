"""Damaged tiles of files that GDAL reads: what it takes for right all the same is an error here."""

import logging
import struct
import threading
import zlib

import numpy as np
import pytest
import rasterio
import tifffile
from affine import Affine
from fairweather.core.bridge.errors import ReadError
from fairweather.core.science.imagery.files import gdal_checks, jpeg2000
from fairweather.core.science.imagery.files.gdal import GdalFile
from rasterio.enums import Resampling

TRANSFORM = Affine(10, 0, 500_000, 0, -10, 5_000_000)
TILED = {"tiled": True, "blockxsize": 64, "blockysize": 64}
# Several bands, numbers of odd bits and JPEG are what sends a file to GDAL.
SEVERAL = {"count": 3, "dtype": "uint16"}
KINDS = {
    "deflate by pixel": {"compress": "DEFLATE", "interleave": "pixel", **SEVERAL, **TILED},
    "deflate by band": {"compress": "DEFLATE", "interleave": "band", **SEVERAL, **TILED},
    "deflate in strips": {"compress": "DEFLATE", "blockysize": 48, **SEVERAL},
    "deflate, predictor": {"compress": "DEFLATE", "predictor": 2, **SEVERAL, **TILED},
    "deflate, 12 bits": {"compress": "DEFLATE", "nbits": 12, "dtype": "uint16", **TILED},
    "deflate, a mask's bit": {"compress": "DEFLATE", "nbits": 1, "dtype": "uint8", **TILED},
    "lzw": {"compress": "LZW", **SEVERAL, **TILED},
    "packbits": {"compress": "PACKBITS", **SEVERAL, **TILED},
    "zstd": {"compress": "ZSTD", **SEVERAL, **TILED},
    "lzma": {"compress": "LZMA", **SEVERAL, **TILED},
    "lerc": {"compress": "LERC", **SEVERAL, **TILED},
    "lerc and deflate": {"compress": "LERC_DEFLATE", **SEVERAL, **TILED},
    "webp": {"compress": "WEBP", "WEBP_LOSSLESS": True, "count": 3, "dtype": "uint8", **TILED},
    "jpeg": {"compress": "JPEG", "dtype": "uint8", **TILED},
    "jpeg in colour": {"compress": "JPEG", "photometric": "YCBCR", "count": 3, "dtype": "uint8",
                       **TILED},
    "jpeg in strips": {"compress": "JPEG", "dtype": "uint8", "blockysize": 48},
    "fax 3": {"compress": "CCITTFAX3", "nbits": 1, "dtype": "uint8", **TILED},
    "fax 4": {"compress": "CCITTFAX4", "nbits": 1, "dtype": "uint8", **TILED},
    "fax, run lengths": {"compress": "CCITTRLE", "nbits": 1, "dtype": "uint8", **TILED},
}  # fmt: skip
DEFLATED = [name for name in KINDS if name.startswith("deflate")]
JPEGS = [name for name in KINDS if "jpeg" in name]
FAXES = [name for name in KINDS if "fax" in name]


def numbers(dtype, count, bits):
    """(count, 200, 130): smooth enough to be compressed, and never quite the same."""
    rows, columns = np.mgrid[:200, :130]
    chance = np.random.default_rng(3).integers(0, 9, (count, 200, 130))
    return (((rows * 7 + columns * 5) // 4 + chance) % 2**bits).astype(dtype)


@pytest.fixture
def write(tmp_path):
    """A function that writes a file of a kind, and returns its path."""

    def write(kind, **more):
        options = {"count": 1, **KINDS[kind], **more}
        bits = options.get("nbits", 8 * np.dtype(options["dtype"]).itemsize)
        path = tmp_path / "whole.tif"
        with rasterio.open(
            path, "w", driver="GTiff", height=200, width=130, crs="EPSG:32633",
            transform=TRANSFORM, **options,
        ) as dataset:  # fmt: skip
            dataset.write(numbers(options["dtype"], options["count"], bits))
        return path

    return write


def place_of(path, row, column, level=0):
    """The offset and the length of a tile, by GDAL."""
    options = {"overview_level": level - 1} if level else {}
    with rasterio.open(path, **options) as dataset:
        return tuple(
            int(dataset.get_tag_item(f"BLOCK_{what}_{column}_{row}", "TIFF", bidx=1))
            for what in ("OFFSET", "SIZE")
        )


def with_half_of_it_zeros(path, row, column, level=0):
    content, (offset, size) = path.read_bytes(), place_of(path, row, column, level)
    half = size // 2
    return content[: offset + half] + bytes(size - half) + content[offset + size :]


def with_half_of_its_length(path, row, column):
    """The header says that the tile is half as long."""
    size = place_of(path, row, column)[1]
    with tifffile.TiffFile(path) as file:
        tag = file.pages[0].tags["TileByteCounts"]
    number = row * 3 + column  # three tiles lie beside each other
    assert tag.value[number] == size
    content = bytearray(path.read_bytes())
    kind = {3: "<H", 4: "<I"}[tag.dtype]
    struct.pack_into(kind, content, tag.valueoffset + number * struct.calcsize(kind), size // 2)
    return content


def read(files, path, rows=slice(0, 200), columns=slice(0, 130), level=0):
    file = files.open(str(path))
    assert type(file) is GdalFile
    return file.read(level, (rows, columns), (rows, columns))


@pytest.mark.parametrize("kind", KINDS)
def test_a_whole_file_is_read_as_it_is(write, files, kind, caplog):
    path = write(kind)
    with rasterio.open(path) as dataset:
        expected = dataset.read(1)
    np.testing.assert_array_equal(read(files, path), expected)
    np.testing.assert_array_equal(read(files, path, slice(199, 200)), expected[199:])
    assert not caplog.records


@pytest.mark.parametrize("width", [64, 96, 130])
@pytest.mark.parametrize("height", [1, 48, 64, 100, 128])
@pytest.mark.parametrize(
    "layout", [TILED, {"blockysize": 48}, {"blockysize": 7}, {"blockysize": 128}], ids=str
)
def test_tiles_and_strips_of_any_size(tmp_path, files, layout, width, height):
    path = tmp_path / "whole.tif"
    pixels = numbers("uint16", 2, 16)[:, :height, :width]
    with rasterio.open(
        path, "w", driver="GTiff", count=2, dtype="uint16", height=height, width=width,
        crs="EPSG:32633", transform=TRANSFORM, compress="DEFLATE", **layout,
    ) as dataset:  # fmt: skip
        dataset.write(pixels)
    np.testing.assert_array_equal(
        read(files, path, slice(0, height), slice(0, width)), pixels[0, :height, :width]
    )


@pytest.mark.parametrize("kind", ["deflate by pixel", "jpeg"])
@pytest.mark.parametrize(
    ("tag", "side"), [("TileWidth", 63), ("TileWidth", 48), ("TileLength", 80)]
)
def test_a_header_that_lies_about_its_tiles(write, files, tmp_path, kind, tag, side):
    path = write(kind)
    content = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as file:
        place = file.pages[0].tags[tag].valueoffset
    struct.pack_into("<H", content, place, side)
    (tmp_path / "broken.tif").write_bytes(content)
    with pytest.raises(ReadError):
        read(files, tmp_path / "broken.tif")


@pytest.mark.parametrize("dtype", ["complex64", "complex_int16"])
def test_complex_numbers_are_nothing_to_check(tmp_path, files, dtype):
    path = tmp_path / "complex.tif"
    with rasterio.open(
        path, "w", driver="GTiff", count=1, dtype=dtype, height=64, width=64, crs="EPSG:32633",
        transform=TRANSFORM, compress="DEFLATE",
    ) as dataset:  # fmt: skip
        dataset.write(numbers("uint16", 1, 16)[:, :64, :64].astype(np.complex64))
    assert read(files, path, slice(0, 64), slice(0, 64)).dtype.kind == "c"


@pytest.mark.parametrize(
    ("kind", "harm"),
    [
        *((kind, with_half_of_its_length) for kind in KINDS if "strips" not in kind),
        *((kind, with_half_of_it_zeros) for kind in (*DEFLATED, *JPEGS, *FAXES)),
    ],
)
def test_a_tile_that_decodes_too_short_is_an_error(write, files, tmp_path, kind, harm):
    path = write(kind)
    broken = tmp_path / "broken.tif"
    broken.write_bytes(harm(path, 1, 0))
    with pytest.raises(ReadError, match=r"broken\.tif cannot be read \(.*\)") as caught:
        read(files, broken)
    assert "\n" not in str(caught.value)
    # Not only the first time: what was decoded is not kept.
    with pytest.raises(ReadError):
        read(files, broken)
    # Other tiles are what they were.
    with rasterio.open(path) as dataset:
        np.testing.assert_array_equal(
            read(files, broken, slice(0, 48), slice(64, 128)), dataset.read(1)[:48, 64:128]
        )


@pytest.mark.parametrize("place", [0.3, 0.6, 0.9])
@pytest.mark.parametrize("kind", DEFLATED)
def test_one_changed_byte_of_a_deflated_tile_is_seen(write, files, tmp_path, kind, place):
    path = write(kind)
    content = bytearray(path.read_bytes())
    offset, size = place_of(path, 1, 0)
    content[offset + int(size * place)] ^= 4
    (tmp_path / "broken.tif").write_bytes(content)
    with pytest.raises(ReadError, match="is broken"):
        read(files, tmp_path / "broken.tif")


def test_an_overview_has_its_own_tiles(write, files, tmp_path):
    path = write("deflate by pixel")
    with rasterio.open(path, "r+") as dataset:
        dataset.build_overviews([2], Resampling.nearest)
    with rasterio.open(path, overview_level=0) as dataset:
        np.testing.assert_array_equal(
            read(files, path, slice(0, 100), slice(0, 65), level=1), dataset.read(1)
        )
    broken = tmp_path / "broken.tif"
    broken.write_bytes(with_half_of_it_zeros(path, 1, 0, level=1))
    assert read(files, broken).any()
    with pytest.raises(ReadError):
        read(files, broken, slice(0, 100), slice(0, 65), level=1)
    assert read(files, broken, slice(0, 64), slice(0, 65), level=1).any()


def test_a_strip_that_holds_more_rows_than_it_should(write, files, tmp_path):
    """GDAL stops where its room ends, and leaves the last bytes as they were in memory."""
    path = write("deflate in strips")
    content = path.read_bytes()
    offset, size = place_of(path, 4, 0)  # eight rows are left for it
    longer = zlib.compress(zlib.decompress(content[offset : offset + size]) * 6)
    counts = struct.pack("<5I", *(place_of(path, row, 0)[1] for row in range(5)))
    offsets = struct.pack("<5I", *(place_of(path, row, 0)[0] for row in range(5)))
    changed = content.replace(counts, counts[:-4] + struct.pack("<I", len(longer)))
    changed = changed.replace(offsets, offsets[:-4] + struct.pack("<I", len(content))) + longer
    (tmp_path / "broken.tif").write_bytes(changed)
    with pytest.raises(ReadError):
        read(files, tmp_path / "broken.tif")


@pytest.mark.parametrize("stored", [2**31, 2**32 - 1])
def test_a_tile_that_claims_to_be_enormous_takes_no_memory(write, files, tmp_path, stored):
    resource = pytest.importorskip("resource")
    path = write("deflate by pixel")
    size = struct.pack("<I", place_of(path, 1, 0)[1])
    content = path.read_bytes()
    assert content.count(size) == 1
    broken = tmp_path / "broken.tif"
    broken.write_bytes(content.replace(size, struct.pack("<I", stored)))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ReadError):
        read(files, broken)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50 * 1024


@pytest.mark.parametrize("zeros", [0, 1, 100, 10**7])
def test_a_tile_that_decodes_to_too_little_or_far_too_much(write, files, tmp_path, zeros):
    path = write("deflate in strips")
    offset, size = place_of(path, 1, 0)
    stream = zlib.compress(bytes(zeros), 9)
    assert len(stream) <= size
    content = bytearray(path.read_bytes())
    content[offset : offset + len(stream)] = stream
    (tmp_path / "broken.tif").write_bytes(content)
    with pytest.raises(ReadError, match=r"too long|another length"):
        read(files, tmp_path / "broken.tif")


def test_tiles_that_are_not_stored_have_no_data(write, files, tmp_path):
    path = write("deflate by pixel", sparse_ok=True, nodata=7)
    sparse = tmp_path / "sparse.tif"
    with rasterio.open(path) as whole, rasterio.open(sparse, "w", **whole.profile, sparse_ok=True):
        pass
    assert (read(files, sparse) == 7).all()


@pytest.mark.parametrize("kind", ["jpeg", "deflate by pixel"])
def test_over_http(write, files, tmp_path, serve_files, kind):
    path = write(kind)
    broken = tmp_path / "broken.tif"
    broken.write_bytes(with_half_of_it_zeros(path, 1, 0))
    server = serve_files(tmp_path)
    assert read(files, server.href(path)).any()
    with pytest.raises(ReadError, match=r"broken\.tif"):
        read(files, server.href(broken))


def test_a_program_that_wants_no_warnings_changes_nothing(write, files, tmp_path, caplog):
    caplog.set_level(logging.CRITICAL)
    path = write("jpeg")
    broken = tmp_path / "broken.tif"
    broken.write_bytes(with_half_of_it_zeros(path, 1, 0))
    with pytest.raises(ReadError):
        read(files, broken)


def test_what_one_thread_finds_is_not_blamed_on_another(write, files, tmp_path):
    path = write("jpeg")
    broken = tmp_path / "broken.tif"
    broken.write_bytes(with_half_of_it_zeros(path, 1, 0))
    ends = {path: [], broken: []}

    def work(which):
        for _ in range(40):
            try:
                read(files, which)
                ends[which].append("read")
            except ReadError:
                ends[which].append("lost")

    threads = [threading.Thread(target=work, args=(which,)) for which in (path, broken) * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ends == {path: ["read"] * 80, broken: ["lost"] * 80}


def test_another_thread_that_has_just_read_does_not_keep_a_warning_back():
    is_reading, may_leave, has_left = (threading.Event() for _ in range(3))

    def read_meanwhile():
        with gdal_checks.decoders_complaints_raised():
            is_reading.set()
            may_leave.wait(30)
        has_left.set()

    class Warned:
        """A text that is asked for while the warning is on its way to whoever hears it."""

        def __str__(self):
            may_leave.set()
            assert has_left.wait(30)
            return "CPLE_AppDefined:JPEGLib:Premature end of JPEG file"

    other = threading.Thread(target=read_meanwhile)
    other.start()
    assert is_reading.wait(30)
    with (
        pytest.raises(gdal_checks.DamagedTileError, match="Premature end"),
        gdal_checks.decoders_complaints_raised(),
    ):
        logging.getLogger("rasterio._err").warning(Warned())
    other.join()


def test_a_jpeg_2000_whose_end_is_missing(files, tmp_path, monkeypatch):
    # One that is read tile by tile is never left to GDAL.
    monkeypatch.setattr(jpeg2000, "MOST_DECODED_BYTES", 1)
    whole = tmp_path / "whole.jp2"
    pixels = numbers("uint16", 1, 16)
    with rasterio.open(
        whole, "w", driver="JP2OpenJPEG", height=200, width=130, count=1, dtype="uint16",
        crs="EPSG:32633", transform=TRANSFORM, quality=100, reversible="YES",
    ) as dataset:  # fmt: skip
        dataset.write(pixels)
    np.testing.assert_array_equal(read(files, whole), pixels[0])
    content = whole.read_bytes()
    start = content.index(b"\xff\x90\x00\x0a")
    kept = start + (len(content) - start) * 3 // 4
    for name, changed in {
        "zeros.jp2": content[:kept] + bytes(len(content) - kept),
        "cut.jp2": content[:kept],
        "short.jp2": content[:-3],
    }.items():
        (tmp_path / name).write_bytes(changed)
        with pytest.raises(ReadError):
            read(files, tmp_path / name)
