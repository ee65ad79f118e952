"""A run that fails ends soon, also while many of its reads wait for a server that says nothing."""

import json
import threading
import time

import pytest
from fairweather.core.bridge.errors import ReadError
from fairweather.core.science import worker
from fairweather.core.science.catalog.documents import DocumentReader, LostServerError
from fairweather.core.science.composite import run as composite_run
from fairweather.core.science.imagery import readers as module
from fairweather.core.science.imagery.readers import Readers
from fairweather.core.science.web import patience


def test_threads_that_cannot_be_woken_are_not_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SECONDS_TO_CLOSE", 0.1)
    server, is_asked = threading.Event(), threading.Event()

    waited_out = []

    def stall(_):
        is_asked.set()
        waited_out.append(not server.wait(20))

    def fail():
        with Readers(4, tmp_path) as readers:
            readers.map(stall, range(8))
            assert is_asked.wait(20)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert waited_out == []
    server.set()


def test_threads_that_end_by_themselves_are_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SECONDS_TO_CLOSE", 60)
    done, is_begun = [], threading.Event()

    def work(_):
        is_begun.set()
        time.sleep(0.2)
        done.append(1)

    def fail():
        with Readers(4, tmp_path) as readers:
            readers.compute(work, range(1))
            assert is_begun.wait(60)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert done == [1]


def test_a_run_that_is_to_fail_does_not_wait_for_what_stalls(small_job, server, monkeypatch):
    monkeypatch.setattr(module, "SECONDS_TO_CLOSE", 0.2)
    server.lasting["scl-0.tif"] = ("404", 0, 10**9)
    for name in ("scl-1.tif", "scl-2.tif"):
        server.lasting[name] = ("stall", 0, 10**9)
    with pytest.raises(ReadError, match="404"):
        small_job.run(on_error="fail")
    assert not server.waited_out
    server.over.set()


@pytest.mark.parametrize("asset", ["scl", "red"])
def test_a_read_that_fails_ends_the_run_while_earlier_ones_still_wait(
    small_job, server, monkeypatch, asset
):
    monkeypatch.setattr(module, "SECONDS_TO_CLOSE", 0.2)
    for day in (0, 1):
        # Not its header, which is read before all others to see how files are tiled.
        name = f"{asset}-{day}.tif"
        server.lasting[name] = ("stall", *small_job.tile_bytes(name, 1))
    server.lasting[f"{asset}-2.tif"] = ("404", 0, 10**9)
    with pytest.raises(ReadError, match=rf"{asset}-2\.tif .*404"):
        small_job.run(on_error="fail")
    assert not server.waited_out
    server.over.set()


def test_a_series_ends_as_soon_too(small_job, server, monkeypatch):
    monkeypatch.setattr(module, "SECONDS_TO_CLOSE", 0.2)
    server.lasting["scl-0.tif"] = ("stall", 0, 10**9)
    server.lasting["scl-2.tif"] = ("404", 0, 10**9)
    with pytest.raises(ReadError, match="404"):
        small_job.series(on_error="fail")
    assert not server.waited_out
    server.over.set()


@pytest.mark.parametrize("stalled", [range(3), range(4, 40)])
def test_a_search_that_lost_its_server_does_not_wait_for_what_stalls(
    server, find, monkeypatch, wait_until, stalled
):
    """Of a static catalogue many documents are asked for at once."""
    monkeypatch.setattr(patience, "FIRST_PAUSE", 20)
    fetch = DocumentReader.fetch

    def fetch_others(reader, location):
        if location.endswith("/3.json"):
            raise LostServerError("The server does not answer any more.")
        return fetch(reader, location)

    monkeypatch.setattr(DocumentReader, "fetch", fetch_others)
    before = set(threading.enumerate())
    links = [{"rel": "item", "href": f"./{number}.json"} for number in range(40)]
    root = {"type": "Catalog", "id": "c", "stac_version": "1.0.0", "links": links}
    for name in ("catalog", *map(str, range(40))):
        (server.folder / f"{name}.json").write_text(json.dumps(root))
    server.lasting = {f"{number}.json": ("stall", 0, 10**9) for number in stalled}
    with pytest.raises(LostServerError):
        find(f"{server.address}/catalog.json")
    assert not server.waited_out
    server.over.set()

    def fetching():
        return [thread for thread in {*threading.enumerate()} - before if not thread.daemon]

    # What breaks off now is not asked for again after a pause.
    wait_until(lambda: not fetching(), 10)


def test_memory_that_ends_in_mid_run_is_one_sentence_and_no_file(small_job, monkeypatch):
    compose = composite_run.compose_block
    blocks = []

    def fail_later(block, *others):
        blocks.append(block)
        if len(blocks) > 1:
            raise MemoryError
        return compose(block, *others)

    monkeypatch.setattr(composite_run, "compose_block", fail_later)
    with pytest.raises(MemoryError) as caught:
        small_job.run()
    assert worker.failure_of(caught.value).text == worker.OUT_OF_MEMORY
    assert not list(small_job.folder.glob("*composite-1.tif*"))
    assert not list(small_job.folder.glob(".*.part"))
