"""Files and documents by the user's proxy."""

import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from fairweather.core.science.access.access import Access, AccessRules
from fairweather.core.science.imagery.files.byte_ranges import RangeReader
from fairweather.core.science.imagery.files.patience import RangeError
from fairweather.core.science.web.client import WebClient, WebRequest
from fairweather.core.science.web.errors import WebError
from fairweather.core.science.web.private_addresses import PrivateAddressError, PrivateAddresses
from guarded_server import Reply
from loopback import PLACE, serving

CONTENT = bytes(range(256))
LOGIN = "Basic YW5hOnNlY3JldA=="


class Proxy(BaseHTTPRequestHandler):
    """Answers every address itself, with the range that is asked for."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.asked.append((self.path, self.headers.get("Proxy-Authorization")))
        if "Range" not in self.headers:
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")
            return
        first, last = (int(n) for n in self.headers["Range"].removeprefix("bytes=").split("-"))
        part = CONTENT[first : last + 1]
        self.send_response(206)
        self.send_header("Content-Length", str(len(part)))
        self.send_header("Content-Range", f"bytes {first}-{first + len(part) - 1}/{len(CONTENT)}")
        self.end_headers()
        self.wfile.write(part)

    def log_message(self, *_):
        pass


@pytest.fixture
def proxy(monkeypatch):
    server = ThreadingHTTPServer(PLACE, Proxy)
    server.asked = []
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, f"http://ana:secret@127.0.0.1:{server.server_port}")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "near.example")
    with serving(server):
        yield server


@pytest.fixture
def reader(tmp_path):
    rules = AccessRules(
        catalog="http://files.example/", private_addresses=PrivateAddresses("files.example")
    )
    reader = RangeReader(2, tmp_path, Access(rules))
    yield reader
    reader.close()


def test_files_go_by_the_proxy_of_the_environment(proxy, reader):
    for start in (3, 100):
        assert reader.read("http://files.example/a.tif", start, 9) == CONTENT[start : start + 9]
    assert [path for path, _ in proxy.asked] == ["http://files.example/a.tif"] * 2
    assert {login for _, login in proxy.asked} == {LOGIN}


def test_documents_go_by_it(proxy):
    client = WebClient()
    request = WebRequest("http://stac.example/search?a=1", parameters={"ids": "a,b", "limit": 3})
    for _ in range(2):
        assert client.ask(request).content == b"{}"
    client.close()
    assert proxy.asked == [("http://stac.example/search?a=1&ids=a%2Cb&limit=3", LOGIN)] * 2


def test_hosts_that_need_none_are_asked_directly(proxy, serve, monkeypatch):
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "127.0.0.1")
    server = serve(lambda _: Reply(200, b"near"))
    assert WebClient().ask(WebRequest(server.address)).content == b"near"
    assert not proxy.asked


def test_a_proxy_that_is_not_there(proxy, monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with pytest.raises(WebError, match="the proxy refuses"):
        WebClient().ask(WebRequest("http://stac.example/"))
    assert not proxy.asked


BROKEN_PROXIES = (
    *("socks5h://ana:secret@127.0.0.1:1080", "http://ana:secret@127.0.0.1:port", "\u2100:3"),
    *("http://ana:secret@[::1", "http://ana:se cret#x@127.0.0.1:9", "http://127.0.0.1:99999"),
)


@pytest.mark.parametrize("address", BROKEN_PROXIES)
def test_a_proxy_whose_address_is_none(proxy, reader, monkeypatch, address):
    """It is neither the network's fault nor the file's."""
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, address)
    reads = {
        WebError: lambda: WebClient().ask(WebRequest("http://stac.example/")),
        RangeError: lambda: reader.read("http://files.example/a.tif", 0, 9),
    }
    for kind, read in reads.items():
        with pytest.raises(kind, match="the proxy's address, in HTTP_PROXY") as caught:
            read()
        shown = "".join(traceback.format_exception(caught.value))
        assert "secret" not in shown
        assert "se cret" not in shown
    assert not proxy.asked


@pytest.mark.parametrize("place", ["host:99999", "host:port", "host:-1", ":80", "a..b", "x" * 300])
@pytest.mark.parametrize("no_proxy", ["near.example", ""])
def test_an_address_that_is_none(monkeypatch, tmp_path, place, no_proxy):
    monkeypatch.setenv("no_proxy", no_proxy)
    reader = RangeReader(1, tmp_path)
    reads = {
        WebError: lambda: WebClient().ask(WebRequest(f"http://{place}/")),
        RangeError: lambda: reader.read(f"http://{place}/a.tif", 0, 9),
    }
    for kind, read in reads.items():
        with pytest.raises(kind, match="its address is none that can be asked"):
            read()
    reader.close()


def test_a_private_address_is_not_handed_to_the_proxy(proxy, reader):
    with pytest.raises(Exception, match=r"10\.0\.0\.1") as caught:
        reader.read("http://10.0.0.1/a.tif", 0, 9)
    causes = [caught.value, caught.value.__cause__]
    assert any(isinstance(cause, PrivateAddressError) for cause in causes)
    assert not proxy.asked
