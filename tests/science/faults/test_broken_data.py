"""Files whose content is not what their item says."""

import json
import struct
import zlib

import numpy as np
import pytest
import rasterio
import shapely
import tifffile
from affine import Affine
from fairweather.core.bridge.errors import ReadError
from small_job import assert_same_pixels

EVERY_BYTE = (0, 1_000_000_000)

pytestmark = pytest.mark.usefixtures("impatient")


def lost_items(found):
    return [entry["item"] for entry in json.loads(found.tags.get("FAIRWEATHER_SKIPPED", "[]"))]


@pytest.mark.parametrize("dtype", ["uint32", "int16", "float32"])
def test_another_dtype_is_read_as_it_is(small_job, dtype):
    small_job.write("red-1.tif", small_job.numbers["red", 1].astype(dtype), nodata=0)
    found = small_job.run()
    assert_same_pixels(found.pixels, small_job.oracle())
    assert found.named == []


def test_complex_numbers_are_no_reflectance(small_job):
    small_job.write("red-1.tif", small_job.numbers["red", 1].astype(np.complex64))
    found = small_job.run()
    assert_same_pixels(found.pixels, small_job.oracle(without=[(1, 0), (1, 1)]))
    assert lost_items(found) == ["scene-1"]


@pytest.mark.parametrize("nodata", [65_535, 7])
def test_nodata_that_only_the_file_tells(small_job, nodata):
    numbers = small_job.numbers["red", 1]
    small_job.write("red-1.tif", np.where(numbers == 0, nodata, numbers), nodata=nodata)
    found = small_job.run()
    assert_same_pixels(found.pixels, small_job.oracle())


def test_a_tile_that_is_not_stored_is_no_data_whatever_its_number(small_job):
    numbers = small_job.numbers["red", 1]
    numbers[:, :64] = 0
    small_job.write(
        "red-1.tif", np.where(numbers == 0, 65_535, numbers), nodata=65_535, sparse_ok=True
    )
    assert_same_pixels(small_job.run().pixels, small_job.oracle())


@pytest.mark.parametrize("asset", ["red", "scl"])
def test_nothing_but_nodata(small_job, asset):
    if asset == "red":
        small_job.numbers["red", 1][:] = 0
        small_job.write("red-1.tif", small_job.numbers["red", 1], nodata=0)
    else:
        small_job.classes[1][:] = 0
        small_job.write("scl-1.tif", small_job.classes[1], nodata=0)
    found = small_job.run()
    assert_same_pixels(found.pixels, small_job.oracle())
    assert found.named == []


def test_a_mask_of_larger_pixels(small_job):
    coarse = small_job.classes[1][::2, ::2]
    small_job.write("scl-1.tif", coarse, Affine(20, 0, 500_000, 0, -20, 5_000_000), nodata=0)
    small_job.classes[1] = coarse.repeat(2, axis=0).repeat(2, axis=1)
    assert_same_pixels(small_job.run().pixels, small_job.oracle())


def test_an_item_whose_grid_lies(small_job):
    small_job.items[1]["properties"]["proj:shape"] = [10, 10_000]
    small_job.items[1]["properties"]["proj:transform"] = [10, 0, 500_000, 0, -10, 5_000_000]
    assert_same_pixels(small_job.run().pixels, small_job.oracle())


def test_a_footprint_that_lies(small_job):
    elsewhere = shapely.box(15.001, 45.14, 15.02, 45.16)
    small_job.items[1]["geometry"] = shapely.geometry.mapping(elsewhere)
    # The scene itself lies a hundred kilometres away: it has no pixel here.
    moved = Affine(10, 0, 600_000, 0, -10, 5_000_000)
    for asset in ("red", "nir"):
        small_job.write(f"{asset}-1.tif", small_job.numbers[asset, 1], moved, nodata=0)
    small_job.write("scl-1.tif", small_job.classes[1], moved, nodata=0)
    found = small_job.run()
    assert_same_pixels(found.pixels, small_job.oracle(without=[(1, 0), (1, 1)]))
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
def test_a_bomb_is_lost_and_harmless(server, small_job, edge):
    (server.folder / "red-1.tif").write_bytes(tiff_bomb(edge, edge))
    found = small_job.run()
    assert_same_pixels(found.pixels, small_job.oracle(without=[(1, 0), (1, 1)]))
    assert lost_items(found) == ["scene-1"]


@pytest.mark.parametrize(
    "content", [b"", b"II*\0", b"<VRTDataset/>", b"%PDF-1.4", bytes(5000)], ids=range(5)
)
def test_what_is_no_raster_is_lost(server, small_job, content):
    (server.folder / "scl-1.tif").write_bytes(content)
    found = small_job.run()
    assert_same_pixels(found.pixels, small_job.oracle(without=[(1, 0), (1, 1)]))
    assert lost_items(found) == ["scene-1"]
    with pytest.raises(ReadError, match=r"scl-1\.tif"):
        small_job.run(on_error="fail")


def test_a_server_without_ranges(server, small_job):
    server.has_ranges = False
    assert_same_pixels(small_job.run().pixels, small_job.oracle())
    assert server.requests <= 12
    server.lasting = {"scl-1.tif": ("cut", *EVERY_BYTE)}
    found = small_job.run()
    assert_same_pixels(found.pixels, small_job.oracle(without=[(1, 0), (1, 1)]))
    assert lost_items(found) == ["scene-1"]


