"""The package on a worker, at the end of a run: nothing begins any more, and nothing is left."""

import asyncio
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from distributed import Reschedule
from fairweather.core.science.cluster.travelling_code import CodeOnNode, CodeOnWorker, seal_task


@pytest.fixture
def keeper(tmp_path):
    keeper = CodeOnWorker(CodeOnNode("package_that_travels", "run", b""))
    keeper.setup(SimpleNamespace(local_directory=str(tmp_path)))
    return keeper


def test_after_the_end_nothing_begins(keeper, tmp_path):
    asyncio.run(keeper.teardown(None))
    _, sealed = seal_task(print)
    with pytest.raises(Reschedule):
        keeper.run(sealed)
    with pytest.raises(Reschedule):
        keeper.keep(list)
    assert list(tmp_path.iterdir()) == []


def test_a_task_that_begins_at_the_end_is_waited_for(keeper, monkeypatch):
    """It loads modules, which are taken away after it."""
    begun, goes_on, taken_away = threading.Event(), threading.Event(), threading.Event()
    monkeypatch.setattr(keeper._code, "take_away", taken_away.set)
    monkeypatch.setitem(sys.modules, "begins", SimpleNamespace(task=lambda _: wait()))

    def wait():
        begun.set()
        assert goes_on.wait(20)
        assert not taken_away.is_set()
        return keeper.keep(list)

    def task(keeper):
        import begins  # noqa: PLC0415 - this function travels

        return begins.task(keeper)

    with ThreadPoolExecutor(2) as threads:
        running = threads.submit(keeper.run, seal_task(task)[1])
        assert begun.wait(20)
        ending = threads.submit(asyncio.run, keeper.teardown(None))
        while not keeper._is_over:
            pass
        assert not taken_away.is_set()
        goes_on.set()
        with pytest.raises(Reschedule):
            running.result(20)
        ending.result(20)
    assert taken_away.is_set()
