"""Where a remote catalogue must not lead: a canary on loopback listens, and hears nothing.

The names here are made up: a name server of the test's own answers for them, and what it calls
public is a server on loopback. Nothing else is replaced.
"""

import itertools
import json
import pickle
import socket
import threading
from dataclasses import replace
from types import SimpleNamespace

import private_places as places
import pytest
from fairweather.core.bridge.errors import CatalogError, FairweatherError
from fairweather.core.bridge.request import SearchScenesRequest
from fairweather.core.science.access.access import Access, AccessRules, open_access
from fairweather.core.science.access.keyed_requests import catalog_client
from fairweather.core.science.catalog.documents import DocumentReader
from fairweather.core.science.catalog.hrefs import resolve_asset, resolve_link
from fairweather.core.science.catalog.job import run_search
from fairweather.core.science.catalog.paging import read_pages
from fairweather.core.science.imagery.files import byte_ranges
from fairweather.core.science.imagery.files.patience import RangeError, RetryPolicy
from fairweather.core.science.reporter import RecordingReporter
from fairweather.core.science.web import patience as web_patience
from fairweather.core.science.web import private_connections
from fairweather.core.science.web.client import WebRequest
from fairweather.core.science.web.errors import WebError
from fairweather.core.science.web.private_addresses import PrivateAddresses
from guarded_server import Reply

PUBLIC, CATALOG = places.PUBLIC, places.CATALOG
LITERALS, NAMES = places.LITERALS, places.NAMES
search, access_of = places.search, places.access_of
direct_hrefs, redirects = places.direct_hrefs, places.redirects


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


@pytest.fixture
def catalog(serve, names):
    """The server behind ``PUBLIC``: ``/go?status=…&to=…`` is a redirect."""
    server = serve()

    server.answer = places.follow
    names.public_port = int(server.host.partition(":")[2])
    return server


def read_file(reader, href):
    address = resolve_asset(href, CATALOG)
    return "no address" if address is None else reader.read(address, 0, 10)


def read_document(documents, href):
    location = resolve_link(href, CATALOG)
    return "no address" if location is None else documents.fetch(location)


def assert_refused(read, hrefs):
    """Each is, by the package's own errors; the reasons, one each."""
    reasons = []
    for href in hrefs:
        try:
            answer = read(href)
        except (RangeError, FairweatherError, WebError) as error:
            reasons.append(str(error))
        else:
            assert answer == "no address", href
    return reasons


@pytest.mark.parametrize("hops", [0, 1, 3])
@pytest.mark.parametrize("kind", ["file", "document"])
def test_the_canary_hears_nothing(names, canary, catalog, reader, kind, hops):
    access = access_of()
    hrefs = list(redirects(canary, hops)) if hops else direct_hrefs(canary)
    if kind == "file":
        ranges = reader(access)
        reasons = assert_refused(lambda href: read_file(ranges, href), hrefs)
    else:
        documents = DocumentReader(access)
        reasons = assert_refused(lambda href: read_document(documents, href), hrefs)
    assert canary.seen == []
    assert names.reached_inside == []
    # Refused because of where they lead, and not for some other fault of theirs.
    assert sum("at the private address" in reason for reason in reasons) > 0.75 * len(hrefs)
    assert len(catalog.seen) >= hops * len(LITERALS)
    assert not hops or len(hrefs) == len(LITERALS + NAMES)
    assert hops or len(hrefs) >= 290


def test_the_same_addresses_in_a_local_catalogue_are_heard(names, canary, reader, tmp_path):
    """Else the canary's silence would say nothing."""
    ranges = reader(access_of(tmp_path / "catalog.json"))
    port = canary.host.partition(":")[2]
    hosts = [host for host in (*LITERALS[:14], *NAMES[:5]) if host != "127.0.0.2"]
    for host in hosts:
        ranges.read(f"http://{host}:{port}/a.json", 0, 10)
    assert len(canary.seen) == len(hosts)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_next_page_does_not_lead_there(names, canary, catalog, method):
    names.answers["rebinds.example"] = [["127.0.0.1"]]
    for href in direct_hrefs(canary):
        page = {"features": [], "links": [{"rel": "next", "href": href, "method": method}]}
        catalog.answer = lambda _, page=page: Reply.of_json(page)
        client = catalog_client(access_of())
        pages = read_pages(client, WebRequest(CATALOG), "features")
        assert next(pages)["links"][0]["href"] == href
        assert_refused(lambda _, pages=pages: next(pages, "no address"), [href])
        client.close()
    assert canary.seen == []
    assert names.reached_inside == []


