"""What the plan of a time series will take, told before any pixel is read."""

from __future__ import annotations

from ...bridge.request import TimeSeriesRequest
from ..catalog.checks import cloud_cover
from ..imagery.estimate import (
    TILE_EDGE,
    Estimate,
    Reading,
    is_over_network,
    reading_of_scene,
    seconds_needed,
)
from ..imagery.scene import Scene
from ..imagery.scene_grids import finest_grid
from .inputs import TimeSeriesInputs
from .site_blocks import SiteBlock

# Of a row of a table: identifiers of scenes are the longest of it.
BYTES_BY_OBSERVATION = 150
BYTES_BY_STEP = 90


def estimate_time_series(inputs: TimeSeriesInputs, request: TimeSeriesRequest) -> Estimate:
    """What the run of ``inputs`` will take."""
    blocks = inputs.plan.blocks
    reading = sum((_reading(block) for block in blocks), Reading())
    scenes = {scene.id: scene for block in blocks for day in block.days for scene in day.scenes}
    output_bytes = _table_bytes(inputs, request)
    return Estimate(
        scenes=len(scenes),
        days=len({day.day for block in blocks for day in block.days}),
        blocks=len(blocks),
        read_bytes=reading.compressed_bytes,
        output_bytes=output_bytes,
        seconds=seconds_needed(
            reading,
            raw_output_bytes=output_bytes,
            is_remote=is_over_network(
                source.href for scene in list(scenes.values())[:1] for source in scene.sources
            ),
        ),
    )


def _reading(block: SiteBlock) -> Reading:
    """Of all days of a block, whose scenes are taken to be like its first."""
    scenes = [scene for day in block.days for scene in day.scenes]
    grid = finest_grid(scenes[0])
    # Blocks are made so that their pixels lie in one tile, but for large sites.
    beyond = (max(0, length - TILE_EDGE) for length in block.geobox.shape)
    height, width = (min(1.0, part / size) for part, size in zip(beyond, grid.shape, strict=True))
    clear = sum(map(_clear_share, scenes)) / len(scenes)
    return reading_of_scene(scenes[0], (height, width), clear=clear) * len(scenes)


def _clear_share(scene: Scene) -> float:
    """How likely a small place is clear: the scene's own share, 1 where it does not tell."""
    cover = cloud_cover(scene.properties)
    return 1.0 if cover is None else 1 - min(max(cover, 0.0), 100.0) / 100


def _table_bytes(inputs: TimeSeriesInputs, request: TimeSeriesRequest) -> float:
    days = list(inputs.plan.days_by_site.values())
    observations = sum(len(own) for own in days)
    steps = sum(1 + (own[-1].day - own[0].day).days // request.recipe.step for own in days if own)
    by_index = observations * BYTES_BY_OBSERVATION + steps * BYTES_BY_STEP
    return float(by_index * len(inputs.recipe.indices))
