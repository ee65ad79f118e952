"""Ranges of bytes from disks and servers, also from those that fail."""

import dataclasses
import io
import os
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import steady_time
from fairweather.core.bridge.errors import OutputError, ReadError
from fairweather.core.bridge.part_files import FULL_DISK_ERRORS
from fairweather.core.science.imagery.files import byte_ranges, copied_files, tiff
from fairweather.core.science.imagery.files.byte_ranges import RangeError, RangeReader
from fairweather.core.science.imagery.files.patience import StatusError
from fairweather.core.science.imagery.files.tiff import TiffFile
from fairweather.core.science.imagery.reading import BlockReader
from hypothesis import given, settings
from hypothesis import strategies as st

# As a TIFF begins, or a server without ranges is not believed to send the file.
CONTENT = b"II*\0" + np.random.default_rng(1).bytes(99_996)


@pytest.fixture
def no_pauses(monkeypatch):
    """What goes wrong is tried again as often as ever, but at once."""
    policy = byte_ranges.retry_policy

    def without_pauses():
        return dataclasses.replace(policy(), first_pause=0)

    monkeypatch.setattr(byte_ranges, "retry_policy", without_pauses)


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "served").mkdir()
    (tmp_path / "served" / "a.bin").write_bytes(CONTENT)
    return tmp_path / "served"


@pytest.fixture
def server(folder, serve_files):
    return serve_files(folder)


@pytest.fixture
def ranges(tmp_path, no_pauses):
    reader = RangeReader(4, tmp_path)
    yield reader
    reader.close()


@settings(max_examples=40)
@given(st.integers(0, 110_000), st.integers(1, 120_000))
def test_what_a_slice_would_give(folder, server, ranges, start, length):
    expected = CONTENT[start : start + length]
    assert ranges.read(str(folder / "a.bin"), start, length) == expected
    assert ranges.read(server.href("a.bin"), start, length) == expected


def test_many_threads(server, ranges):
    starts = range(0, 100_000, 977)
    with ThreadPoolExecutor(16) as threads:
        found = list(
            threads.map(lambda start: ranges.read(server.href("a.bin"), start, 999), starts)
        )
    assert found == [CONTENT[start : start + 999] for start in starts]
    assert len(server.asked) == len(starts)


@pytest.mark.parametrize(
    "fault", ["503", "429", "500", "cut", "other range", "no place", "too long"]
)
@pytest.mark.parametrize("times", [1, 2])
def test_what_goes_wrong_once_or_twice_is_tried_again(server, ranges, fault, times):
    server.fail("a.bin", *[fault] * times)
    assert ranges.read(server.href("a.bin"), 1000, 5000) == CONTENT[1000:6000]
    assert len(server.asked) == times + 1
    # The connection is good for what comes next.
    assert ranges.read(server.href("a.bin"), 0, 10) == CONTENT[:10]


@pytest.mark.parametrize(
    ("fault", "words", "most"),
    [
        ("404", "the server answers 404", 1),
        ("403", "the server answers 403", 7),
        ("503", "the server answers 503", 11),
        ("cut", "the connection broke", 11),
        ("other range", "other bytes", 11),
        ("no place", "other bytes", 11),
        ("too long", "other bytes", 11),
    ],
)
def test_what_goes_wrong_for_good_is_told(server, ranges, fault, words, most):
    server.fail("a.bin", fault, for_good=True)
    stopwatch = steady_time.Stopwatch()
    with pytest.raises(RangeError, match=words):
        ranges.read(server.href("a.bin"), 1000, 5000)
    assert 1 <= len(server.asked) <= most
    assert stopwatch.stop() < 2


def test_a_server_that_does_not_know_where_the_file_ends(server, ranges):
    server.fail("a.bin", "no total", for_good=True)
    assert ranges.read(server.href("a.bin"), 1000, 5000) == CONTENT[1000:6000]
    assert ranges.read(server.href("a.bin"), 99_000, 5000) == CONTENT[99_000:]


