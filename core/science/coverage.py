"""Coverage: on which days which places have a scene, and what of the dates asked for has none.

A place is a site, or one of many equal parts of an area.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from ..bridge.profiles import CollectionProfile, Hole
from ..bridge.request import SceneSearch
from .catalog.found import FoundScenes

# Of fewer clear days a median is no protection from a cloud that the mask has missed.
ENOUGH_DAYS = 3

# A share of the places smaller than this is not worth a warning: footprints are not exact.
SMALLEST_SHARE = 0.005

# A collection whose document ends so many days before END may just have had no pass since.
SILENT_DAYS = 30


@dataclass(frozen=True)
class Coverage:
    """Which places have a scene on which days: ``seen`` is (days, places) bool.

    ``what`` is what all places together are called: ``the area``, ``the sites``.
    """

    days: tuple[date, ...]
    seen: np.ndarray
    what: str

    @property
    def without_scene(self) -> np.ndarray:
        """(places,) bool: no scene at all."""
        return np.asarray(~self.seen.any(axis=0))

    @property
    def with_few_days(self) -> np.ndarray:
        """(places,) bool: scenes, but on fewer days than are enough."""
        days = self.seen.sum(axis=0)
        return np.asarray((days > 0) & (days < ENOUGH_DAYS))

    def without_scene_between(self, start: date, end: date) -> np.ndarray:
        """(places,) bool: no scene on any day from ``start`` to ``end``, both included."""
        chosen = [start <= day <= end for day in self.days]
        return np.asarray(~self.seen[chosen].any(axis=0))


def date_warnings(
    search: SceneSearch, profile: CollectionProfile, found: FoundScenes, coverage: Coverage
) -> list[str]:
    """What of the dates asked for falls into a known hole, or outside of the collection.

    Nothing is said where the scenes were given, so that dates were not asked for.
    """
    if search.scenes:
        return []
    asked = list(_days_asked_for(search))
    sentences = [_hole_in_words(hole, asked, profile, coverage) for hole in profile.holes]
    sentences += _ends_in_words(asked, profile, found, coverage.days)
    return [sentence for sentence in sentences if sentence]


def percent(share: float) -> str:
    """A share of 0 to 1 in whole percent; never 100 or 0 where it is not quite."""
    if 0 < share < SMALLEST_SHARE:
        return "less than 1 %"
    if 1 - SMALLEST_SHARE <= share < 1:
        return "more than 99 %"
    return f"{100 * share:.0f} %"


def _days_asked_for(search: SceneSearch) -> Iterator[date]:
    day, end = date.fromisoformat(search.start), date.fromisoformat(search.end)
    while day <= end:
        if not search.months or day.month in search.months:
            yield day
        day += timedelta(days=1)


def _hole_in_words(
    hole: Hole, asked: list[date], profile: CollectionProfile, coverage: Coverage
) -> str:
    """A warning; empty where none of the dates asked for lies in the hole."""
    start, end = date.fromisoformat(hole.start), date.fromisoformat(hole.end)
    inside = sum(start <= day <= end for day in asked)
    if not inside:
        return ""
    bare = float(coverage.without_scene_between(start, end).mean())
    return (
        f"{percent(inside / len(asked))} of the dates fall into a known hole of {profile.id}, "
        f"{start} to {end}, in which {percent(bare)} of {coverage.what} has no scene: {hole.note}"
    )


def _ends_in_words(
    asked: list[date], profile: CollectionProfile, found: FoundScenes, seen: tuple[date, ...]
) -> Iterator[str]:
    """Warnings of dates before the collection begins and after it ends, where there are many."""
    if not seen:
        return
    first, last = found.collection_begins, found.collection_ends
    if first is None and profile.first_date:
        first = date.fromisoformat(profile.first_date)
    before = sum(day < first for day in asked) if first and first <= min(seen) else 0
    if before > SILENT_DAYS:
        yield (
            f"{percent(before / len(asked))} of the dates lie before {profile.id} begins, on "
            f"{first}, and have no scene; choose a later START or another collection."
        )
    after = sum(day > last for day in asked) if last and last >= max(seen) else 0
    if after > SILENT_DAYS:
        yield (
            f"{percent(after / len(asked))} of the dates lie after {profile.id} ends, on {last}, "
            "and have no scene; choose an earlier END or another collection."
        )
