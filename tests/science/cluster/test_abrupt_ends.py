"""Runs whose connection breaks off, as that of a killed one does: the cluster stays whole."""

import contextlib
import time

import pytest
from fairweather.core.science.access.access import AccessRules
from fairweather.core.science.cluster.connection import connect_cluster
from fairweather.core.science.cluster.worker_tools import Work
from fairweather.core.science.reporter import RecordingReporter

pytestmark = pytest.mark.slow

ROUNDS = 15  # a worker was lost at the fourth


def test_no_worker_is_lost(clean_cluster):
    """Tasks that are on their way when the code is taken from the scheduler still arrive."""

    def wait(piece, _):
        import time  # noqa: PLC0415 - this function runs elsewhere

        time.sleep(0.001 * (piece % 5))
        return piece

    workers = clean_cluster.client.nthreads()
    for number in range(ROUNDS):
        with connect_cluster(clean_cluster.address, False, RecordingReporter()) as cluster:
            answers = cluster.compute(Work(wait, 2, AccessRules()), range(1000))
            for _ in range(1 + number % 7):
                next(answers)
            client = cluster._client
            client.loop.asyncio_loop.call_soon_threadsafe(client.scheduler_comm.comm.abort)
            time.sleep(0.3)
            with contextlib.suppress(Exception):  # its connection is gone
                answers.close()
        assert clean_cluster.client.nthreads() == workers, number
