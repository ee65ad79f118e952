"""Files whose content is not what their item says."""

import json
import struct
import zlib

import numpy as np
import pytest
import shapely
from affine import Affine
from fairweather.core.bridge.errors import ReadError

EVERY_BYTE = (0, 1_000_000_000)

pytestmark = pytest.mark.usefixtures("impatient")


def lost_items(found):
    return [entry["item"] for entry in json.loads(found.tags.get("FAIRWEATHER_SKIPPED", "[]"))]


@pytest.mark.parametrize("dtype", ["uint32", "int16", "float32"])
def test_another_dtype_is_read_as_it_is(small_job, same_pixels, dtype):
    small_job.write("red-1.tif", small_job.numbers["red", 1].astype(dtype), nodata=0)
    found = small_job.run()
    same_pixels(found.pixels, small_job.oracle())
    assert found.named == []


def test_complex_numbers_are_no_reflectance(small_job, same_pixels):
    small_job.write("red-1.tif", small_job.numbers["red", 1].astype(np.complex64))
    found = small_job.run()
    same_pixels(found.pixels, small_job.oracle(without=[(1, 0), (1, 1)]))
    assert lost_items(found) == ["scene-1"]


@pytest.mark.parametrize("nodata", [65_535, 7])
def test_nodata_that_only_the_file_tells(small_job, same_pixels, nodata):
    numbers = small_job.numbers["red", 1]
    small_job.write("red-1.tif", np.where(numbers == 0, nodata, numbers), nodata=nodata)
    found = small_job.run()
    same_pixels(found.pixels, small_job.oracle())


def test_a_tile_that_is_not_stored_is_no_data_whatever_its_number(small_job, same_pixels):
    numbers = small_job.numbers["red", 1]
    numbers[:, :64] = 0
    small_job.write(
        "red-1.tif", np.where(numbers == 0, 65_535, numbers), nodata=65_535, sparse_ok=True
    )
    same_pixels(small_job.run().pixels, small_job.oracle())


@pytest.mark.parametrize("asset", ["red", "scl"])
def test_nothing_but_nodata(small_job, same_pixels, asset):
    if asset == "red":
        small_job.numbers["red", 1][:] = 0
        small_job.write("red-1.tif", small_job.numbers["red", 1], nodata=0)
    else:
        small_job.classes[1][:] = 0
        small_job.write("scl-1.tif", small_job.classes[1], nodata=0)
    found = small_job.run()
    same_pixels(found.pixels, small_job.oracle())
    assert found.named == []


def test_a_mask_of_larger_pixels(small_job, same_pixels):
    coarse = small_job.classes[1][::2, ::2]
    small_job.write("scl-1.tif", coarse, Affine(20, 0, 500_000, 0, -20, 5_000_000), nodata=0)
    small_job.classes[1] = coarse.repeat(2, axis=0).repeat(2, axis=1)
    same_pixels(small_job.run().pixels, small_job.oracle())


def test_an_item_whose_grid_lies(small_job, same_pixels):
    small_job.items[1]["properties"]["proj:shape"] = [10, 10_000]
    small_job.items[1]["properties"]["proj:transform"] = [10, 0, 500_000, 0, -10, 5_000_000]
    same_pixels(small_job.run().pixels, small_job.oracle())


def test_a_footprint_that_lies(small_job, same_pixels):
    elsewhere = shapely.box(15.001, 45.14, 15.02, 45.16)
    small_job.items[1]["geometry"] = shapely.geometry.mapping(elsewhere)
    # The scene itself lies a hundred kilometres away: it has no pixel here.
    moved = Affine(10, 0, 600_000, 0, -10, 5_000_000)
    for asset in ("red", "nir"):
        small_job.write(f"{asset}-1.tif", small_job.numbers[asset, 1], moved, nodata=0)
    small_job.write("scl-1.tif", small_job.classes[1], moved, nodata=0)
    found = small_job.run()
    same_pixels(found.pixels, small_job.oracle(without=[(1, 0), (1, 1)]))
    assert found.named == []


def tiff_bomb(height, width, tile=None):
    """A TIFF of a few kilobytes that says it has ``height`` × ``width`` pixels of zeros."""
    content = zlib.compress(bytes(1_000_000), 9)
    tags = [
        (256, 4, width), (257, 4, height), (258, 3, 16), (259, 3, 8), (262, 3, 1), (277, 3, 1),
        (322, 4, tile or width), (323, 4, tile or height), (324, 4, 4096), (325, 4, len(content)),
    ]  # fmt: skip
    count = 10 + 3
    scale, tiepoint, keys = 1000, 1100, 1200
    entries = [struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags]
    entries.append(struct.pack("<HHII", 33550, 12, 3, scale))
    entries.append(struct.pack("<HHII", 33922, 12, 6, tiepoint))
    entries.append(struct.pack("<HHII", 34735, 3, 12, keys))
    header = b"II*\0" + struct.pack("<IH", 8, count) + b"".join(entries) + struct.pack("<I", 0)
    file = bytearray(4096)
    file[: len(header)] = header
    struct.pack_into("<3d", file, scale, 10, 10, 0)
    struct.pack_into("<6d", file, tiepoint, 0, 0, 0, 500_000, 5_000_000, 0)
    struct.pack_into("<12H", file, keys, 1, 1, 0, 2, 1024, 0, 1, 1, 3072, 0, 1, 32633)
    return bytes(file) + content


@pytest.mark.parametrize("edge", [20_000, 60_000, 1_000_000])
def test_a_bomb_is_lost_and_harmless(server, small_job, same_pixels, edge):
    (server.folder / "red-1.tif").write_bytes(tiff_bomb(edge, edge))
    found = small_job.run()
    same_pixels(found.pixels, small_job.oracle(without=[(1, 0), (1, 1)]))
    assert lost_items(found) == ["scene-1"]


@pytest.mark.parametrize(
    "content", [b"", b"II*\0", b"<VRTDataset/>", b"%PDF-1.4", bytes(5000)], ids=range(5)
)
def test_what_is_no_raster_is_lost(server, small_job, same_pixels, content):
    (server.folder / "scl-1.tif").write_bytes(content)
    found = small_job.run()
    same_pixels(found.pixels, small_job.oracle(without=[(1, 0), (1, 1)]))
    assert lost_items(found) == ["scene-1"]
    with pytest.raises(ReadError, match=r"scl-1\.tif"):
        small_job.run(on_error="fail")


def test_a_server_without_ranges(server, small_job, same_pixels):
    server.has_ranges = False
    same_pixels(small_job.run().pixels, small_job.oracle())
    assert server.requests <= 12
    server.lasting = {"scl-1.tif": ("cut", *EVERY_BYTE)}
    found = small_job.run()
    same_pixels(found.pixels, small_job.oracle(without=[(1, 0), (1, 1)]))
    assert lost_items(found) == ["scene-1"]
