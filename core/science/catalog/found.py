"""What a search found."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

import pystac

from ..words import count_of
from .candidates import Candidate
from .hrefs import resolve_hrefs

if TYPE_CHECKING:
    from ..reporter import Reporter

# What pystac raises at what is no complete item.
NO_ITEM = (
    *(pystac.STACError, pystac.STACTypeError),
    *(KeyError, TypeError, ValueError, AttributeError, IndexError),
)


@dataclass(frozen=True)
class DroppedScenes:
    """How many scenes were not taken, and why: ``MAX_CLOUD: not below 30 % cloud``.

    ``ids`` names them where that matters.
    """

    reason: str
    count: int
    ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class FoundScenes:
    """The scenes, by time, then id, with unique ids and absolute asset addresses.

    ``catalog_href`` is where they come from: an API's or a catalogue's address, or a file's path.
    ``collection_begins`` and ``collection_ends`` are what the collection's document says of its
    time, None where it was not read or says nothing.
    """

    items: tuple[pystac.Item, ...]
    dropped: tuple[DroppedScenes, ...]
    catalog_title: str
    catalog_href: str
    collection_begins: date | None = None
    collection_ends: date | None = None


def to_items(
    candidates: Iterable[Candidate], malformed: list[str], reporter: Reporter
) -> tuple[pystac.Item, ...]:
    """The candidates as pystac items as they were published, but with absolute addresses.

    Assets whose address must not be read from such a catalogue are left out, with a warning; what
    pystac does not take for an item is named in ``malformed``.
    """
    items = []
    left_out = 0
    for candidate in candidates:
        content, count = resolve_hrefs(candidate.item, candidate.document)
        left_out += count
        # A server that leaves the version out means no other.
        content = {"type": "Feature", "stac_version": "1.0.0", **content}
        # Items of STAC 1 stay as they are: what reads them knows both 1.0 and 1.1.
        is_old = str(content["stac_version"]).startswith("0.")
        try:
            items.append(pystac.Item.from_dict(content, migrate=is_old, preserve_dict=False))
        except NO_ITEM as error:
            malformed.append(f"{candidate.id} ({error})")
    if left_out:
        reporter.warning(
            f"{count_of(left_out, 'asset')} left out, having an address that is neither http(s) "
            "nor cloud storage, or is a special path of GDAL, which a catalogue must not name."
        )
    return tuple(items)
