"""Walking a static catalogue, a collection or an ItemCollection, local or over http."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ...bridge.errors import CatalogError
from .checks import Conditions
from .documents import PARALLEL_REQUESTS, Document, DocumentReader
from .hrefs import is_remote, resolve_link
from .source import RawItem, SearchedSource


class StaticSource(SearchedSource):
    """Everything below one document, read whole.

    Collections of other names are not entered. Documents that cannot be read are left out and
    kept in ``unreadable``.
    """

    def __init__(self, root: Document, reader: DocumentReader) -> None:
        super().__init__(root)
        self._root = root
        self._reader = reader
        self._collections: dict[str, dict[str, Any]] = {}
        self.unreadable: list[str] = []

    def items(self, conditions: Conditions | None) -> Iterator[RawItem]:
        """All items of the wanted collection, of every one if there are no conditions.

        Raises:
            CatalogError: documents are linked, and none of them can be read.
        """
        wanted = conditions.collection if conditions else None
        known = {self._root.location}
        links = self._links(self._root, wanted)
        yield from _items_in(self._root)
        while links:
            links = [link for link in dict.fromkeys(links) if link not in known]
            known.update(links)
            next_links: list[str] = []
            for done, document in enumerate(_read_all(self._reader, links), start=1):
                self.share_done = (len(known) - 1 - len(links) + done) / len(known)
                if isinstance(document, CatalogError):
                    self.unreadable.append(str(document))
                else:
                    next_links += self._links(document, wanted)
                    yield from _items_in(document)
            links = next_links
        if len(known) > 1 and len(self.unreadable) == len(known) - 1:
            raise CatalogError(self.unreadable[0])

    def collection(self, name: str) -> dict[str, Any] | None:
        """The collection's document, if it was met."""
        return self._collections.get(name)

    def collection_names(self) -> list[str]:
        """The ids of the collections that were met."""
        return sorted(self._collections)

    def _links(self, document: Document, wanted: str | None) -> list[str]:
        """The locations that ``document`` leads to, as far as they are wanted."""
        if document.type == "FeatureCollection":
            return _linked(document, "next")
        if document.type == "Feature":
            return []
        if document.type == "Collection":
            name = str(document.content.get("id"))
            self._collections[name] = document.content
            if wanted not in (None, name):
                return []
        return _linked(document, "child", "item")


def _items_in(document: Document) -> Iterator[RawItem]:
    if document.type == "Feature":
        yield _with_own_address(document), document.location
    features = document.content.get("features")
    if document.type == "FeatureCollection" and isinstance(features, list):
        for feature in features:
            yield _item_of(feature), document.location


def _with_own_address(document: Document) -> dict[str, Any]:
    """The item with the address it was read from as its own, as pystac does it."""
    others = [link for link in document.content.get("links") or () if link.get("rel") != "self"]
    return {
        **document.content,
        "links": [{"rel": "self", "href": document.location}, *others],
    }


def _item_of(feature: Any) -> Any:
    """The STAC item that a feature is, or that a footprint carries as text."""
    if isinstance(feature, dict) and "assets" not in feature:
        try:
            return json.loads(feature["properties"]["item"])
        except (KeyError, TypeError, ValueError, RecursionError):
            return feature
    return feature


def _linked(document: Document, *relations: str) -> list[str]:
    hrefs = document.hrefs(*relations)
    locations = (resolve_link(href, document.location) for href in hrefs)
    return [location for location in locations if location is not None]


def _read_all(
    reader: DocumentReader, locations: Iterable[str]
) -> Iterator[Document | CatalogError]:
    def read(location: str) -> Document | CatalogError:
        try:
            return reader.read(location)
        except CatalogError as error:
            return error

    locations = list(locations)
    if not any(map(is_remote, locations)):
        yield from map(read, locations)
        return
    with ThreadPoolExecutor(PARALLEL_REQUESTS) as pool:
        yield from pool.map(read, locations)
