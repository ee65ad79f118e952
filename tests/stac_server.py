"""A STAC API on loopback that is as able, as weak or as wrong as a test wants it."""

from __future__ import annotations

import json
import operator
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

import shapely

ITEM_SEARCH = "https://api.stacspec.org/v1.0.0/item-search"
# The extensions have versions of their own, as stac-fastapi names them.
CONFORMANCE = {
    "query": [f"{ITEM_SEARCH}#query"],
    "sort": ["https://api.stacspec.org/v1.1.0/item-search#sort"],
    "filter": [
        "https://api.stacspec.org/v1.0.0-rc.2/item-search#filter",
        "http://www.opengis.net/spec/cql2/1.0/conf/cql2-json",
        "http://www.opengis.net/spec/cql2/1.0/conf/basic-cql2",
    ],
}
WORLD = shapely.geometry.mapping(shapely.box(-180, -90, 180, 90))
COMPARE = {
    "eq": operator.eq, "=": operator.eq, "neq": operator.ne, "<>": operator.ne,
    "lt": operator.lt, "<": operator.lt, "lte": operator.le, "<=": operator.le,
    "gt": operator.gt, ">": operator.gt, "gte": operator.ge, ">=": operator.ge,
    "in": lambda value, values: value in values,
}  # fmt: skip


@dataclass
class StacServer:
    """What the server holds and how it behaves.

    ``conforms_to`` names extensions: query, filter, sort. ``understands`` are those that it really
    obeys (None: what it advertises). ``page_size`` is the most it gives; ``paging`` POST or GET.
    ``rejects`` names members of a search that it answers with 400. ``failures`` is how many
    requests are answered with 503 first.
    """

    items: list[dict]
    collections: list[dict] = field(default_factory=list)
    conforms_to: tuple[str, ...] = ()
    understands: tuple[str, ...] | None = None
    page_size: int = 10
    paging: str = "POST"
    only_get: bool = False
    counts: bool = True
    rejects: tuple[str, ...] = ()
    failures: int = 0
    search_answer: bytes | None = None
    landing_page: bytes | None = None
    never_ends: bool = False
    address: str = ""
    requests: list[tuple[str, str, dict]] = field(default_factory=list)

    @property
    def searches(self) -> list[dict]:
        """What was searched for, in order."""
        return [what for _, path, what in self.requests if path == "/v1/search"]

    def obeys(self, extension: str) -> bool:
        able = self.conforms_to if self.understands is None else self.understands
        return extension in able

    def root(self) -> dict:
        conformance = [ITEM_SEARCH, "https://api.stacspec.org/v1.0.0/core"]
        for name in self.conforms_to:
            conformance += CONFORMANCE[name]
        links = [{"rel": "search", "href": "v1/search", "method": "GET"}]
        if not self.only_get:
            links.append({"rel": "search", "href": "v1/search", "method": "POST"})
        links = [{**link, "type": "application/geo+json"} for link in links]
        links.append({"rel": "data", "href": f"{self.address}/collections"})
        return {
            "type": "Catalog", "id": "loopback", "title": "Loopback API", "description": "a test",
            "stac_version": "1.0.0", "conformsTo": conformance, "links": links,
        }  # fmt: skip

    def search(self, what: dict) -> dict:
        found = [item for item in self.items if self._matches(item, what)]
        if "sortby" in what and self.obeys("sort"):
            found.sort(key=lambda item: item["properties"]["datetime"])
        size = min(int(what.get("limit", 10)), self.page_size)
        start = int(what.get("token", 0))
        answer = {"type": "FeatureCollection", "features": found[start : start + size], "links": []}
        if self.counts:
            answer["numberMatched"] = len(found)
        if self.never_ends:
            answer["links"].append(self._next_link({**what, "token": 0}))
        elif start + size < len(found):
            answer["links"].append(self._next_link({**what, "token": start + size}))
        return answer

    def _next_link(self, what: dict) -> dict:
        href = f"{self.address}/search"
        if self.paging == "POST" and not self.only_get:
            # Only what changes: the client has to merge it into its own question.
            body = {"token": what["token"]}
            return {"rel": "next", "href": href, "method": "POST", "body": body, "merge": True}
        texts = {
            name: json.dumps(value) if isinstance(value, (dict, list)) else value
            for name, value in what.items()
        }
        return {"rel": "next", "href": f"{href}?{urlencode(texts)}", "method": "GET"}

    def _matches(self, item: dict, what: dict) -> bool:
        footprint = shapely.geometry.shape(item["geometry"])
        start, end = what.get("datetime", "0001-01-01T00:00:00Z/9999-01-01T00:00:00Z").split("/")
        return (
            item["collection"] in what.get("collections", [item["collection"]])
            and footprint.intersects(shapely.geometry.shape(what.get("intersects", WORLD)))
            and footprint.intersects(shapely.box(*what.get("bbox", (-180, -90, 180, 90))))
            and _moment(start) <= _moment(item["properties"]["datetime"]) <= _moment(end)
            and ("query" not in what or self._query_holds(item, what["query"]))
            and ("filter" not in what or self._filter_holds(item, what["filter"]))
        )

    def _query_holds(self, item: dict, query: dict) -> bool:
        return not self.obeys("query") or _obeys_query(item, query)

    def _filter_holds(self, item: dict, expression: dict) -> bool:
        return not self.obeys("filter") or _obeys_cql2(item, expression)


