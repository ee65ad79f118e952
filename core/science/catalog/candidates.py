"""A scene as the checks see it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

import numpy as np
import shapely

from ..antimeridian import split_at_antimeridian, take_shorter_way
from .json_text import is_too_deep

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry


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

    @property
    def sort_key(self) -> tuple[datetime, str]:
        """By time, then id."""
        return self.moment, self.id


def read_candidate(item: Any, document: str) -> Candidate:
    """The candidate in ``item``.

    Raises:
        ValueError: it is no STAC item with a time, a footprint and assets.
    """
    if is_too_deep(item):
        raise ValueError("it is nested too deeply")
    try:
        if not isinstance(item["id"], str) or not isinstance(item["properties"], dict):
            raise ValueError("its id is no text, or its properties are no object")
        if any(not isinstance(asset["href"], str) for asset in item["assets"].values()):
            raise ValueError("an asset has no address")
        if any(not isinstance(link, dict) for link in item.get("links") or ()):
            raise ValueError("a link is no object")
        footprint = shapely.force_2d(shapely.geometry.shape(item["geometry"]))
        moment = scene_moment(item["properties"])
    except (KeyError, TypeError, AttributeError, IndexError, shapely.errors.ShapelyError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error
    if footprint.is_empty or not np.isfinite(footprint.bounds).all():
        raise ValueError("its footprint is empty")
    if not footprint.is_valid:
        footprint = shapely.make_valid(footprint)
    footprint = split_at_antimeridian(take_shorter_way(footprint))
    return Candidate(item, document, moment, footprint)


def scene_moment(properties: dict[str, Any]) -> datetime:
    """The time of a scene in UTC: ``datetime``, else ``start_datetime``, as odc-stac takes it.

    Raises:
        ValueError: neither is an RFC 3339 time.
    """
    text = properties.get("datetime") or properties.get("start_datetime")
    if not isinstance(text, str):
        raise ValueError("it has no time")
    return parse_moment(text)


def parse_moment(text: str) -> datetime:
    """An RFC 3339 time in UTC; without a time zone it is UTC already.

    Raises:
        ValueError: it is none.
    """
    moment = datetime.fromisoformat(text.upper())
    if moment.tzinfo is None:
        return moment.replace(tzinfo=timezone.utc)
    return moment.astimezone(timezone.utc)
