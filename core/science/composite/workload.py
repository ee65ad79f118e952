"""What a composite's plan will take, told before any pixel is read."""

from __future__ import annotations

import numpy as np
import shapely

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
    touched = _share_of_blocks_touched(plan)
    reading = sum((_reading(scene, plan) for scene in plan.scenes), Reading()) * touched
    height, width = plan.geobox.shape
    bytes_by_value = 2 if request.dtype == "int16" else 4
    bands = len(plan.recipe.output_bands) + request.count_band
    raw = height * width * bands * bytes_by_value * touched
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


def _share_of_blocks_touched(plan: CompositePlan) -> float:
    """The share of the blocks that the polygon touches: the others are not read."""
    if plan.recipe.clip_to is None:
        return 1.0
    blocks = list(plan.block_grid.cut(plan.geobox))
    sides = [(rows.start, rows.stop, columns.start, columns.stop) for rows, columns in blocks]
    tops, bottoms, lefts, rights = np.array(sides).T
    to_map = plan.geobox.transform
    west, east = (to_map.c + to_map.a * columns for columns in (lefts, rights))
    north, south = (to_map.f + to_map.e * rows for rows in (tops, bottoms))
    shapely.prepare(plan.recipe.clip_to)
    return float(
        shapely.intersects(plan.recipe.clip_to, shapely.box(west, south, east, north)).mean()
    )
