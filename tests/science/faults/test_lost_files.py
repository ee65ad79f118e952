"""Files that cannot be read for good: what is lost, that it is named, and that no more is lost."""

import json
import sys
import threading
from collections import Counter
from datetime import date

import pytest
from fairweather.core.bridge.errors import InvalidRequestError, ReadError
from fairweather.core.science.imagery.losses import Loss, LossTally, losses_in_words
from fairweather.core.science.web.addresses import without_query
from small_job import assert_same_pixels

EVERY_BYTE = (0, 1_000_000_000)


pytestmark = pytest.mark.usefixtures("impatient")


def skipped(found):
    """(item, asset, blocks) of each file that the composite names as skipped."""
    entries = json.loads(found.tags["FAIRWEATHER_SKIPPED"])
    return [(entry["item"], entry["asset"], entry["blocks"]) for entry in entries]


@pytest.mark.parametrize(
    ("asset", "fault"),
    [
        *(("red", "404"), ("nir", "404"), ("scl", "404"), ("red", "cut"), ("nir", "damaged")),
        *(("scl", "html"), ("red", "redirect"), ("nir", "short"), ("scl", "damaged")),
    ],
)
def test_a_file_costs_its_day_in_every_band(server, small_job, asset, fault):
    server.lasting = {f"{asset}-1.tif": (fault, *EVERY_BYTE)}
    found = small_job.run(report=str(small_job.folder / "report.html"))
    assert_same_pixels(found.pixels, small_job.oracle(without=[(1, 0), (1, 1)]))
    band = "mask" if asset == "scl" else asset
    assert skipped(found) == [("scene-1", band, 2)]
    summary, one = found.named
    assert "1 file of 1 scene could not be read" in summary
    assert f"{band} of scene-1 (2024-06-02), in 2 blocks" in one
    assert f"{asset}-1.tif" in one
    assert "Files that could not be read" in found.report
    assert f"{server.address}/{asset}-1.tif" in found.report


@pytest.mark.parametrize(
    ("asset", "fault"), [("red", "damaged"), ("nir", "503"), ("scl", "damaged"), ("red", "cut")]
)
def test_a_tile_costs_its_day_in_its_block(server, small_job, asset, fault):
    name = f"{asset}-2.tif"
    server.lasting = {name: (fault, *small_job.tile_bytes(name, 1))}
    found = small_job.run()
    assert_same_pixels(found.pixels, small_job.oracle(without=[(2, 1)]))
    assert skipped(found) == [("scene-2", "mask" if asset == "scl" else asset, 1)]


def test_a_damaged_tile_of_a_file_that_gdal_reads(server, small_job):
    """Numbers of 14 bits are left to GDAL, which makes up pixels for this tile."""
    name = "red-2.tif"
    small_job.write(name, small_job.numbers["red", 2], nodata=0, nbits=14)
    assert_same_pixels(small_job.run().pixels, small_job.oracle())
    first, end = small_job.tile_bytes(name, 1)
    content = bytearray((server.folder / name).read_bytes())
    half = (first + end) // 2
    content[half:end] = bytes(end - half)
    (server.folder / name).write_bytes(content)
    found = small_job.run()
    assert_same_pixels(found.pixels, small_job.oracle(without=[(2, 1)]))
    assert skipped(found) == [("scene-2", "red", 1)]
    with pytest.raises(ReadError, match=r"red-2\.tif .*tile 1, 0 is broken"):
        small_job.run(on_error="fail")


def test_losses_of_several_days_and_bands(server, small_job):
    small_job.__init__(small_job.folder, server, days=7)
    for name in ("red-1.tif", "nir-1.tif", "nir-3.tif", "scl-4.tif"):
        server.lasting[name] = ("404", *small_job.tile_bytes(name, 1))
    found = small_job.run()
    assert_same_pixels(found.pixels, small_job.oracle(without=[(1, 1), (3, 1), (4, 1)]))
    # What was lost with one band is not asked for again with the next.
    assert {("scene-3", "nir", 1), ("scene-4", "mask", 1)} < set(skipped(found))
    assert "days left out" in found.named[0]


@pytest.mark.parametrize(
    ("asset", "fault"), [("red", "404"), ("scl", "404"), ("red", "damaged"), ("scl", "cut")]
)
def test_on_error_fail_stops_the_run(server, small_job, asset, fault):
    name = f"{asset}-1.tif"
    server.lasting = {name: (fault, *EVERY_BYTE)}
    with pytest.raises(ReadError, match=name) as caught:
        small_job.run(on_error="fail")
    assert caught.value.href == f"{server.address}/{name}"
    assert caught.value.reason
    assert not list(small_job.folder.glob("composite-*"))


def test_an_unknown_choice_is_told_before_anything_is_read(server, small_job):
    with pytest.raises(InvalidRequestError, match="skip or fail"):
        small_job.run(on_error="ignore")
    assert server.requests == 0


def test_a_result_of_less_than_half_is_an_error(server, small_job):
    for day in (0, 2):
        server.lasting[f"scl-{day}.tif"] = ("404", *EVERY_BYTE)
    with pytest.raises(ReadError, match=r"4 of 6 days of scenes, such as .*404") as caught:
        small_job.run()
    assert "\n" not in str(caught.value)
    assert not list(small_job.folder.glob("composite-*"))


def test_a_scene_without_a_grid_whose_file_is_gone(server, small_job):
    for name in ("proj:epsg", "proj:shape", "proj:transform"):
        del small_job.items[1]["properties"][name]
    assert_same_pixels(small_job.run().pixels, small_job.oracle())
    server.lasting = {"red-1.tif": ("404", *EVERY_BYTE)}
    found = small_job.run()
    assert_same_pixels(found.pixels, small_job.oracle(without=[(1, 0), (1, 1)]))
    assert skipped(found) == [("scene-1", "red", 2)]
    with pytest.raises(ReadError, match=r"red-1\.tif"):
        small_job.run(on_error="fail")


def test_losses_from_many_threads_add_up():
    tally = LossTally()
    losses = [Loss(date(2024, 6, day), f"s{day}", "red", "f", "why") for day in range(1, 11)]

    def add():
        for number in range(500):
            tally.add(30, losses[: number % 11])

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        threads = [threading.Thread(target=add) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    expected = Counter(loss.scene for number in range(500) for loss in losses[: number % 11])
    found = {lost.loss.scene: lost.blocks for lost in tally.finish()}
    assert found == {scene: 16 * count for scene, count in expected.items()}


def test_a_long_list_of_losses_is_a_few_lines():
    tally = LossTally()
    tally.add(100, [Loss(date(2024, 6, 1), f"s{n}", "red", "f", "why") for n in range(20)])
    sentences = losses_in_words(tally.finish(), "block")
    assert len(sentences) == 7
    assert sentences[0].startswith("20 files of 20 scenes could not be read, and 1 day left out")
    assert sentences[-1] == "Not read either: 15 more files."


def test_signatures_are_not_shown():
    assert without_query("https://a.b/c.tif?sig=secret#x") == "https://a.b/c.tif"
    assert without_query("C:\\data\\what?.tif") == "C:\\data\\what?.tif"
