"""What is not handed to a proxy: a stranger's addresses of this computer or of its network."""

import private_places as places
import pytest
from fairweather.core.bridge.errors import FairweatherError
from fairweather.core.science.access.keyed_requests import catalog_client
from fairweather.core.science.catalog.documents import DocumentReader
from fairweather.core.science.web.client import WebRequest
from fairweather.core.science.web.errors import ForbiddenPlaceError, WebError
from guarded_server import Reply

CATALOG, LITERALS = places.CATALOG, places.LITERALS
access_of, direct_hrefs = places.access_of, places.direct_hrefs

# How a proxy may read them.
MEANT_BY_PROXIES = (
    *("localhost", "LOCALHOST.", "a.localhost", "a.b.LocalHost", "a.localhost.", "%6Cocalhost"),
    *("[::1%25lo]", "[::1%lo]", "[fe80::1%25eth0]", "[fe80::1%2525x]", "[::1%2599]", "[::%25zz]"),
    *(
        "[::ffff:10.0.0.1%251]",
        "127.0.0.1%25lo",
        "%31%32%37.0.0.1",
        "127.0.0.1%2E",
        "x:y@localhost",
        "ⓛocalhost",
    ),
    *("168.63.129.16", "[::ffff:168.63.129.16]", "[64:ff9b::a83f:8110]", "2822734096"),
)


def test_behind_a_proxy_what_is_written_as_an_address_is_checked(names, canary, serve, monkeypatch):
    proxy = serve()
    monkeypatch.setenv("http_proxy", proxy.address)
    client = catalog_client(access_of())
    for href in direct_hrefs(canary)[: len(LITERALS)]:
        with pytest.raises(ForbiddenPlaceError, match="private address"):
            client.ask(WebRequest(href))
    assert proxy.seen == []
    # Names are the proxy's to look up, but not those that mean its own computer.
    port = canary.host.partition(":")[2]
    for host in MEANT_BY_PROXIES:
        with pytest.raises(WebError, match=r"private address|none that can be asked"):
            client.ask(WebRequest(f"http://{host}:{port}/a.json"))
    assert proxy.seen == []
    with pytest.raises(WebError, match="no"):
        client.ask(WebRequest("http://intranet.example/a"))
    client.close()
    assert [seen.target for seen in proxy.seen] == ["http://intranet.example/a"]
    assert names.looked_up == ["stac.example"]


def test_a_catalogue_that_a_proxy_asks_is_nowhere_inside(names, canary, serve, monkeypatch):
    """Where its name leads on this computer says nothing of where it was read."""
    proxy = serve()
    proxy.answer = lambda _: Reply.of_json({"type": "Catalog", "links": []})
    monkeypatch.setenv("http_proxy", proxy.address)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    names.answers["stac.example"] = [["127.0.0.1"]]
    access = access_of()
    assert DocumentReader(access).fetch(CATALOG)
    for href in (f"{canary.address}/a.json", "http://10.0.0.1/a.json"):
        with pytest.raises(FairweatherError, match="private address"):
            DocumentReader(access).fetch(href)
    assert [seen.target for seen in proxy.seen] == [CATALOG]
    assert canary.seen == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_one_here_that_a_proxy_asks_may_lead_here(names, serve, monkeypatch, host):
    proxy = serve()
    proxy.answer = lambda _: Reply.of_json({"type": "Catalog", "links": []})
    monkeypatch.setenv("http_proxy", proxy.address)
    documents = DocumentReader(access_of(f"http://{host}/catalog.json"))
    for href in (f"http://{host}/catalog.json", "http://127.0.0.1/a.json", "http://10.0.0.1/b"):
        assert documents.fetch(href)
    assert len(proxy.seen) == 3
