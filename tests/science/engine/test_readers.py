"""Threads that read, the files they share, and the datasets that GDAL keeps open for them."""

import os
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from fairweather.core.bridge.errors import ReadError
from fairweather.core.science.imagery import readers as module
from fairweather.core.science.imagery.files import raster_files
from fairweather.core.science.imagery.files.gdal import OpenDatasets
from fairweather.core.science.imagery.files.processor_places import place_given_up
from fairweather.core.science.imagery.readers import SPARE_PLACES, Readers
from rasterio.errors import RasterioError


@pytest.fixture
def paths(scenes, grid):
    pixels = np.arange(1, 7001, dtype=np.uint16).reshape(70, 100)
    return [scenes.file(pixels + n, grid(shape=pixels.shape), overviews=(2,)) for n in range(3)]


@pytest.fixture
def datasets():
    datasets = OpenDatasets(most=2)
    yield datasets
    datasets.close()


class TestOpenDatasets:
    """Lent to one thread at a time and kept for the next."""

    def test_a_file_is_opened_once_and_lent_again(self, datasets, paths):
        seen = []
        for _ in range(3):
            with datasets.lend(paths[0], 0) as dataset:
                assert not dataset.closed
                seen.append(dataset)
        assert all(dataset is seen[0] for dataset in seen)
        datasets.close()
        assert seen[0].closed

    def test_two_at_a_time_get_two(self, datasets, paths):
        with datasets.lend(paths[0], 0) as first, datasets.lend(paths[0], 0) as second:
            assert first is not second
        with datasets.lend(paths[0], 0) as third:
            assert third is first or third is second

    def test_levels_are_opened_apart(self, datasets, paths):
        with datasets.lend(paths[0], 0) as full, datasets.lend(paths[0], 1) as overview:
            assert full.shape == (70, 100)
            assert overview.shape == (35, 50)

    def test_the_one_used_longest_ago_is_closed(self, datasets, paths):
        seen = []
        for number in (0, 1, 0, 2):
            with datasets.lend(paths[number], 0) as dataset:
                seen.append(dataset)
        a, b, again, c = seen
        assert again is a
        assert b.closed
        assert not a.closed
        assert not c.closed

    def test_one_read_with_an_error_is_not_kept(self, datasets, paths):
        with pytest.raises(OSError, match="broken"), datasets.lend(paths[0], 0) as first:
            raise OSError("broken")
        assert first.closed
        with datasets.lend(paths[0], 0) as second:
            assert second is not first

    def test_what_cannot_be_opened(self, datasets, tmp_path):
        with pytest.raises(RasterioError), datasets.lend(str(tmp_path / "no such.jp2"), 0):
            pass


class TestRasterFiles:
    """Each file is opened once for all."""

    def test_threads_that_want_one_file_open_it_once(self, paths, files, monkeypatch):
        opened, open_tiff = [], raster_files.open_tiff

        def slow(href, *others):
            opened.append(href)
            time.sleep(0.05)
            return open_tiff(href, *others)

        monkeypatch.setattr(raster_files, "open_tiff", slow)
        with ThreadPoolExecutor(8) as threads:
            found = list(threads.map(files.open, paths[:2] * 8))
        assert sorted(opened) == sorted(paths[:2])
        assert len({id(file) for file in found}) == 2

    def test_an_error_reaches_all_who_ask(self, files, tmp_path):
        with ThreadPoolExecutor(4) as threads:
            futures = [threads.submit(files.open, str(tmp_path / "none.tif")) for _ in range(4)]
        for future in futures:
            with pytest.raises(ReadError, match=r"none\.tif"):
                future.result()

    def test_those_used_longest_ago_are_forgotten(self, paths, files, monkeypatch):
        monkeypatch.setattr(raster_files, "MOST_KNOWN_FILES", 2)
        first = files.open(paths[0])
        second = files.open(paths[1])
        assert files.open(paths[0]) is first
        files.open(paths[2])
        assert files.open(paths[0]) is first
        assert files.open(paths[1]) is not second


