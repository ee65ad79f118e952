"""Servers whose certificate is not to be trusted, or that speak no TLS, on real sockets."""

import contextlib
import dataclasses
import functools
import json
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections import Counter
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import steady_time
from fairweather.core.bridge.errors import CatalogError, ReadError
from fairweather.core.science.imagery.files import byte_ranges
from fairweather.core.science.imagery.files.byte_ranges import RangeReader
from fairweather.core.science.imagery.files.patience import RangeError, RetryPolicy
from fairweather.core.science.web.client import WebClient, WebRequest
from fairweather.core.science.web.timed_answers import Pace
from loopback import PLACE, serving
from small_job import assert_same_pixels

pytestmark = pytest.mark.skipif(
    shutil.which("openssl") is None, reason="there is no openssl to make certificates with"
)

HERE, ELSEWHERE = "IP:127.0.0.1", "DNS:other.example"
DATES = {"now": (), "past": ("-startdate", "20200101000000Z", "-enddate", "20200102000000Z")}
AUTHORITY = """[req]
distinguished_name = nobody
[nobody]
[ca]
default_ca = own
[own]
database = {folder}/index.txt
serial = {folder}/serial
new_certs_dir = {folder}
default_md = sha256
default_days = 2
policy = any
[any]
commonName = supplied
[more]
subjectAltName = {name}
basicConstraints = CA:TRUE
"""


@dataclasses.dataclass(frozen=True)
class Certificate:
    """A certificate that signs itself, and its key."""

    path: Path
    key: Path


def make_certificate(folder, name=HERE, dates="now"):
    folder.mkdir()
    (folder / "index.txt").touch()
    config = folder / "ca.cnf"
    config.write_text(AUTHORITY.format(folder=folder.as_posix(), name=name), encoding="utf-8")
    made = Certificate(folder / "it.pem", folder / "it.key")
    asked = folder / "asked.csr"
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    names = ("-subj", "/CN=Fairweather's test", "-config", config)
    openssl("req", *curve, *names, "-keyout", made.key, "-out", asked)
    openssl(
        "ca", "-batch", "-config", config, "-extensions", "more", "-selfsign", "-rand_serial",
        "-notext", "-keyfile", made.key, "-in", asked, "-out", made.path, *DATES[dates],
    )  # fmt: skip
    return made


def openssl(*arguments):
    command = ["openssl", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def certificates(tmp_path_factory):
    folder = tmp_path_factory.mktemp("certificates")
    return {
        "good": make_certificate(folder / "good"),
        "of another host": make_certificate(folder / "other", name=ELSEWHERE),
        "expired": make_certificate(folder / "expired", dates="past"),
    }


class Handler(SimpleHTTPRequestHandler):
    """Sends files, whole, and notes what it is asked for."""

    protocol_version = "HTTP/1.1"

    def log_request(self, *_):
        self.server.requests.append(self.path)

    def log_message(self, *_):
        pass


class TlsServer(ThreadingHTTPServer):
    """Counts the connections and the requests, which come after the handshake."""

    def __init__(self, folder, certificate):
        super().__init__(PLACE, functools.partial(Handler, directory=folder))
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(certificate.path, certificate.key)
        self.connections = 0
        self.requests = []
        self.address = f"https://127.0.0.1:{self.server_port}"

    def get_request(self):
        connection, place = super().get_request()
        self.connections += 1
        options = {"server_side": True, "do_handshake_on_connect": False}
        return self.context.wrap_socket(connection, **options), place

    def handle_error(self, *_):
        pass


@pytest.fixture
def serve(server, certificates):
    """A function that serves the small job's files with a certificate."""
    with contextlib.ExitStack() as stack:

        def start(kind):
            web = TlsServer(str(server.folder), certificates[kind])
            stack.enter_context(serving(web))
            return web

        yield start


# What the server shows, and which certificate the user's system trusts, if any.
UNTRUSTED = [("good", None), ("of another host", "of another host"), ("expired", "expired")]
refused = pytest.mark.parametrize(
    ("shown", "trusted"), UNTRUSTED, ids=["self-signed", "of another host", "expired"]
)


@pytest.fixture
def trust(certificates, monkeypatch):
    """A function: the system trusts this certificate, or with None none that is shown here."""
    monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)

    def set_variable(kind):
        if kind is not None:
            monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificates[kind].path))

    return set_variable


