"""Faults of the catalogue's own server: documents, searches and their pages."""

import json
import shutil
import socket
import ssl
from pathlib import Path

import pytest
import stac_server
import steady_time
import urllib3
from fairweather.core.bridge.errors import CatalogError, FairweatherError
from fairweather.core.science.catalog import long_document
from fairweather.core.science.catalog.documents import PARALLEL_REQUESTS
from fairweather.core.science.web import client, patience

ONCE = (
    *("refuse", "hang up", "reset", "cut", "stall"),
    *("429 after 0", "429 after 1", "500", "502", "503", "504", "403"),
    *("short", "long", "html", "empty", "json", "a part", "a part, packed"),
)
FOR_GOOD = {
    "refuse": "broke|refuses",
    "cut": "broke",
    "stall": "too long",
    "503": "503|again and again",
    "404": "404",
    "redirect": "redirects again",
    "html": "web page|is not STAC",
    "short": "JSON|is not STAC",
}
# A static catalogue's other documents are read all the same: the server answers.
OF_ONE_DOCUMENT = ("404", "html", "short")
LOST = "does not answer any more"
ITEMS = 7
GEOPARQUET = Path(__file__).resolve().parents[1] / "geoparquet"


@pytest.fixture(autouse=True)
def _short_pauses(request, monkeypatch):
    """Short time limits too, but only where they must pass: a busy machine answers late."""
    monkeypatch.setattr(patience, "FIRST_PAUSE", 0.001)
    parameters = request.node.callspec.params if hasattr(request.node, "callspec") else {}
    seconds = 0.2 if parameters.get("fault") == "stall" else 10
    monkeypatch.setattr(client, "TIMEOUT", urllib3.Timeout(connect=10, read=seconds))


@pytest.fixture
def items(make_item):
    return [
        make_item(f"scene-{number}", f"2023-08-{number + 1:02}T10:00:00Z")
        for number in range(ITEMS)
    ]


@pytest.fixture(params=["POST", "GET", "static"])
def catalog(request, server, items):
    """A catalogue on the faulty server, its items two by two; its address."""
    if request.param == "static":
        return static_catalog(server, items)
    api = stac_server.StacServer(items, page_size=2, only_get=request.param == "GET")
    api.address = f"{server.address}/v1"
    server.answer = lambda path, what: stac_server._content(api, path, texts_read(what))
    return api.address


def texts_read(what):
    return {
        name: stac_server._read(name, value) if isinstance(value, str) else value
        for name, value in what.items()
    }


def static_catalog(server, items):
    links = [{"rel": "item", "href": f"./{item['id']}.json"} for item in items]
    root = {
        "type": "Catalog",
        "id": "c",
        "stac_version": "1.0.0",
        "description": "",
        "links": links,
    }
    for name, content in [("catalog", root), *((item["id"], item) for item in items)]:
        (server.folder / f"{name}.json").write_text(json.dumps(content))
    return f"{server.address}/catalog.json"


def ids(found):
    return [scene.id for scene in found.items]


@pytest.mark.parametrize("fault", ONCE)
def test_a_fault_at_every_request_loses_no_scene(server, catalog, find, fault):
    expected = [f"scene-{number}" for number in range(ITEMS)]
    number = 1
    while True:
        server.calm()
        server.script = {number: fault}
        found, _ = find(catalog)
        assert ids(found) == expected
        if server.requests < number:
            break
        number += 3 if "after 1" in fault else 1
    assert number > 4


@pytest.fixture(params=["items.json", "long items.json", "items.parquet"])
def items_file(request, server, monkeypatch):
    """A file of four items on the faulty server, read as a whole or not; its address."""
    if request.param.endswith(".parquet"):
        pytest.importorskip("arro3.io", reason="arro3-io, which reads GeoParquet, is not installed")
        shutil.copy(GEOPARQUET / "by_stac_geoparquet.parquet", server.folder / "items.parquet")
    else:
        shutil.copy(GEOPARQUET / "items.json", server.folder)
    if request.param.startswith("long"):
        monkeypatch.setattr(long_document, "LONG_BYTES", 5000)
    return f"{server.address}/{request.param.split()[-1]}"


@pytest.mark.parametrize("fault", ONCE)
def test_a_fault_at_a_file_of_items_loses_no_scene(server, items_file, find, fault):
    server.script = {1: fault}
    found, reporter = find(items_file, max_cloud=100.0)
    assert sorted(ids(found)) == ["bare", "cloudy", "first", "interval"]
    assert not reporter.warnings
    # What stalls has a short time limit, which a busy machine's answer may exceed as well.
    assert server.requests == 2 or (fault == "stall" and server.requests == 3)


@pytest.mark.parametrize("blanks", [b"\n", b" " * 1023, b" " * 1024, b"\r\n" * 3000])
def test_a_long_file_may_end_in_blanks(server, make_item, find, monkeypatch, blanks):
    monkeypatch.setattr(long_document, "LONG_BYTES", 0)
    content = json.dumps({"type": "FeatureCollection", "features": [make_item("a")]}).encode()
    path = server.folder / "items.json"
    path.write_bytes(content + blanks)
    found, _ = find(f"{server.address}/items.json")
    assert ids(found) == ["a"]
    assert server.requests == 1
    path.write_bytes(content[:-1] + blanks)
    with pytest.raises(CatalogError, match=r"is damaged \(it does not end as JSON does\)"):
        find(f"{server.address}/items.json")


