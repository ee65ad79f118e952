import os
import subprocess
import sys

import pytest
from fairweather.core.bridge.errors import InvalidRequestError
from fairweather.core.science.imagery import memory_budget
from fairweather.core.science.imagery.memory_budget import (
    BASE_BYTES,
    CLEAR_BYTES,
    COMFORTABLE_BYTES,
    MOST_DISK_BYTES,
    BlockPlan,
    budget_bytes,
    disk_bytes_for_days,
    plan_blocks,
)
from hypothesis import given
from hypothesis import strategies as st

GB = 1024**3


@pytest.fixture
def machine(monkeypatch):
    """A function that sets what is free and how many processors there are."""

    def make(free_gb=64.0, processors=2):
        class Memory:
            available = int(free_gb * GB)

        monkeypatch.setattr(memory_budget.psutil, "virtual_memory", Memory)
        monkeypatch.setattr(os, "cpu_count", lambda: processors)

    return make


def stacks(plan, days, bytes_by_day, bands):
    """The bytes that blocks in work hold at least: the days' numbers and the finished bands."""
    held = CLEAR_BYTES + (0 if plan.days_in_files else bytes_by_day)
    return plan.at_once * plan.edge**2 * (days * held + bands * 16)


def files(plan, days, bytes_by_day):
    """The bytes of the days on disk."""
    return plan.at_once * plan.edge**2 * days * bytes_by_day if plan.days_in_files else 0


@given(
    st.floats(0.1, 64), st.integers(1, 2000), st.floats(1, 60), st.integers(1, 20),
    st.integers(1, 64), st.integers(0, 2**34),
)  # fmt: skip
def test_a_plan_never_exceeds_what_was_allowed(
    memory_gb, days, bytes_by_day, bands, processors, disk
):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "cpu_count", lambda: processors)
        room = budget_bytes(memory_gb) - BASE_BYTES
        smallest = BlockPlan(128, 1, files(BlockPlan(128, 1, True), days, bytes_by_day) <= disk)
        if stacks(smallest, days, bytes_by_day, bands) > room:
            with pytest.raises(InvalidRequestError, match="MEMORY"):
                plan_blocks(memory_gb, days, bytes_by_day, bands, disk_bytes=disk)
            return
        try:
            plan = plan_blocks(memory_gb, days, bytes_by_day, bands, disk_bytes=disk)
        except InvalidRequestError:
            # Lookups, counts and masks did not fit beside the stacks.
            strips = memory_budget.STRIP_BYTES * processors * smallest.days_in_files
            beside = 128**2 * 64 + strips
            assert stacks(smallest, days, bytes_by_day, bands) + beside >= room - 1
            return
    assert plan.edge in (128, 256, 512, 1024)
    assert 1 <= plan.at_once <= max(2, processors)
    assert plan.at_once == 1 or plan.edge == 1024
    assert stacks(plan, days, bytes_by_day, bands) <= room
    assert files(plan, days, bytes_by_day) <= disk


def test_more_memory_never_gives_smaller_blocks(machine):
    machine()
    plans = [plan_blocks(gb, 60, 11, 3) for gb in (0.5, 0.6, 1, 2, 4, 8, 16, 32)]
    assert [plan.edge for plan in plans] == sorted(plan.edge for plan in plans)
    assert [plan.at_once for plan in plans] == sorted(plan.at_once for plan in plans)
    assert plans[-1] == BlockPlan(1024, 2)


@pytest.mark.parametrize(
    ("free_gb", "processors", "days", "expected"),
    [
        (64, 2, 24, (1024, 2)),  # the goal: 24 days of uint16
        (64, 8, 24, (1024, 3)),  # more would take more than is comfortable
        (64, 8, 60, (1024, 2)),
        (64, 2, 240, (1024, 1)),  # one block may take more than that
        (64, 2, 2400, (1024, 1)),
        (8, 2, 2400, (512, 1)),  # but no more than half of what is free
        (2.2, 2, 240, (1024, 1)),
        (1.6, 2, 240, (512, 1)),
    ],
)
def test_without_room_on_disk_whole_tiles_come_before_many_at_once(
    machine, free_gb, processors, days, expected
):
    machine(free_gb, processors)
    plan = plan_blocks(0, days, 2, 3)
    assert (plan.edge, plan.at_once, plan.days_in_files) == (*expected, False)
    if plan.at_once > 1:
        assert BASE_BYTES + stacks(plan, days, 2, 3) <= COMFORTABLE_BYTES
    assert BASE_BYTES + stacks(plan, days, 2, 3) <= free_gb / 2 * GB


