"""Tiles made once for all threads that want them, and kept within bounds."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from fairweather.core.science.imagery.files import tile_cache
from fairweather.core.science.imagery.files.tile_cache import TileCache
from hypothesis import given
from hypothesis import strategies as st


def tile(key, size=100):
    return np.full(size, key, np.uint8)


class Maker:
    """Makes tiles and notes which; waits before it answers, if it is told to."""

    def __init__(self, wait=None, error=None):
        self.made = []
        self.wait, self.error = wait, error

    def __call__(self, keys):
        self.made += keys
        if self.wait:
            assert self.wait.wait(30)
        if self.error:
            raise self.error
        return {key: tile(key) for key in keys}


@pytest.fixture
def waiting(monkeypatch):
    """Grows by one whenever a thread begins to wait for what others make."""
    begun, place_given_up = [], tile_cache.place_given_up

    def noted():
        begun.append(1)
        return place_given_up()

    monkeypatch.setattr(tile_cache, "place_given_up", noted)
    return begun


def find(cache, keys, make, keep=True):
    return cache.find(keys, lambda _: keep, make)


def test_made_once_and_kept():
    cache, make = TileCache(10_000), Maker()
    for _ in range(3):
        found = find(cache, [1, 2], make)
        assert {key: int(pixels[0]) for key, pixels in found.items()} == {1: 1, 2: 2}
    assert find(cache, [2, 3], make).keys() == {2, 3}
    assert make.made == [1, 2, 3]


def test_what_nobody_else_wants_is_not_kept():
    cache, make = TileCache(10_000), Maker()
    cache.find([1, 2], lambda key: key == 2, make)
    cache.find([1, 2], lambda key: key == 2, make)
    assert make.made == [1, 2, 1]


@pytest.mark.parametrize("keep", [True, False])
def test_threads_that_want_one_tile_make_it_once(keep, waiting, wait_until):
    cache, gate = TileCache(10_000), threading.Event()
    make = Maker(wait=gate)
    with ThreadPoolExecutor(6) as threads:
        futures = [threads.submit(find, cache, [7], make, keep) for _ in range(6)]
        wait_until(lambda: len(waiting) == 5, 30)
        gate.set()
        tiles = [future.result(30)[7] for future in futures]
    assert make.made == [7]
    assert all(found is tiles[0] for found in tiles)


def test_who_waits_for_another_has_made_its_own_first():
    cache, barrier = TileCache(10_000), threading.Barrier(2)

    def make(keys):
        barrier.wait(5)  # neither ends before the other makes its own
        return {key: tile(key) for key in keys}

    with ThreadPoolExecutor(2) as threads:
        one = threads.submit(find, cache, [1, 3], make)
        while 3 not in cache._in_work:
            time.sleep(0.001)
        other = threads.submit(find, cache, [2, 3, 1], make)
        assert one.result(5).keys() == {1, 3}
        assert other.result(5).keys() == {1, 2, 3}


@pytest.mark.parametrize("error", [ValueError("broken"), KeyboardInterrupt(), SystemExit(2)])
def test_an_error_reaches_all_who_wait_and_is_not_kept(error, waiting, wait_until):
    cache, gate = TileCache(10_000), threading.Event()
    make = Maker(wait=gate, error=error)
    caught = []

    def attempt():
        try:
            find(cache, [1, 2], make)
        except BaseException as raised:
            caught.append(raised)

    threads = [threading.Thread(target=attempt) for _ in range(4)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(waiting) == 3, 30)
    gate.set()
    for thread in threads:
        thread.join(30)
        assert not thread.is_alive()
    assert caught == [error] * 4
    assert find(cache, [1, 2], Maker()).keys() == {1, 2}


def test_the_bound_in_bytes_holds_and_the_longest_unused_goes_first():
    cache, make = TileCache(350), Maker()
    find(cache, [1, 2, 3], make)
    find(cache, [1], make)
    find(cache, [4], make)
    assert make.made == [1, 2, 3, 4]
    find(cache, [1, 3, 4], make)
    assert make.made == [1, 2, 3, 4]
    find(cache, [2], make)
    assert make.made == [1, 2, 3, 4, 2]


def test_one_tile_larger_than_the_bound_is_made_and_not_kept():
    cache, make = TileCache(50), Maker()
    assert find(cache, [1], make)[1].size == 100
    find(cache, [1], make)
    assert make.made == [1, 1]


REQUESTS = st.lists(
    st.tuples(st.lists(st.integers(0, 12), unique=True, max_size=5), st.integers(0, 12)),
    max_size=40,
)


@given(st.integers(0, 900), REQUESTS)
def test_it_is_a_dict_that_forgets(most, requests):
    """Against a plain dict in which what was used last is last."""
    cache, model = TileCache(most), {}
    for keys, kept_from in requests:
        make = Maker()
        found = cache.find(keys, lambda key: key >= kept_from, make)  # noqa: B023
        assert {key: pixels.tobytes() for key, pixels in found.items()} == {
            key: tile(key).tobytes() for key in keys
        }
        assert make.made == [key for key in keys if key not in model]
        for key in [key for key in keys if key in model]:
            model[key] = model.pop(key)
        model |= {key: 100 for key in make.made if key >= kept_from}
        while sum(model.values()) > most:
            del model[next(iter(model))]
        assert cache._bytes == sum(kept.nbytes for kept in cache._kept.values()) <= most
        assert list(cache._kept) == list(model)
        assert not cache._in_work


@given(st.lists(st.lists(st.integers(0, 20), unique=True, max_size=6), min_size=4, max_size=30))
def test_many_threads_get_what_they_ask_for(requests):
    cache, lock, under_way = TileCache(500), threading.Lock(), set()

    def make(keys):
        with lock:
            assert not under_way & set(keys)
            under_way.update(keys)
        time.sleep(0.0002)
        with lock:
            under_way.difference_update(keys)
        return {key: tile(key) for key in keys}

    with ThreadPoolExecutor(8) as threads:
        for keys, found in zip(
            requests, threads.map(lambda keys: find(cache, keys, make), requests), strict=True
        ):
            assert {key: int(pixels[0]) for key, pixels in found.items()} == {k: k for k in keys}
    assert cache._bytes <= 500
