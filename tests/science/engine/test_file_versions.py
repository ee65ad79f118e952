"""Two versions of one file are never mixed, and other names of the same bytes do no harm."""

import random
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from fairweather.core.bridge.errors import ReadError
from fairweather.core.science.imagery.files import byte_ranges, file_versions
from fairweather.core.science.imagery.files.byte_ranges import RangeError, RangeReader
from fairweather.core.science.imagery.files.file_versions import ReplacedError
from fairweather.core.science.imagery.files.patience import RetryPolicy
from fairweather.core.science.imagery.files.raster_file import read_error
from republishing_server import NewFile, RepublishingServer, running

# As a TIFF begins, or a server without ranges is not believed to send the file.
OLD = b"II*\0" + np.random.default_rng(1).bytes(199_996)
NEW = OLD[:60_000] + np.random.default_rng(2).bytes(140_000)
LONGER = b"II*\0" + bytes(374) + OLD[4:]
SHORTER = OLD[:100_000]
HEADER = (0, 32 * 1024)
RANGES = (HEADER, (50_000, 9_000), (70_000, 9_000), (90_000, 9_000), (150_000, 9_000))
SAME_NAME = {"ETag": '"old"'}
NOTHING = {}
WEAK = {"ETag": 'W/"new"'}
LATER = {"Last-Modified": "Tue, 04 Jun 2024 10:00:00 GMT"}
EARLIER = {"Last-Modified": "Mon, 03 Jun 2024 10:00:00 GMT"}


@pytest.fixture
def server(tmp_path):
    folder = tmp_path / "served"
    folder.mkdir()
    (folder / "a.tif").write_bytes(OLD)
    with running(RepublishingServer(folder)) as server:
        yield server


@pytest.fixture
def ranges(tmp_path, monkeypatch):
    # As often as ever, but at once.
    monkeypatch.setattr(byte_ranges, "retry_policy", lambda: RetryPolicy(first_pause=0))
    reader = RangeReader(4, tmp_path)
    yield reader
    reader.close()


@pytest.fixture
def read(server, ranges):
    return lambda start, length: ranges.read(f"{server.address}/a.tif", start, length)


def read_until_replaced(read):
    """How many ranges were read before the file was found replaced; all of the old one."""
    for number, (start, length) in enumerate(RANGES):
        try:
            content = read(start, length)
        except ReplacedError:
            return number
        assert content == OLD[start : start + length]
    return len(RANGES)


@pytest.mark.parametrize("headers", [{"ETag": '"new"'}, SAME_NAME, NOTHING, WEAK, LATER], ids=str)
@pytest.mark.parametrize("content", [LONGER, SHORTER], ids=["longer", "shorter"])
@pytest.mark.parametrize("after", [1, 3])
def test_a_file_of_another_length(server, read, headers, content, after):
    server.new["a.tif"] = NewFile(after, content, headers)
    assert read_until_replaced(read) == after
    assert server.counts["a.tif"] == after + 1


@pytest.mark.parametrize("before", [{"ETag": '"old"'}, EARLIER, NOTHING, WEAK], ids=str)
@pytest.mark.parametrize("headers", [{"ETag": '"new"'}, LATER], ids=str)
@pytest.mark.parametrize(("after", "tells_length"), [(3, True), (4, False)])
def test_a_file_of_the_same_length_and_header(server, read, before, headers, after, tells_length):
    server.tells_length = tells_length
    server.headers = before
    server.new["a.tif"] = NewFile(after, NEW, headers)
    assert read_until_replaced(read) == after
    # Only the third range, of those read before, differs.
    assert server.counts["a.tif"] == after + 1 + 3


def test_of_many_ranges_some_are_compared(server, read):
    starts = range(0, 199_000, 1_000)
    for start in starts:
        read(start, 1_000)
    server.new["a.tif"] = NewFile(len(starts), OLD)
    assert read(150_000, 1_000) == OLD[150_000:151_000]
    compared = sorted({start for _, start in server.asked[len(starts) + 1 :]})
    assert len(compared) == file_versions.MOST_SAMPLES
    assert (compared[0], compared[-1]) == (0, 198_000)
    assert all(28_000 <= step <= 29_000 for step in np.diff(compared))


def test_a_header_that_differs_is_found_at_once(server, read):
    server.new["a.tif"] = NewFile(1, NEW[::-1])
    assert read_until_replaced(read) == 1
    assert server.counts["a.tif"] == 3


def test_what_was_replaced_is_not_asked_for_again(server, read):
    server.new["a.tif"] = NewFile(1, LONGER)
    read_until_replaced(read)
    for start, length in RANGES:
        with pytest.raises(ReplacedError):
            read(start, length)
    assert server.counts["a.tif"] == 2


def test_another_file_is_read_as_ever(server, read, ranges):
    (server.folder / "b.tif").write_bytes(NEW)
    server.new["a.tif"] = NewFile(1, LONGER)
    read_until_replaced(read)
    assert ranges.read(f"{server.address}/b.tif", 70_000, 9) == NEW[70_000:70_009]


def test_a_file_that_ends_where_it_went_on(server, read):
    """Nothing of the new file lies where the old one is read."""
    read(*HEADER)
    server.new["a.tif"] = NewFile(1, SHORTER)
    with pytest.raises(ReplacedError):
        read(150_000, 9_000)


@pytest.mark.parametrize("headers", [SAME_NAME, NOTHING, WEAK, LATER], ids=str)
def test_a_calm_file_costs_no_request_more(server, read, headers):
    server.headers = headers
    assert read_until_replaced(read) == len(RANGES)
    assert server.asked == [("a.tif", start) for start, _ in RANGES]


