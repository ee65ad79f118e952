"""Answers that never end, in whichever part, are given up in time; over real sockets."""

import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress

import pytest
import steady_time
import urllib3
from fairweather.core.science.imagery.files import byte_ranges, patience
from fairweather.core.science.imagery.files.byte_ranges import RangeReader
from fairweather.core.science.imagery.files.patience import RangeError
from fairweather.core.science.web import client, timed_answers
from fairweather.core.science.web.bodies import pieces
from fairweather.core.science.web.client import WebClient, WebRequest
from fairweather.core.science.web.connections import Connections
from fairweather.core.science.web.errors import WebError
from fairweather.core.science.web.patience import Patience
from fairweather.core.science.web.private_addresses import PrivateAddresses
from fairweather.core.science.web.timed_answers import Pace

CONTENT = b"0123456789"
CHUNKED = b"HTTP/1.1 206 OK\r\nContent-Range: bytes 0-9/10\r\nTransfer-Encoding: chunked\r\n\r\n"
WHOLE = b"HTTP/1.1 206 OK\r\nContent-Range: bytes 0-9/10\r\nContent-Length: 10\r\n\r\n"
GRACE = 0.4
SILENCE = 0.2
# Between two bytes: a server that is never silent for long.
BETWEEN = 0.05

# What is sent first, and then again and again: slowly, or as fast as it goes.
WAYS = {
    "status line": (b"HTTP/1.1 206 ", b"O"),
    "header": (b"HTTP/1.1 206 OK\r\nX: ", b"a"),
    "many headers": (b"HTTP/1.1 206 OK\r\n", b"X: a\r\n"),
    "100 Continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "103 Early Hints": (b"", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"),
    "chunk size": (CHUNKED, b"0"),
    "chunk extension": (CHUNKED + b"a;", b"x"),
    "trailers": (CHUNKED + b"a\r\n0123456789\r\n0\r\n", b"X: y\r\n"),
    "body": (WHOLE.replace(b"Length: 10", b"Length: 1000"), b"0"),
}
FLOODS = ("100 Continue", "103 Early Hints", "trailers")


@pytest.fixture
def answering():
    """Start a server that says what it is told to whoever asks; its address."""
    listeners = []
    is_over = threading.Event()

    def start(say):
        listener = socket.create_server(("127.0.0.1", 0))
        listeners.append(listener)

        def serve():
            with suppress(OSError):
                while True:
                    threading.Thread(target=answer, args=listener.accept()[:1]).start()

        def answer(connection):
            with suppress(OSError), connection:
                while connection.recv(65536):
                    say(connection, is_over)

        threading.Thread(target=serve).start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}/a.tif"

    yield start
    is_over.set()
    for listener in listeners:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


@pytest.fixture(autouse=True)
def short_limits(monkeypatch):
    timeout, pace = urllib3.Timeout(connect=5, read=SILENCE), Pace(GRACE, 2048)
    for module in (client, byte_ranges):
        monkeypatch.setattr(module, "TIMEOUT", timeout)
        monkeypatch.setattr(module, "PACE", pace)
    once = patience.RetryPolicy(most_retries=0)
    monkeypatch.setattr(byte_ranges, "retry_policy", lambda: once)
    for name in ("FOR_A_STRANGER", "FOR_A_SILENT_SERVER"):
        monkeypatch.setattr(f"{client.Servers.__module__}.{name}", Patience(0, 60))


@pytest.fixture(params=["file", "document"])
def read(request, tmp_path):
    """Read a file or a document of ten bytes, each with a reader of its own."""
    with ExitStack() as stack:

        def read_file(address):
            reader = RangeReader(2, tmp_path)
            stack.callback(reader.close)
            return reader.read(address, 0, len(CONTENT))

        def read_document(address):
            web = WebClient()
            stack.callback(web.close)
            return web.ask(WebRequest(address)).content

        yield read_file if request.param == "file" else read_document


def again_and_again(first, more, pause):
    def say(connection, is_over):
        connection.sendall(first)
        while not is_over.wait(pause):
            connection.sendall(more)

    return say


