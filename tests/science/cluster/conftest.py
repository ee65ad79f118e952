"""A Dask cluster as a user has it: processes of their own, without the plugin on their path."""

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from distributed import Client
from fairweather.core.bridge.request import (
    Area,
    CompositeRequest,
    SampleCatalogRequest,
    SceneSearch,
)
from fairweather.core.bridge.worker_process import run_job
from fairweather.core.science.imagery.memory_budget import BASE_BYTES
from fairweather.core.science.reporter import RecordingReporter
from fairweather.core.science.sample_catalog.job import run_sample_catalog

# Enough for blocks of a quarter of the usual edge.
LITTLE_MEMORY = (BASE_BYTES + 24e6) / 1024**3


@dataclass(frozen=True)
class DaskCluster:
    """A scheduler with worker processes, each watched by a nanny."""

    address: str
    folder: Path
    client: Client
    scheduler: subprocess.Popen

    def on_scheduler(self, function):
        return self.client.run_on_scheduler(function)

    def finished_tasks(self):
        """The names of all tasks that were ever finished."""

        def finished(dask_scheduler):
            log = dask_scheduler.transition_log
            return {key for key, _, state, *_ in log if state == "memory"}

        return self.on_scheduler(finished)

    def is_clean(self):
        """Whether nothing of any run is left, on the scheduler, in the workers and on the disk."""

        def rests(dask_scheduler):
            names = [*dask_scheduler.plugins, *dask_scheduler.worker_plugins]
            return [*dask_scheduler.tasks, *(name for name in names if "fairweather" in name)]

        def modules():
            import sys  # noqa: PLC0415 - this function runs elsewhere

            names = [name for name in sys.modules if name.startswith("fairweather")]
            return [*names, *(entry for entry in sys.path if "client-" in entry)]

        left = [*self.on_scheduler(rests), *self.on_scheduler(modules)]
        left += [name for names in self.client.run(modules).values() for name in names]
        folders = [name for _, names, _ in os.walk(self.folder) for name in names]
        left += [name for name in folders if name.startswith(("client-", "scratch-"))]
        return not left


def end(process):
    """End it as its user does; on a busy machine Dask may take too long for a test."""
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def running_cluster(folder, workers, wait_until):
    log = (folder / "log.txt").open("wb")
    address_file = folder / "scheduler.json"
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "DASK_CONFIG")}
    environment["TMPDIR"] = str(folder)

    def start(*arguments):
        command = [sys.executable, "-m", "dask", *arguments, "--host", "127.0.0.1"]
        command += ["--dashboard-address", "127.0.0.1:0"]
        return subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)

    processes = [start("scheduler", "--port", "0", "--scheduler-file", str(address_file))]
    wait_until(lambda: address_file.exists() and address_file.read_text().endswith("}"), 20)
    address = json.loads(address_file.read_text())["address"]
    for number in range(workers):
        local = ("--local-directory", str(folder / f"worker {number}"))
        processes.append(start("worker", address, "--nthreads", "2", *local))
    try:
        with Client(address, set_as_default=False) as client:
            client.wait_for_workers(workers, timeout=30)
            yield DaskCluster(address, folder, client, processes[0])
    finally:
        for process in reversed(processes):
            end(process)
        log.close()


@pytest.fixture(scope="session")
def dask_cluster(tmp_path_factory, wait_until):
    with running_cluster(tmp_path_factory.mktemp("cluster"), 2, wait_until) as cluster:
        yield cluster


@pytest.fixture
def mortal_cluster(tmp_path, wait_until):
    """A cluster of its own for a test that ends the scheduler."""
    with running_cluster(tmp_path, 1, wait_until) as cluster:
        yield cluster


@pytest.fixture
def whole_cluster(tmp_path, wait_until):
    """A cluster of its own for a test that may cost workers."""
    with running_cluster(tmp_path, 2, wait_until) as cluster:
        yield cluster


@pytest.fixture
def clean_cluster(dask_cluster, wait_until):
    """The cluster, on which nothing may be left after the test."""
    dask_cluster.client.wait_for_workers(2, timeout=30)
    yield dask_cluster
    dask_cluster.client.wait_for_workers(2, timeout=30)
    wait_until(dask_cluster.is_clean, 10)


@pytest.fixture(scope="session")
def sample(tmp_path_factory):
    """A search that finds the sample's scenes."""
    folder = tmp_path_factory.mktemp("sample")
    scratch = tmp_path_factory.mktemp("scratch")
    run_sample_catalog(SampleCatalogRequest(str(folder), days=12), RecordingReporter(), scratch)
    area = json.loads((folder / "area.geojson").read_text())["features"][0]["geometry"]
    return SceneSearch(
        "fairweather-sample",
        Area("EPSG:4326", area),
        "2024-01-01",
        "2024-12-31",
        catalog=str(folder / "catalog.json"),
        max_cloud=60.0,
    )


@pytest.fixture
def composite(sample, tmp_path):
    """A composite of several blocks."""
    return CompositeRequest(
        sample,
        ("red", "NDVI"),
        str(tmp_path / "composite.tif"),
        count_band=True,
        memory_gb=LITTLE_MEMORY,
    )


@pytest.fixture(scope="session")
def run_worker():
    """Run a request as QGIS does; the result's values and the events."""

    def run(request, is_cancelled=lambda: False, **options):
        events = options.pop("events", [])
        values = run_job(
            request,
            Path(sys.executable),
            on_event=events.append,
            is_cancelled=is_cancelled,
            **options,
        )
        return values, events

    return run
