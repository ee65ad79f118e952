"""Redirects, keys and tokens, by one rule for whatever is asked for."""

from dataclasses import dataclass, field

import pytest
import urllib3
from fairweather.core.science.web.client import WebClient, WebRequest
from fairweather.core.science.web.connections import Connections
from fairweather.core.science.web.errors import WebError
from fairweather.core.science.web.private_addresses import PrivateAddresses
from fairweather.core.science.web.routes import Route
from fairweather.core.science.web.sending import MOST_HOPS, REDIRECTS, send
from fairweather.core.science.web.timed_answers import Pace
from guarded_server import Reply
from urllib3.exceptions import ResponseError


@pytest.fixture
def connections():
    made = Connections(PrivateAddresses(), 2, urllib3.Timeout(5), Pace(5, 1))
    yield made
    made.close()


@dataclass(frozen=True, kw_only=True)
class KeyedRoute(Route):
    keys: object

    def accepted(self):
        self.keys.accepted.append(self.headers["X-Key"])

    def is_outdated(self, status, headers):  # noqa: ARG002
        return status == 401


@dataclass
class Keys:
    """Has a key of its own for each request to ``host``."""

    host: str
    given: list = field(default_factory=list)
    accepted: list = field(default_factory=list)

    def route_to(self, address):
        if self.host not in address:
            return Route(address)
        self.given.append(f"key-{len(self.given)}")
        return KeyedRoute(address, {"X-Key": self.given[-1]}, is_keyed=True, keys=self)


def test_each_hop_has_a_route_of_its_own(connections, serve):
    other = serve(lambda _: Reply(200, b"there"))
    moved = {"/a": "/b?x=1", "/b": f"{other.address}/c"}
    own = serve(lambda seen: Reply(302, b"", {"Location": moved[seen.path]}))
    keys = Keys(own.host)
    answer = send(connections, keys.route_to, "GET", f"{own.address}/a", {"X-All": "1"}, retries=0)
    assert answer.response.read() == b"there"
    assert answer.route.address == f"{other.address}/c"
    assert not answer.route.is_keyed
    assert answer.is_keyed
    assert [seen.headers.get("x-key") for seen in own.seen] == ["key-0", "key-1"]
    assert keys.accepted == ["key-0", "key-1"]
    assert "x-key" not in other.seen[0].headers
    assert {seen.headers["x-all"] for seen in (*own.seen, *other.seen)} == {"1"}


@pytest.mark.parametrize("status", sorted(REDIRECTS))
def test_a_post_that_is_moved_stays_one(connections, serve, status):
    server = serve(
        lambda seen: (
            Reply(status, b"", {"Location": "/new"})
            if seen.path == "/old"
            else Reply(200, seen.body)
        )
    )
    address, body = f"{server.address}/old", {"limit": 3}
    answer = send(connections, Route, "POST", address, {}, json=body, retries=0)
    assert answer.response.json() == body
    assert [seen.method for seen in server.seen] == ["POST", "POST"]


@pytest.mark.parametrize("refusals", [1, 2])
def test_a_refused_key_is_renewed_once(connections, serve, refusals):
    server = serve(lambda _: Reply(401 if len(server.seen) <= refusals else 200))
    keys = Keys(server.host)
    answer = send(connections, keys.route_to, "GET", f"{server.address}/a", {}, retries=0)
    assert answer.response.status == (200 if refusals == 1 else 401)
    assert keys.given == ["key-0", "key-1"]
    assert keys.accepted == (["key-1"] if refusals == 1 else [])


def test_redirects_end(connections, serve):
    server = serve(lambda seen: Reply(302, b"", {"Location": seen.path}))
    with pytest.raises(ResponseError, match="again and again"):
        send(connections, Route, "GET", f"{server.address}/a", {}, retries=0)
    assert len(server.seen) == MOST_HOPS


@pytest.mark.parametrize(
    ("location", "asked"),
    [
        ("/données/é.json?n=ü", "/donn%C3%A9es/%C3%A9.json?n=%C3%BC"),
        ("/donn%C3%A9es", "/donn%C3%A9es"),
        ("/東京", "/%E6%9D%B1%E4%BA%AC"),
    ],
)
def test_a_redirect_in_utf8(connections, serve, location, asked):
    # Headers are sent as Latin-1 there.
    header = {"Location": location.encode().decode("latin-1")}
    server = serve(lambda seen: Reply(302, b"", header) if seen.path == "/a" else Reply(200))
    answer = send(connections, Route, "GET", f"{server.address}/a", {}, retries=0)
    assert (answer.response.status, server.seen[-1].target) == (200, asked)


@pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://x/y", "s3://b/k", "//["])
def test_a_redirect_to_no_web_address(serve, location):
    server = serve(lambda _: Reply(302, b"", {"Location": location}))
    with pytest.raises(WebError, match="it redirects to what is no web address"):
        WebClient().ask(WebRequest(f"{server.address}/a"))
    assert len(server.seen) == 1


def test_whoever_saw_a_key_is_not_quoted(serve):
    """The second server repeats what the first has told it."""
    other = serve(lambda seen: Reply(400, seen.target.encode()))
    own = serve(
        lambda seen: Reply(302, b"", {"Location": f"{other.address}/{seen.headers['x-key']}"})
    )
    with pytest.raises(WebError) as caught:
        WebClient(Keys(own.host).route_to).ask(WebRequest(f"{own.address}/a"))
    assert (caught.value.status, caught.value.reason) == (400, "Bad Request")
    with pytest.raises(WebError, match="/what-was-asked"):
        WebClient().ask(WebRequest(f"{other.address}/what-was-asked"))
