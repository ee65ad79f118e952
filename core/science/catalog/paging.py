"""From one page of an API's answer to the next, as the servers there are write their links."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator
from functools import partial
from typing import Any

from ...bridge.errors import CatalogError
from ..web.addresses import without_query
from ..web.client import WebAnswer, WebClient, WebRequest
from ..web.json_text import parse_json
from .hrefs import resolve_link

# Some servers filter a page after they have cut it, so that many may be empty before the last.
MOST_BARREN_PAGES = 200
# A page of one new scene after the other would keep a search busy for days.
MOST_PAGES = 20_000
MOST_QUESTION_BYTES = 2**20


class UnfinishedError(CatalogError):
    """What was read is good, and there may be more that the catalogue does not lead to."""


def read_pages(client: WebClient, first: WebRequest, key: str) -> Iterator[dict[str, Any]]:
    """The answer to ``first`` and what its ``next`` links lead to, page by page.

    ``key`` names the list that a page holds, ``features`` or ``collections``. Some servers lead on
    from every page: where all that they count was read, nothing new is the end.

    Raises:
        WebError: a request fails.
        ValueError: an answer is no page.
        UnfinishedError: the last page leads on, but to one that was read before or must not be
            read, or page after page has brought nothing new.
        CatalogError: there are more pages than any search needs.
    """
    request: WebRequest | None = first
    # Hashes only: what a server writes into its links and ids may be long.
    sent: set[bytes] = set()
    seen: set[int] = set()
    barren = 0
    matched: float = math.inf
    while request is not None:
        identity = _identity(request)
        if len(seen) >= matched and (barren or identity in sent):
            return
        if identity in sent:
            raise _unfinished(first, "leads from its last page back to one that was read before")
        if barren == MOST_BARREN_PAGES:
            raise _unfinished(first, f"leads on after {barren:,} pages that brought nothing new")
        if len(sent) == MOST_PAGES:
            raise CatalogError(
                f"The catalogue {without_query(first.address)} answers in more than {MOST_PAGES:,} "
                "pages; narrow the dates or the area, or use another CATALOG."
            )
        sent.add(identity)
        page, address = client.ask(request, partial(_read_page, key))
        ids = {hash(str(entry.get("id"))) for entry in page[key] if isinstance(entry, dict)}
        barren = barren + 1 if ids <= seen else 0
        seen |= ids
        told = number_matched(page)
        matched = matched if told is None else told
        yield page
        request = _next_request(page, request, address)
        if request is None and _leads_on(page):
            raise _unfinished(first, "leads from its last page to one that must not be read")


def number_matched(page: dict[str, Any]) -> int | None:
    """How many entries match on all pages together, where this one tells it."""
    context = page.get("context")
    in_context = context.get("matched") if isinstance(context, dict) else None
    numbers = [page.get("numberMatched"), page.get("numMatched"), in_context]
    return next((number for number in numbers if type(number) is int and number >= 0), None)


def _unfinished(first: WebRequest, reason: str) -> UnfinishedError:
    return UnfinishedError(
        f"The catalogue {without_query(first.address)} {reason}, so that scenes may be missing; "
        "narrow the dates or the area, or use another CATALOG."
    )


def _read_page(key: str, answer: WebAnswer) -> tuple[dict[str, Any], str]:
    """The page, and where it was found.

    Raises:
        ValueError: it is none.
    """
    page = parse_json(answer.content)
    if not isinstance(page, dict) or not isinstance(page.get(key), list):
        raise ValueError(f"it is an answer without {key}")
    return page, answer.address


def _next_request(page: dict[str, Any], current: WebRequest, address: str) -> WebRequest | None:
    """What the page's ``next`` link asks for; a POST without a body of its own repeats the last."""
    for link in _next_links(page):
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


def _leads_on(page: dict[str, Any]) -> bool:
    return any(link.get("href") for link in _next_links(page))


def _next_links(page: dict[str, Any]) -> list[dict[str, Any]]:
    links = page.get("links")
    found = links if isinstance(links, list) else []
    return [link for link in found if isinstance(link, dict) and link.get("rel") == "next"]


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
