"""What to ask instead, when a search found nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date

from .checks import ELSEWHERE, NO_CLOUD_LIMIT, Conditions, DroppedScene

RELAXED = ("MAX_CLOUD", "MONTHS", "FILTER")


def nothing_found_sentence(conditions: Conditions, dropped: Sequence[DroppedScene]) -> str:
    """One sentence: that nothing was found, and the nearest relaxations that would find some.

    ``dropped`` are scenes of the collection that fail a condition, as many as are known.
    """
    nearby = [scene for scene in dropped if not scene.failed & ELSEWHERE]
    wish = f"No scene of {conditions.collection} touches the area of interest {conditions.period}"
    wish += _conditions_in_words(conditions)
    found = _single_relaxations(conditions, nearby) or _joint_relaxations(conditions, nearby)
    if found:
        return f"{wish}; {', '.join(found)}."
    if dropped and not nearby:
        return f"{wish}; the catalogue has scenes of other places only, so choose another area."
    return f"{wish}; choose another area, other dates or another CATALOG."


def _conditions_in_words(conditions: Conditions) -> str:
    words = []
    if conditions.months:
        words.append(f"in the months {','.join(map(str, conditions.months))}")
    if conditions.has_cloud_limit:
        words.append(f"below {conditions.max_cloud:g} % cloud")
    if conditions.comparisons:
        words.append(f"with {' and '.join(map(str, conditions.comparisons))}")
    return "".join(f" {word}" for word in words)


def _single_relaxations(conditions: Conditions, nearby: Sequence[DroppedScene]) -> list[str]:
    found = []
    cloudy = _failing_only(nearby, {"MAX_CLOUD"})
    if cloudy:
        found.append(_less_strict_cloud(cloudy))
    for parameter in ("MONTHS", "FILTER"):
        others = _failing_only(nearby, {parameter})
        if others:
            found.append(f"without {parameter} there are {len(others)}")
    if not found:
        found += _other_dates(conditions, _failing_only(nearby, {"DATES"}))
    return found


def _joint_relaxations(conditions: Conditions, nearby: Sequence[DroppedScene]) -> list[str]:
    in_time = [scene for scene in nearby if "DATES" not in scene.failed]
    if in_time:
        failed = set().union(*(scene.failed for scene in in_time))
        names = [name for name in RELAXED if name in failed]
        fewest = min((scene.failed for scene in in_time), key=len)
        best = [name for name in RELAXED if name in fewest]
        names = best or names
        count = sum(scene.failed <= set(names) for scene in in_time)
        return [f"without {' and '.join(names)} there are {count}"]
    return _other_dates(conditions, nearby)


def _failing_only(nearby: Sequence[DroppedScene], failed: set[str]) -> list[DroppedScene]:
    return [scene for scene in nearby if scene.failed == failed]


def _less_strict_cloud(cloudy: Sequence[DroppedScene]) -> str:
    covers = [scene.cloud_cover for scene in cloudy]
    known = [cover for cover in covers if cover is not None and cover < NO_CLOUD_LIMIT]
    limit = math.floor(min(known)) + 1 if known else NO_CLOUD_LIMIT
    count = len(covers) if limit >= NO_CLOUD_LIMIT else sum(cover < limit for cover in known)
    return f"MAX_CLOUD {limit} would find {count}"


def _other_dates(conditions: Conditions, scenes: Sequence[DroppedScene]) -> list[str]:
    period = conditions.period
    days = [scene.day for scene in scenes]
    before = [day for day in days if day < period.start]
    after = [day for day in days if day > period.end]
    nearest: list[tuple[int, str, date]] = []
    if before:
        nearest.append(((period.start - max(before)).days, "START", max(before)))
    if after:
        nearest.append(((min(after) - period.end).days, "END", min(after)))
    return [
        f"{name} {day} would reach the nearest one known" for _, name, day in sorted(nearest)[:1]
    ]