@pytest.mark.parametrize(
    ("days", "bytes_by_day", "expected"),
    [
        (60, 2, BlockPlan(1024, 2)),
        (240, 2, BlockPlan(1024, 2, days_in_files=True)),
        (240, 6, BlockPlan(1024, 2, days_in_files=True)),
        (1200, 2, BlockPlan(1024, 1, days_in_files=True)),
        (10_000, 2, BlockPlan(256, 1, days_in_files=True)),
    ],
)
def test_what_is_comfortable_holds_any_number_of_days_with_a_disk(
    machine, days, bytes_by_day, expected
):
    machine()
    plan = plan_blocks(0, days, bytes_by_day, 3, disk_bytes=MOST_DISK_BYTES)
    assert plan == expected
    assert BASE_BYTES + stacks(plan, days, bytes_by_day, 3) <= COMFORTABLE_BYTES
    assert files(plan, days, bytes_by_day) <= MOST_DISK_BYTES


def test_of_the_disk_a_part_is_taken(monkeypatch, tmp_path):
    class Disk:
        free = 12 * GB

    monkeypatch.setattr(memory_budget.shutil, "disk_usage", lambda _: Disk)
    assert disk_bytes_for_days(tmp_path) == 3 * GB
    Disk.free = 900 * GB
    assert disk_bytes_for_days(tmp_path) == MOST_DISK_BYTES


def test_too_many_days_are_told_with_what_they_need(machine):
    machine(free_gb=1)
    with pytest.raises(
        InvalidRequestError, match=r"9000 scene days need at least \d\.\d GB"
    ) as caught:
        plan_blocks(0, 9000, 8.125, 1)
    assert str(caught.value).endswith(".")


def test_automatic_is_half_of_what_is_free(monkeypatch):
    class Memory:
        available = 10 * GB

    monkeypatch.setattr(memory_budget.psutil, "virtual_memory", Memory)
    assert budget_bytes(0) == 5 * GB
    assert budget_bytes(1.5) == int(1.5 * GB)


