"""Runs whose connection breaks off, as that of a killed one does: the cluster stays whole."""

import contextlib

import pytest
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
            client = cluster._client
            client.loop.asyncio_loop.call_soon_threadsafe(client.scheduler_comm.comm.abort)
            wait_until(lambda: not whole_cluster.on_scheduler(plugins), 20)
            with contextlib.suppress(Exception):  # its connection is gone
                answers.close()
        wait_until(whole_cluster.is_clean, 20)
        assert whole_cluster.client.nthreads() == workers, number


def test_the_scheduler_never_needs_the_code(whole_cluster):
    """Dask unpacks each task there, too."""

    def packages(dask_scheduler):
        import sys  # noqa: PLC0415 - this function runs elsewhere

        return [name for name in sys.modules if name.startswith("fairweather")]

    with connect_cluster(whole_cluster.address, False, RecordingReporter()) as cluster:
        answers = dict(cluster.compute(waiting(), range(20)))
        assert answers == {piece: piece for piece in range(20)}
        assert whole_cluster.on_scheduler(packages) == []
