"""What an API and a static catalogue have in common for a search."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

from .checks import Conditions
from .documents import Document

RawItem = tuple[Any, str]
"""What should be a STAC item, and the location of the document that holds it."""


class SearchedSource(ABC):
    """A catalogue that is searched once.

    ``share_done`` (0 to 1) tells how far ``items`` is; ``unreadable`` why parts are missing.
    """

    stops_at_limit = False

    def __init__(self, root: Document) -> None:
        self.location = root.location
        self.title = str(root.content.get("title") or root.content.get("id") or root.location)
        self.share_done = 0.0
        self.unreadable: list[str] = []

    @abstractmethod
    def items(self, conditions: Conditions) -> Iterator[RawItem]:
        """Every item that may meet the conditions, and perhaps others.

        Raises:
            CatalogError: the catalogue cannot be read.
        """

    @abstractmethod
    def collection(self, name: str) -> dict[str, Any] | None:
        """The document of the collection ``name``, if there is one."""

    @abstractmethod
    def collection_names(self) -> list[str]:
        """The ids of its collections, as far as they are known."""

    def dropped_unseen(self, conditions: Conditions) -> list[tuple[str, int]]:  # noqa: ARG002
        """Why the catalogue itself left scenes out, and how many."""
        return []

    def more_items(self, conditions: Conditions) -> Iterator[RawItem]:  # noqa: ARG002
        """Some items that meet less, to tell what would find some after nothing was found."""
        return iter(())