@pytest.mark.parametrize("public_answers", range(1, 6))
def test_a_catalogue_that_moves_in_mid_run(names, canary, catalog, public_answers):
    """Its name leads to a public address first, and then to this computer."""
    names.answers["stac.example"] = [[PUBLIC]] * public_answers + [["127.0.0.1"]]
    catalog.answer = lambda _: Reply.of_json({"type": "x"}, 404)
    port = canary.host.partition(":")[2]
    documents = DocumentReader(access_of(f"http://stac.example:{port}/"))
    for number in range(8):
        # A connection of its own for each, as there are with many threads.
        documents._client.close()
        with pytest.raises(FairweatherError):
            documents.fetch(f"http://stac.example:{port}/{number}.json")
    assert canary.seen == []
    assert names.reached_inside == []
    # What was looked up once is what is checked and connected to.
    assert len(names.reached) == public_answers


def test_of_a_name_with_both_kinds_the_public_one_is_used(names, canary, catalog, reader):
    names.answers["both.example"] = [["127.0.0.1", PUBLIC, "10.0.0.1"]]
    with pytest.raises(RangeError, match="404"):
        reader(access_of()).read("http://both.example/a.tif", 0, 10)
    assert names.reached == [PUBLIC]
    assert catalog.seen[0].headers["host"] == "both.example"
    assert names.looked_up.count("both.example") == 1
    # Nor does such a catalogue count as one that is inside.
    with pytest.raises(RangeError, match="private address"):
        reader(access_of("http://both.example")).read(f"{canary.address}/a", 0, 10)


