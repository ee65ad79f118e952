"""Answers that are no file, or only a part of one: what is told of their length is what counts."""

from dataclasses import replace

import faulty_server
import guarded_server
import numpy as np
import pytest
from fairweather.core.bridge.errors import ReadError
from fairweather.core.science.imagery.files import byte_ranges, patience
from fairweather.core.science.imagery.files.byte_ranges import RangeError, RangeReader
from fairweather.core.science.imagery.files.raster_files import RasterFiles
from faulty_server import FaultyServer, running
from guarded_server import GuardedServer
from handmade_tiff import tiff_of_one_tile

# As a TIFF begins, or a server without ranges is not believed to send the file.
CONTENT = b"II*\0" + np.random.default_rng(1).bytes(99_996)

# Of a compression that nobody knows, so that GDAL is given a copy.
UNREADABLE_TIFF = tiff_of_one_tile(34712, b"x" * 600, 64)


class Server(FaultyServer):
    """Of one file."""

    @property
    def href(self):
        return f"{self.address}/a.bin"


@pytest.fixture
def server(tmp_path):
    (tmp_path / "served").mkdir()
    (tmp_path / "served" / "a.bin").write_bytes(CONTENT)
    with running(Server(tmp_path / "served")) as server:
        yield server


@pytest.fixture
def ranges(tmp_path, monkeypatch):
    # At once, but with all the time for an answer: each request is counted.
    policy = patience.RetryPolicy(first_pause=0, longest_in_silence=0)
    monkeypatch.setattr(byte_ranges, "retry_policy", lambda: policy)
    reader = RangeReader(4, tmp_path)
    yield reader
    reader.close()


def test_less_than_was_asked_for(server, ranges):
    server.everything = "short ranges"
    assert ranges.read(server.href, 100, 20_000) == CONTENT[100:20_100]
    assert server.requests == 40
    assert ranges.read(server.href, 99_000, 9_000) == CONTENT[99_000:]
    assert server.requests == 42


def test_a_part_that_fails_is_asked_for_again(server, ranges):
    server.lasting = {"a.bin": ("short ranges", 0, len(CONTENT))}
    server.script = {2: "cut", 5: "503", 6: "reset"}
    assert ranges.read(server.href, 100, 2_000) == CONTENT[100:2_100]
    assert server.requests == 4 + 3


def test_ever_so_little_has_an_end(server, ranges, monkeypatch):
    monkeypatch.setattr(faulty_server, "MOST_OF_SHORT_RANGES", 1)
    server.everything = "short ranges"
    with pytest.raises(RangeError, match="it sends too little at a time"):
        ranges.read(server.href, 0, 20_000)
    assert server.requests <= byte_ranges.MOST_PARTS + 11


@pytest.mark.parametrize("fault", ["empty", "json", "html", "a part", "a part, packed"])
@pytest.mark.parametrize("at", [1, 2])
def test_what_is_not_the_whole_file(server, ranges, tmp_path, fault, at):
    server.script = {at: fault}
    for start in (0, 70_000):
        assert ranges.read(server.href, start, 9_000) == CONTENT[start : start + 9_000]
    assert server.requests == 3
    assert not list(tmp_path.glob("copied-*"))


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("empty", "something else"),
        ("json", "something else"),
        ("html", "a web page"),
        # Nobody asked for it packed, and a few bytes of that may be a disk's worth.
        ("a part, packed", "something else"),
    ],
)
def test_what_is_never_the_file(server, ranges, tmp_path, fault, words):
    server.everything = fault
    with pytest.raises(RangeError, match=words):
        ranges.read(server.href, 0, 9_000)
    assert server.requests == 11
    assert not list(tmp_path.glob("copied-*"))


def test_what_is_said_to_be_packed_is_taken_as_it_is(tmp_path, ranges):
    """As files are in S3 whose owner has named an encoding that they do not have."""
    (tmp_path / "a.bin").write_bytes(CONTENT)
    server = GuardedServer(tmp_path)
    server.answer = lambda seen: replace(
        server._file(seen), headers={**server._file(seen).headers, "Content-Encoding": "gzip"}
    )
    with guarded_server.running(server):
        for start in (0, 70_000):
            found = ranges.read(f"{server.address}/a.bin", start, 9_000)
            assert found == CONTENT[start : start + 9_000]


def test_the_copy_of_a_file_that_cannot_be_read_is_removed(server, tmp_path):
    """And where on this computer it was is told nobody."""
    server.everything = "until closed"
    (tmp_path / "own").mkdir()
    files = RasterFiles(4, tmp_path / "own", 0)
    (tmp_path / "served" / "a.bin").write_bytes(UNREADABLE_TIFF)
    with pytest.raises(ReadError) as caught:
        files.open(server.href)
    assert server.requests
    assert not list((tmp_path / "own").iterdir())
    assert str(tmp_path) not in str(caught.value)
    assert "copied" not in str(caught.value) + caught.value.reason
    files.close()


def test_an_end_that_is_not_told_takes_two_answers_alike(server, ranges):
    server.lasting = {"a.bin": ("until closed", 0, len(CONTENT))}
    server.script = {1: "a part"}
    for start in (0, 70_000, 99_000):
        assert ranges.read(server.href, start, 9_000) == CONTENT[start : start + 9_000]
    assert server.requests == 3


def test_of_a_file_whose_length_is_known_one_answer_does(server, ranges, tmp_path):
    assert ranges.read(server.href, 0, 10) == CONTENT[:10]
    server.everything = "until closed"
    assert ranges.read(server.href, 99_000, 9_000) == CONTENT[99_000:]
    assert server.requests == 2
    (copy,) = tmp_path.glob("copied-*")
    assert copy.read_bytes() == CONTENT
