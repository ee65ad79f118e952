"""From one page of an API's answer to the next, as the servers there are write their links."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Any

from ...bridge.errors import CatalogError
from ..web.addresses import without_query
from ..web.client import WebAnswer, WebClient, WebRequest
from ..web.json_text import parse_json
from .hrefs import resolve_link

# Some servers filter a page after they have cut it, so a page may be empty before the last.
MOST_BARREN_PAGES = 20
# A page of one new scene after the other would keep a search busy for days.
MOST_PAGES = 20_000
MOST_QUESTION_BYTES = 2**20


def read_pages(client: WebClient, first: WebRequest, key: str) -> Iterator[dict[str, Any]]:
    """The answer to ``first`` and what its ``next`` links lead to, page by page.

    ``key`` names the list that a page holds, ``features`` or ``collections``. It ends where no
    request leads on that was not sent before, or where page after page brings nothing new.

    Raises:
        WebError: a request fails.
        ValueError: an answer is no page.
        CatalogError: there are more pages than any search needs.
    """
    request: WebRequest | None = first
    # Hashes only: what a server writes into its links and ids may be long.
    sent: set[bytes] = set()
    seen: set[int] = set()
    barren = 0
    while request is not None and barren < MOST_BARREN_PAGES:
        if len(sent) == MOST_PAGES:
            raise CatalogError(
                f"The catalogue {without_query(first.address)} answers in more than {MOST_PAGES:,} "
                "pages; narrow the dates or the area, or use another CATALOG."
            )
        sent.add(_identity(request))
        answer = client.ask(request)
        page = _read_page(answer, key)
        ids = {hash(str(entry.get("id"))) for entry in page[key] if isinstance(entry, dict)}
        barren = barren + 1 if ids <= seen else 0
        seen |= ids
        yield page
        request = _next_request(page, request, answer.address)
        if request is not None and _identity(request) in sent:
            return


def _read_page(answer: WebAnswer, key: str) -> dict[str, Any]:
    page = parse_json(answer.content)
    if not isinstance(page, dict) or not isinstance(page.get(key), list):
        raise ValueError(f"it is an answer without {key}")
    return page


def _next_request(page: dict[str, Any], current: WebRequest, address: str) -> WebRequest | None:
    """What the page's ``next`` link asks for; a POST without a body of its own repeats the last."""
    links = page.get("links")
    for link in links if isinstance(links, list) else ():
        if not isinstance(link, dict) or link.get("rel") != "next":
            continue
        location = resolve_link(str(link.get("href") or ""), address)
        if location is None:
            continue
        body = link.get("body")
        default = "GET" if body is None else "POST"
        if str(link.get("method") or default).upper() != "POST":
            return WebRequest(location)
        before = current.parameters if current.method == "POST" else None
        if not isinstance(body, dict):
            return WebRequest(location, "POST", before or {})
        merged = {**(before or {}), **body} if link.get("merge") else body
        return WebRequest(location, "POST", merged)
    return None


def _identity(request: WebRequest) -> bytes:
    """A short mark of what is asked.

    Raises:
        ValueError: it is longer than any question.
    """
    content = json.dumps(request.parameters, sort_keys=True)
    if len(content) + len(request.address) > MOST_QUESTION_BYTES:
        raise ValueError("a link leads on with a question that is far too long")
    text = f"{request.method} {request.address} {content}"
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).digest()
