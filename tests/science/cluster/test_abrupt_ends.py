"""Runs whose connection breaks off, as that of a killed one does: the cluster stays whole."""

import contextlib

import pytest
from fairweather.core.bridge.errors import ClusterError
from fairweather.core.science.access.access import AccessRules
from fairweather.core.science.cluster.connection import connect_cluster
from fairweather.core.science.cluster.worker_tools import Work
from fairweather.core.science.reporter import RecordingReporter

pytestmark = pytest.mark.slow

ROUNDS = 15  # before tasks were sealed, a worker was lost at the fourth


def waiting():
    """Work that takes as many milliseconds as its piece says; as a local function it travels."""

    def wait(piece, _):
        import time  # noqa: PLC0415 - this function runs elsewhere

        time.sleep(0.001 * (piece % 5))
        return piece

    return Work(wait, 2, AccessRules())


def break_off(cluster):
    """End the connection as a network does."""
    client = cluster._client
    client.loop.asyncio_loop.call_soon_threadsafe(client.scheduler_comm.comm.abort)
    return client


def test_no_worker_is_lost(whole_cluster, wait_until):
    """Tasks that are on their way when the code is taken away are no worker's end."""

    def plugins(dask_scheduler):
        return [name for name in dask_scheduler.plugins if name.startswith("fairweather")]

    workers = whole_cluster.client.nthreads()
    for number in range(ROUNDS):
        with connect_cluster(whole_cluster.address, False, RecordingReporter()) as cluster:
            answers = cluster.compute(waiting(), range(1000))
            for _ in range(1 + number % 7):
                next(answers)
            break_off(cluster)
            wait_until(lambda: not whole_cluster.on_scheduler(plugins), 20)
            with contextlib.suppress(Exception):  # its connection is gone
                answers.close()
        wait_until(whole_cluster.is_clean, 20)
        assert whole_cluster.client.nthreads() == workers, number


def test_a_run_never_comes_back(whole_cluster, wait_until):
    """Dask's scheduler forgets which tasks a client wanted that connects for a second time."""
    with connect_cluster(whole_cluster.address, False, RecordingReporter()) as cluster:
        answers = cluster.compute(waiting(), range(1000))
        next(answers)
        client = break_off(cluster)
        wait_until(lambda: client.status == "closed", 20)
        with pytest.raises(ClusterError, match=r"^The connection to the Dask scheduler was lost"):
            list(answers)
    wait_until(whole_cluster.is_clean, 20)
    name = client.id
    events = whole_cluster.on_scheduler(lambda dask_scheduler: dask_scheduler.get_events(name))
    assert [event["action"] for _, event in events].count("add-client") == 1


def test_the_scheduler_never_needs_the_code(whole_cluster):
    """Dask unpacks each task there, too."""

    def packages(dask_scheduler):
        import sys  # noqa: PLC0415 - this function runs elsewhere

        return [name for name in sys.modules if name.startswith("fairweather")]

    with connect_cluster(whole_cluster.address, False, RecordingReporter()) as cluster:
        answers = dict(cluster.compute(waiting(), range(20)))
        assert answers == {piece: piece for piece in range(20)}
        assert whole_cluster.on_scheduler(packages) == []
