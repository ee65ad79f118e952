"""Where a remote catalogue must not lead: a canary on loopback listens, and hears nothing.

The names here are made up: a name server of the test's own answers for them, and what it calls
public is a server on loopback. Nothing else is replaced.
"""

import itertools
import json
import pickle
import socket
import threading

import pytest
from fairweather.core.bridge.errors import CatalogError, FairweatherError
from fairweather.core.bridge.request import Area, SceneSearch, SearchScenesRequest
from fairweather.core.science.access.access import Access, AccessRules, open_access
from fairweather.core.science.access.private_addresses import PrivateAddresses, is_public
from fairweather.core.science.catalog.documents import DocumentReader
from fairweather.core.science.catalog.hrefs import resolve_asset, resolve_link
from fairweather.core.science.catalog.job import run_search
from fairweather.core.science.catalog.paging import read_pages
from fairweather.core.science.catalog.web import WebError, WebRequest, ask, open_session
from fairweather.core.science.imagery.files.patience import RangeError
from fairweather.core.science.reporter import RecordingReporter

PUBLIC = "93.184.216.34"
CATALOG = "http://stac.example/catalog.json"
STATUSES = (301, 302, 303, 307, 308)

# Ways to write 127.0.0.1, or to get to this computer or the network around it.
LITERALS = (
    *("127.0.0.1", "127.1", "127.0.1", "2130706433", "0x7f000001", "0X7F.1", "0x7f.0.0.0x1"),
    *("0177.0.0.1", "0177.1", "017700000001", "127.000.000.001", "127.0.0.2", "0.0.0.0", "0"),
    *("[::1]", "[0:0:0:0:0:0:0:1]", "[::]", "[::ffff:127.0.0.1]", "[::FFFF:7f00:1]"),
    *("[0:0:0:0:0:ffff:127.0.0.1]", "[::127.0.0.1]", "[64:ff9b::127.0.0.1]"),
    *("10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "[fd00::1]", "[fe80::1]"),
)
NAMES = (
    *("localhost", "LocalHost", "localhost.", "inside.example", "INSIDE.EXAMPLE"),
    *("inside.example.", "mapped.example", "intranet.example", "rebinds.example"),
    *("127.0.0.1.", "%31%32%37.0.0.1", "１２７.0.0.1", "127。0。0。1", "ⓛocalhost"),
)
FORMS = (
    "http://{host}:{port}/a.json",
    "HTTP://{host}:{port}/a.json",
    "hTTps://{host}:{port}/a.json",
    "http://stac.example@{host}:{port}/a.json",
    "http://a:b@{host}:{port}/a.json?x=//stac.example#@stac.example",
    "//{host}:{port}/a.json",
    "http://{host}:{port}\\@stac.example/a.json",
)


class NameServer:
    """Stands in for the system's, and for the way to what it calls public.

    ``answers`` are, by name, those to the first, second … look-up; the last is for all others.
    ``reached`` are the addresses that were connected to.
    """

    def __init__(self, monkeypatch):
        self.answers = {"localhost": [["127.0.0.1"]]}
        self.looked_up = []
        self.reached = []
        self.public_port = 0
        self._look_up, self._connect = socket.getaddrinfo, socket.socket.connect
        monkeypatch.setattr(socket, "getaddrinfo", self.getaddrinfo)

        def connect(one, place):
            return self.connect(one, place)

        monkeypatch.setattr(socket.socket, "connect", connect)

    def getaddrinfo(self, host, port, family=0, type=0, proto=0, flags=0):  # noqa: A002
        try:
            numeric = flags | socket.AI_NUMERICHOST
            return self._look_up(host, port, family, type, proto, numeric)
        except socket.gaierror:
            name = host.encode("idna").decode().lower().rstrip(".")
            if flags & socket.AI_NUMERICHOST:
                raise
        self.looked_up.append(name)
        # Some name servers answer numbers with a dot at their end.
        answers = [["127.0.0.1"]] if name == "127.0.0.1" else self.answers.get(name)
        if not answers:
            raise socket.gaierror(socket.EAI_NONAME, "not known")
        found = answers.pop(0) if len(answers) > 1 else answers[0]
        every = (self._look_up(one, port, family, type, proto) for one in found)
        return list(itertools.chain.from_iterable(every))

    def connect(self, one, place):
        address = place[0]
        self.reached.append(address)
        if address == PUBLIC:
            place = ("127.0.0.1", self.public_port)
        elif is_public(address):
            raise ConnectionRefusedError("tests stay on this computer")
        return self._connect(one, place)

    @property
    def reached_inside(self):
        return [address for address in self.reached if address != PUBLIC]


@pytest.fixture
def names(monkeypatch):
    for proxy in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(proxy, raising=False)
        monkeypatch.delenv(proxy.upper(), raising=False)
    server = NameServer(monkeypatch)
    server.answers.update(
        {
            "stac.example": [[PUBLIC]],
            "inside.example": [["127.0.0.1"]],
            "mapped.example": [["::ffff:127.0.0.1"]],
            "intranet.example": [["10.1.2.3", "fd00::2"]],
            "rebinds.example": [[PUBLIC], ["127.0.0.1"]],
        }
    )
    return server


@pytest.fixture
def canary(serve, guarded):
    server = serve()
    server.answer = lambda _: guarded.Reply.of_json({"features": [], "links": []})
    return server


@pytest.fixture
def catalog(serve, guarded, names):
    """The server behind ``PUBLIC``: ``/go?status=…&to=…`` is a redirect."""
    server = serve()

    def answer(seen):
        if seen.path == "/go":
            headers = {"Location": seen.query["to"], "Connection": "close"}
            return guarded.Reply(int(seen.query["status"]), b"", headers)
        return None

    server.answer = answer
    names.public_port = int(server.host.partition(":")[2])
    return server


def search(catalog=CATALOG, **fields):
    ring = [[10, 45], [11, 45], [11, 46], [10, 46], [10, 45]]
    area = Area("EPSG:4326", {"type": "Polygon", "coordinates": [ring]})
    return SceneSearch(
        "sentinel-2-c1-l2a", area, "2024-01-01", "2024-12-31", catalog=str(catalog), **fields
    )


def access_of(catalog=CATALOG, **fields):
    return open_access(search(catalog, **fields), None)


def direct_hrefs(canary):
    port = canary.host.partition(":")[2]
    pairs = itertools.product(FORMS, LITERALS + NAMES)
    return [form.format(host=host, port=port) for form, host in pairs]


def redirects(canary, hops=1):
    """Addresses at the catalogue that lead to the canary by so many redirects."""
    port = canary.host.partition(":")[2]
    statuses = itertools.cycle(STATUSES)
    for host in (*LITERALS, *NAMES):
        href = f"http://{host}:{port}/a.json"
        for _ in range(hops):
            href = f"http://stac.example/go?status={next(statuses)}&to={escaped(href)}"
        yield href


def escaped(text):
    return "".join(f"%{byte:02X}" for byte in text.encode())


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
def test_a_next_page_does_not_lead_there(guarded, names, canary, catalog, method):
    names.answers["rebinds.example"] = [["127.0.0.1"]]
    for href in direct_hrefs(canary):
        page = {"features": [], "links": [{"rel": "next", "href": href, "method": method}]}
        catalog.answer = lambda _, page=page: guarded.Reply.of_json(page)
        with open_session(access_of()) as session:
            pages = read_pages(session, WebRequest(CATALOG), "features")
            assert next(pages)["links"][0]["href"] == href
            assert_refused(lambda _, pages=pages: next(pages, "no address"), [href])
    assert canary.seen == []
    assert names.reached_inside == []


@pytest.mark.parametrize("public_answers", range(1, 6))
def test_a_catalogue_that_moves_in_mid_run(guarded, names, canary, catalog, public_answers):
    """Its name leads to a public address first, and then to this computer."""
    names.answers["stac.example"] = [[PUBLIC]] * public_answers + [["127.0.0.1"]]
    catalog.answer = lambda _: guarded.Reply.of_json({"type": "x"}, 404)
    port = canary.host.partition(":")[2]
    documents = DocumentReader(access_of(f"http://stac.example:{port}/"))
    for number in range(8):
        # A connection of its own for each, as there are with many threads.
        documents._session.adapters["http://"].poolmanager.clear()
        with pytest.raises(FairweatherError):
            documents.fetch(f"http://stac.example:{port}/{number}.json")
    assert canary.seen == []
    assert names.reached_inside == []
    # Whoever moves while it is checked has the first answer checked, and connected to.
    assert len(names.reached) == public_answers - 1


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
        own = PrivateAddresses(rules.private_addresses.catalog_host, frozenset({canary.host}))
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


def test_behind_a_proxy_what_is_written_as_an_address_is_checked(names, canary, serve, monkeypatch):
    proxy = serve()
    monkeypatch.setenv("http_proxy", proxy.address)
    with open_session(access_of()) as session:
        for href in direct_hrefs(canary)[: len(LITERALS)]:
            with pytest.raises(CatalogError, match="private address"):
                ask(session, WebRequest(href))
        assert proxy.seen == []
        # Names are the proxy's to look up.
        with pytest.raises(WebError):
            ask(session, WebRequest("http://intranet.example/a"))
    assert [seen.target for seen in proxy.seen] == ["http://intranet.example/a"]
    assert names.looked_up == ["stac.example"]