class TestReaders:
    """Work in order, in threads of two kinds."""

    @pytest.mark.parametrize("kind", ["map", "compute"])
    def test_in_order_and_in_their_own_threads(self, tmp_path, kind):
        names = set()

        def square(number, other):
            names.add(threading.current_thread().name.split("_")[0])
            return number * other

        with Readers(4, tmp_path) as readers:
            found = list(getattr(readers, kind)(square, range(50), range(50)))
        assert found == [number * number for number in range(50)]
        assert names == {{"map": "read", "compute": "compute"}[kind]}

    def test_as_many_reads_in_flight_as_threads(self, tmp_path):
        barrier = threading.Barrier(7)

        def wait(_number):
            with place_given_up():
                return barrier.wait(5)

        with Readers(7, tmp_path) as readers:
            assert sorted(readers.map(wait, range(7))) == list(range(7))

    def test_few_threads_compute_at_once(self, tmp_path):
        lock, computing, most = threading.Lock(), [0], [0]

        def compute(_number):
            with lock:
                computing[0] += 1
                most[0] = max(most[0], computing[0])
            time.sleep(0.01)
            with lock:
                computing[0] -= 1

        with Readers(12, tmp_path) as readers:
            list(readers.map(compute, range(40)))
        assert 1 < most[0] <= os.cpu_count() + SPARE_PLACES

    def test_no_more_at_once_than_asked_for(self, tmp_path):
        barrier = threading.Barrier(3)

        def wait(_number):
            with place_given_up():
                return barrier.wait(5)

        with Readers(7, tmp_path) as readers:
            assert len(list(readers.map(wait, range(6), at_once=3))) == 6
            with pytest.raises(threading.BrokenBarrierError):
                list(readers.map(lambda _: barrier.wait(0.2), range(2), at_once=2))

    def test_an_error_ends_what_was_not_begun(self, tmp_path, wait_until, monkeypatch):
        monkeypatch.setattr(module, "SECONDS_TO_CLOSE", 0.1)
        begun, is_told = [], threading.Event()

        def read(number):
            begun.append(number)
            if number == 0:
                raise ReadError("broken")
            assert is_told.wait(60)

        with pytest.raises(ReadError, match="broken"), Readers(2, tmp_path) as readers:
            list(readers.map(read, range(500)))
        is_told.set()
        # The first, the one beside it, and the one in its place.
        assert set(begun) <= {0, 1, 2}

        def threads():
            return [t for t in threading.enumerate() if t.name.startswith(("read_", "compute_"))]

        # Those that are just reading may end a moment later.
        wait_until(lambda: not threads(), 5)

    @pytest.mark.parametrize("kind", ["map", "compute"])
    def test_an_error_is_raised_while_what_came_before_is_still_under_way(self, tmp_path, kind):
        over, waited_out = threading.Event(), []

        def work(number):
            if number == 1:
                raise ReadError("broken")
            waited_out.append(not over.wait(20))
            return number

        with Readers(2, tmp_path) as readers:
            found = getattr(readers, kind)(work, range(2))
            with pytest.raises(ReadError, match="broken"):
                next(found)
            assert waited_out == []
            over.set()

    def test_nothing_to_do(self, tmp_path):
        with Readers(2, tmp_path) as readers:
            assert list(readers.map(abs, [])) == []

    def test_what_is_taken_is_let_go_of(self, tmp_path):
        made = []

        def make(_):
            array = np.zeros(10)
            made.append(weakref.ref(array))
            return array

        with Readers(2, tmp_path) as readers:
            for number, _array in enumerate(readers.map(make, range(20))):
                assert sum(one() is not None for one in made) <= 21 - number

    def test_leaving_closes_and_removes_copies(self, tmp_path, serve_files, scenes, grid):
        (tmp_path / "scratch").mkdir()
        path = scenes.file(np.ones((70, 70), np.uint16), grid(shape=(70, 70)))
        server = serve_files(tmp_path, has_ranges=False)
        with Readers(2, tmp_path / "scratch") as readers:
            readers.files.open(server.href(path))
            assert list((tmp_path / "scratch").iterdir())
        assert not list((tmp_path / "scratch").iterdir())
