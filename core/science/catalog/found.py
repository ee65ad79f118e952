"""What a search found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

import pystac

from .item_store import Place


@dataclass(frozen=True)
class DroppedScenes:
    """How many scenes were not taken, and why: ``MAX_CLOUD: not below 30 % cloud``.

    ``ids`` names them where that matters.
    """

    reason: str
    count: int
    ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FoundScene:
    """What is kept in memory of a scene that was found, and where its item is.

    ``moment`` is UTC. ``acquisition`` is its platform and tile, None where the item does not name
    both.
    """

    id: str
    moment: datetime
    acquisition: tuple[str, str] | None
    place: Place

    @property
    def sort_key(self) -> tuple[datetime, str]:
        """By time, then id."""
        return self.moment, self.id


@dataclass(frozen=True)
class FoundScenes:
    """The scenes, by time, then id, with unique ids and absolute asset addresses.

    ``items`` are made whenever they are asked for: to go through them twice costs twice.
    ``catalog_href`` is where they come from: an API's or a catalogue's address, or a file's path.
    ``documents`` are the files that the search has read, or was to read, on this computer.
    ``collection_begins`` and ``collection_ends`` are what the collection's document says of its
    time, None where it was not read or says nothing.
    """

    items: Sequence[pystac.Item]
    dropped: tuple[DroppedScenes, ...]
    catalog_title: str
    catalog_href: str
    documents: Sequence[str] = ()
    collection_begins: date | None = None
    collection_ends: date | None = None
