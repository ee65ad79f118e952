"""Sites with too few scenes, or too few clear days, told by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..coverage import ENOUGH_DAYS, Coverage
from .site_blocks import SitePlan
from .sites import LocatedSite

NAMES_IN_A_MESSAGE = 10


def cover_sites(plan: SitePlan, sites: Sequence[LocatedSite]) -> Coverage:
    """Which sites have a scene on which days."""
    days = sorted({day.day for own in plan.days_by_site.values() for day in own})
    position = {day: number for number, day in enumerate(days)}
    seen = np.zeros((len(days), len(sites)), bool)
    for number, site in enumerate(sites):
        seen[[position[day.day] for day in plan.days_by_site.get(site.id, ())], number] = True
    return Coverage(tuple(days), seen, "the sites")


def scene_warnings(coverage: Coverage, sites: Sequence[LocatedSite]) -> list[str]:
    """The sites without a scene, and those with scenes on too few days."""
    return [
        *_about(coverage.without_scene, sites, "lie under no scene, so they have no observation"),
        *_about(coverage.with_few_days, sites, f"have scenes on fewer than {ENOUGH_DAYS} days"),
    ]


def clear_day_warnings(
    coverage: Coverage, sites: Sequence[LocatedSite], clear_days: Mapping[int, int]
) -> list[str]:
    """The sites that have enough scene days, of which too few are clear.

    Args:
        coverage: of the sites.
        sites: all of them.
        clear_days: by the site's id.
    """
    clear = np.array([clear_days.get(site.id, 0) for site in sites])
    few = (coverage.seen.sum(axis=0) >= ENOUGH_DAYS) & (clear < ENOUGH_DAYS)
    return _about(few, sites, f"have fewer than {ENOUGH_DAYS} clear days")


def list_names(names: Sequence[str]) -> str:
    """The first few names, and how many more there are."""
    more = len(names) - NAMES_IN_A_MESSAGE
    return ", ".join(names[:NAMES_IN_A_MESSAGE]) + (f" and {more} more" if more > 0 else "")


def _about(chosen: np.ndarray, sites: Sequence[LocatedSite], what: str) -> list[str]:
    names = [site.name for site, is_chosen in zip(sites, chosen, strict=True) if is_chosen]
    if not names:
        return []
    return [f"{len(names)} of {len(sites)} sites {what}: {list_names(names)}."]