@pytest.fixture
def asked(monkeypatch):
    """How often each file is asked for."""
    counted, request = Counter(), RangeReader._request

    def counting(self, href, *others):
        counted[href] += 1
        return request(self, href, *others)

    monkeypatch.setattr(RangeReader, "_request", counting)
    return counted


def search_at(small_job, server, address):
    """The small job's search in a catalogue on a server, which names files there."""
    text = json.dumps({"type": "FeatureCollection", "features": small_job.items})
    (server.folder / "items.json").write_text(text.replace(server.address, address))
    catalog = f"{address}/items.json"
    return dataclasses.replace(small_job.search(), catalog=catalog, scenes="")


def check_sentence(error):
    text = str(error)
    assert "its certificate is not trusted" in text
    assert text.count(". ") == 0
    assert text.isprintable()
    assert text.endswith(".")


@refused
def test_a_catalogue_is_refused_at_once(serve, trust, small_job, server, shown, trusted):
    web = serve(shown)
    trust(trusted)
    with pytest.raises(CatalogError) as caught:
        small_job.run(search=search_at(small_job, server, web.address))
    check_sentence(caught.value)
    assert web.address in str(caught.value)
    assert (web.connections, web.requests) == (1, [])
    assert not list(small_job.folder.glob("*composite*"))


@refused
def test_a_file_is_refused_at_once(serve, trust, asked, small_job, server, shown, trusted):
    web = serve(shown)
    trust(trusted)
    for item in small_job.items:
        for asset in item["assets"].values():
            asset["href"] = asset["href"].replace(server.address, web.address)
    with pytest.raises(ReadError) as caught:
        small_job.run(on_error="fail")
    check_sentence(caught.value)
    assert f"{web.address}/" in str(caught.value)
    assert max(asked.values()) == 1
    assert web.connections == asked.total()
    assert web.requests == []
    assert not list(small_job.folder.glob("*composite*"))


@refused
def test_a_range_is_tried_once(serve, trust, small_job, tmp_path, shown, trusted):
    web = serve(shown)
    trust(trusted)
    ranges = RangeReader(2, tmp_path)
    with pytest.raises(RangeError, match="its certificate is not trusted") as caught:
        ranges.read(f"{web.address}/scl-0.tif", 0, 9)
    ranges.close()
    assert caught.value.is_lasting
    assert small_job.items
    assert (web.connections, web.requests) == (1, [])


def test_a_certificate_that_the_system_trusts(serve, trust, small_job, server):
    web = serve("good")
    trust("good")
    found = small_job.run(search=search_at(small_job, server, web.address))
    assert_same_pixels(found.pixels, small_job.oracle())
    assert "/items.json" in web.requests
    assert "/scl-0.tif" in web.requests


class NoTls:
    """Listens where TLS is expected, and answers something else."""

    def __init__(self, answer):
        self.answer = answer
        self.heard = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"https://127.0.0.1:{self._socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                with connection, contextlib.suppress(OSError):
                    if self.answer is not None:
                        self.heard.append(connection.recv(65536))
                        connection.sendall(self.answer)
                    else:
                        self.heard.append(b"")


