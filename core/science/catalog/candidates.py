"""A scene as the checks see it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timezone
from typing import TYPE_CHECKING, Any

from ..footprint import read_footprint
from ..web.json_text import is_too_deep

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

# Of an id; the longest real ones have a hundred. All ids are kept while a search lasts.
MOST_CHARACTERS = 1000
# The most real ones are hundreds; each may become a long address.
MOST_HREFS = 10_000


@dataclass(frozen=True)
class Candidate:
    """A STAC item as it was published, and what the checks need of it.

    ``moment`` is UTC, ``footprint`` in EPSG:4326; ``document`` is where the item was read.
    """

    item: dict[str, Any]
    document: str
    moment: datetime
    footprint: BaseGeometry

    @property
    def id(self) -> str:
        """The item's id."""
        return str(self.item["id"])

    @property
    def properties(self) -> dict[str, Any]:
        """The item's properties."""
        properties: dict[str, Any] = self.item["properties"]
        return properties


def read_candidate(item: Any, document: str) -> Candidate:
    """The candidate in ``item``.

    Raises:
        ValueError: it is no STAC item with a time, a footprint and assets.
    """
    if is_too_deep(item):
        raise ValueError("it is nested too deeply")
    try:
        if "assets" not in item and "item" in item["properties"]:
            raise ValueError("its field 'item' holds no item that can be read")
        if not isinstance(item["id"], str) or not isinstance(item["properties"], dict):
            raise ValueError("its id is no text, or its properties are no object")
        if len(item["id"]) > MOST_CHARACTERS:
            raise ValueError(f"its id is longer than {MOST_CHARACTERS:,} characters")
        if not isinstance(item.get("collection") or "", str):
            raise ValueError("its collection is no text")
        if len(item["assets"]) + len(item.get("links") or ()) > MOST_HREFS:
            raise ValueError(f"it has more than {MOST_HREFS:,} assets and links")
        if any(not isinstance(asset["href"], str) for asset in item["assets"].values()):
            raise ValueError("an asset has no address")
        if any(not isinstance(link, dict) for link in item.get("links") or ()):
            raise ValueError("a link is no object")
        footprint = read_footprint(item["geometry"])
        moment = scene_moment(item["properties"])
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error
    return Candidate(item, document, moment, footprint)


def scene_moment(properties: dict[str, Any]) -> datetime:
    """The time of a scene in UTC: ``datetime``, else ``start_datetime``, as odc-stac takes it.

    Raises:
        ValueError: neither is an RFC 3339 time, or its solar day may lie before or after all years.
    """
    text = properties.get("datetime") or properties.get("start_datetime")
    if not isinstance(text, str):
        raise ValueError("it has no time")
    moment = parse_moment(text)
    if not date.min.year < moment.year < date.max.year:
        raise ValueError(f"the year of its time is {moment.year}")
    return moment


def parse_moment(text: str) -> datetime:
    """An RFC 3339 time in UTC; without a time zone it is UTC already.

    Raises:
        ValueError: it is none.
    """
    moment = datetime.fromisoformat(text.upper())
    if moment.tzinfo is None:
        return moment.replace(tzinfo=timezone.utc)
    try:
        return moment.astimezone(timezone.utc)
    except OverflowError as error:
        raise ValueError(f"{text} is before or after all years") from error
