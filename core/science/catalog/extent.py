"""Where and when a collection has scenes, by its own document."""

from __future__ import annotations

from datetime import date
from typing import Any

import shapely

from ...bridge.errors import InvalidRequestError
from .candidates import parse_moment
from .checks import Conditions


def check_extent(collection: dict[str, Any], conditions: Conditions) -> None:
    """Check that the area and the dates lie inside the collection's extent.

    Raises:
        InvalidRequestError: the area or the dates lie wholly outside; it says where it lies.
    """
    extent = collection.get("extent")
    if not isinstance(extent, dict):
        return
    _check_place(extent, conditions)
    _check_time(collection, conditions)


def told_period(collection: dict[str, Any]) -> tuple[date | None, date | None]:
    """The first and the last day of a collection by its document, None where it tells none."""
    try:
        first, last = (_day(text) for text in collection["extent"]["temporal"]["interval"][0])
    except (KeyError, TypeError, ValueError, IndexError, AttributeError):
        return None, None
    return first, last


def _check_place(extent: dict[str, Any], conditions: Conditions) -> None:
    try:
        numbers = [float(number) for number in extent["spatial"]["bbox"][0]]
        west, south, east, north = numbers if len(numbers) == 4 else (*numbers[:2], *numbers[3:5])
    except (KeyError, TypeError, ValueError, IndexError):
        return
    boxes = [(west, east)] if west <= east else [(west, 180.0), (-180.0, east)]
    if not any(conditions.geometry.intersects(shapely.box(w, south, e, north)) for w, e in boxes):
        raise InvalidRequestError(
            f"The area of interest lies outside {conditions.collection}, which covers longitudes "
            f"{west:.2f} to {east:.2f} and latitudes {south:.2f} to {north:.2f}; "
            "choose an area there or another collection."
        )


def _check_time(collection: dict[str, Any], conditions: Conditions) -> None:
    first, last = told_period(collection)
    period = conditions.period
    if (first and period.end < first) or (last and period.start > last):
        since = f"begins on {first}" if first else "has no beginning"
        until = f" and ends on {last}" if last else ""
        raise InvalidRequestError(
            f"{conditions.collection} has no scene {period}: it {since}{until}; "
            "choose START and END there."
        )


def _day(text: str | None) -> date | None:
    return parse_moment(text).date() if text else None