def test_nobody_listens(ranges, server):
    with pytest.raises(RangeError, match="refuses the connection"):
        ranges.read("http://127.0.0.1:9/a.bin", 0, 10)


def test_a_file_that_is_not_there(ranges, tmp_path):
    with pytest.raises(RangeError, match="No such file"):
        ranges.read(str(tmp_path / "no such.tif"), 0, 10)
    with pytest.raises(RangeError):
        ranges.read(str(tmp_path), 0, 10)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
class TestNoFile:
    """What is there, but is no file: nobody may write into a pipe, ever."""

    @pytest.fixture(params=["pipe", "socket", "device", "link to a pipe", "folder"])
    def path(self, request, tmp_path):
        pipe = tmp_path / "a.tif"
        if request.param == "socket":
            with socket.socket(socket.AF_UNIX) as one:
                one.bind(str(pipe))
        elif request.param == "folder":
            pipe.mkdir()
        elif request.param == "device":
            return Path("/dev/zero")
        else:
            os.mkfifo(pipe)
        if request.param.startswith("link"):
            (tmp_path / "b.tif").symlink_to(pipe)
            return tmp_path / "b.tif"
        return pipe

    def test_it_is_lost_at_once(self, ranges, path):
        with pytest.raises(RangeError, match="it is no file but") as caught:
            ranges.read(str(path), 0, 10)
        assert caught.value.is_lasting

    def test_a_source_that_is_none(self, files, path):
        stopwatch = steady_time.Stopwatch()
        with pytest.raises(ReadError, match="it is no file but"):
            files.open(str(path))
        assert stopwatch.stop() < 1


@pytest.mark.parametrize("name", ["a\0.tif", "\ud800.tif"])
def test_what_is_no_name_of_a_file(ranges, name):
    with pytest.raises(RangeError):
        ranges.read(name, 0, 10)


@pytest.mark.parametrize(
    "place",
    ["0-9/{}", "0-{}/10", "{}-9/10", "{0}-{0}/{0}", "0-9/{}9", "\u0660-\u0669/\u0661\u0660"],
)
def test_places_of_thousands_of_digits(server, ranges, monkeypatch, place):
    """More than Python turns into a number."""
    text = f"bytes {place}".format("9" * 5000)
    checked = byte_ranges._checked
    monkeypatch.setattr(byte_ranges, "_checked", lambda *others: checked(*others[:3], text))
    with pytest.raises(RangeError, match="it sends other bytes"):
        ranges.read(server.href("a.bin"), 0, 10)


