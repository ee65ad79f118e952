"""One request, as far as an answer: keys added, redirects followed, tokens renewed.

Every hop has a route of its own, so that what one host may have goes to no other.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

import urllib3
from urllib3.exceptions import ResponseError

from .connections import Connections
from .errors import REFUSED
from .hosts import origin
from .routes import Route, RouteTo

MOST_HOPS = 6
REDIRECTS = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True)
class Answer:
    """An answer whose content is still to be read, and the route by which it came.

    ``is_keyed`` says that keys of the user went along, be it on the way to another host.
    """

    response: urllib3.BaseHTTPResponse
    route: Route
    is_keyed: bool


def send(
    connections: Connections,
    route_to: RouteTo,
    method: str,
    address: str,
    headers: Mapping[str, str],
    **options: Any,
) -> Answer:
    """The answer of whoever has what ``address`` means; ``options`` are urllib3's, for every hop.

    A request that is moved stays what it is: a POST is sent on with its body.

    Raises:
        HTTPError: there is no answer, or it must not be asked for (``PrivateAddressError``).
    """
    route = route_to(address)
    is_keyed = was_renewed = False
    for _ in range(MOST_HOPS):
        is_keyed = is_keyed or route.is_keyed
        response = connections.request(
            method,
            route.address,
            headers={**headers, **route.headers},
            preload_content=False,
            redirect=False,
            **options,
        )
        if response.status not in REFUSED:
            route.accepted()
        if not was_renewed and route.is_outdated(response.status, response.headers):
            was_renewed = True
        elif response.status in REDIRECTS and response.headers.get("Location"):
            address = _redirected(route.address, response.headers["Location"])
        else:
            return Answer(response, route, is_keyed)
        response.close()
        response.release_conn()
        route = route_to(address)
    raise ResponseError("redirects again and again")


def _redirected(address: str, location: str) -> str:
    try:
        following = urljoin(address, _as_sent(location))
    except ValueError:
        following = ""
    if origin(following) is None:
        raise ResponseError("redirects to no web address")
    return following


def _as_sent(header: str) -> str:
    """The text of a header that may be UTF-8, where Python takes all for Latin-1."""
    try:
        return header.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return header
