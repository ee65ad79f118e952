import os
import subprocess
import sys

import pytest
from fairweather.core.bridge.errors import InvalidRequestError
from fairweather.core.science.imagery import memory_budget
from fairweather.core.science.imagery.memory_budget import (
    BASE_BYTES,
    BlockPlan,
    budget_bytes,
    plan_blocks,
    share_out,
)
from hypothesis import given
from hypothesis import strategies as st

GB = 1024**3


@given(
    st.floats(0.1, 64), st.integers(1, 2000), st.integers(3, 60), st.integers(1, 20),
    st.integers(1, 64),
)  # fmt: skip
def test_a_plan_never_exceeds_the_budget(memory_gb, days, bytes_by_day, bands, processors):
    budget = budget_bytes(memory_gb)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "cpu_count", lambda: processors)
        smallest = 128 * 128 * (days * bytes_by_day + bands * 16 + 96 + 16 * 40)
        if smallest > budget - BASE_BYTES:
            with pytest.raises(InvalidRequestError, match="MEMORY"):
                plan_blocks(budget, days, bytes_by_day, bands)
            return
        plan = plan_blocks(budget, days, bytes_by_day, bands)
    assert plan.edge in (128, 256, 512, 1024)
    assert 1 <= plan.at_once <= processors
    pixels = plan.edge**2
    stacks = pixels * plan.at_once * (days * bytes_by_day + bands * 16)
    assert BASE_BYTES + stacks + 16 * 40 * pixels <= budget


def test_more_memory_never_gives_smaller_blocks():
    plans = [plan_blocks(int(gb * GB), 60, 11, 3) for gb in (0.6, 1, 2, 4, 8, 16, 32)]
    assert [plan.edge for plan in plans] == sorted(plan.edge for plan in plans)
    assert plans[-1].edge == 1024


def test_a_budget_is_tight_where_twice_the_need_does_not_fit():
    assert plan_blocks(int(0.6 * GB), 60, 11, 3).is_tight
    assert not plan_blocks(64 * GB, 60, 11, 3).is_tight


def test_a_small_raster_is_shared_out_and_a_large_one_is_left():
    plan = BlockPlan(edge=1024, at_once=2)
    assert share_out(plan, 395, 725) == BlockPlan(256, 2)
    assert share_out(plan, 1800, 1800) == BlockPlan(512, 2)
    assert share_out(plan, 4000, 4000) == plan
    assert share_out(BlockPlan(128, 2), 100, 100) == BlockPlan(128, 2)


def test_automatic_is_half_of_what_is_free(monkeypatch):
    class Memory:
        available = 10 * GB

    monkeypatch.setattr(memory_budget.psutil, "virtual_memory", Memory)
    assert budget_bytes(0) == 5 * GB
    assert budget_bytes(1.5) == int(1.5 * GB)


COMPOSITE_OF_60_DAYS = """
import resource, sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

sys.path.insert(0, sys.argv[1])
import launch
launch.load_package()
import numpy as np, rasterio, shapely
from affine import Affine
from odc.geo.geobox import GeoBox
from fairweather.core.bridge.profiles import find_profile
from fairweather.core.bridge.request import Area, CompositeRequest, SceneSearch
from fairweather.core.science.area import read_area
from fairweather.core.science.composite.plan import plan_composite
from fairweather.core.science.composite.run import run_composite_blocks
from fairweather.core.science.imagery.memory_budget import READS_IN_FLIGHT
from fairweather.core.science.imagery.output_bands import choose_output_bands
from fairweather.core.science.imagery.readers import Readers
from fairweather.core.science.composite.output_raster import (
    OutputRaster,
    RasterBand,
    RasterLayout,
    write_cog,
)
from fairweather.core.science.reporter import RecordingReporter, StageProgress
from fairweather.core.science.imagery.scene import Scene, SourceBand

folder, size = Path(sys.argv[2]), int(sys.argv[3])
transform, crs = Affine(10, 0, 500_000, 0, -10, 5_000_000), "EPSG:32633"
grid = GeoBox((size, size), transform, crs)

def source(name, dtype, high, scale, offset):
    path = folder / (name + ".tif")
    if not path.exists():
        pixels = np.random.default_rng(len(name)).integers(1, high, (size, size)).astype(dtype)
        with rasterio.open(path, "w", driver="GTiff", height=size, width=size, count=1,
                           dtype=dtype, crs=crs, transform=transform, tiled=True) as dataset:
            dataset.write(pixels, 1)
    return SourceBand(str(path), 0.0, scale, offset, grid, dtype)

start = datetime(2023, 5, 1, 10, tzinfo=timezone.utc)
scenes = []
for day in range(60):
    offset = -0.1 if day % 2 else 0.0  # held as int32
    bands = {name: source(name, "uint16", 9000, 1e-4, offset) for name in ("red", "nir")}
    mask = source("scl", "uint8", 12, 1.0, 0.0)
    scenes.append(Scene(id=str(day), moment=start + timedelta(days=day), bands=bands, mask=mask,
                        footprint=shapely.Polygon(), encoding="", properties={}))
west, south, east, north = grid.extent.boundingbox.bbox
area = Area(crs, shapely.geometry.mapping(shapely.box(west, south, east, north)))
search = SceneSearch("sentinel-2-c1-l2a", area, "2023-05-01", "2023-06-30")
request = CompositeRequest(search, ("red", "nir", "NDVI"), "unused.tif", memory_gb=0.6)
reporter = RecordingReporter()
bands = choose_output_bands(request.bands, find_profile(search.collection))
with Readers(READS_IN_FLIGHT) as readers:
    plan = plan_composite(request, read_area(area, reporter), scenes, readers,
                          output_bands=bands, masked_classes=(3, 8, 9, 10))
    layout = RasterLayout(plan.geobox, tuple(RasterBand(b.name, b.title) for b in bands),
                          "int16", True)
    with OutputRaster(folder / "s.tif", layout, {}) as raster:
        run_composite_blocks(plan, raster, readers,
                             StageProgress(reporter, 0, 100, plan.block_count, "", ""))
write_cog(folder / "s.tif", folder / "c.tif")
status = Path("/proc/self/status")
if status.exists():  # Linux's ru_maxrss is also that of the process which started this one
    peak = next(line for line in status.read_text().splitlines() if "VmHWM" in line).split()[1]
    print(len(plan.days), int(peak) * 1024)
else:
    print(len(plan.days), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="no peak of a process's memory on Windows")
def test_sixty_days_stay_inside_the_budget(plugin_root, tmp_path):
    # A limit of the address space would also count what is only mapped: the peak in use counts.
    done = subprocess.run(
        [sys.executable, "-c", COMPOSITE_OF_60_DAYS, str(plugin_root / "core"), str(tmp_path),
         "1280"],
        capture_output=True, text=True, check=False, timeout=500,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    days, peak = map(int, done.stdout.split())
    assert days == 60
    assert peak <= 0.6 * GB, f"{peak / GB:.2f} GB"