class TestNoRanges:
    """A server that sends the whole file, whatever is asked."""

    @pytest.fixture
    def server(self, folder, serve_files):
        return serve_files(folder, has_ranges=False)

    def test_it_is_copied_once_and_removed(self, server, tmp_path):
        ranges = RangeReader(4, tmp_path)
        for start in (0, 70_000, 99_990, 200_000):
            assert ranges.read(server.href("a.bin"), start, 100) == CONTENT[start : start + 100]
        assert len(server.asked) == 1
        (copy,) = tmp_path.glob("copied-*")
        assert copy.read_bytes() == CONTENT
        assert ranges.copy(server.href("a.bin")) == copy
        ranges.close()
        assert not copy.exists()

    def test_threads_that_come_together(self, server, ranges):
        barrier = threading.Barrier(8)

        def read(start):
            barrier.wait()
            return ranges.read(server.href("a.bin"), start, 100)

        starts = range(0, 80_000, 10_000)
        with ThreadPoolExecutor(8) as threads:
            found = list(threads.map(read, starts))
        assert found == [CONTENT[start : start + 100] for start in starts]
        assert len(server.asked) <= 8

    def test_a_copy_that_breaks_off_is_made_again(self, server, ranges):
        server.fail("a.bin", "cut")
        assert ranges.read(server.href("a.bin"), 99_000, 1000) == CONTENT[99_000:]
        assert len(server.asked) == 2

    def test_a_copy_that_always_breaks_off_is_an_error(self, server, ranges, tmp_path):
        server.fail("a.bin", "cut", for_good=True)
        with pytest.raises(RangeError, match="the connection broke"):
            ranges.read(server.href("a.bin"), 0, 1000)
        assert not list(tmp_path.glob("copied-*"))

    @pytest.mark.parametrize("size", [100_000, 99_999, 70_000])
    def test_a_file_that_is_too_large_is_never_cut(
        self, server, ranges, tmp_path, monkeypatch, size
    ):
        monkeypatch.setattr(copied_files, "MOST_COPIED_BYTES", size)
        if size == len(CONTENT):
            assert ranges.read(server.href("a.bin"), 99_000, 5000) == CONTENT[99_000:]
            return
        with pytest.raises(RangeError, match="it is larger than") as caught:
            ranges.read(server.href("a.bin"), 0, 10)
        assert caught.value.is_lasting
        assert len(server.asked) == 1
        assert not list(tmp_path.glob("copied-*"))

    def test_two_files_are_copied_at_the_same_time(self, folder, server, ranges, monkeypatch):
        (folder / "b.bin").write_bytes(CONTENT)
        both_are_coming, pieces = threading.Barrier(2, timeout=5), copied_files.pieces

        def pieces_together(*arguments, **options):
            both_are_coming.wait()
            yield from pieces(*arguments, **options)

        monkeypatch.setattr(copied_files, "pieces", pieces_together)
        hrefs = [server.href(name) for name in ("a.bin", "b.bin")]
        with ThreadPoolExecutor(2) as threads:
            found = list(threads.map(lambda href: ranges.read(href, 5, 9), hrefs))
        assert found == [CONTENT[5:14]] * 2

    @pytest.mark.parametrize("number", FULL_DISK_ERRORS)
    def test_a_full_disk_ends_it_at_once(self, server, ranges, tmp_path, monkeypatch, number):
        fill_the_disk(monkeypatch, number)
        with pytest.raises(OutputError, match="disk is full"):
            ranges.read(server.href("a.bin"), 0, 10)
        assert len(server.asked) == 1
        assert not list(tmp_path.glob("copied-*"))


def fill_the_disk(monkeypatch, number):
    """From now on new files are made, but stay empty."""
    open_path = Path.open

    class Full(io.FileIO):
        def write(self, _):
            raise OSError(number, os.strerror(number))

    def open_full(path, mode="r", **options):
        return Full(path, mode) if mode == "a+b" else open_path(path, mode, **options)

    monkeypatch.setattr(Path, "open", open_full)


@pytest.mark.parametrize("number", FULL_DISK_ERRORS)
def test_a_disk_that_is_full_while_ranges_are_copied(server, ranges, tmp_path, monkeypatch, number):
    fill_the_disk(monkeypatch, number)
    with pytest.raises(OutputError, match="disk is full"):
        ranges.copy(server.href("a.bin"))
    assert len(server.asked) == 1
    assert not list(tmp_path.glob("copied-*"))


def test_ranges_of_a_file_that_is_too_large(server, ranges, tmp_path, monkeypatch):
    monkeypatch.setattr(copied_files, "MOST_COPIED_BYTES", 50_000)
    monkeypatch.setattr(byte_ranges, "COPY_BYTES", 20_000)
    with pytest.raises(RangeError, match="it is larger than") as caught:
        ranges.copy(server.href("a.bin"))
    assert caught.value.is_lasting
    assert len(server.asked) == 3
    assert not list(tmp_path.glob("copied-*"))