@pytest.mark.parametrize("headers", [{"ETag": '"other"'}, NOTHING, WEAK, LATER], ids=str)
@pytest.mark.parametrize("by_turns", [True, False])
def test_the_same_bytes_under_another_name(server, read, headers, by_turns):
    server.new["a.tif"] = NewFile(1, OLD, headers, by_turns=by_turns)
    assert read_until_replaced(read) == len(RANGES)
    asked = server.counts["a.tif"]
    assert asked <= len(RANGES) + 4
    # From now on both names count.
    assert read_until_replaced(read) == len(RANGES)
    assert server.counts["a.tif"] == asked + len(RANGES)


def test_the_same_bytes_under_a_new_name_each_time(server, read):
    class Names(dict):
        def items(self):
            return [("ETag", f'"{server.counts["a.tif"]}"')]

        def keys(self):
            return ["ETag"]

        def __getitem__(self, _):
            return f'"{server.counts["a.tif"]}"'

    server.headers = Names()
    for _ in range(4):
        assert read_until_replaced(read) == len(RANGES)
    assert server.counts["a.tif"] <= 4 * len(RANGES) + file_versions.MOST_NAMES


@pytest.mark.parametrize("machines", [2, 3, 4, 8, 50])
def test_the_same_bytes_by_many_machines(server, read, machines):
    """Each names them its own way, and answers when it likes."""
    source = random.Random(1)

    class Headers(dict):
        def keys(self):
            return ["ETag"]

        def __getitem__(self, _):
            return f'"{source.randrange(machines)}"'

        def items(self):
            return [("ETag", self["ETag"])]

    server.headers = Headers()
    for number in range(100):
        start = 1_900 * number
        assert read(start, 1_000) == OLD[start : start + 1_000]
    assert server.counts["a.tif"] <= 100 + 2 * byte_ranges.MOST_COMPARISONS


def test_nobody_compares_after_the_end(server, ranges, read):
    for start, length in RANGES:
        read(start, length)
    server.new["a.tif"] = NewFile(len(RANGES), OLD)
    ask, asked = ranges._ask, []

    def ask_once(*where):
        asked.append(where)
        ranges.stop_waiting()
        return ask(*where)

    ranges._ask = ask_once
    with pytest.raises(RangeError):
        read(100, 100)
    assert len(asked) == 1


def test_threads_that_find_another_name_together(server, ranges, read):
    read(*HEADER)
    server.new["a.tif"] = NewFile(1, OLD)
    starts = range(0, 160_000, 10_000)
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda start: read(start, 5_000), starts))
    assert found == [OLD[start : start + 5_000] for start in starts]
    # The header once more.
    assert server.counts["a.tif"] == 1 + len(starts) + 1


def test_a_whole_file_is_never_put_together_of_two(server, ranges, tmp_path, monkeypatch):
    monkeypatch.setattr(byte_ranges, "COPY_BYTES", 40_000)
    server.new["a.tif"] = NewFile(3, NEW[:4] + OLD[4:60_000][::-1] + NEW[60_000:])
    with pytest.raises(ReplacedError):
        ranges.copy(f"{server.address}/a.tif")
    assert not list(tmp_path.glob("copied-*"))


class TestWholeAnswers:
    """A server that sends ranges first, and then the whole file."""

    @pytest.mark.parametrize("headers", [{"ETag": '"new"'}, SAME_NAME, NOTHING], ids=str)
    def test_of_the_same_file(self, server, read, headers):
        server.new["a.tif"] = NewFile(2, OLD, headers, is_whole=True)
        assert read_until_replaced(read) == len(RANGES)
        assert server.counts["a.tif"] == 3

    @pytest.mark.parametrize("headers", [{"ETag": '"new"'}, SAME_NAME, NOTHING], ids=str)
    def test_of_another_of_the_same_length(self, server, read, tmp_path, headers):
        server.new["a.tif"] = NewFile(2, OLD[:4] + OLD[4:][::-1], headers, is_whole=True)
        assert read_until_replaced(read) == 2
        assert server.counts["a.tif"] == 3
        assert not list(tmp_path.glob("copied-*"))

    def test_of_another_length(self, server, read, tmp_path):
        server.new["a.tif"] = NewFile(2, LONGER, is_whole=True)
        assert read_until_replaced(read) == 2
        assert server.counts["a.tif"] == 3
        assert not list(tmp_path.glob("copied-*"))

    @pytest.mark.parametrize("headers", [SAME_NAME, NOTHING], ids=str)
    def test_of_which_only_the_length_differs(self, server, read, headers):
        """It may be a part of the file: its server is asked again."""
        server.new["a.tif"] = NewFile(2, SHORTER, headers, is_whole=True)
        read(*RANGES[0])
        read(*RANGES[1])
        with pytest.raises(RangeError, match="only a part"):
            read(*RANGES[2])

    def test_a_copy_stays_what_it_is(self, server, read):
        server.has_ranges = False
        server.new["a.tif"] = NewFile(1, LONGER)
        assert read_until_replaced(read) == len(RANGES)
        assert server.counts["a.tif"] == 1


def test_the_error_that_is_told():
    assert ReplacedError().is_lasting
    error = read_error("https://a.example/b.tif?signature=planted", ReplacedError())
    assert isinstance(error, ReadError)
    assert error.is_replaced
    assert str(error) == (
        "https://a.example/b.tif cannot be read: it was replaced by another file while it was "
        "read; run again, or leave its scene out."
    )