COMPOSITE = """
import resource, sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

sys.path.insert(0, sys.argv[1])
import launch
launch.load_package()
from fairweather.core.science.heap import keep_one_heap
keep_one_heap()  # as the worker does, before there are threads
import numpy as np, rasterio, shapely
from affine import Affine
from odc.geo.geobox import GeoBox
from fairweather.core.bridge.profiles import find_profile
from fairweather.core.bridge.request import Area, CompositeRequest, SceneSearch
from fairweather.core.science.area import read_area
from fairweather.core.science.composite.plan import plan_composite
from fairweather.core.science.composite.run import run_composite_blocks
from fairweather.core.science.imagery.output_bands import choose_output_bands
from fairweather.core.science.imagery.readers import READS_IN_FLIGHT, Readers
from fairweather.core.science.composite.output_raster import (
    OutputRaster,
    RasterBand,
    RasterLayout,
)
from fairweather.core.science.reporter import RecordingReporter, StageProgress
from fairweather.core.science.imagery.scene import Scene, SourceBand

folder, size, days = Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
memory_gb, names = float(sys.argv[5]), sys.argv[6].split(",")
if len(sys.argv) > 7:
    resource.setrlimit(resource.RLIMIT_DATA, (int(sys.argv[7]), int(sys.argv[7])))
transform, crs = Affine(10, 0, 500_000, 0, -10, 5_000_000), "EPSG:32633"
grid = GeoBox((size, size), transform, crs)

def source(name, dtype, high, scale, offset):
    path = folder / (name + ".tif")
    if not path.exists():
        pixels = np.random.default_rng(len(name)).integers(1, high, (size, size)).astype(dtype)
        with rasterio.open(path, "w", driver="GTiff", height=size, width=size, count=1,
                           dtype=dtype, crs=crs, transform=transform, tiled=True,
                           blockxsize=1024, blockysize=1024) as dataset:
            dataset.write(pixels, 1)
    return SourceBand(str(path), 0.0, scale, offset, grid, dtype)

start = datetime(2023, 5, 1, 10, tzinfo=timezone.utc)
scenes = []
for day in range(days):
    offset = -0.1 if day % 2 and days == 60 else 0.0  # then held as int32
    bands = {name: source(name, "uint16", 9000, 1e-4, offset) for name in ("red", "nir")}
    mask = source("scl", "uint8", 12, 1.0, 0.0)
    scenes.append(Scene(id=str(day), moment=start + timedelta(days=day), bands=bands, mask=mask,
                        footprint=shapely.Polygon(), encoding="", properties={}))
west, south, east, north = grid.extent.boundingbox.bbox
area = Area(crs, shapely.geometry.mapping(shapely.box(west, south, east, north)))
search = SceneSearch("sentinel-2-c1-l2a", area, "2023-05-01", "2023-06-30")
request = CompositeRequest(search, tuple(names), "unused.tif", memory_gb=memory_gb)
reporter = RecordingReporter()
bands = choose_output_bands(request.bands, find_profile(search.collection))
with Readers(READS_IN_FLIGHT, folder) as readers:
    plan = plan_composite(request, read_area(area, reporter), scenes, readers,
                          output_bands=bands, masked_classes=(3, 8, 9, 10))
    layout = RasterLayout(plan.geobox, tuple(RasterBand(b.name, b.title) for b in bands),
                          "int16", True)
    with OutputRaster(folder / "s.tiles", layout, {}) as raster:
        run_composite_blocks(plan, raster, readers,
                             StageProgress(reporter, 0, 100, plan.block_count, "", ""))
        raster.save(folder / "c.tif")
status = Path("/proc/self/status")
if status.exists():  # Linux's ru_maxrss is also that of the process which started this one
    peak = next(line for line in status.read_text().splitlines() if "VmHWM" in line).split()[1]
    print(len(plan.days), int(peak) * 1024)
else:
    print(len(plan.days), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.fixture
def compose(plugin_root, tmp_path):
    """A function that runs a composite in a process of its own: its days, and its peak in bytes.

    ``limit`` in bytes is the kernel's, of all memory that the process may write to.
    """

    def run(size, days, memory_gb, names, limit=None):
        arguments = [plugin_root / "core", tmp_path, size, days, memory_gb, names]
        arguments += [] if limit is None else [limit]
        done = subprocess.run(
            [sys.executable, "-c", COMPOSITE, *map(str, arguments)],
            capture_output=True, text=True, check=False, timeout=500,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return tuple(map(int, done.stdout.split()))

    return run


no_peak_on_windows = pytest.mark.skipif(
    sys.platform == "win32", reason="no peak of a process's memory on Windows"
)


@pytest.mark.slow
@no_peak_on_windows
def test_sixty_days_stay_inside_the_budget(compose):
    days, peak = compose(1280, 60, 0.6, "red,nir,NDVI")
    assert days == 60
    assert peak <= 0.6 * GB, f"{peak / GB:.2f} GB"


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits what a process may write to")
@pytest.mark.parametrize(
    ("names", "gigabytes"),
    # As much as two dozen days take, whether a band is held at a time or two for a formula.
    [("red,nir", 0.7), ("NDVI", 0.7)],
)
def test_240_days_where_the_kernel_gives_no_more(compose, names, gigabytes):
    """By default, without MEMORY; the kernel counts the stacks of threads whole."""
    import resource  # noqa: PLC0415

    stack = resource.getrlimit(resource.RLIMIT_STACK)[0]
    of_threads = 40 * (stack if 0 < stack < GB else 8 * 1024**2)
    days, peak = compose(1100, 240, 0, names, limit=int(gigabytes * GB) + of_threads)
    assert days == 240
    assert peak <= gigabytes * GB, f"{peak / GB:.2f} GB"
