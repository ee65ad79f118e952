"""A laptop that sleeps in mid-run: everything stands still for longer than any time limit."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import rasterio
from fairweather.core.bridge.request import CompositeRequest, request_to_json
from small_job import assert_same_pixels

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(os.name != "posix", reason="stopping a process is POSIX's"),
]

SERVER = """
import sys, time
from pathlib import Path
sys.path.append(sys.argv[1])
from faulty_server import FaultyServer, running
class Slow(FaultyServer):
    def fault_of(self, *where):
        time.sleep(0.3)
        return super().fault_of(*where)
with running(Slow(Path(sys.argv[2]))) as server:
    print(server.address, flush=True)
    sys.stdin.read()
"""

WORKER = """
import importlib, importlib.util, sys
spec = importlib.util.spec_from_file_location("launch", sys.argv.pop(1))
launch = importlib.util.module_from_spec(spec)
spec.loader.exec_module(launch)
launch.load_package()
from urllib3 import Timeout
from fairweather.core.science import worker
from fairweather.core.science.composite import plan
from fairweather.core.science.imagery.files import byte_ranges, patience
from fairweather.core.science.imagery.memory_budget import BlockPlan
from fairweather.core.science.web.timed_answers import Pace
byte_ranges.TIMEOUT = Timeout(connect=2, read=2)
byte_ranges.PACE = Pace(seconds_of_grace=2, fewest_bytes_a_second=2048)
# Shorter than the sleep, as an hour's sleep is longer than what a run waits; but long enough for
# some answers that are late because the machine has much to do.
patience.FOR_A_SERVER_THAT_ANSWERED = patience.Patience(seconds=7)
patience.MOST_SECONDS_OF_AN_ATTEMPT = 2.5
plan.plan_blocks = lambda *_, **__: BlockPlan(64, 1)
sys.exit(worker.main(sys.argv[1:]))
"""
SECONDS_ASLEEP = 8


@pytest.fixture
def slow_server(small_job, plugin_root):
    """The small job's files on a server of another process."""
    helpers = plugin_root / "tests" / "helpers"
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER, helpers, small_job.server.folder],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    address = process.stdout.readline().strip()
    items = json.dumps(small_job.items).replace(small_job.server.address, address)
    small_job.items = json.loads(items)
    yield process
    process.kill()
    process.communicate()


@pytest.mark.parametrize("what_sleeps", ["worker", "worker and server"])
def test_a_run_that_slept_has_the_same_pixels(
    small_job, slow_server, plugin_root, tmp_path, what_sleeps
):
    path, output = tmp_path / "request.json", tmp_path / "composite.tif"
    request = CompositeRequest(small_job.search(), ("red", "nir"), str(output), memory_gb=1.0)
    path.write_text(request_to_json(request), encoding="utf-8")
    worker = subprocess.Popen(
        [sys.executable, "-c", WORKER, plugin_root / "core" / "launch.py", path],
        stdout=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    sleepers = [worker, slow_server] if "server" in what_sleeps else [worker]
    for line in worker.stdout:
        if "Reading and reducing" in line:
            break
    time.sleep(0.5)
    for sleeper in sleepers:
        os.killpg(sleeper.pid, signal.SIGSTOP)
    time.sleep(SECONDS_ASLEEP)
    for sleeper in sleepers:
        os.killpg(sleeper.pid, signal.SIGCONT)
    rest, _ = worker.communicate(timeout=60)
    assert json.loads(rest.splitlines()[-1])["event"] == "result", rest
    assert "read" not in " ".join(re.findall('"warning", "text": "([^"]*)', rest))
    with rasterio.open(output) as dataset:
        assert_same_pixels(dataset.read().astype(np.float64), small_job.oracle())
