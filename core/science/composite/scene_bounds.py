"""Where scenes lie in the output's CRS, and which of them touch a block."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from itertools import groupby

import numpy as np
from odc.geo.geobox import GeoBox
from rasterio.warp import transform_bounds

from ..imagery.scene import Scene
from ..imagery.scene_days import SceneDay
from ..imagery.scene_grids import band_grids

# West, south, east and north.
Bounds = tuple[float, float, float, float]

WHOLE_GLOBE = 360


def bounds_by_scene(scenes: Sequence[Scene], output: GeoBox) -> dict[str, Bounds]:
    """By each scene's id the rectangle around all its bands, in the output's CRS."""
    known: dict[Hashable, Bounds] = {}

    def of_grid(grid: GeoBox) -> Bounds:
        # A tile's scenes share their grids. A grid itself is a slow key: hashing writes its WKT.
        key = (tuple(grid.shape), tuple(grid.transform), str(grid.crs))
        if key not in known:
            known[key] = _bounds_in(grid, output)
        return known[key]

    found = {}
    for scene in scenes:
        west, south, east, north = zip(*map(of_grid, band_grids(scene)), strict=True)
        found[scene.id] = (min(west), min(south), max(east), max(north))
    return found


def overlap(first: Bounds, second: Bounds) -> bool:
    """Whether two rectangles have more in common than an edge."""
    return (
        first[0] < second[2]
        and second[0] < first[2]
        and first[1] < second[3]
        and second[1] < first[3]
    )


class DaysByPlace:
    """Finds the days and scenes of a block; blocks with the same scenes share the same days.

    A country has thousands of scenes and tens of thousands of blocks.
    """

    def __init__(self, days: Sequence[SceneDay], bounds: Mapping[str, Bounds]) -> None:
        self._days = [day.day for day in days]
        self._scenes = [scene for day in days for scene in day.scenes]
        self._day_of_scene = np.repeat(np.arange(len(days)), [len(day.scenes) for day in days])
        self._bounds = np.array([bounds[scene.id] for scene in self._scenes]).reshape(-1, 4)
        self._known: dict[bytes, tuple[SceneDay, ...]] = {}

    def touching(self, block: Bounds, around: Bounds) -> tuple[SceneDay, ...]:
        """The days with a scene in ``block``, each with the scenes that reach into ``around``."""
        has_scene = np.zeros(len(self._days), bool)
        has_scene[self._day_of_scene[self._overlapping(block)]] = True
        wanted = self._overlapping(around) & has_scene[self._day_of_scene]
        key = np.packbits(wanted).tobytes()
        if key not in self._known:
            self._known[key] = self._days_of(np.flatnonzero(wanted).tolist())
        return self._known[key]

    def _overlapping(self, place: Bounds) -> np.ndarray:
        """(scenes,) bool, as ``overlap`` tells."""
        west, south, east, north = self._bounds.T
        return np.asarray(
            (west < place[2]) & (place[0] < east) & (south < place[3]) & (place[1] < north)
        )

    def _days_of(self, numbers: list[int]) -> tuple[SceneDay, ...]:
        by_day = groupby(numbers, lambda number: int(self._day_of_scene[number]))
        return tuple(
            SceneDay(self._days[day], tuple(self._scenes[number] for number in own))
            for day, own in by_day
        )


def _bounds_in(grid: GeoBox, output: GeoBox) -> Bounds:
    """The grid's bounding rectangle in the output's CRS, a pixel wider on every side."""
    bounds: Bounds = grid.pad(1).boundingbox.bbox
    if grid.crs == output.crs:
        return bounds
    west, south, east, north = transform_bounds(
        str(grid.crs), str(output.crs), *bounds, densify_pts=51
    )
    if output.crs is not None and output.crs.geographic:
        west, east = _longitudes_near(west, east, output)
    return west, south, east, north


def _longitudes_near(west: float, east: float, output: GeoBox) -> tuple[float, float]:
    """Longitudes as ``output`` counts them, which may go beyond 180.

    A stretch that touches the output at both of its ends becomes all that is between them.
    """
    if west > east:
        east += WHOLE_GLOBE
    left, _, right, _ = output.boundingbox.bbox
    turns = (-WHOLE_GLOBE, 0, WHOLE_GLOBE)
    near = [turn for turn in turns if west + turn < right and left < east + turn] or [0]
    return west + near[0], east + near[-1]
