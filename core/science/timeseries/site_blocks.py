"""Sites gathered into blocks, so that a scene's pixels are read once however many sites lie there.

Each site is read on its own scenes' most common grid; sites of one grid that lie in the same
square of pixels make a block.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import shapely
from affine import Affine
from odc.geo.geobox import GeoBox

from ..imagery.mask_buffer import LAST_LATITUDE, METRES_PER_DEGREE
from ..imagery.scene import Scene
from ..imagery.scene_days import SceneDay, group_by_solar_day
from ..solar_day import DEGREES_PER_HOUR
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
    """The blocks; the own days of each site with a scene; the ids of tiny sites."""

    blocks: tuple[SiteBlock, ...]
    days_by_site: Mapping[int, tuple[SceneDay, ...]]
    smaller_than_a_pixel: tuple[int, ...]


def plan_sites(
    sites: Sequence[LocatedSite],
    scenes: Sequence[Scene],
    grids: Sequence[GeoBox],
    mask_buffer: float = 0.0,
) -> SitePlan:
    """Give each site its scenes, its grid and its block.

    Args:
        sites: with distinct ids.
        scenes: in order of time, then id.
        grids: of each scene, the grid of the finest band asked for.
        mask_buffer: metres around a site in which the masks of the site's days matter.
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
    ordered = sorted(groups.items(), key=lambda group: _neighbourhood(*group[0]))
    read_by_site: Mapping[int, tuple[SceneDay, ...]] = days_by_site
    if mask_buffer > 0:
        read_by_site = _with_scenes_near(days_by_site, sites, scenes, mask_buffer)
    blocks = [_make_block(key[0], members, read_by_site) for key, members in ordered]
    tiny = [
        site.id
        for members in groups.values()
        for site, pixels in members
        if pixels.is_smaller_than_a_pixel
    ]
    return SitePlan(
        blocks=tuple(blocks),
        days_by_site=days_by_site,
        smaller_than_a_pixel=tuple(tiny),
    )


def _neighbourhood(
    grid: GeoBox, hours: int, row: int, column: int
) -> tuple[str, float, float, int, int, int]:
    """An order in which squares under one tile of a mask, whose pixels may be twice as large as
    a band's, come one after the other."""
    return (str(grid.crs), grid.transform.c, grid.transform.f, hours, row // 2, column // 2)


def _scenes_over_sites(
    sites: Sequence[LocatedSite], scenes: Sequence[Scene], metres: float = 0.0
) -> np.ndarray:
    """(scenes, sites) bool: whether the scene's footprint is at most so far from the site."""
    places = np.array([site.geographic for site in sites])
    if metres > 0:
        places = shapely.buffer(places, [_degrees(metres, site) for site in sites])
    over = np.zeros((len(scenes), len(sites)), bool)
    for number, scene in enumerate(scenes):
        shapely.prepare(scene.footprint)
        over[number] = shapely.intersects(scene.footprint, places)
    return over


def _with_scenes_near(
    days_by_site: Mapping[int, tuple[SceneDay, ...]],
    sites: Sequence[LocatedSite],
    scenes: Sequence[Scene],
    metres: float,
) -> dict[int, tuple[SceneDay, ...]]:
    """The days of each site, with the scenes beside it too, whose clouds may reach it.

    So a site's values do not depend on the sites that it is read with.
    """
    near = _scenes_over_sites(sites, scenes, metres)
    found: dict[int, tuple[SceneDay, ...]] = {}
    for number, site in enumerate(sites):
        dates = {day.day for day in days_by_site.get(site.id, ())}
        around = [scenes[scene] for scene in np.flatnonzero(near[:, number]).tolist()]
        days = group_by_solar_day(around, site.longitude)
        found[site.id] = tuple(day for day in days if day.day in dates)
    return found


def _degrees(metres: float, site: LocatedSite) -> float:
    """No fewer degrees, of longitude or of latitude, than ``metres`` are at the site."""
    _, south, _, north = site.geographic.bounds
    latitude = min(max(abs(south), abs(north)), LAST_LATITUDE)
    return metres / METRES_PER_DEGREE / math.cos(math.radians(latitude)) * 1.01


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
