"""Walking a static catalogue, a collection or an ItemCollection, local or over http."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeGuard

from ...bridge.errors import CatalogError
from .checks import Conditions
from .documents import PARALLEL_REQUESTS, Document, DocumentReader
from .hrefs import is_remote, resolve_link
from .json_text import parse_json
from .source import MOST_ENTRIES, RawItem, SearchedSource, title_of

# Documents that are read, or asked for, before they are wanted.
MOST_AHEAD = 4 * PARALLEL_REQUESTS


@dataclass
class _Links:
    """What is still to be read: documents that lead further, and items, which do not."""

    further: list[str] = field(default_factory=list)
    items: list[str] = field(default_factory=list)


class StaticSource(SearchedSource):
    """Everything below one document, read whole, many documents at once.

    Collections of other names are not entered. Documents that cannot be read are left out and
    kept in ``unreadable``.
    """

    def __init__(self, root: Document, reader: DocumentReader) -> None:
        super().__init__(root.location, title_of(root))
        self._root = root
        self._reader = reader
        self._collections: dict[str, dict[str, Any]] = {}
        self._known = {root.location}

    def batches(self, conditions: Conditions | None) -> Iterator[list[RawItem]]:
        """All items of the wanted collection, of every one if there are no conditions.

        Raises:
            CatalogError: documents are linked, and none of them can be read; or there is no end.
        """
        wanted = conditions.collection if conditions else None
        yield from self._root_batches()
        waiting = self._links(self._root, wanted)
        while waiting.further:
            # All that leads further first: only then is it known how many items there are.
            locations, waiting.further = waiting.further, []
            for document in _read_all(self._reader, locations):
                if self._is_readable(document):
                    links = self._links(document, wanted)
                    waiting.further += links.further
                    waiting.items += links.items
                    yield items_in(document)
        for done, document in enumerate(_read_all(self._reader, waiting.items), start=1):
            self.share_done = done / len(waiting.items)
            yield items_in(document) if self._is_readable(document) else []
        if len(self._known) > 1 and len(self.unreadable) == len(self._known) - 1:
            raise CatalogError(self.unreadable[0])

    def _root_batches(self) -> Iterator[list[RawItem]]:
        """The items in the first document."""
        yield items_in(self._root)

    def collection(self, name: str) -> dict[str, Any] | None:
        """The collection's document, if it was met; without its links."""
        return self._collections.get(name)

    def collection_names(self) -> list[str]:
        """The ids of the collections that were met."""
        return sorted(self._collections)

    def _is_readable(self, document: Document | CatalogError) -> TypeGuard[Document]:
        if isinstance(document, Document):
            return True
        self.unreadable.append(str(document))
        return False

    def _links(self, document: Document, wanted: str | None) -> _Links:
        """The locations that ``document`` leads to, as far as they are wanted and new."""
        if document.type == "FeatureCollection":
            return _Links(further=self._new(document, "next"))
        if document.type == "Feature":
            return _Links()
        if document.type == "Collection":
            name = str(document.content.get("id"))
            self._collections[name] = {**document.content, "links": []}
            if wanted not in (None, name):
                return _Links()
        return _Links(self._new(document, "child"), self._new(document, "item"))

    def _new(self, document: Document, relation: str) -> list[str]:
        found = [
            location
            for location in dict.fromkeys(_linked(document, relation))
            if location not in self._known
        ]
        self._known.update(found)
        if len(self._known) > MOST_ENTRIES:
            raise CatalogError(
                f"The catalogue {self.location} has more than {MOST_ENTRIES:,} documents; "
                "give the address of a part of it as CATALOG."
            )
        return found


def items_in(document: Document) -> list[RawItem]:
    """The items that the document is or holds."""
    if document.type == "Feature":
        return [(_with_own_address(document), document.location)]
    features = document.content.get("features")
    if document.type != "FeatureCollection" or not isinstance(features, list):
        return []
    return [(item_of(feature), document.location) for feature in features]


def _with_own_address(document: Document) -> dict[str, Any]:
    """The item with the address it was read from as its own, as pystac does it."""
    others = [link for link in document.content.get("links") or () if link.get("rel") != "self"]
    return {
        **document.content,
        "links": [{"rel": "self", "href": document.location}, *others],
    }


def item_of(feature: Any) -> Any:
    """The STAC item that a feature is, or that a footprint carries as text."""
    if isinstance(feature, dict) and "assets" not in feature:
        try:
            return parse_json(feature["properties"]["item"])
        except (KeyError, TypeError, ValueError):
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

    locations = iter(locations)
    for first in locations:
        if not is_remote(first):
            yield read(first)
            continue
        # So many in flight, and no more: whoever takes them may be slower than the network.
        with ThreadPoolExecutor(PARALLEL_REQUESTS) as pool:
            ahead = deque([pool.submit(read, first)])
            try:
                for location in locations:
                    ahead.append(pool.submit(read, location))
                    if len(ahead) >= MOST_AHEAD:
                        yield ahead.popleft().result()
                while ahead:
                    yield ahead.popleft().result()
            finally:
                for future in ahead:
                    future.cancel()
