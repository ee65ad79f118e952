"""No request ever gets the answer of a former one on the same connection; over real sockets."""

import contextlib
import shutil
import socket
import ssl
import subprocess
import threading
from pathlib import Path

import pytest
import urllib3
from fairweather.core.science.imagery.files import byte_ranges
from fairweather.core.science.imagery.files import patience as files_patience
from fairweather.core.science.imagery.files.byte_ranges import RangeReader
from fairweather.core.science.imagery.files.patience import RangeError
from fairweather.core.science.web import patience
from fairweather.core.science.web.bodies import pieces
from fairweather.core.science.web.client import WebClient, WebRequest
from fairweather.core.science.web.connections import Connections
from fairweather.core.science.web.errors import WebError
from fairweather.core.science.web.private_addresses import PrivateAddresses
from fairweather.core.science.web.timed_answers import Pace

# Comes in the middle of a connection; whoever takes it for an answer has the wrong one.
SPARE = b"HTTP/1.1 206 OK\r\nContent-Range: bytes 0-4/5\r\nContent-Length: 5\r\n\r\nWRONG"
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n"
PAUSE = None


def answer(content, *headers, status=b"206 OK"):
    length = b"Content-Length: %d" % len(content)
    place = b"Content-Range: bytes 0-%d/%d" % (len(content) - 1, len(content))
    lines = [b"HTTP/1.1 " + status, place, *(headers or [length])]
    return b"\r\n".join(lines) + b"\r\n\r\n"


def chunks(content):
    return b"%x\r\n%s\r\n0\r\n\r\n" % (len(content), content)


def plain(content):
    return [answer(content) + content]


# What a server sends, in packets, and with pauses between them.
WAYS = {
    "early hints": lambda content: [HINTS, PAUSE, *plain(content)],
    "processing": lambda content: [b"HTTP/1.1 102 Processing\r\n\r\n", PAUSE, *plain(content)],
    "all of them": lambda content: [
        b"HTTP/1.1 100 Continue\r\n\r\n" + HINTS * 50 + b"HTTP/1.1 199 ?\r\n\r\n",
        *plain(content),
    ],
    "hints that say how long they are": lambda content: [
        HINTS.replace(b"Link:", b"Content-Length: 5\r\nLink:"),
        *plain(content),
    ],
    "an answer that nobody asked for": lambda content: [answer(content) + content + SPARE],
    "such an answer, in parts": lambda content: [
        answer(content) + content + HINTS,
        PAUSE,
        SPARE,
    ],
    "such an answer after chunks": lambda content: [
        answer(content, b"Transfer-Encoding: chunked") + chunks(content) + SPARE
    ],
    "an empty line": lambda content: [answer(content) + content + b"\r\n"],
    "a length beside chunks": lambda content: [
        answer(content, b"Content-Length: 5", b"Transfer-Encoding: chunked") + chunks(content),
        PAUSE,
        SPARE,
    ],
    "two lengths": lambda content: [
        answer(content, *[b"Content-Length: %d" % len(content)] * 2) + content,
        PAUSE,
        SPARE,
    ],
    "an encoding beside the length": lambda content: [
        answer(content, b"Content-Length: %d" % len(content), b"Transfer-Encoding: x") + content,
        PAUSE,
        SPARE,
    ],
    "headers that break off": lambda content: [
        answer(content, b"Content-Length: %d" % len(content), b"oops", b"X: y") + content,
        PAUSE,
        SPARE,
    ],
}
WITHOUT_CONTENT = (b"204 No Content", b"304 Not Modified")


class Server:
    """Answers on kept connections what ``say`` tells of a path; ``places`` are its callers."""

    def __init__(self, say, context=None):
        self._say = say
        self._context = context
        self.places = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._is_over = threading.Event()
        self._threads = [threading.Thread(target=self._accept)]

    def __enter__(self):
        self._threads[0].start()
        return self

    def __exit__(self, *_):
        self._is_over.set()
        # The one that waits for a connection is woken by it.
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port)).close()
        self._threads[0].join()
        self._listener.close()

    def _accept(self):
        while not self._is_over.is_set():
            connection, _ = self._listener.accept()
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            stack.enter_context(connection)
            if self._context:
                connection = stack.enter_context(
                    self._context.wrap_socket(connection, server_side=True)
                )
            asked = stack.enter_context(connection.makefile("rb"))
            while line := asked.readline():
                while asked.readline().strip():
                    pass
                self.places.append(connection.getpeername())
                for packet in self._say(line.split()[1].decode()):
                    if packet is PAUSE:
                        self._is_over.wait(0.05)
                    else:
                        connection.sendall(packet)


