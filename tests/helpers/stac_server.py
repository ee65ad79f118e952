"""A STAC API on loopback that is as able, as weak or as wrong as a test wants it."""

from __future__ import annotations

import json
import operator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlencode, urlsplit

import shapely
from loopback import PLACE, serving

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
    "filter by text": [
        "https://api.stacspec.org/v1.0.0/item-search#filter",
        "http://www.opengis.net/spec/cql2/1.0/conf/cql2-text",
        "http://www.opengis.net/spec/cql2/1.0/conf/basic-cql2",
    ],
}
# What a search without them would be.
CONDITIONS = ("collections", "intersects", "bbox", "datetime", "query", "filter")
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

    ``conforms_to`` names extensions: query, filter, filter by text, sort. ``understands`` are
    those that it really obeys (None: what it advertises); with ``ignores_all`` it obeys nothing,
    not even the place. ``page_size`` is the most it gives. ``paging`` is how its ``next`` links are
    written: POST (merged into the question), POST whole (the question again), POST bare (no body),
    POST untold (a body, but no method), GET, relative. ``empty_pages`` come before the first.
    ``rejects`` names members of a search that it answers with 400. ``failures`` is how many
    requests are answered with 503 first. Where ``moves`` is a number, the search link leads there
    by as many redirections. With ``never_ends`` a page leads to itself (``page``), or
    to new scenes for ever (``scenes``).
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
    moves: int = 0
    search_answer: bytes | None = None
    landing_page: bytes | None = None
    never_ends: str = ""
    ignores_all: bool = False
    empty_pages: int = 0
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
        search = "v1/search" if not self.moves else f"v1/moved/{self.moves}"
        links = [{"rel": "search", "href": search, "method": "GET"}]
        if not self.only_get:
            links.append({"rel": "search", "href": search, "method": "POST"})
        links = [{**link, "type": "application/geo+json"} for link in links]
        links.append({"rel": "data", "href": f"{self.address}/collections"})
        return {
            "type": "Catalog", "id": "loopback", "title": "Loopback API", "description": "a test",
            "stac_version": "1.0.0", "conformsTo": conformance, "links": links,
        }  # fmt: skip

    def search(self, what: dict) -> dict:
        if self.ignores_all:
            what = {name: value for name, value in what.items() if name not in CONDITIONS}
        found = [item for item in self.items if self._matches(item, what)]
        if "sortby" in what and self.obeys("sort"):
            found.sort(key=lambda item: item["properties"]["datetime"])
        size = min(int(what.get("limit", 10)), self.page_size)
        token = int(what.get("token", 0))
        start = max(0, token - self.empty_pages) * size
        features = found[start : start + size] if token >= self.empty_pages else []
        answer = {"type": "FeatureCollection", "features": features, "links": []}
        if self.counts:
            answer["numberMatched"] = len(found)
        if self.never_ends == "scenes":
            answer["features"] = [{**item, "id": f"{item['id']}-{token}"} for item in found[:size]]
        if self.never_ends:
            token = -1 if self.never_ends == "page" else token
            answer["links"].append(self._next_link({**what, "token": token + 1}))
        elif token < self.empty_pages or start + size < len(found):
            answer["links"].append(self._next_link({**what, "token": token + 1}))
        return answer

    def _next_link(self, what: dict) -> dict:
        href = f"{self.address}/search"
        token = what["token"]
        if self.paging.startswith("POST") and not self.only_get:
            link = {"rel": "next", "href": href, "method": "POST"}
            if self.paging == "POST bare":
                return {**link, "href": f"{href}?token={token}"}
            if self.paging == "POST whole":
                return {**link, "body": what}
            if self.paging == "POST untold":
                del link["method"]
            # Only what changes: the client has to merge it into its own question.
            return {**link, "body": {"token": token}, "merge": True}
        texts = {
            name: json.dumps(value) if isinstance(value, (dict, list)) else value
            for name, value in what.items()
        }
        if self.paging == "relative":
            href = "./search"
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

    def _filter_holds(self, item: dict, expression: dict | str) -> bool:
        if isinstance(expression, str):
            return not self.obeys("filter by text") or _obeys_text(item, expression)
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
            parts = urlsplit(self.path)
            in_address = {name: values[-1] for name, values in parse_qs(parts.query).items()}
            return self._answer(parts.path, {**json.loads(body), **in_address})

        def _answer(self, path, what):
            server.requests.append((self.command, path, what))
            if server.failures > 0:
                server.failures -= 1
                return self._send(503, b"busy")
            if path.startswith("/v1/moved/"):
                left = int(path.rpartition("/")[2]) - 1
                return self._redirect(f"/v1/moved/{left}" if left else "/v1/search")
            return self._send(*_content(server, path, what))

        def _redirect(self, location):
            self.send_response(301)
            self.send_header("Location", f"{location}?{urlsplit(self.path).query}".rstrip("?"))
            self.send_header("Content-Length", "0")
            self.end_headers()

        def _send(self, status, content):
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *arguments):
            pass

    with serving(ThreadingHTTPServer(PLACE, Handler)) as address:
        server.address = f"{address}/v1"
        yield server


def _content(server: StacServer, path: str, what: dict) -> tuple[int, bytes]:
    if any(name in what for name in server.rejects):
        return 400, b'{"description": "cannot"}'
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


def _obeys_text(item: dict, expression: str) -> bool:
    """CQL2 text of the kind that is sent: ``"a" < 1.0 AND ("b" = 'x' OR "b" = 'y')``."""
    for part in expression.split(" AND "):
        alternatives = [one.split(" ", 2) for one in part.strip("()").split(" OR ")]
        if not any(
            _compares(item, name.strip('"'), symbol, _text_value(value))
            for name, symbol, value in alternatives
        ):
            return False
    return True


def _text_value(text: str):
    return text[1:-1].replace("''", "'") if text.startswith("'") else float(text)
