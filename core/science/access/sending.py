"""One GET of a file, as far as an answer: keys added, redirects followed, tokens renewed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urljoin, urlsplit

import urllib3
from urllib3.exceptions import ResponseError

from ...bridge.errors import AccessError
from .access import Access, Route
from .connections import Connections
from .hosts import origin

MOST_HOPS = 6
REDIRECTS = frozenset({301, 302, 303, 307, 308})
UNAUTHORIZED = 401
REFUSED = frozenset({UNAUTHORIZED, 403})
# The answer to a refused request says in a few hundred bytes of XML why.
MOST_BYTES_OF_REASON = 1 << 16

# https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html: what no waiting helps.
KEY_FAULTS = {
    "InvalidAccessKeyId": "it does not know the access key",
    "SignatureDoesNotMatch": "the secret key is wrong",
    "InvalidToken": "the keys are of another kind",
    "ExpiredToken": "the keys have expired",
    "RequestTimeTooSkewed": "this computer's clock is wrong",
}


def send(
    connections: Connections, access: Access, href: str, headers: Mapping[str, str]
) -> urllib3.BaseHTTPResponse:
    """The answer of whoever has the file at ``href``; its content is still to be read.

    Raises:
        AccessError: the user's keys are refused, or some are needed and not there.
        HTTPError: there is no answer.
    """
    route = access.route(href)
    was_renewed = False
    for _ in range(MOST_HOPS):
        answer = connections.request(
            "GET",
            route.address,
            headers={**headers, **route.headers},
            preload_content=False,
            redirect=False,
            retries=False,
        )
        _note_accepted(route, answer.status)
        if not was_renewed and _may_renew(route, answer.status):
            was_renewed = True
            following = access.route(href)
        elif access.storage.is_elsewhere(href, route.region, answer.status, answer.headers):
            following = access.route(href)
        elif answer.status in REDIRECTS and answer.headers.get("Location"):
            following = _redirected(access, route.address, answer.headers["Location"])
        else:
            _check_let_in(route, answer)
            return answer
        answer.close()
        answer.release_conn()
        route = following
    raise ResponseError("redirects again and again")


def _may_renew(route: Route, status: int) -> bool:
    """Whether the token was refused, and there is a newer one now."""
    if route.token is None or status not in REFUSED:
        return False
    return route.token.refused(route.token_text)


def _note_accepted(route: Route, status: int) -> None:
    if route.token is not None and status not in REFUSED:
        route.token.accepted(route.token_text)


def _redirected(access: Access, address: str, location: str) -> Route:
    """The next hop, with what its own host may have and nothing of the last one's."""
    try:
        following = urljoin(address, location)
    except ValueError:
        following = ""
    if origin(following) is None:
        raise ResponseError("redirects to no web address")
    return access.route(following)


def _check_let_in(route: Route, answer: urllib3.BaseHTTPResponse) -> None:
    if not route.is_keyed or answer.status not in REFUSED | {400}:
        return
    content = answer.read(MOST_BYTES_OF_REASON).decode("utf-8", "replace")
    found = re.search(r"<Code>(\w+)</Code>", content)
    fault = KEY_FAULTS.get(found[1] if found else "")
    if fault is None and answer.status == UNAUTHORIZED:
        fault = f"error {UNAUTHORIZED}"
    if fault is not None:
        answer.close()
        raise AccessError(
            f"{urlsplit(route.address).netloc} refuses access with the keys of AUTH ({fault}); "
            "check them in QGIS's settings."
        )
