"""The same as in test_patience.py over sockets: how long a file's server is waited for."""

import dataclasses
import socket

import pytest
import steady_time
from fairweather.core.science.imagery.files import byte_ranges
from fairweather.core.science.imagery.files.byte_ranges import RangeReader
from fairweather.core.science.imagery.files.patience import RangeError
from small_job import make_impatient


@pytest.fixture
def ranges(tmp_path):
    reader = RangeReader(4, tmp_path)
    yield reader
    reader.close()


@pytest.fixture
def href(server):
    (server.folder / "a.tif").write_bytes(bytes(range(256)) * 40)
    return f"{server.address}/a.tif"


def test_retry_after_is_honoured(server, href, ranges):
    server.script = {1: "429 after 1"}
    assert ranges.read(href, 3, 2) == b"\3\4"
    first, second = server.moments
    assert second - first >= 1


def test_names_that_come_back(href, ranges, monkeypatch):
    resolve, asked = socket.getaddrinfo, []

    def fail_at_first(*arguments, **others):
        asked.append(arguments)
        if len(asked) <= 3:
            raise socket.gaierror("Temporary failure in name resolution")
        return resolve(*arguments, **others)

    monkeypatch.setattr(socket, "getaddrinfo", fail_at_first)
    assert ranges.read(href, 3, 2) == b"\3\4"
    # And once for the address that was found.
    assert len(asked) == 5


@pytest.mark.usefixtures("impatient")
def test_a_server_that_speaks_no_tls(href, ranges):
    with pytest.raises(RangeError):
        ranges.read(href.replace("http:", "https:"), 3, 2)


@pytest.fixture
def in_a_hurry(monkeypatch):
    """Where nothing is answered in time, however long that is."""
    make_impatient(monkeypatch, timeout=0.1)


@pytest.mark.usefixtures("in_a_hurry")
@pytest.mark.parametrize("fault", ["stall", "drip"])
def test_a_server_that_never_ends_is_given_up(server, href, ranges, fault):
    server.everything = fault
    stopwatch = steady_time.Stopwatch()
    with pytest.raises(RangeError, match="took too long"):
        ranges.read(href, 0, 8000)
    assert stopwatch.stop() < 6


@pytest.mark.usefixtures("impatient")
def test_a_slow_server_is_not_given_up(server, href, tmp_path, monkeypatch):
    pace = dataclasses.replace(byte_ranges.PACE, fewest_bytes_a_second=10)
    monkeypatch.setattr(byte_ranges, "PACE", pace)
    server.everything = "drip"
    ranges = RangeReader(4, tmp_path)
    assert ranges.read(href, 0, 12) == bytes(range(12))
    ranges.close()