def assert_given_up(read, answers, most):
    """Assert that each is given up within so many seconds, all asked at once."""

    def reason(answer):
        with pytest.raises((RangeError, WebError)) as caught:
            read(answer)
        return str(caught.value)

    stopwatch = steady_time.Stopwatch()
    with ThreadPoolExecutor(len(answers)) as threads:
        reasons = list(threads.map(reason, answers.values()))
    assert dict(zip(answers, reasons, strict=True)) == dict.fromkeys(answers, "it took too long")
    assert stopwatch.stop() < most


def test_a_byte_now_and_then(answering, read):
    answers = {
        way: answering(again_and_again(first, more, BETWEEN)) for way, (first, more) in WAYS.items()
    }
    assert_given_up(read, answers, GRACE + 1)


def test_what_never_ends_however_fast_it_comes(answering, read):
    answers = {
        way: answering(again_and_again(first, more * 1000, 0))
        for way, (first, more) in WAYS.items()
        if way in FLOODS
    }
    assert_given_up(read, answers, GRACE + 1)


def test_silence(answering, read):
    answers = {
        first: answering(again_and_again(first, b"", 0.05))
        for first in (b"", b"HTTP/1.1 206 OK\r\n", WHOLE, CHUNKED, CHUNKED + b"5\r\n01234")
    }
    assert_given_up(read, answers, SILENCE + 1)


def test_by_a_proxy_that_does_not_let_through(answering, read, monkeypatch):
    """What a proxy says before the other server is reached counts like an answer."""
    proxies = {
        way: answering(again_and_again(b"HTTP/1.1 200 OK\r\n", b"X: a\r\n", pause))
        for way, pause in {"slowly": BETWEEN, "fast": 0}.items()
    }
    for proxy in proxies.values():
        monkeypatch.setenv("https_proxy", proxy)
        stopwatch = steady_time.Stopwatch()
        with pytest.raises((RangeError, WebError)):
            read("https://far.example/a.tif")
        assert stopwatch.stop() < GRACE + 1


class Clock:
    """The time by which answers are too late: it passes only as the test says."""

    def __init__(self):
        self.now = 1000.0
        self.on_look = lambda: None

    def monotonic(self):
        self.on_look()
        return self.now


@pytest.fixture
def clock(monkeypatch):
    """Such a clock; by that of the machine, which may stand still, there is time enough."""
    clock = Clock()
    monkeypatch.setattr(timed_answers, "time", clock)
    for module in (client, byte_ranges):
        monkeypatch.setattr(module, "TIMEOUT", urllib3.Timeout(60))
    return clock


def test_a_slow_answer_that_comes_to_its_end(answering, read, clock, monkeypatch):
    """Longer than the grace: a piece comes for each look at the clock, some time later."""
    grace = 600
    for module in (client, byte_ranges):
        monkeypatch.setattr(module, "PACE", Pace(grace, 10 / grace))
    looks = threading.Semaphore(0)

    def look():
        clock.now += grace / 10
        looks.release()

    def say(connection, is_over):
        chunks = [b"1\r\n%c\r\n" % digit for digit in CONTENT]
        for piece in (CHUNKED, *chunks, b"0\r\n\r\n"):
            assert looks.acquire(timeout=60)
            connection.sendall(piece)

    clock.on_look = look
    began = clock.now
    assert read(answering(say)) == CONTENT
    assert clock.now - began > grace


def test_a_connection_serves_the_next_with_all_its_time(answering, clock):
    """An answer that has nearly used up its time shortens each wait."""
    grace, seconds = 1000, 900
    half_is_read = threading.Semaphore(0)

    def say(connection, is_over):
        connection.sendall(WHOLE + CONTENT[:5])
        assert half_is_read.acquire(timeout=60)
        connection.sendall(CONTENT[5:])

    address = answering(say)
    connections = Connections(PrivateAddresses(), 1, urllib3.Timeout(seconds), Pace(grace, 2048))
    sockets, limits = [], []
    for pause in (grace - 60, 0, grace - 60):
        response = connections.request("GET", address, preload_content=False, retries=False)
        sockets.append(response.connection.sock)
        received = b"".join(pieces(response, 5))
        clock.now += pause
        half_is_read.release()
        received += b"".join(pieces(response, 100))
        limits.append(sockets[-1].gettimeout())
        assert received == CONTENT
        response.release_conn()
    connections.close()
    assert all(one is sockets[0] for one in sockets)
    assert limits == pytest.approx([60, seconds, 60], abs=0.1)
