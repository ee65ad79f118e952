"""What a composite will read and make, decided before any pixel is read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, replace

from odc.geo.geobox import GeoBox
from odc.geo.geom import mid_longitude
from rasterio.warp import transform_bounds

from ..bridge.errors import NoScenesError
from ..bridge.request import CompositeRequest
from .area import AreaOfInterest
from .block_composite import Block, Recipe
from .encoding import choose_encoding
from .memory_budget import BlockPlan, budget_bytes, plan_blocks
from .output_bands import OutputBand, source_bands
from .output_grid import choose_output_grid
from .reading import gdal_options, read_geobox
from .scene import Scene, SourceBand
from .scene_days import SceneDay, group_by_solar_day

Bounds = tuple[float, float, float, float]

BYTES_OF_ENCODING = {"stored": 2, "int32": 4, "float64": 8}


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

    def summary(self) -> str:
        """The plan in one sentence, for the log."""
        height, width = self.geobox.shape
        size = abs(self.geobox.resolution.x)
        return (
            f"{len(self.scenes)} scenes on {len(self.days)} days; the composite has "
            f"{width:,} × {height:,} pixels of {size:g} {_unit(self.geobox)} in {self.geobox.crs}, "
            f"in {self.block_count} blocks"
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
                if _overlap(self.bounds_by_scene[scene.id], tuple(geobox.extent.boundingbox))
            )
            if scenes:
                days.append(SceneDay(day.day, scenes))
        return tuple(days)


def plan_composite(
    request: CompositeRequest,
    area: AreaOfInterest,
    scenes: Sequence[Scene],
    output_bands: Sequence[OutputBand],
    masked_classes: tuple[int, ...] | None,
    readers: Executor,
) -> CompositePlan:
    """Decide grid, days, blocks and recipe.

    Raises:
        NoScenesError: no scene has a pixel in the area.
        InvalidRequestError: the grid or the memory asked for is impossible.
        ReadError: an item tells no grid and its file cannot be opened.
    """
    located = list(readers.map(_with_grids, scenes))
    finest = [min(_grids(scene.bands.values()), key=_pixel_size) for scene in located]
    geobox = choose_output_grid(
        area, finest, resolution=request.resolution, crs=request.crs, align=request.align
    )
    bounds = {scene.id: _bounds_in(grid, geobox) for scene, grid in zip(located, finest)}
    used = [s for s in located if _overlap(bounds[s.id], tuple(geobox.extent.boundingbox))]
    if not used:
        raise NoScenesError(
            f"None of the {len(located)} scenes found has pixels in the area of interest; widen "
            "the area or choose other dates."
        )
    needed = source_bands(list(output_bands))
    encodings = {band: choose_encoding([s.bands[band] for s in used]) for band in needed}
    days = group_by_solar_day(used, mid_longitude(geobox.extent))
    bytes_by_day = 2 + sum(BYTES_OF_ENCODING[e.held_as] + 1 for e in encodings.values())
    clip = request.clip and not area.is_extent
    used_ids = {scene.id for scene in used}
    return CompositePlan(
        geobox=geobox,
        days=tuple(days),
        outside=tuple(scene.id for scene in located if scene.id not in used_ids),
        recipe=Recipe(
            output_bands=tuple(output_bands),
            encodings=encodings,
            masked_classes=masked_classes,
            clip_to=area.geometry_in(geobox.crs) if clip else None,
        ),
        block_plan=plan_blocks(
            budget_bytes(request.memory_gb), len(days), bytes_by_day, len(output_bands)
        ),
        bounds_by_scene=bounds,
    )


def _with_grids(scene: Scene) -> Scene:
    """The scene with the grid of each band, from the file where the item tells none."""
    if all(source.geobox is not None for source in scene.bands.values()):
        return scene
    with gdal_options():
        bands = {
            name: source if source.geobox else replace(source, geobox=read_geobox(source))
            for name, source in scene.bands.items()
        }
    return replace(scene, bands=bands)


def _grids(sources: Sequence[SourceBand]) -> list[GeoBox]:
    return [source.geobox for source in sources if source.geobox is not None]


def _pixel_size(grid: GeoBox) -> float:
    return abs(float(grid.transform.a))


def _bounds_in(grid: GeoBox, output: GeoBox) -> Bounds:
    """The grid's bounding rectangle in the output's CRS, a pixel wider on every side."""
    west, south, east, north = tuple(grid.pad(1).extent.boundingbox)
    if grid.crs == output.crs:
        return west, south, east, north
    return transform_bounds(
        str(grid.crs), str(output.crs), west, south, east, north, densify_pts=51
    )


def _overlap(first: Bounds, second: Bounds) -> bool:
    return (
        first[0] < second[2]
        and second[0] < first[2]
        and first[1] < second[3]
        and second[1] < first[3]
    )


def _unit(geobox: GeoBox) -> str:
    return "degrees" if geobox.crs.geographic else str(geobox.crs.units[0]) + "s"
