"""Answers that are no file, or only a part of one: what is told of their length is what counts."""

import faulty_server
import numpy as np
import pytest
from fairweather.core.science.imagery.files import byte_ranges
from fairweather.core.science.imagery.files.byte_ranges import RangeError, RangeReader
from faulty_server import FaultyServer, running
from small_job import make_impatient

# As a TIFF begins, or a server without ranges is not believed to send the file.
CONTENT = b"II*\0" + np.random.default_rng(1).bytes(99_996)


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
    make_impatient(monkeypatch)
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
    [("empty", "something else"), ("json", "something else"), ("html", "a web page")],
)
def test_what_is_never_the_file(server, ranges, tmp_path, fault, words):
    server.everything = fault
    with pytest.raises(RangeError, match=words):
        ranges.read(server.href, 0, 9_000)
    assert server.requests == 11
    assert not list(tmp_path.glob("copied-*"))


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
