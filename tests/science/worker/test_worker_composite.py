"""A real composite by the real worker: cancelled and killed half-way, and what it listens on."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from fairweather.core.bridge.errors import CancelledError
from fairweather.core.bridge.home import jobs_folder
from fairweather.core.bridge.request import (
    Area,
    CompositeRequest,
    SampleCatalogRequest,
    SceneSearch,
    request_to_json,
)
from fairweather.core.bridge.worker_process import run_job
from steady_time import Stopwatch

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="needs Linux's /proc"),
]


# The real worker, whose last blocks are computed again and again, however slowly one watches.
LAUNCH_WITHOUT_END = """
import importlib, importlib.util, math, sys, threading
spec = importlib.util.spec_from_file_location("launch", {launch!r})
launch = importlib.util.module_from_spec(spec)
spec.loader.exec_module(launch)
launch.load_package()
science = "fairweather.core.science"
job, run, worker = (
    importlib.import_module(f"{{science}}.{{name}}")
    for name in ("composite.job", "composite.run", "worker")
)
compose, run_blocks = run.compose_block, job.run_composite_blocks
def run_most_blocks(plan, *others):
    left = threading.Semaphore(math.ceil(0.75 * plan.block_count))
    def compose_until_it_counts(*block):
        while not left.acquire(blocking=False):
            compose(*block)
        return compose(*block)
    run.compose_block = compose_until_it_counts
    return run_blocks(plan, *others)
job.run_composite_blocks = run_most_blocks
sys.exit(worker.main(sys.argv[2:]))
"""


def run(request, on_event=lambda _: None, is_cancelled=lambda: False, **options):
    return run_job(
        request, Path(sys.executable), on_event=on_event, is_cancelled=is_cancelled, **options
    )


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sample catalogue č")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FAIRWEATHER_HOME", str(tmp_path_factory.mktemp("home")))
        catalog = run(SampleCatalogRequest(str(folder / "it"), 12))["CATALOG"]
    return Path(catalog)


@pytest.fixture
def composite(sample, tmp_path):
    area = json.loads((sample.parent / "area.geojson").read_text(encoding="utf-8"))
    search = SceneSearch(
        "fairweather-sample",
        Area("EPSG:4326", area["features"][0]["geometry"]),
        "2020-01-01",
        "2030-12-31",
        catalog=str(sample),
        max_cloud=100.0,
    )
    (tmp_path / "out").mkdir()
    return CompositeRequest(search, ("red", "NDVI"), str(tmp_path / "out" / "composite č.tif"))


def workers():
    """The process ids of all workers that run, and the sockets that each holds."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            arguments = (process / "cmdline").read_bytes().split(b"\0")
            if b"--watch-stdin" in arguments and str(jobs_folder()).encode() in b" ".join(
                arguments
            ):
                links = [str(entry.readlink()) for entry in (process / "fd").iterdir()]
                found[int(process.name)] = [link for link in links if link.startswith("socket:")]
        except OSError:
            continue
    return found


def test_a_composite_opens_no_socket_at_all(composite):
    seen = []

    def look(*_):
        seen.extend(workers().values())

    run(composite, look, look)
    assert Path(composite.output).exists()
    assert len(seen) > 3
    assert not any(seen)


@pytest.mark.parametrize("percent", [0, 10, 70])
def test_a_composite_cancelled_at_any_stage_leaves_nothing_within_2_s(
    composite, percent, plugin_root, tmp_path
):
    script = tmp_path / "launch.py"
    script.write_text(LAUNCH_WITHOUT_END.format(launch=str(plugin_root / "core" / "launch.py")))
    since_reached = []

    def look(event):
        if getattr(event, "percent", -1) >= percent and not since_reached:
            since_reached.append(Stopwatch())

    finer = replace(composite, resolution=2.0)
    with pytest.raises(CancelledError):
        run(finer, look, lambda: bool(since_reached), launch_script=script)
    assert since_reached[0].stop() < 2
    assert list(Path(composite.output).parent.iterdir()) == []
    assert list(jobs_folder().iterdir()) == []
    assert workers() == {}


def test_killing_the_parent_of_a_composite_leaves_nothing(
    composite, start_parent, plugin_root, tmp_path, wait_until
):
    request_file = tmp_path / "request.json"
    # Pixels of 2 metres: long enough to be killed while blocks come.
    finer = replace(composite, resolution=2.0)
    request_file.write_text(request_to_json(finer), encoding="utf-8")
    parent = start_parent(plugin_root / "core" / "launch.py", request_file)
    wait_until(lambda: list(jobs_folder().glob("*/composite.tiles")) or parent.poll(), 60)
    assert parent.poll() is None
    parent.kill()
    wait_until(lambda: workers() == {}, 2)
    assert list(Path(composite.output).parent.iterdir()) == []
    assert list(jobs_folder().iterdir()) == []