def content_of(path):
    return f"this is {path}".encode()


@pytest.fixture(params=["file", "document"])
def read(request, tmp_path, monkeypatch):
    """Read a file or a document of that name, from a port, all by one reader."""
    twice = files_patience.RetryPolicy(most_retries=1)
    monkeypatch.setattr(byte_ranges, "retry_policy", lambda: twice)
    monkeypatch.setattr(patience, "FIRST_PAUSE", 0.01)
    for name in ("FOR_A_STRANGER", "FOR_A_SILENT_SERVER", "WHILE_OTHERS_ARE_READ"):
        monkeypatch.setattr(patience, name, patience.Patience(1, 60))
    reader, web = RangeReader(1, tmp_path), WebClient(connections=1)

    def read_file(port, path):
        return reader.read(f"http://127.0.0.1:{port}{path}", 0, len(content_of(path)))

    def read_document(port, path):
        return web.ask(WebRequest(f"http://127.0.0.1:{port}{path}")).content

    yield read_file if request.param == "file" else read_document
    reader.close()
    web.close()


@pytest.mark.parametrize("way", WAYS)
def test_whatever_comes_beside_the_answers(read, way):
    def say(path):
        return (WAYS[way] if path in ("/a", "/c") else plain)(content_of(path))

    with Server(say) as server:
        for path in ("/a", "/b", "/c", "/d"):
            assert read(server.port, path) == content_of(path)


@pytest.mark.parametrize("status", WITHOUT_CONTENT)
def test_content_where_none_belongs(status):
    def say(path):
        odd = [answer(b"12345", status=status), PAUSE, SPARE]
        return odd if path == "/a" else plain(content_of(path))

    web = WebClient(connections=1)
    with Server(say) as server:
        address = f"http://127.0.0.1:{server.port}"
        assert web.ask(WebRequest(f"{address}/a")).content == b""
        assert web.ask(WebRequest(f"{address}/b")).content == content_of("/b")
    web.close()


SWITCHING = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n"


def test_another_protocol_is_none(read):
    asked = []

    def say(path):
        asked.append(path)
        return [SWITCHING, PAUSE, SPARE] if asked == ["/a", "/b"] else plain(content_of(path))

    with Server(say) as server:
        for path in ("/a", "/b", "/c"):
            assert read(server.port, path) == content_of(path)
        assert asked == ["/a", "/b", "/b", "/c"]
        assert len(set(server.places)) == 2


def test_a_server_that_speaks_nothing_else(read):
    with (
        Server(lambda _: [SWITCHING]) as server,
        pytest.raises((RangeError, WebError), match="it does not answer as web servers do"),
    ):
        read(server.port, "/a")


@pytest.mark.parametrize("way", ["early hints", "hints that say how long they are"])
def test_hints_cost_no_connection(read, way):
    with Server(lambda path: WAYS[way](content_of(path))) as server:
        for path in ("/a", "/b", "/c"):
            assert read(server.port, path) == content_of(path)
        assert len(set(server.places)) == 1


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl to make a certificate with")
    made = tmp_path_factory.mktemp("certificate") / "both.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += [
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=test",
        "-addext",
        "subjectAltName=IP:127.0.0.1",
    ]
    subprocess.run(
        [*command, "-keyout", made, "-out", f"{made}.crt"], check=True, capture_output=True
    )
    with made.open("ab") as file:
        file.write(Path(f"{made}.crt").read_bytes())
    return made


def test_what_tls_has_unpacked_already(certificate, monkeypatch):
    """Of one packet, the network has nothing left, and the former answer's reader not all."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    # A server's own further records of TLS would be seen on the network.
    context.num_tickets = 0
    long = b"x" * 12_000
    connections = Connections(PrivateAddresses(), 1, urllib3.Timeout(5), Pace(5, 1))

    def say(path):
        return [answer(long) + long + SPARE] if path == "/a" else plain(content_of(path))

    with Server(say, context) as server:
        for path, expected in (("/a", long), ("/b", content_of("/b")), ("/c", content_of("/c"))):
            address = f"https://127.0.0.1:{server.port}{path}"
            found = connections.request("GET", address, preload_content=False, retries=False)
            assert b"".join(pieces(found, 20_000)) == expected
            found.release_conn()
        assert len(set(server.places)) == 2
    connections.close()
