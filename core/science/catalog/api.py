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
from pystac_client.exceptions import APIError
from pystac_client.item_search import ItemSearch
from pystac_client.stac_api_io import StacApiIO

from ...bridge.errors import CatalogError
from ...bridge.scene_filter import Comparison
from .api_language import cql2_filter, query
from .documents import Document
from .hrefs import resolve_link
from .web import TIMEOUT, reason_in_words, retry_policy

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

# Larger pages of Sentinel-2 items exceed what some servers can answer at once.
ITEMS_PER_PAGE = 100
MOST_VERTICES = 500
MOST_PARTS = 50
# A GET request's address has room for a few corners only.
MOST_VERTICES_BY_GET = 40
REJECTED = (400, 422, 501)
CQL2_CLASSES = ("cql2-json", "basic-cql2")


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

    def __init__(self, landing_page: Document) -> None:
        self.location = landing_page.location
        self._landing_page = landing_page
        self._conformance = [str(uri) for uri in landing_page.content.get("conformsTo") or ()]
        self._io = StacApiIO(max_retries=retry_policy(), timeout=TIMEOUT)

    @property
    def understands_comparisons(self) -> bool:
        """Whether comparisons are sent at all."""
        return self._method != "GET" and (self._has_cql2 or self._conforms_to("query"))

    def pages(self, question: Question, items_per_page: int = ITEMS_PER_PAGE) -> Iterator[Page]:
        """The answer to ``question``, page by page; a page without a new item ends it.

        Raises:
            QuestionRejectedError: the API rejects it as malformed.
            CatalogError: the API does not answer, answers with another error, or with no STAC.
        """
        seen: set[str] = set()
        pages = self._search(question, items_per_page).pages_as_dicts()
        while True:
            page = self._next_page(pages)
            items = page.get("features") if page is not None else None
            if page is None or not isinstance(items, list):
                return
            ids = {str(item.get("id")) for item in items if isinstance(item, dict)}
            if ids <= seen:
                return
            seen |= ids
            yield Page(items, _number_matched(page))

    def count(self, question: Question) -> int | None:
        """How many items match ``question``; None if the API does not tell."""
        with suppress(CatalogError):
            for page in self.pages(question, items_per_page=1):
                return page.matched
            return 0
        return None

    def collection(self, name: str) -> dict[str, Any] | None:
        """The document of the collection ``name``; None if the API has none of that name.

        Raises:
            CatalogError: the API does not answer.
        """
        try:
            content = self._io.read_json(f"{self._collections_location}/{quote(name, safe='')}")
        except (APIError, ValueError) as error:
            if getattr(error, "status_code", None) in (400, 404):
                return None
            raise self._error(error) from error
        return content if isinstance(content, dict) else None

    def collection_names(self) -> list[str]:
        """The ids of its collections, as far as it tells."""
        names: set[str] = set()
        with suppress(APIError, ValueError, KeyError, TypeError, AttributeError):
            for page in self._io.get_pages(self._collections_location):
                names.update(str(collection["id"]) for collection in page["collections"])
        return sorted(names)

    def _search(self, question: Question, items_per_page: int) -> ItemSearch:
        return ItemSearch(
            self._search_location,
            stac_io=self._io,
            method=self._method,
            limit=items_per_page,
            collections=[question.collection],
            datetime=_interval(question),
            **self._place(question.geometry),
            **self._comparisons(question.comparisons),
            **self._order(question),
        )

    @property
    def _has_cql2(self) -> bool:
        return self._conforms_to("filter") and all(
            any(uri.endswith(f"/{name}") for uri in self._conformance) for name in CQL2_CLASSES
        )

    def _conforms_to(self, extension: str) -> bool:
        # Every extension has a version of its own; pystac-client's own test knows 1.0 only.
        pattern = rf"https://api\.stacspec\.org/v1\.[^/]+/item-search#{extension}"
        return any(re.fullmatch(pattern, uri) for uri in self._conformance)

    @property
    def _method(self) -> str | None:
        """POST or GET as the landing page says; None tries POST first."""
        links = self._landing_page.content["links"]
        methods = {link.get("method") for link in links if link.get("rel") == "search"}
        if "POST" in methods:
            return "POST"
        return "GET" if methods == {"GET"} else None

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
                return location.rstrip("/")
        return f"{self.location.rstrip('/')}/{name}"

    def _place(self, geometry: BaseGeometry) -> dict[str, Any]:
        if self._method == "GET" and shapely.get_num_coordinates(geometry) > MOST_VERTICES_BY_GET:
            return {"bbox": geometry.bounds}
        return {"intersects": shapely.geometry.mapping(simple_cover(geometry))}

    def _comparisons(self, comparisons: tuple[Comparison, ...]) -> dict[str, Any]:
        if not comparisons or not self.understands_comparisons:
            return {}
        if self._has_cql2:
            return {"filter": cql2_filter(comparisons), "filter_lang": "cql2-json"}
        body = query(comparisons)
        return {"query": body} if body else {}

    def _order(self, question: Question) -> dict[str, Any]:
        if not question.in_order or not self._conforms_to("sort"):
            return {}
        return {"sortby": [{"field": "properties.datetime", "direction": "asc"}]}

    def _next_page(self, pages: Iterator[dict[str, Any]]) -> dict[str, Any] | None:
        try:
            return next(pages, None)
        except (APIError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise self._error(error) from error

    def _error(self, error: Exception) -> CatalogError:
        status = getattr(error, "status_code", None)
        if status in REJECTED:
            return QuestionRejectedError(
                f"The catalogue {self.location} rejects the search (error {status}: "
                f"{' '.join(str(error).split())[:200]}); simplify FILTER or the area of interest."
            )
        if status is not None:
            return CatalogError(
                f"The catalogue {self.location} answers the search with error {status}; "
                "try again later, or use another CATALOG."
            )
        if isinstance(error, APIError):
            return CatalogError(
                f"The catalogue {self.location} does not answer ({reason_in_words(error)}); "
                "check the address and the network connection."
            )
        return CatalogError(
            f"The catalogue {self.location} answers the search with something that is not STAC; "
            "check that CATALOG is the address of a STAC API."
        )


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


def _number_matched(page: dict[str, Any]) -> int | None:
    context = page.get("context")
    in_context = context.get("matched") if isinstance(context, dict) else None
    matched = page.get("numberMatched", in_context)
    return matched if isinstance(matched, int) else None
