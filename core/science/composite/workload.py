"""What a composite's plan will take, told before any pixel is read."""

from __future__ import annotations

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from ...bridge.request import CompositeRequest
from ..imagery.estimate import (
    COMPRESSED_SHARE,
    Estimate,
    Reading,
    is_over_network,
    reading_of_scene,
    seconds_needed,
)
from ..imagery.scene import Scene
from ..imagery.scene_grids import finest_grid
from .plan import CompositePlan


def estimate_composite(plan: CompositePlan, request: CompositeRequest) -> Estimate:
    """What the run of ``plan`` will take."""
    blocks = _outlines_of_blocks(plan)
    wanted = _touched(blocks, plan.recipe.clip_to) if plan.recipe.clip_to else True
    reading = sum((_reading(scene, plan) for scene in plan.scenes), Reading())
    reading *= float(np.mean(wanted))
    height, width = plan.geobox.shape
    bytes_by_value = 2 if request.dtype == "int16" else 4
    bands = len(plan.recipe.output_bands) + request.count_band
    # Where no scene lies, the file has no tiles.
    written = np.mean(wanted & _touched(blocks, _outline_of_scenes(plan)))
    raw = height * width * bands * bytes_by_value * float(written)
    return Estimate(
        scenes=len(plan.scenes),
        days=len(plan.days),
        blocks=plan.block_count,
        read_bytes=reading.compressed_bytes,
        output_bytes=raw * COMPRESSED_SHARE,
        seconds=seconds_needed(
            reading,
            raw_output_bytes=raw,
            is_remote=is_over_network(source.href for source in plan.scenes[0].sources),
        ),
    )


def _reading(scene: Scene, plan: CompositePlan) -> Reading:
    west, south, east, north = plan.bounds_by_scene[scene.id]
    left, bottom, right, top = plan.geobox.extent.boundingbox.bbox
    share = (
        max(0.0, min(north, top) - max(south, bottom)) / (north - south),
        max(0.0, min(east, right) - max(west, left)) / (east - west),
    )
    # The bounds reach a pixel further than the scene on every side.
    own_pixel = (east - west) / (finest_grid(scene).shape[1] + 2)
    return reading_of_scene(scene, share, coarser=abs(plan.geobox.resolution.x) / own_pixel)


def _outline_of_scenes(plan: CompositePlan) -> BaseGeometry:
    """What the rectangles around all scenes cover of the raster, in the output's CRS."""
    bounds = np.array(list({plan.bounds_by_scene[scene.id] for scene in plan.scenes}))
    # In another CRS they may reach to infinity.
    left, bottom, right, top = plan.geobox.boundingbox.bbox
    inside = np.clip(bounds, (left, bottom, left, bottom), (right, top, right, top))
    return shapely.union_all(shapely.box(*inside.T))


def _outlines_of_blocks(plan: CompositePlan) -> np.ndarray:
    """Rectangles in the output's CRS."""
    blocks = list(plan.block_grid.cut(plan.geobox))
    sides = [(rows.start, rows.stop, columns.start, columns.stop) for rows, columns in blocks]
    tops, bottoms, lefts, rights = np.array(sides).T
    to_map = plan.geobox.transform
    west, east = (to_map.c + to_map.a * columns for columns in (lefts, rights))
    north, south = (to_map.f + to_map.e * rows for rows in (tops, bottoms))
    return np.asarray(shapely.box(west, south, east, north))


def _touched(blocks: np.ndarray, area: BaseGeometry) -> np.ndarray:
    """Which blocks an area touches."""
    shapely.prepare(area)
    return np.asarray(shapely.intersects(area, blocks))