@pytest.mark.parametrize("is_local", [True, False])
def test_a_name_with_many_addresses_where_nobody_answers(
    names, reader, monkeypatch, tmp_path, is_local
):
    now = [1000.0]

    def connect(_, place):
        names.reached.append(place[0])
        now[0] += 8
        raise TimeoutError("timed out")

    monkeypatch.setattr(socket.socket, "connect", connect)
    monkeypatch.setattr(private_connections, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(byte_ranges, "retry_policy", lambda: RetryPolicy(most_retries=0))
    names.answers["many.example"] = [[f"93.184.216.{number}" for number in range(100)]]
    ranges = reader(access_of(tmp_path if is_local else CATALOG))
    with pytest.raises(RangeError, match="it took too long"):
        ranges.read("http://many.example/a.tif", 0, 10)
    assert len(names.reached) == 1 + private_connections.MOST_SECONDS // 8


def test_it_is_never_tried_again_and_says_what_to_do(names, canary, reader):
    ranges = reader(access_of())
    with pytest.raises(RangeError, match=r"private address 127\.0\.0\.1, .* as CATALOG$"):
        ranges.read("http://inside.example/a.tif", 0, 10)
    assert names.looked_up.count("inside.example") == 1
    with pytest.raises(CatalogError, match=r"private address 10\.1\.2\.3, .* as CATALOG\.$"):
        DocumentReader(access_of()).fetch("http://intranet.example/a.json")
    assert names.looked_up.count("intranet.example") == 1


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_the_server_is_told_the_name(names, reader, scheme):
    """The Host header, or the server name of a TLS handshake: not the address connected to."""
    heard = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        names.public_port = server.getsockname()[1]

        def listen():
            connection, _ = server.accept()
            heard.append(connection.recv(4096))
            connection.close()

        thread = threading.Thread(target=listen)
        thread.start()
        names.answers["files.example"] = [[PUBLIC], []]
        with pytest.raises(RangeError):
            reader(access_of()).read(f"{scheme}://files.example/a.tif", 0, 10)
        thread.join()
    assert b"files.example" in heard[0]
    assert PUBLIC.encode() not in heard[0]


def test_a_run_follows_no_link_there(names, canary, catalog, tmp_path):
    """The job itself, whose catalogue needs no keys."""
    names.answers["rebinds.example"] = [["127.0.0.1"]]
    hrefs = direct_hrefs(canary)[: len(LITERALS + NAMES)]
    links = [
        {"rel": rel, "href": href} for rel, href in zip(itertools.cycle(["child", "item"]), hrefs)
    ]
    root = {"type": "Catalog", "id": "c", "stac_version": "1.0.0", "description": "c"}
    (tmp_path / "catalog.json").write_text(json.dumps({**root, "links": links}))
    with pytest.raises(FairweatherError):
        run_search(SearchScenesRequest(search(), "", ""), RecordingReporter(), tmp_path)
    assert [seen.path for seen in catalog.seen] == ["/catalog.json"]
    assert canary.seen == []
    assert names.reached_inside == []


@pytest.mark.usefixtures("names")
class TestWhoMayNameThem:
    def read(self, reader, canary, access):
        return reader(access).read(f"{canary.address}/a.tif", 0, 4)

    def test_a_catalogue_that_is_there(self, canary, reader):
        for catalog in ("http://127.0.0.1:1/", "http://[::1]/", "https://inside.example/stac"):
            assert self.read(reader, canary, access_of(catalog))

    def test_a_local_one(self, canary, reader, tmp_path):
        assert self.read(reader, canary, access_of(tmp_path))
        assert self.read(reader, canary, Access())

    def test_the_users_own_profile(self, names, canary, reader):
        rules = access_of().rules
        own = PrivateAddresses(rules.private_addresses.source_host, frozenset({canary.host}))
        assert self.read(reader, canary, Access(AccessRules(private_addresses=own)))
        names.reached.clear()
        with pytest.raises(RangeError, match="private"):
            reader(Access(AccessRules(private_addresses=own))).read("http://127.0.0.1:9/", 0, 4)
        assert names.reached == []

    def test_scenes_from_a_remote_catalogue_may_not(self, canary, reader, tmp_path):
        path = tmp_path / "scenes.json"
        with pytest.raises(RangeError, match="private"):
            self.read(reader, canary, access_of(CATALOG, scenes=str(path)))
        assert self.read(reader, canary, access_of(path, scenes=str(path)))
        with pytest.raises(RangeError, match="private"):
            self.read(reader, canary, access_of(path, scenes="http://stac.example/scenes.json"))

    def test_it_is_decided_once_and_travels(self, names, canary, reader):
        names.answers["moves.example"] = [["127.0.0.1"], [PUBLIC]]
        access = access_of("http://moves.example/")
        assert self.read(reader, canary, access)
        assert self.read(reader, canary, Access(pickle.loads(pickle.dumps(access.rules))))
        assert names.looked_up == ["moves.example"]

    @pytest.mark.parametrize("first", [1, 3])
    def test_where_it_was_read_counts_and_not_where_its_name_led(
        self, names, canary, catalog, reader, first
    ):
        """A name that leads to this computer, where nobody listens, until it leads away."""
        names.answers["moves.example"] = [["127.0.0.1"]] * first + [[PUBLIC]]
        port = free_port()
        access = access_of(f"http://moves.example:{port}/catalog.json")
        catalog.answer = lambda _: Reply.of_json({"type": "Catalog", "links": []})
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(web_patience, "FIRST_PAUSE", 0.001)
            patch.setattr(web_patience, "FOR_A_STRANGER", web_patience.FOR_A_SILENT_SERVER)
            assert DocumentReader(access).fetch(f"http://moves.example:{port}/catalog.json")
        assert names.reached == ["127.0.0.1"] * first + [PUBLIC]
        for rules in (access.rules, pickle.loads(pickle.dumps(access.rules))):
            with pytest.raises(RangeError, match="private address"):
                self.read(reader, canary, Access(rules))
        with pytest.raises(FairweatherError, match="private address"):
            DocumentReader(access).fetch(f"{canary.address}/a.json")
        assert canary.seen == []

    def test_one_that_was_read_here_and_then_elsewhere(self, names, canary, catalog, reader):
        """It keeps nothing of what it was allowed before."""
        names.answers["moves.example"] = [["127.0.0.1"], [PUBLIC]]
        port = canary.host.partition(":")[2]
        access = access_of(f"http://moves.example:{port}/")
        ranges = reader(access)
        assert ranges.read(f"http://moves.example:{port}/a.tif", 0, 4)
        assert self.read(reader, canary, access)
        with pytest.raises(RangeError, match="404"):
            reader(access).read(f"http://moves.example:{port}/b.tif", 0, 4)
        assert [seen.path for seen in catalog.seen] == ["/b.tif"]
        names.answers["moves.example"] = [["127.0.0.1"]]
        heard = len(canary.seen)
        for href in (f"{canary.address}/c.tif", f"http://moves.example:{port}/c.tif"):
            with pytest.raises(RangeError, match="private address"):
                reader(access).read(href, 0, 4)
        assert len(canary.seen) == heard

    def test_one_whose_name_leads_here_in_the_end(self, names, canary, reader):
        """As on a network that is entered in between: where it was not reached does not count."""
        names.answers["moves.example"] = [["93.184.216.99"], ["127.0.0.1"]]
        port = canary.host.partition(":")[2]
        access = access_of(f"http://moves.example:{port}/")
        assert reader(access).read(f"http://moves.example:{port}/a.tif", 0, 4)
        assert names.reached == ["93.184.216.99", "127.0.0.1"]
        assert self.read(reader, canary, access)

    def test_it_is_decided_later_where_no_name_server_answers(self, names, canary, reader):
        access = access_of("http://away.example/")
        with pytest.raises(RangeError, match="private"):
            self.read(reader, canary, access)
        names.answers["away.example"] = [["127.0.0.1"]]
        assert self.read(reader, canary, access)

    def test_no_name_is_looked_up_for_nothing(self, names, tmp_path):
        access_of()
        access_of(tmp_path)
        assert names.looked_up == []


def test_the_storage_that_a_profile_names_may_be_anywhere():
    asked = replace(search(""), collection="sentinel-2-l2a-cdse")
    allowed = open_access(asked, None).rules.private_addresses
    assert allowed.source_host == "stac.dataspace.copernicus.eu"
    assert allowed.own_hosts == {"eodata.dataspace.copernicus.eu"}
    host = "eodata.dataspace.copernicus.eu".upper()
    assert allowed.allowed_ones(host, 443, ["10.0.0.1"]) == ["10.0.0.1"]