NO_HANDSHAKE = r"no secure connection to it can be made|the connection broke"
ALERT = bytes((21, 3, 3, 0, 2, 2, 40))  # fatal: handshake_failure (RFC 8446, 6.2)
ANSWERS = {
    "closed": None,
    "closed after the greeting": b"",
    "plain HTTP": b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n",
    "refused": ALERT,
}


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("name", ANSWERS)
def test_no_handshake(small_job, server, tmp_path, name):
    """It may pass, so that it is tried again; no certificate is blamed, and nothing is sent."""
    with NoTls(ANSWERS[name]) as other:
        ranges = RangeReader(2, tmp_path)
        with pytest.raises(RangeError, match=NO_HANDSHAKE) as caught:
            ranges.read(f"{other.address}/scl-0.tif", 0, 9)
        ranges.close()
        tries = len(other.heard)
        with pytest.raises(CatalogError, match=NO_HANDSHAKE) as refused:
            small_job.run(search=search_at(small_job, server, other.address))
    assert 2 <= tries <= 11
    assert len(other.heard) - tries <= 7
    assert not any(b"GET" in heard or b"scl-0" in heard for heard in other.heard)
    assert "certificate" not in f"{caught.value} {refused.value}"
    assert str(refused.value).isprintable()


@pytest.mark.parametrize("part", ["headers", "body"])
def test_an_answer_that_never_ends(serve, trust, tmp_path, monkeypatch, part):
    """As without TLS: a byte now and then does not keep anybody."""

    def drip(handler):
        handler.wfile.write(b"HTTP/1.1 206 OK\r\n")
        if part == "body":
            handler.wfile.write(b"Content-Length: 100\r\nContent-Range: bytes 0-99/100\r\n\r\n")
        with contextlib.suppress(OSError):
            for _ in range(200):
                handler.wfile.write(b"X")
                time.sleep(0.02)

    monkeypatch.setattr(Handler, "do_GET", drip)
    monkeypatch.setattr(byte_ranges, "PACE", Pace(0.3, 2048))
    monkeypatch.setattr(byte_ranges, "retry_policy", lambda: RetryPolicy(most_retries=0))
    trust("good")
    ranges = RangeReader(2, tmp_path)
    stopwatch = steady_time.Stopwatch()
    with pytest.raises(RangeError, match="it took too long"):
        ranges.read(f"{serve('good').address}/a.tif", 0, 100)
    assert stopwatch.stop() < 1.5
    ranges.close()


def forward(listener, asked):
    """A proxy for one connection: it lets through whatever it is asked for."""
    near, _ = listener.accept()
    with near, near.makefile("rb") as heard:
        asked.append(heard.readline())
        while heard.readline() not in (b"\r\n", b""):
            pass
        host, _, port = asked[0].split()[1].decode().partition(":")
        near.sendall(b"HTTP/1.1 200 Connection established\r\nX-Proxy: yes\r\n\r\n")
        with socket.create_connection((host, int(port))) as far:
            back = threading.Thread(target=copy_bytes, args=(far, near))
            back.start()
            copy_bytes(near, far)
            back.join()


def copy_bytes(source, sink):
    with contextlib.suppress(OSError):
        while content := source.recv(65536):
            sink.sendall(content)
        sink.shutdown(socket.SHUT_WR)


def test_by_a_proxy(serve, trust, server, tmp_path, monkeypatch):
    """The proxy's answer and those that follow it come by one connection."""
    (server.folder / "a.bin").write_bytes(bytes(range(256)) * 100)
    web, asked = serve("good"), []
    trust("good")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        proxying = threading.Thread(target=forward, args=(listener, asked))
        proxying.start()
        for name in ("https_proxy", "HTTPS_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{listener.getsockname()[1]}")
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        client = WebClient()
        for _ in range(2):
            answer = client.ask(WebRequest(f"{web.address}/a.bin"))
            assert answer.content == bytes(range(256)) * 100
        client.close()
        proxying.join(5)
        assert not proxying.is_alive()
    (line,) = asked
    assert line.decode().split()[:2] == ["CONNECT", web.address.removeprefix("https://")]
    assert web.requests == ["/a.bin"] * 2