@pytest.mark.parametrize(
    ("fault", "asked", "told"),
    [
        ("401", 1, "refuses access .error 401.; choose a configuration with its keys as AUTH"),
        ("403", 3, "refuses access .error 403.; choose a configuration with its keys as AUTH"),
        ("404", 1, "answers with error 404; check the address"),
        ("html", 3, "is a web page, not a STAC catalogue; check that CATALOG"),
    ],
)
def test_a_wrong_address_and_wanted_keys_are_soon_told(server, catalog, find, fault, asked, told):
    server.everything = fault
    with pytest.raises(FairweatherError, match=told):
        find(catalog)
    assert server.requests == asked


@pytest.mark.parametrize("fault", ["html", "403"])
def test_of_many_items_that_stay_wrong_a_few_are_asked_for_again(server, make_item, find, fault):
    many = [make_item(f"scene-{number}") for number in range(200)]
    catalog = static_catalog(server, many)
    for number in range(199):
        # Not 20 in a row that want keys.
        if number % 10:
            server.lasting[f"scene-{number}.json"] = (fault, 0, 10**9)
    found, reporter = find(catalog)
    assert ids(found) == sorted(f"scene-{number}" for number in [*range(0, 199, 10), 199])
    assert "179 documents of the catalogue left out" in reporter.warnings[0]
    most_doubted = patience.MOST_WRONG + PARALLEL_REQUESTS
    assert server.requests <= 1 + 200 + most_doubted * patience.FOR_A_WRONG_ANSWER.retries


@pytest.mark.parametrize("fault", FOR_GOOD)
@pytest.mark.parametrize("moment", [1, 4])
def test_a_server_that_goes_bad_ends_the_search_with_a_sentence(
    server, catalog, find, fault, moment
):
    server.script = {moment: f"all {fault}"}
    stopwatch = steady_time.Stopwatch()
    is_static = catalog.endswith(".json")
    if moment > 1 and is_static and fault in OF_ONE_DOCUMENT:
        # Of a static catalogue some items may be gone: which, the log says.
        found, reporter = find(catalog)
        lost = ITEMS - len(found.items)
        assert lost > 0
        assert any(str(lost) in text and "could not be read" in text for text in reporter.warnings)
    else:
        told = LOST if moment > 1 and is_static else FOR_GOOD[fault]
        with pytest.raises(CatalogError, match=told) as caught:
            find(catalog)
        assert "\n" not in str(caught.value)
    assert stopwatch.stop() < 5
    assert server.requests < 40


@pytest.mark.parametrize("fault", ["refuse", "stall", "503"])
def test_a_server_that_dies_is_given_up_for_all_items_at_once(server, make_item, find, fault):
    many = [make_item(f"scene-{number}") for number in range(200)]
    catalog = static_catalog(server, many)
    server.script = {10: f"all {fault}"}
    with pytest.raises(CatalogError, match=LOST):
        find(catalog)
    # More than the nine that were read are given up, and others are under way by then.
    attempts = 1 + patience.WHILE_OTHERS_ARE_READ.retries
    assert server.requests <= 9 + (9 + PARALLEL_REQUESTS) * attempts < len(many)


def test_the_pause_that_an_api_asks_for_in_mid_paging(server, catalog, find):
    server.script = {3: "429 after 1"}
    found, _ = find(catalog)
    assert len(found.items) == ITEMS
    # Of a static catalogue other documents are asked for meanwhile.
    assert max(server.moments) - server.moments[2] >= 1


def test_names_that_come_back(server, catalog, find, monkeypatch):
    resolve, asked = socket.getaddrinfo, []

    def fail_at_first(*arguments, **others):
        asked.append(arguments)
        if len(asked) <= 2:
            raise socket.gaierror("Temporary failure in name resolution")
        return resolve(*arguments, **others)

    monkeypatch.setattr(socket, "getaddrinfo", fail_at_first)
    found, _ = find(catalog)
    assert len(found.items) == ITEMS


def test_names_that_never_come(server, catalog, find, monkeypatch):
    def fail(*_, **__):
        raise socket.gaierror("Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(CatalogError, match="its host name is not known"):
        find(catalog)
    assert server.requests == 0


def test_a_certificate_that_is_not_trusted(server, catalog, find, monkeypatch):
    def refuse(*_, **__):
        raise ssl.SSLCertVerificationError("certificate verify failed: self-signed certificate")

    monkeypatch.setattr(ssl.SSLContext, "wrap_socket", refuse)
    with pytest.raises(CatalogError, match="its certificate is not trusted"):
        find(catalog.replace("http:", "https:"))
    assert server.requests == 0


def test_a_server_that_speaks_no_tls(catalog, find):
    with pytest.raises(CatalogError, match="does not answer"):
        find(catalog.replace("http:", "https:"))
