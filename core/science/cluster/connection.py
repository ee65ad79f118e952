"""From CLUSTER and DASHBOARD to a cluster that is ready for tasks."""

from __future__ import annotations

import asyncio
import io
import logging
import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import cloudpickle
from distributed import Client, LocalCluster
from distributed.comm.addressing import get_address_host_port

from ...bridge.errors import ClusterError, EnvironmentNotReadyError, InvalidRequestError
from ..reporter import Reporter
from . import travelling_code
from .node_versions import check_versions
from .task_window import Cluster
from .travelling_code import CodeOnNode, CodeOnWorker, EndOnScheduler

SECONDS_TO_CONNECT = 5
SECONDS_FOR_A_WORKER = 30
LOOPBACK = "127.0.0.1"
ANY_PORT = f"{LOOPBACK}:0"

PACKAGE = __name__.partition(".")[0]
PACKAGE_FOLDER = Path(__file__).resolve().parents[3]
TRAVELLING_FILES = (".py", ".json")


@contextmanager
def connect_cluster(address: str, tell_dashboard: bool, reporter: Reporter) -> Iterator[Cluster]:
    """The cluster whose scheduler is at ``address``, with this package's code on it.

    Leaving it ends the run's tasks there and takes the code away.

    Raises:
        ClusterError: it cannot be reached, has no worker, or lacks packages.
        InvalidRequestError: it is no address.
    """
    with _connect(address) as client:
        _wait_for_worker(client, address)
        difference = check_versions(client)
        if difference:
            reporter.warning(difference)
        cluster = _bring_code(client)
        capacity = client.nthreads()
        reporter.message(
            f"The blocks are computed by the Dask cluster at {address}: {len(capacity)} workers "
            f"with {sum(capacity.values())} threads."
        )
        if tell_dashboard:
            reporter.message(f"The cluster's dashboard: {client.dashboard_link}")
        yield cluster


@contextmanager
def local_cluster(reporter: Reporter) -> Iterator[Cluster]:
    """A cluster inside this process, for its dashboard, which listens on loopback only.

    Raises:
        EnvironmentNotReadyError: the package that draws the dashboard is missing.
    """
    if find_spec("bokeh") is None:
        raise EnvironmentNotReadyError(
            "DASHBOARD needs the package bokeh, which the environment lacks; add it, or run "
            "without DASHBOARD."
        )
    with (
        LocalCluster(
            n_workers=1,
            threads_per_worker=max(2, os.cpu_count() or 1),
            processes=False,
            memory_limit=None,
            dashboard_address=ANY_PORT,
            worker_dashboard_address=ANY_PORT,
        ) as scheduler,
        Client(scheduler, set_as_default=False) as client,
    ):
        port = scheduler.scheduler.http_server.port
        reporter.message(f"Dask's dashboard: http://{LOOPBACK}:{port}/status")
        plugin = "fairweather"
        client.register_plugin(CodeOnWorker(CodeOnNode(PACKAGE, client.id, b"")), name=plugin)
        yield Cluster(client, client.id, plugin)


@contextmanager
def _connect(address: str) -> Iterator[Client]:
    try:
        get_address_host_port(address)
    except ValueError as error:
        raise InvalidRequestError(
            f"CLUSTER {address[:200]!r} is no address of a Dask scheduler; give one such as "
            "tcp://10.0.0.5:8786, or leave it empty."
        ) from error
    # Dask tells of each attempt; the error below says it once.
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    try:
        client = Client(address, timeout=SECONDS_TO_CONNECT, set_as_default=False)
    except (OSError, RuntimeError, TypeError, ValueError, asyncio.TimeoutError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ClusterError(
            f"The Dask scheduler at {address[:200]} cannot be reached ({reason}); see that it runs "
            "and that CLUSTER is its address, or leave CLUSTER empty."
        ) from error
    # A run whose connection has ended is over. Dask's client would come back, under the same name,
    # to a scheduler that may not have noticed the end yet: then the tasks stay there for ever.
    client._timeout = 0
    try:
        yield client
    finally:
        client.close(timeout=SECONDS_TO_CONNECT)


def _wait_for_worker(client: Client, address: str) -> None:
    try:
        client.wait_for_workers(1, timeout=SECONDS_FOR_A_WORKER)
    except TimeoutError as error:
        raise ClusterError(
            f"The Dask cluster at {address} has no worker; start some, or leave CLUSTER empty."
        ) from error


def _bring_code(client: Client) -> Cluster:
    run = client.id.lower()
    plugin = f"fairweather-{run}"
    code = CodeOnNode(PACKAGE, run, _pack_code())
    cloudpickle.register_pickle_by_value(travelling_code)
    try:
        # This one first: it takes everything away, also what comes too late.
        client.register_plugin(EndOnScheduler(client.id, plugin), name=plugin)
        client.register_plugin(CodeOnWorker(code), name=plugin)
    except Exception as error:
        raise ClusterError(
            f"The Dask cluster does not take Fairweather's code ({error}); see its workers' log."
        ) from error
    finally:
        cloudpickle.unregister_pickle_by_value(travelling_code)
    return Cluster(client, run, plugin)


def _pack_code() -> bytes:
    """A zip file of the package: what runs in a worker, without what runs inside QGIS."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(PACKAGE_FOLDER / "__init__.py", f"{PACKAGE}/__init__.py")
        for path in sorted((PACKAGE_FOLDER / "core").rglob("*")):
            if path.suffix in TRAVELLING_FILES:
                place = path.relative_to(PACKAGE_FOLDER).as_posix()
                archive.write(path, f"{PACKAGE}/{place}")
    return content.getvalue()
