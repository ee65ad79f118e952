"""What an API and a static catalogue have in common for a search."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator
from typing import Any

from ..web.addresses import without_query
from .checks import Conditions
from .documents import Document

# No search needs more; a catalogue that goes on is broken, or wants to be a nuisance.
MOST_ENTRIES = 1_000_000

RawItem = tuple[Any, str]
"""What should be a STAC item, and the location of the document that holds it."""


class SearchedSource(ABC):
    """A catalogue that is searched once.

    ``share_done`` (0 to 1) tells how far ``batches`` is; ``unreadable`` why parts are missing;
    ``unfinished``, in a sentence, why there may be more after the last batch.
    """

    stops_at_limit = False

    def __init__(self, location: str, title: str) -> None:
        self.location = location
        self.title = title
        self.share_done = 0.0
        self.unreadable: list[str] = []
        self.unfinished = ""

    @abstractmethod
    def batches(self, conditions: Conditions) -> Iterator[list[RawItem]]:
        """Every item that may meet the conditions, and perhaps others, as they come.

        A batch may be empty: it shows that the search goes on.

        Raises:
            CatalogError: the catalogue cannot be read.
        """

    @abstractmethod
    def collection(self, name: str) -> dict[str, Any] | None:
        """The document of the collection ``name``, if there is one."""

    @abstractmethod
    def collection_names(self) -> list[str]:
        """The ids of its collections, as far as they are known."""

    def documents(self) -> Collection[str]:
        """The locations of the documents that were read so far, or were to be."""
        return (self.location,)

    def dropped_unseen(self, conditions: Conditions) -> list[tuple[str, int]]:  # noqa: ARG002
        """Why the catalogue itself left scenes out, and how many."""
        return []

    def more_items(self, conditions: Conditions) -> Iterator[RawItem]:  # noqa: ARG002
        """Some items that meet less, to tell what would find some after nothing was found."""
        return iter(())


def title_of(root: Document) -> str:
    """What a catalogue's first document calls it."""
    return str(root.content.get("title") or root.content.get("id") or without_query(root.location))