@pytest.mark.parametrize("at", [1, 9])
@pytest.mark.parametrize("fault", ["empty", "json", "a part", "a part, packed"])
def test_one_answer_that_is_not_the_whole_file_is_not_kept_as_it(server, small_job, fault, at):
    server.script = {at: fault}
    found = small_job.run()
    assert_same_pixels(found.pixels, small_job.oracle())
    assert found.named == []


@pytest.mark.parametrize("fault", ["until closed", "short ranges"])
def test_servers_that_seldom_say_how_much_they_send(server, small_job, fault):
    server.everything = fault
    found = small_job.run()
    assert_same_pixels(found.pixels, small_job.oracle())
    assert found.named == []


def test_what_lerc_hides_is_no_data(small_job):
    """As GDAL writes NaN: as zeros, and a mask that says so."""
    numbers = small_job.numbers["red", 1].astype(np.float32)
    numbers[numbers == 0] = np.nan
    small_job.write("red-1.tif", numbers, nodata=np.nan, compress="LERC_ZSTD")
    # A zero would be as good as any other number here.
    small_job.items[1]["assets"]["red"]["raster:bands"][0]["nodata"] = 65_535
    assert_same_pixels(small_job.run().pixels, small_job.oracle())


def hide(small_job, name, pixels, shown):
    """Write a file whose pixels are hidden by a mask of its own where they are not ``shown``."""
    small_job.write(name, pixels)
    with (
        rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True),
        rasterio.open(small_job.server.folder / name, "r+") as dataset,
    ):
        dataset.write_mask(shown)


def test_what_a_file_hides_by_its_own_mask(small_job):
    numbers, shown = small_job.numbers["red", 1], np.ones(small_job.shape, bool)
    shown[20:50, 30:100] = False
    hide(small_job, "red-1.tif", np.where(shown, numbers, 5_000).astype(np.uint16), shown)
    numbers[~shown] = 0
    assert_same_pixels(small_job.run().pixels, small_job.oracle())
    rows, _ = small_job.series()
    found = {(row["site_id"], row["index"]): row for row in rows if row["time"][8:10] == "02"}
    for site in (0, 1):
        value = float(found[str(site), "red"]["value"])
        assert value == pytest.approx(small_job.expected_value(site, "red", 1), abs=1e-9)


MARS = (
    'GEOGCS["Mars",DATUM["D_Mars",SPHEROID["Mars",3396190,169.8]],PRIMEM["Reference",0],'
    'UNIT["Degree",0.0174532925199433]]'
)
NOWHERE = {
    "a drawing": {"crs": 'LOCAL_CS["local",UNIT["metre",1]]'},
    "another planet": {"crs": MARS},
    "no width": {"transform": Affine(0, 0, 500_000, 0, -10, 5_000_000)},
}


def write_nowhere(small_job, asset, place, by_tiles):
    """Write day 1's file of an asset with a place that is none, for GDAL or to be read by tiles."""
    pixels = small_job.classes[1] if asset == "scl" else small_job.numbers[asset, 1]
    path = small_job.server.folder / f"{asset}-1.tif"
    if not by_tiles:
        small_job.write(path.name, pixels, nodata=0, **NOWHERE[place])
        return
    code = {"heights": 5773, "geocentric": 4978}.get(place, 32633)
    width = {"no width": 0.0, "no number": float("nan")}.get(place, 10.0)
    tags = [
        (33550, "d", 3, (width, 10.0, 0.0), True),
        (33922, "d", 6, (0.0, 0.0, 0.0, 500_000.0, 5_000_000.0, 0.0), True),
        (34735, "H", 12, (1, 1, 0, 2, 1024, 0, 1, 1, 3072, 0, 1, code), True),
    ]
    tifffile.imwrite(path, pixels, tile=(64, 64), extratags=tags)


BY_GDAL = [(place, False) for place in ("a drawing", "another planet", "no width")]
BY_TILES = [(place, True) for place in ("heights", "geocentric", "no width", "no number")]


@pytest.mark.parametrize("asset", ["red", "scl"])
@pytest.mark.parametrize(("place", "by_tiles"), BY_GDAL + BY_TILES)
def test_a_file_that_lies_nowhere_is_lost(small_job, asset, place, by_tiles):
    write_nowhere(small_job, asset, place, by_tiles)
    found = small_job.run()
    assert_same_pixels(found.pixels, small_job.oracle(without=[(1, 0), (1, 1)]))
    assert lost_items(found) == ["scene-1"]
    assert any(f"{asset}-1.tif" in text for text in found.named)


@pytest.mark.parametrize(("place", "by_tiles"), [("a drawing", False), ("geocentric", True)])
def test_a_file_that_lies_nowhere_in_a_time_series(small_job, place, by_tiles):
    write_nowhere(small_job, "red", place, by_tiles)
    rows, warnings = small_job.series()
    assert any("red-1.tif" in text for text in warnings)
    for row in rows:
        assert (row["value"] == "") == (row["time"][8:10] == "02")


def test_a_file_that_lies_nowhere_where_the_item_tells_no_grid(small_job):
    for name in ("proj:epsg", "proj:shape", "proj:transform"):
        del small_job.items[1]["properties"][name]
    write_nowhere(small_job, "red", "a drawing", by_tiles=False)
    found = small_job.run()
    assert_same_pixels(found.pixels, small_job.oracle(without=[(1, 0), (1, 1)]))
    assert lost_items(found) == ["scene-1"]
