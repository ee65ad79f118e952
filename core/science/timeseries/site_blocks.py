"""Sites gathered into blocks, so that a scene's pixels are read once however many sites lie there.

Each site is read on its own scenes' most common grid; sites of one grid that lie in the same
square of pixels make a block.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox

from ..imagery.scene import Scene
from ..imagery.scene_days import SceneDay, group_by_solar_day
from ..imagery.solar_day import DEGREES_PER_HOUR
from .sites import LocatedSite, SitePixels, find_pixels

# Sentinel-2's files are made of tiles of this many pixels from their corner.
SQUARE_EDGE = 1024


@dataclass(frozen=True)
class SiteBlock:
    """Sites that are read together.

    ``geobox`` is the smallest rectangle around their pixels. ``positions`` (pixels,) are flat
    pixel numbers in it, site after site; ``owners`` (pixels,) the number of the site in
    ``site_ids`` that each belongs to. ``days`` holds every day and scene that one of the sites
    has, and ``has_day`` (days, sites) bool says which has which.
    """

    geobox: GeoBox
    site_ids: tuple[int, ...]
    positions: np.ndarray
    owners: np.ndarray
    days: tuple[SceneDay, ...]
    has_day: np.ndarray

    @property
    def pixel_counts(self) -> np.ndarray:
        """(sites,) int64: the number of pixels of each."""
        return np.bincount(self.owners, minlength=len(self.site_ids))


@dataclass(frozen=True)
class SitePlan:
    """The blocks; each site's own days; the ids of sites without a scene and of tiny sites."""

    blocks: tuple[SiteBlock, ...]
    days_by_site: Mapping[int, tuple[SceneDay, ...]]
    without_scene: tuple[int, ...]
    smaller_than_a_pixel: tuple[int, ...]


def plan_sites(
    sites: Sequence[LocatedSite], scenes: Sequence[Scene], grids: Sequence[GeoBox]
) -> SitePlan:
    """Give each site its scenes, its grid and its block.

    Args:
        sites: with distinct ids.
        scenes: in order of time, then id.
        grids: of each scene, the grid of the finest band asked for.
    """
    over = _scenes_over_sites(sites, scenes)
    groups: dict[tuple[GeoBox, int, int, int], list[tuple[LocatedSite, SitePixels]]] = {}
    days_by_site: dict[int, tuple[SceneDay, ...]] = {}
    for number, site in enumerate(sites):
        own = np.flatnonzero(over[:, number]).tolist()
        if not own:
            continue
        grid = Counter(grids[scene] for scene in own).most_common(1)[0][0]
        pixels = find_pixels(site, grid)
        days_by_site[site.id] = tuple(
            group_by_solar_day([scenes[scene] for scene in own], site.longitude)
        )
        hours = int(site.longitude / DEGREES_PER_HOUR)
        square = (int(pixels.rows[0]) // SQUARE_EDGE, int(pixels.columns[0]) // SQUARE_EDGE)
        groups.setdefault((grid, hours, *square), []).append((site, pixels))
    blocks = [_make_block(key[0], members, days_by_site) for key, members in groups.items()]
    tiny = [
        site.id
        for members in groups.values()
        for site, pixels in members
        if pixels.is_smaller_than_a_pixel
    ]
    return SitePlan(
        blocks=tuple(blocks),
        days_by_site=days_by_site,
        without_scene=tuple(site.id for site in sites if site.id not in days_by_site),
        smaller_than_a_pixel=tuple(tiny),
    )


def _scenes_over_sites(sites: Sequence[LocatedSite], scenes: Sequence[Scene]) -> np.ndarray:
    """(scenes, sites) bool: whether the scene's footprint touches the site."""
    places = np.array([site.geographic for site in sites])
    over = np.zeros((len(scenes), len(sites)), bool)
    for number, scene in enumerate(scenes):
        shapely.prepare(scene.footprint)
        over[number] = shapely.intersects(scene.footprint, places)
    return over


def _make_block(
    grid: GeoBox,
    members: Sequence[tuple[LocatedSite, SitePixels]],
    days_by_site: Mapping[int, tuple[SceneDay, ...]],
) -> SiteBlock:
    rows = np.concatenate([pixels.rows for _, pixels in members])
    columns = np.concatenate([pixels.columns for _, pixels in members])
    top, left = int(rows.min()), int(columns.min())
    shape = (int(rows.max()) - top + 1, int(columns.max()) - left + 1)
    days = _all_days([days_by_site[site.id] for site, _ in members])
    dates = [day.day for day in days]
    has_day = np.zeros((len(days), len(members)), bool)
    for number, (site, _) in enumerate(members):
        own = {day.day for day in days_by_site[site.id]}
        has_day[:, number] = [day in own for day in dates]
    return SiteBlock(
        geobox=GeoBox(shape, grid.transform * Affine.translation(left, top), grid.crs),
        site_ids=tuple(site.id for site, _ in members),
        positions=(rows - top) * shape[1] + (columns - left),
        owners=np.repeat(np.arange(len(members)), [len(pixels.rows) for _, pixels in members]),
        days=days,
        has_day=has_day,
    )


def _all_days(days_of_sites: Sequence[tuple[SceneDay, ...]]) -> tuple[SceneDay, ...]:
    """The days of all sites of a block, each with the scenes that any of them has."""
    scenes: dict[date, dict[str, Scene]] = {}
    for days in days_of_sites:
        for day in days:
            scenes.setdefault(day.day, {}).update({scene.id: scene for scene in day.scenes})
    return tuple(
        SceneDay(day, tuple(sorted(own.values(), key=lambda scene: (scene.moment, scene.id))))
        for day, own in sorted(scenes.items())
    )