@contextmanager
def running(server: StacServer):
    """Serve ``server`` on a free port of 127.0.0.1; its ``address`` is the landing page's."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Head and body in one packet: two would wait 40 ms for each other.
        wbufsize = -1

        def do_GET(self):
            parts = urlsplit(self.path)
            texts = {name: values[-1] for name, values in parse_qs(parts.query).items()}
            self._answer(parts.path, {name: _read(name, text) for name, text in texts.items()})

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if server.only_get:
                return self._send(405, b"{}")
            return self._answer(self.path, json.loads(body))

        def _answer(self, path, what):
            server.requests.append((self.command, path, what))
            if server.failures > 0:
                server.failures -= 1
                return self._send(503, b"busy")
            if any(name in what for name in server.rejects):
                return self._send(400, b'{"description": "cannot"}')
            return self._send(*_content(server, path, what))

        def _send(self, status, content):
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments):
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    server.address = f"http://127.0.0.1:{http.server_port}/v1"
    thread = threading.Thread(target=http.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join()


def _content(server: StacServer, path: str, what: dict) -> tuple[int, bytes]:
    if path.rstrip("/") == "/v1":
        return 200, server.landing_page or json.dumps(server.root()).encode()
    if path == "/v1/search":
        return 200, server.search_answer or json.dumps(server.search(what)).encode()
    if path == "/v1/collections":
        return 200, json.dumps({"collections": server.collections, "links": []}).encode()
    for collection in server.collections:
        if path == f"/v1/collections/{collection['id']}":
            return 200, json.dumps(collection).encode()
    return 404, b'{"code": "NotFound"}'


def _read(name: str, text: str):
    if name == "collections":
        return json.loads(text) if text.startswith("[") else text.split(",")
    if name == "bbox":
        return json.loads(text) if text.startswith("[") else [float(n) for n in text.split(",")]
    return json.loads(text) if text.startswith(("{", "[")) else text


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def _compares(item: dict, name: str, symbol: str, value) -> bool:
    found = item["properties"].get(name)
    try:
        return found is not None and COMPARE[symbol](found, value)
    except TypeError:
        return False


def _obeys_query(item: dict, query: dict) -> bool:
    return all(
        _compares(item, name, symbol, value)
        for name, comparisons in query.items()
        for symbol, value in comparisons.items()
    )


def _obeys_cql2(item: dict, expression: dict) -> bool:
    arguments = expression["args"]
    if expression["op"] in ("and", "or"):
        join = all if expression["op"] == "and" else any
        return join(_obeys_cql2(item, argument) for argument in arguments)
    return _compares(item, arguments[0]["property"], expression["op"], arguments[1])
