"""What a composite will read and make, decided before any pixel is read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox
from odc.geo.geom import BoundingBox, mid_longitude
from rasterio.warp import transform_bounds

from ...bridge.errors import NoScenesError
from ...bridge.request import CompositeRequest
from ..area import AreaOfInterest
from ..imagery.encoding import bytes_of_a_number, choose_encoding
from ..imagery.memory_budget import BlockPlan, budget_bytes, plan_blocks, share_out
from ..imagery.output_bands import OutputBand, source_bands
from ..imagery.readers import Readers
from ..imagery.scene import Scene
from ..imagery.scene_days import SceneDay, group_by_solar_day
from ..imagery.scene_grids import band_grids, finest_grid, with_grids
from .block import Block, Recipe
from .output_grid import choose_output_grid

Bounds = tuple[float, float, float, float]


@dataclass(frozen=True)
class CompositePlan:
    """The output grid, the days that touch it, how they are cut into blocks, and the recipe.

    ``outside`` are the ids of scenes that have no pixel in the raster.
    """

    geobox: GeoBox
    days: tuple[SceneDay, ...]
    outside: tuple[str, ...]
    recipe: Recipe
    block_plan: BlockPlan
    bounds_by_scene: dict[str, Bounds]

    @property
    def scenes(self) -> list[Scene]:
        """All scenes used, in order."""
        return [scene for day in self.days for scene in day.scenes]

    @property
    def block_count(self) -> int:
        """Number of blocks of the raster."""
        height, width = self.geobox.shape
        edge = self.block_plan.edge
        return -(-height // edge) * -(-width // edge)

    def grid_in_words(self) -> str:
        """The output grid as a phrase: ``1,200 × 800 pixels of 10 metres in EPSG:32633``."""
        height, width = self.geobox.shape
        pixel = f"{abs(self.geobox.resolution.x):g} {_unit(self.geobox.crs)}"
        return f"{width:,} × {height:,} pixels of {pixel} in {self.geobox.crs}"

    def summary(self) -> str:
        """The plan in one sentence, for the log."""
        return (
            f"{len(self.scenes)} scenes on {len(self.days)} days; the composite has "
            f"{self.grid_in_words()}."
        )

    def blocks(self) -> Iterator[Block]:
        """The blocks by row, each with the days whose scenes touch it."""
        height, width = self.geobox.shape
        edge = self.block_plan.edge
        for top in range(0, height, edge):
            for left in range(0, width, edge):
                rows = slice(top, min(top + edge, height))
                columns = slice(left, min(left + edge, width))
                geobox = self.geobox[rows, columns]
                yield Block(rows, columns, geobox, self._days_touching(geobox))

    def _days_touching(self, geobox: GeoBox) -> tuple[SceneDay, ...]:
        days = []
        for day in self.days:
            scenes = tuple(
                scene
                for scene in day.scenes
                if _overlap(self.bounds_by_scene[scene.id], geobox.extent.boundingbox.bbox)
            )
            if scenes:
                days.append(SceneDay(day.day, scenes))
        return tuple(days)


def plan_composite(
    request: CompositeRequest,
    area: AreaOfInterest,
    scenes: Sequence[Scene],
    readers: Readers,
    *,
    output_bands: Sequence[OutputBand],
    masked_classes: tuple[int, ...] | None,
) -> CompositePlan:
    """Decide grid, days, blocks and recipe.

    Raises:
        NoScenesError: no scene has a pixel in the area.
        InvalidRequestError: the grid or the memory asked for is impossible.
        ReadError: an item tells no grid and its file cannot be opened.
    """
    ordered = sorted(scenes, key=lambda scene: (scene.moment, scene.id))
    located = list(readers.map(with_grids, ordered))
    finest = [finest_grid(scene) for scene in located]
    geobox = choose_output_grid(
        area, finest, resolution=request.resolution, crs=request.crs, align=request.align
    )
    bounds = {scene.id: _bounds_of_scene(scene, geobox) for scene in located}
    used = [s for s in located if _overlap(bounds[s.id], geobox.extent.boundingbox.bbox)]
    if not used:
        raise NoScenesError(
            f"None of the {len(located)} scenes found has pixels in the area of interest; widen "
            "the area or choose other dates."
        )
    needed = source_bands(list(output_bands))
    sources = {band: [scene.bands[band] for scene in used] for band in needed}
    encodings = {band: choose_encoding(sources[band]) for band in needed}
    days = group_by_solar_day(used, mid_longitude(geobox.extent))
    # Of every band the number and whether it is valid; of the day whether it is clear, twice.
    bytes_by_day = 2 + sum(bytes_of_a_number(encodings[band], sources[band]) + 1 for band in needed)
    clip = request.clip and not area.is_extent
    used_ids = {scene.id for scene in used}
    return CompositePlan(
        geobox=geobox,
        days=tuple(days),
        outside=tuple(scene.id for scene in located if scene.id not in used_ids),
        recipe=Recipe(
            raster=geobox,
            output_bands=tuple(output_bands),
            encodings=encodings,
            masked_classes=masked_classes,
            clip_to=area.geometry_in(geobox.crs) if clip else None,
        ),
        block_plan=share_out(
            plan_blocks(
                budget_bytes(request.memory_gb), len(days), bytes_by_day, len(output_bands)
            ),
            *geobox.shape,
        ),
        bounds_by_scene=bounds,
    )


def _bounds_of_scene(scene: Scene, output: GeoBox) -> Bounds:
    """The rectangle around all bands of the scene, in the output's CRS."""
    west, south, east, north = zip(
        *{_bounds_in(grid, output) for grid in band_grids(scene)}, strict=True
    )
    return min(west), min(south), max(east), max(north)


def _bounds_in(grid: GeoBox, output: GeoBox) -> Bounds:
    """The grid's bounding rectangle in the output's CRS, a pixel wider on every side."""
    bounds: BoundingBox = grid.pad(1).extent.boundingbox
    if grid.crs == output.crs:
        return bounds.bbox
    west, south, east, north = transform_bounds(
        str(grid.crs), str(output.crs), *bounds.bbox, densify_pts=51
    )
    if west > east:
        # In degrees and across the antimeridian: it reaches both ends.
        west, east = -180.0, 180.0
    return west, south, east, north


def _overlap(first: Bounds, second: Bounds) -> bool:
    return (
        first[0] < second[2]
        and second[0] < first[2]
        and first[1] < second[3]
        and second[1] < first[3]
    )


def _unit(crs: CRS | None) -> str:
    if crs is None:
        return "units"
    return "degrees" if crs.geographic else f"{crs.units[0]}s"
