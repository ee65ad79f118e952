"""Files that are published anew in the middle of a run: its day is lost, and no pixel is wrong."""

import io

import pytest
import tifffile
from fairweather.core.bridge.errors import ReadError
from fairweather.core.bridge.home import unfinished_folder
from fairweather.core.science.composite import plan as composite_plan
from fairweather.core.science.composite import run as composite_run
from fairweather.core.science.imagery.memory_budget import BlockPlan
from rasterio.io import MemoryFile
from republishing_server import NewFile, RepublishingServer, running
from small_job import (
    BANDS,
    COLUMNS,
    TILE,
    SmallJob,
    assert_only_the_named_is_lost,
    assert_same_pixels,
    cut_into_tiles,
    geotiff,
)

WHY = "it was replaced by another file while it was read"
DAY = 1
COMPRESSIONS = ("NONE", "DEFLATE")


@pytest.fixture
def server(tmp_path):
    folder = tmp_path / "served"
    folder.mkdir()
    with running(RepublishingServer(folder)) as server:
        yield server


@pytest.fixture
def small_job(tmp_path, server, monkeypatch):
    cut_into_tiles(monkeypatch)
    return SmallJob(tmp_path, server)


def write_all(job, compress):
    for band, day in job.numbers:
        job.write(f"{band}-{day}.tif", job.numbers[band, day], nodata=0, compress=compress)


def republish(job, after, compress, band="red", **fields):
    """The same pixels behind a longer header, as after a correction of the metadata."""
    name, pixels = f"{band}-{DAY}.tif", job.numbers[band, DAY]
    with MemoryFile(geotiff(pixels, nodata=0, compress=compress)) as memory, memory.open() as old:
        profile = old.profile
    with MemoryFile() as memory:
        with memory.open(**profile) as dataset:
            dataset.update_tags(NOTE="x" * 301)
            dataset.write(pixels, 1)
        content = bytes(memory.getbuffer())
    job.server.new[name] = NewFile(after, content, **fields)
    old = (job.server.folder / name).read_bytes()
    places = [tifffile.TiffFile(io.BytesIO(one)).pages[0].dataoffsets for one in (old, content)]
    assert places[0] != places[1]


@pytest.mark.parametrize("compress", COMPRESSIONS)
@pytest.mark.parametrize("after", [1, 2])
def test_the_day_is_lost_and_named(server, small_job, compress, after):
    write_all(small_job, compress)
    republish(small_job, after, compress)
    found = small_job.run()
    assert_only_the_named_is_lost(found, small_job)
    assert any(f"Not read: red of scene-{DAY}" in text and WHY in text for text in found.named)
    assert WHY in found.tags["FAIRWEATHER_SKIPPED"]


def test_pixels_that_were_changed_in_their_places(server, small_job):
    """The same length and the same header: only the pixels tell that it is another file."""
    write_all(small_job, "NONE")
    name = f"red-{DAY}.tif"
    old = (server.folder / name).read_bytes()
    changed = geotiff(small_job.numbers["red", DAY] // 2, nodata=0, compress="NONE")
    assert len(changed) == len(old)
    # One tile was read of the old one.
    server.new[name] = NewFile(2, changed)
    found = small_job.run()
    assert_only_the_named_is_lost(found, small_job)
    assert len(found.named) == 2


def test_the_same_file_from_two_machines(server, small_job):
    for name in [f"{band}-{DAY}.tif" for band in (*BANDS, "scl")]:
        server.new[name] = NewFile(1, (server.folder / name).read_bytes(), by_turns=True)
    found = small_job.run()
    assert not found.named
    assert_same_pixels(found.pixels, small_job.oracle())


def test_a_mask_that_is_replaced(server, small_job):
    name = f"scl-{DAY}.tif"
    server.new[name] = NewFile(1, (server.folder / name).read_bytes() + bytes(9))
    found = small_job.run()
    without = [(DAY, column) for column in range(COLUMNS)]
    assert_same_pixels(found.pixels, small_job.oracle(without))
    assert WHY in found.tags["FAIRWEATHER_SKIPPED"]


def test_on_error_fail(server, small_job):
    republish(small_job, 1, "DEFLATE")
    with pytest.raises(ReadError, match=rf"red-{DAY}\.tif cannot be read: {WHY}; run again"):
        small_job.run(on_error="fail")
    assert not list(small_job.folder.glob("composite-*"))


@pytest.mark.parametrize("compress", COMPRESSIONS)
def test_a_time_series(server, small_job, compress):
    write_all(small_job, compress)
    republish(small_job, 1, compress)
    rows, warnings = small_job.series()
    assert any(WHY in text for text in warnings)
    for row in rows:
        if row["time"].startswith(f"2024-06-{1 + DAY:02}"):
            assert row["value"] == ""
        else:
            day = int(row["time"][8:10]) - 1
            expected = small_job.expected_value(int(row["site_id"]), row["index"], day)
            assert float(row["value"]) == pytest.approx(expected, abs=1e-9)


class StopHere(BaseException):
    """Ends a run in the middle, as nothing of the package would."""


@pytest.mark.parametrize("on_error", ["fail", "skip"])
def test_the_next_run_takes_nothing_up(server, small_job, monkeypatch, on_error):
    """Nor are blocks of the former file put beside those of the new one."""
    small_job.__init__(small_job.folder, server, columns=3)
    monkeypatch.setattr(composite_plan, "plan_blocks", lambda *_, **__: BlockPlan(TILE, 1))
    republish(small_job, 2, "DEFLATE")
    compose, kept = composite_run.compose_block, []

    def counted(*arguments):
        kept.append(len(list(unfinished_folder().glob("*/block-*"))))
        if len(kept) == 3:
            raise StopHere
        return compose(*arguments)

    monkeypatch.setattr(composite_run, "compose_block", counted)
    with pytest.raises(ReadError if on_error == "fail" else StopHere):
        small_job.run(on_error=on_error)
    # The second block is the one that needs the new file.
    assert kept == [0, 1, 0][: len(kept)]
    assert not list(unfinished_folder().glob("*/block-*"))
