"""How much of an area has too few scenes, or too few clear days, told with its share and place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import shapely
import shapely.affinity
from pyproj import Transformer
from rasterio.features import rasterize
from rasterio.transform import from_bounds
from shapely.geometry.base import BaseGeometry

from ..antimeridian import split_at_antimeridian, take_shorter_way
from ..area import LONGEST_EDGE_DEGREES, SEARCH_CRS, AreaOfInterest
from ..coverage import ENOUGH_DAYS, SMALLEST_SHARE, Coverage, percent
from ..imagery.scene import Scene
from .plan import CompositePlan

# The area's bounding rectangle is cut into so many parts each way, whose centres are looked at.
PARTS = 128

# A part of the area lies in the west if its middle is that much west of the area's, in shares of
# the area's width.
ASIDE = 0.12


@dataclass(frozen=True)
class AreaCoverage(Coverage):
    """The coverage of an area: ``x`` and ``y`` are the places' centres in shares of its size.

    Both run from 0 to 1, to the east and to the north.
    """

    x: np.ndarray
    y: np.ndarray

    def where(self, places: np.ndarray) -> str:
        """Where ``places`` (places,) bool lie: ``, in the north-west,``; empty if all over it."""
        east = float(self.x[places].mean() - self.x.mean())
        north = float(self.y[places].mean() - self.y.mean())
        vertical = "" if abs(north) < ASIDE else "north" if north > 0 else "south"
        horizontal = "" if abs(east) < ASIDE else "east" if east > 0 else "west"
        direction = "-".join(filter(None, (vertical, horizontal)))
        return f", in the {direction}," if direction else ""


def cover_area(plan: CompositePlan, area: AreaOfInterest) -> AreaCoverage:
    """Which parts of the area have a scene on which days, by the scenes' footprints."""
    geometry = area.geometry_in(plan.geobox.crs)
    affine = from_bounds(*geometry.bounds, PARTS, PARTS)

    def burn(shapes: list[BaseGeometry], all_touched: bool = False) -> np.ndarray:
        shapes = [shape for shape in shapes if not shape.is_empty]
        if not shapes:
            return np.zeros((PARTS, PARTS), bool)
        burned = rasterize(
            shapes, (PARTS, PARTS), transform=affine, all_touched=all_touched, dtype="uint8"
        )
        return np.asarray(burned, bool)

    inside = burn([geometry])
    if not inside.any():
        inside = burn([geometry], all_touched=True)
    outlines = _Outlines(plan)
    seen = [burn([outlines.of(scene) for scene in day.scenes])[inside] for day in plan.days]
    rows, columns = np.nonzero(inside)
    return AreaCoverage(
        days=tuple(day.day for day in plan.days),
        seen=np.array(seen),
        what="the area",
        x=(columns + 0.5) / PARTS,
        y=1 - (rows + 0.5) / PARTS,
    )


def scene_warnings(coverage: AreaCoverage) -> list[str]:
    """Which share of the area has no scene, and which has none or too few days."""
    sentences = []
    none = coverage.without_scene
    few = none | coverage.with_few_days
    if none.mean() >= SMALLEST_SHARE:
        sentences.append(
            f"{percent(none.mean())} of the area{coverage.where(none)} has no scene at all; choose "
            "more dates, a higher MAX_CLOUD or another collection."
        )
    if coverage.with_few_days.mean() >= SMALLEST_SHARE:
        sentences.append(
            f"{percent(few.mean())} of the area{coverage.where(few)} has scenes on fewer than "
            f"{ENOUGH_DAYS} days, too few for a median without clouds; choose more dates or a "
            "higher MAX_CLOUD."
        )
    return sentences


def clear_day_warnings(pixels_by_clear_days: Mapping[int, int]) -> list[str]:
    """Which share of the area's pixels has none or too few clear days, if some have some."""
    pixels = max(sum(pixels_by_clear_days.values()), 1)
    few = sum(pixels_by_clear_days.get(days, 0) for days in range(1, ENOUGH_DAYS))
    if few / pixels < SMALLEST_SHARE:
        return []
    share = (few + pixels_by_clear_days.get(0, 0)) / pixels
    return [
        f"{percent(share)} of the area has fewer than {ENOUGH_DAYS} clear days, so a cloud that "
        "the mask missed shows there; choose more dates or a higher MAX_CLOUD."
    ]


class _Outlines:
    """The outlines of scenes in the output's CRS."""

    def __init__(self, plan: CompositePlan) -> None:
        self._bounds = plan.bounds_by_scene
        self._is_geographic = bool(plan.geobox.crs and plan.geobox.crs.geographic)
        crs = str(plan.geobox.crs)
        self._to_output = Transformer.from_crs(SEARCH_CRS, crs, always_xy=True).transform

    def of(self, scene: Scene) -> BaseGeometry:
        """The footprint as far as the scene's pixels reach; all of these where it tells none."""
        pixels = shapely.box(*self._bounds[scene.id])
        if scene.footprint.is_empty:
            return pixels
        outline = split_at_antimeridian(take_shorter_way(scene.footprint))
        # Around a pole a footprint is a box as wide as the globe.
        outline = shapely.segmentize(outline, LONGEST_EDGE_DEGREES)
        outline = shapely.transform(outline, self._to_output, interleaved=False)
        if not np.isfinite(shapely.get_coordinates(outline)).all():
            return pixels
        outline = shapely.make_valid(outline)
        if self._is_geographic:
            # The area may reach beyond 180 degrees.
            outline = shapely.union_all(
                [shapely.affinity.translate(outline, turn) for turn in (-360, 0, 360)]
            )
        return shapely.intersection(outline, pixels)
