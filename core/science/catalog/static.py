"""Walking a static catalogue, a collection or an ItemCollection, local or over http."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain, starmap
from queue import SimpleQueue
from typing import IO, Any, TypeGuard, TypeVar
from urllib.parse import urlsplit

from ...bridge.errors import AccessError, CatalogError
from ..web.addresses import is_remote
from ..web.json_text import parse_json
from .checks import Conditions
from .documents import (
    PARALLEL_REQUESTS,
    Document,
    DocumentReader,
    LostServerError,
)
from .hrefs import resolve_link
from .source import MOST_ENTRIES, RawItem, SearchedSource, title_of

# Documents that are fetched, or asked for, before they are wanted.
MOST_AHEAD = 4 * PARALLEL_REQUESTS
# Of all links together, which are kept while the walk lasts.
MOST_LINK_CHARACTERS = 200 * MOST_ENTRIES
MOST_NAME_CHARACTERS = 200
# Without keys, storage refuses a document that is not there as well: a few are missing.
MOST_REFUSED = 20

Found = TypeVar("Found")
Unreadable = CatalogError | AccessError


@dataclass
class _Links:
    """What is still to be read: documents that lead further, and items, which do not."""

    further: list[str] = field(default_factory=list)
    items: list[str] = field(default_factory=list)


class StaticSource(SearchedSource):
    """Everything below one document, read whole, many documents at once.

    Collections of other names are not entered. A document that cannot be read is left out, with
    what it leads to, and kept in ``unreadable``.
    """

    def __init__(self, root: Document, reader: DocumentReader) -> None:
        super().__init__(root.location, title_of(root))
        self._root = root
        self._reader = reader
        self._collection: dict[str, Any] | None = None
        self._collection_names: set[str] = set()
        self._known = {root.location}
        self._first_unreadable: Unreadable | None = None
        self._refused = 0
        self._host = urlsplit(root.location).netloc
        self._link_characters = 0

    def batches(self, conditions: Conditions | None) -> Iterator[list[RawItem]]:
        """All items of the wanted collection, of every one if there are no conditions.

        Raises:
            CatalogError: documents are linked, and none of them can be read; a server was given up
                that had sent some; or there is no end.
            AccessError: very many documents in a row want keys; or none can be read, and the first
                wants some.
        """
        try:
            yield from self._all_batches(conditions.collection if conditions else None)
        except Exception:
            self._reader.stop_waiting()
            raise

    def _all_batches(self, wanted: str | None) -> Iterator[list[RawItem]]:
        yield from self._root_batches()
        waiting = self._links(self._root, wanted)
        while waiting.further:
            # All that leads further first: only then is it known how many items there are.
            locations, waiting.further = waiting.further, []
            for document in _read_all(self._reader, locations, self._host):
                if self._is_readable(document):
                    links = self._links(document, wanted)
                    waiting.further += links.further
                    waiting.items += links.items
                    yield items_in(document)
        for done, document in enumerate(
            _read_all(self._reader, waiting.items, self._host), start=1
        ):
            self.share_done = done / len(waiting.items)
            yield items_in(document) if self._is_readable(document) else []
        if self._first_unreadable and len(self.unreadable) == len(self._known) - 1:
            raise self._first_unreadable

    def _root_batches(self) -> Iterator[list[RawItem]]:
        """The items in the first document."""
        yield items_in(self._root)

    def collection(self, name: str) -> dict[str, Any] | None:
        """The document of the collection that was searched, if it was met; without its links."""
        found = self._collection
        return found if found is not None and str(found.get("id")) == name else None

    def collection_names(self) -> list[str]:
        """The ids of the collections that were met."""
        return sorted(self._collection_names)

    def documents(self) -> Collection[str]:
        """The locations of the first document and of all that were met."""
        return self._known

    def _is_readable(self, document: Document | Unreadable) -> TypeGuard[Document]:
        """Whether it was read; if not, it is kept why.

        Raises:
            AccessError: so many documents in a row want keys that all do now.
        """
        self._refused = self._refused + 1 if isinstance(document, AccessError) else 0
        if isinstance(document, Document):
            return True
        if isinstance(document, AccessError) and self._refused >= MOST_REFUSED:
            raise document
        self._first_unreadable = self._first_unreadable or document
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
            self._collection_names.add(name[:MOST_NAME_CHARACTERS])
            if wanted not in (None, name):
                return _Links()
            self._collection = {**document.content, "links": []}
        return _Links(self._new(document, "child"), self._new(document, "item"))

    def _new(self, document: Document, relation: str) -> list[str]:
        found = []
        for location in _linked(document, relation):
            if location in self._known:
                continue
            self._known.add(location)
            self._link_characters += len(location)
            if len(self._known) > MOST_ENTRIES or self._link_characters > MOST_LINK_CHARACTERS:
                raise CatalogError(
                    f"The catalogue {self.location} has more than {MOST_ENTRIES:,} documents; "
                    "give the address of a part of it as CATALOG."
                )
            found.append(location)
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


def _linked(document: Document, relation: str) -> Iterator[str]:
    for href in document.hrefs(relation):
        location = resolve_link(href, document.location)
        if location is not None:
            yield location


def _read_all(
    reader: DocumentReader, locations: Iterable[str], host: str
) -> Iterator[Document | Unreadable]:
    """The documents, one after the other: of those that are fetched ahead none is parsed yet.

    Raises:
        LostServerError: the server ``host`` was given up after it had sent others.
    """

    def attempt(read: Callable[..., Found], location: str, *fetched: Any) -> Found | Unreadable:
        try:
            return read(location, *fetched)
        except (CatalogError, AccessError) as error:
            if isinstance(error, LostServerError) and urlsplit(location).netloc == host:
                # All that is left of the catalogue would be missing.
                raise
            return error

    def fetch(location: str) -> tuple[str, tuple[IO[bytes], str] | Unreadable]:
        return location, attempt(reader.fetch, location)

    def parsed(location: str, fetched: tuple[IO[bytes], str] | Unreadable) -> Document | Unreadable:
        if isinstance(fetched, (CatalogError, AccessError)):
            return fetched
        return attempt(reader.read_fetched, location, *fetched)

    locations = iter(locations)
    for first in locations:
        if is_remote(first):
            yield from starmap(parsed, _read_ahead(fetch, chain([first], locations)))
        else:
            yield parsed(*fetch(first))


def _read_ahead(read: Callable[[str], Found], locations: Iterable[str]) -> Iterator[Found]:
    """What ``read`` makes of each location, in order; an error as soon as there is one.

    So many are in flight, and no more: whoever takes them may be slower than the network.
    """
    pool = ThreadPoolExecutor(PARALLEL_REQUESTS)
    ahead: deque[Future[Found]] = deque()
    ended: SimpleQueue[BaseException | None] = SimpleQueue()

    def take_first() -> Found:
        while not ahead[0].done():
            if (error := ended.get()) is not None:
                raise error
        return ahead.popleft().result()

    try:
        for location in locations:
            ahead.append(pool.submit(read, location))
            ahead[-1].add_done_callback(lambda future: ended.put(_error_of(future)))
            if len(ahead) >= MOST_AHEAD:
                yield take_first()
        while ahead:
            yield take_first()
    finally:
        # Left early, it does not wait for what a server keeps back.
        pool.shutdown(wait=False, cancel_futures=True)


def _error_of(future: Future[Any]) -> BaseException | None:
    return None if future.cancelled() else future.exception()
