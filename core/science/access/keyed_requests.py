"""Requests with what a run may add to them: for the catalogue's documents, and for files."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

import urllib3

from ...bridge.errors import AccessError
from ..web.client import WebClient
from ..web.connections import Connections
from ..web.errors import REFUSED
from ..web.routes import Route
from ..web.sending import send
from .access import Access

UNAUTHORIZED = 401
# Storage says this, too, of keys it does not take.
BAD_REQUEST = 400
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


def catalog_client(access: Access | None, connections: int = 4) -> WebClient:
    """Asks for a catalogue's documents, over up to so many connections kept.

    Without ``access`` it may go anywhere.
    """
    if access is None:
        return WebClient(connections=connections)
    return WebClient(access.catalog_route, access.rules.private_addresses, connections)


def request_file(
    connections: Connections, access: Access, href: str, headers: Mapping[str, str]
) -> urllib3.BaseHTTPResponse:
    """The answer of whoever has the file at ``href``; its content is still to be read.

    Raises:
        AccessError: the user's keys are refused, or some are needed and not there.
        HTTPError: there is no answer.
    """
    answer = send(connections, access.route, "GET", href, headers, retries=False)
    _check_let_in(answer.route, answer.response)
    return answer.response


def _check_let_in(route: Route, response: urllib3.BaseHTTPResponse) -> None:
    if not route.is_keyed or response.status not in {*REFUSED, BAD_REQUEST}:
        return
    content = response.read(MOST_BYTES_OF_REASON).decode("utf-8", "replace")
    found = re.search(r"<Code>(\w+)</Code>", content)
    fault = KEY_FAULTS.get(found[1] if found else "")
    if fault is None and response.status == UNAUTHORIZED:
        fault = f"error {UNAUTHORIZED}"
    if fault is not None:
        response.close()
        raise AccessError(
            f"{urlsplit(route.address).netloc} refuses access with the keys of AUTH ({fault}); "
            "check them in QGIS's settings."
        )
