"""Ways to lead a reader to this computer, and a name server that answers as a test wants.

The names are made up: a name server of the test's own answers for them, and what it calls public
is a server on loopback.
"""

from __future__ import annotations

import itertools
import socket

from fairweather.core.bridge.request import Area, SceneSearch
from fairweather.core.science.access.access import open_access
from fairweather.core.science.web.private_addresses import is_public
from guarded_server import Reply

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


def known_names() -> dict[str, list[list[str]]]:
    """What the name server answers from the start, by name; see ``NameServer``."""
    return {
        "localhost": [["127.0.0.1"]],
        "stac.example": [[PUBLIC]],
        "inside.example": [["127.0.0.1"]],
        "mapped.example": [["::ffff:127.0.0.1"]],
        "intranet.example": [["10.1.2.3", "fd00::2"]],
        "rebinds.example": [[PUBLIC], ["127.0.0.1"]],
    }


class NameServer:
    """Stands in for the system's, and for the way to what it calls public.

    ``answers`` are, by name, those to the first, second … look-up; the last is for all others.
    ``reached`` are the addresses that were connected to. Until ``monkeypatch`` is undone.
    """

    def __init__(self, monkeypatch):
        for proxy in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
            monkeypatch.delenv(proxy, raising=False)
            monkeypatch.delenv(proxy.upper(), raising=False)
        self.answers = known_names()
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


def follow(seen):
    """The reply of a catalogue's server that redirects: ``/go?status=…&to=…``; else None."""
    if seen.path == "/go":
        # As servers send what is not ASCII: its bytes in UTF-8.
        place = seen.query["to"].encode().decode("latin-1")
        headers = {"Location": place, "Connection": "close"}
        return Reply(int(seen.query["status"]), b"", headers)
    return None