class TestPixels:
    """Faults on the way from a server to a block's pixels."""

    @pytest.fixture
    def source(self, scenes, server, grid, folder):
        scenes.folder = folder
        pixels = np.random.default_rng(2).integers(1, 4000, (256, 256)).astype(np.uint16)
        source = scenes.source(pixels, grid(shape=pixels.shape))
        return dataclasses.replace(source, href=server.href(source.href)), pixels

    @pytest.mark.usefixtures("no_pauses")
    @pytest.mark.parametrize("fault", ["503", "cut", "other range", "no place", "too long"])
    @pytest.mark.parametrize("is_header", [True, False])
    def test_right_after_all(self, source, server, files, fault, is_header):
        source, pixels = source
        if not is_header:
            assert type(files.open(source.href)) is TiffFile
        server.fail(source.href, fault)
        values, valid = BlockReader(source.geobox, files).read(source)
        np.testing.assert_array_equal(values, pixels)
        assert valid.all()
        assert type(files.open(source.href)) is TiffFile

    @pytest.mark.usefixtures("no_pauses")
    @pytest.mark.parametrize(
        "fault", ["503", "404", "cut", "other range", "no place", "too long", "html"]
    )
    @pytest.mark.parametrize("is_header", [True, False])
    def test_an_error_and_never_pixels(self, source, server, files, fault, is_header):
        source, _ = source
        if not is_header:
            files.open(source.href)
        server.fail(source.href, fault, for_good=True)
        with pytest.raises(ReadError) as caught:
            BlockReader(source.geobox, files).read(source)
        text = str(caught.value)
        assert source.href in text
        assert "\n" not in text
        assert text.endswith("leave its scene out.")


@pytest.mark.usefixtures("no_pauses")
class TestOpening:
    """A file whose server fails while it is opened, as each block asks for it."""

    @pytest.fixture
    def href(self, scenes, server, grid, folder):
        scenes.folder = folder
        return server.href(scenes.file(np.ones((256, 256), np.uint16), grid(shape=(256, 256))))

    def open_often(self, files, href, times=6):
        for _ in range(times):
            with pytest.raises(ReadError) as caught:
                files.open(href)
        return caught.value.reason

    def test_a_file_that_comes_back_is_opened(self, server, files, href):
        server.fail(href, *["503"] * 11)
        self.open_often(files, href, times=1)
        assert type(files.open(href)) is TiffFile

    def test_a_server_that_never_comes_back_is_not_asked_for_ever(self, server, files, href):
        server.fail(href, "503", for_good=True)
        assert self.open_often(files, href)
        assert len(server.asked) == 13

    @pytest.mark.parametrize("fault", ["404", "401"])
    def test_what_is_not_there_is_asked_for_once(self, server, files, href, fault):
        server.fail(href, fault, for_good=True)
        assert fault in self.open_often(files, href)
        assert len(server.asked) == 1

    def test_what_is_no_raster_is_read_once(self, server, files, folder):
        (folder / "a.bin").write_bytes(CONTENT[::-1])
        self.open_often(files, server.href("a.bin"), times=1)
        asked = len(server.asked)
        assert "neither TIFF nor JPEG 2000" in self.open_often(files, server.href("a.bin"))
        assert len(server.asked) == asked

    def test_a_part_of_the_header_that_always_fails(self, server, files, href, monkeypatch):
        """What is read before it would let patience begin anew each time."""
        monkeypatch.setattr(tiff, "HEADER_BYTES", 64)
        original = RangeReader._request

        def second_fails(ranges, href, start, length):
            if start:
                server.asked.append(start)
                raise StatusError(503)
            return original(ranges, href, start, length)

        monkeypatch.setattr(RangeReader, "_request", second_fails)
        self.open_often(files, href, times=3)
        asked = len(server.asked)
        self.open_often(files, href)
        assert len(server.asked) == asked

    def test_a_server_that_was_given_up_is_not_asked(self, server, files, href):
        files.stop_waiting()
        assert "given up" in self.open_often(files, href)
        assert not server.asked


def test_in_earnest_there_are_pauses_and_an_end():
    policy = byte_ranges.retry_policy()
    assert policy.first_pause > 0
    assert policy.growth > 1
    assert policy.most_retries <= 10
    assert byte_ranges.TIMEOUT.read_timeout <= 30
