"""Searching a STAC API, sending only what it says it understands."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import shapely
from pystac_client.item_search import ItemSearch

from ...bridge.errors import AccessError, CatalogError, FairweatherError
from ...bridge.scene_filter import Comparison
from ..access.keyed_requests import catalog_client
from ..web.client import WebRequest
from ..web.errors import WebError
from ..web.json_text import parse_json
from .api_language import cql2_filter, cql2_text, query
from .documents import Document, failure
from .hrefs import resolve_link
from .paging import number_matched, read_pages

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

    from ..access.access import Access

# Larger pages of Sentinel-2 items exceed what some servers can answer at once.
ITEMS_PER_PAGE = 100
MOST_VERTICES = 500
MOST_PARTS = 50
# A GET request's address has room for a few corners only.
MOST_VERTICES_BY_GET = 40
# 414: the address of a GET is too long.
REJECTED = (400, 414, 422, 501)


@dataclass(frozen=True)
class Question:
    """What is asked of an API: items of ``collection`` that touch ``geometry`` (EPSG:4326).

    ``end`` is included; without ``start`` and ``end`` any time will do. ``comparisons`` are sent
    if the API understands any; ``in_order`` asks for the oldest first where it can.
    """

    collection: str
    geometry: BaseGeometry
    start: datetime | None = None
    end: datetime | None = None
    comparisons: tuple[Comparison, ...] = ()
    in_order: bool = True


@dataclass(frozen=True)
class Page:
    """One page of an answer; ``matched`` is the number of all matching items, if it is told."""

    items: list[Any]
    matched: int | None


class QuestionRejectedError(CatalogError):
    """The API understands the question, or a part of it, not at all."""


class StacApi:
    """An API, known by its landing page."""

    def __init__(self, landing_page: Document, access: Access | None = None) -> None:
        self.location = landing_page.location
        self._landing_page = landing_page
        self._conformance = [str(uri) for uri in landing_page.content.get("conformsTo") or ()]
        self._client = catalog_client(access)

    @property
    def understands_comparisons(self) -> bool:
        """Whether comparisons are sent at all."""
        return bool(self._language)

    def pages(self, question: Question, items_per_page: int = ITEMS_PER_PAGE) -> Iterator[Page]:
        """The answer to ``question``, page by page.

        Raises:
            QuestionRejectedError: the API rejects it as malformed.
            UnfinishedError: there may be more pages.
            CatalogError: the API does not answer, answers with another error, or with no STAC.
        """
        try:
            request = self._search(question, items_per_page)
            for page in read_pages(self._client, request, "features"):
                yield Page(page["features"], number_matched(page))
        except (WebError, ValueError) as error:
            raise self._error(error) from error

    def count(self, question: Question) -> int | None:
        """How many items match ``question``; None if the API does not tell."""
        with suppress(CatalogError, AccessError):
            for page in self.pages(question, items_per_page=1):
                return page.matched
            return 0
        return None

    def collection(self, name: str) -> dict[str, Any] | None:
        """The document of the collection ``name``; None if the API has none of that name.

        Raises:
            CatalogError: the API does not answer.
        """
        address = f"{self._collections_location.rstrip('/')}/{quote(name, safe='')}"
        try:
            content = self._client.ask(WebRequest(address), lambda found: parse_json(found.content))
        except (WebError, ValueError) as error:
            if getattr(error, "status", None) in (400, 404):
                return None
            raise self._error(error) from error
        return content if isinstance(content, dict) else None

    def collection_names(self) -> list[str]:
        """The ids of its collections, as far as it tells."""
        names: set[str] = set()
        request = WebRequest(self._collections_location)
        with suppress(WebError, CatalogError, ValueError, KeyError, TypeError):
            for page in read_pages(self._client, request, "collections"):
                names.update(str(collection["id"]) for collection in page["collections"])
        return sorted(names)

    def _search(self, question: Question, items_per_page: int) -> WebRequest:
        comparisons = self._comparisons(question.comparisons)
        method = self._method
        if comparisons.get("filter_lang") == "cql2-text":
            method = "GET"
        search = ItemSearch(
            self._search_location,
            method=method,
            limit=items_per_page,
            collections=[question.collection],
            datetime=_interval(question),
            **_place(question.geometry, method),
            **comparisons,
            **self._order(question),
        )
        return WebRequest(self._search_location, method, search.get_parameters())

    @property
    def _language(self) -> str:
        """The language in which comparisons are sent; empty where it says it knows none."""
        if self._method == "POST":
            if self._has_cql2("cql2-json"):
                return "cql2-json"
            if self._conforms_to("query"):
                return "query"
        by_get = "GET" in self._search_methods
        return "cql2-text" if by_get and self._has_cql2("cql2-text") else ""

    def _has_cql2(self, encoding: str) -> bool:
        return self._conforms_to("filter") and all(
            any(uri.endswith(f"/{name}") for uri in self._conformance)
            for name in (encoding, "basic-cql2")
        )

    def _conforms_to(self, extension: str) -> bool:
        # Every extension has a version of its own; pystac-client's own test knows 1.0 only.
        pattern = rf"https://api\.stacspec\.org/v1\.[^/]+/item-search#{extension}"
        return any(re.fullmatch(pattern, uri) for uri in self._conformance)

    @property
    def _method(self) -> str:
        """POST where the landing page offers it: the address of a GET is short."""
        return "POST" if "POST" in self._search_methods else "GET"

    @property
    def _search_methods(self) -> set[str]:
        links = self._landing_page.content["links"]
        searches = [link for link in links if link.get("rel") == "search"]
        return {str(link.get("method") or "GET").upper() for link in searches}

    @property
    def _search_location(self) -> str:
        return self._location_of("search", "search")

    @property
    def _collections_location(self) -> str:
        return self._location_of("data", "collections")

    def _location_of(self, relation: str, name: str) -> str:
        for href in self._landing_page.hrefs(relation):
            location = resolve_link(href, self.location)
            if location:
                return location
        return f"{self.location.rstrip('/')}/{name}"

    def _comparisons(self, comparisons: tuple[Comparison, ...]) -> dict[str, Any]:
        language = self._language if comparisons else ""
        if language == "query":
            body = query(comparisons)
            return {"query": body} if body else {}
        if not language:
            return {}
        is_text = language == "cql2-text"
        expression = cql2_text(comparisons) if is_text else cql2_filter(comparisons)
        return {"filter": expression, "filter_lang": language}

    def _order(self, question: Question) -> dict[str, Any]:
        if not question.in_order or not self._conforms_to("sort"):
            return {}
        return {"sortby": [{"field": "properties.datetime", "direction": "asc"}]}

    def _error(self, error: WebError | ValueError) -> FairweatherError:
        if not isinstance(error, WebError):
            return CatalogError(
                f"The catalogue {self.location} answers the search with something that is not "
                "STAC; check that CATALOG is the address of a STAC API."
            )
        if error.status in REJECTED:
            return QuestionRejectedError(
                f"The catalogue {self.location} rejects the search (error {error.status}: "
                f"{error.reason}); simplify FILTER or the area of interest."
            )
        answer = f"the search with error {error.status}; try again later, or use another CATALOG"
        return failure(self.location, error, answer)


def _place(geometry: BaseGeometry, method: str) -> dict[str, Any]:
    if method == "GET" and shapely.get_num_coordinates(geometry) > MOST_VERTICES_BY_GET:
        return {"bbox": geometry.bounds}
    return {"intersects": shapely.geometry.mapping(simple_cover(geometry))}


def simple_cover(geometry: BaseGeometry) -> BaseGeometry:
    """The geometry, or one of at most ``MOST_VERTICES`` vertices that covers it.

    Servers refuse very long questions; what the cover finds too much is dropped here.
    """
    if shapely.get_num_coordinates(geometry) <= MOST_VERTICES:
        return geometry
    # Many small parts cannot be simplified one by one.
    many = shapely.get_num_geometries(geometry) > MOST_PARTS
    original = cover = geometry.convex_hull if many else geometry
    west, south, east, north = geometry.bounds
    tolerance = max(east - west, north - south) / 1000
    while shapely.get_num_coordinates(cover) > MOST_VERTICES:
        # The margin makes up for the corners that two segments a quadrant cut off.
        cover = original.simplify(tolerance).buffer(tolerance * 1.2, quad_segs=2)
        tolerance *= 2
    return shapely.intersection(cover, shapely.box(-180, -90, 180, 90))


def _interval(question: Question) -> str | None:
    if question.start is None or question.end is None:
        return None
    moments = (question.start, question.end)
    return "/".join(f"{moment.astimezone(timezone.utc):%Y-%m-%dT%H:%M:%SZ}" for moment in moments)
