"""What a composite will read and make, decided before any pixel is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox
from odc.geo.geom import mid_longitude

from ...bridge.errors import NoScenesError, ReadError
from ...bridge.request import CompositeRequest
from ..area import AreaOfInterest
from ..imagery.encoding import CommonEncoding, bytes_of_a_number, choose_encoding
from ..imagery.losses import Loss
from ..imagery.mask_buffer import buffer_margin
from ..imagery.memory_budget import BlockPlan, disk_bytes_for_days, plan_blocks
from ..imagery.output_bands import OutputBand, source_bands
from ..imagery.readers import Readers
from ..imagery.reading import choose_level
from ..imagery.scene import Scene, SourceBand
from ..imagery.scene_days import SceneDay, group_by_solar_day
from ..imagery.scene_grids import finest_grid, locate_scenes
from .block import Block, Recipe, groups_read_together
from .block_grid import BlockGrid, choose_block_grid
from .clip import holds_no_centre, touched_pixels
from .output_grid import choose_output_grid
from .scene_bounds import Bounds, DaysByPlace, bounds_by_scene, overlap

# If the first scene's file cannot be read, the next tells how files are tiled.
SCENES_TO_ASK = 3


@dataclass(frozen=True)
class CompositePlan:
    """The output grid, the days that touch it, how they are cut into blocks, and the recipe.

    ``outside`` are the ids of scenes that have no pixel in the raster. ``is_thin`` says that no
    pixel has its centre in the area, so that the pixels it touches are taken. ``unreadable`` is
    what is lost of scenes whose place only a file could tell, which cannot be read.
    """

    geobox: GeoBox
    days: tuple[SceneDay, ...]
    outside: tuple[str, ...]
    recipe: Recipe
    block_plan: BlockPlan
    block_grid: BlockGrid
    bounds_by_scene: dict[str, Bounds]
    unreadable: tuple[Loss, ...] = ()
    is_thin: bool = False

    @property
    def scenes(self) -> list[Scene]:
        """All scenes used, in order."""
        return [scene for day in self.days for scene in day.scenes]

    @property
    def block_count(self) -> int:
        """Number of blocks of the raster."""
        return sum(1 for _ in self.block_grid.cut(self.geobox))

    def grid_in_words(self) -> str:
        """The output grid as a phrase: ``1,200 × 800 pixels of 10 metres in EPSG:32633``."""
        height, width = self.geobox.shape
        pixel = f"{abs(self.geobox.resolution.x):g} {_unit(self.geobox.crs)}"
        return f"{width:,} × {height:,} pixels of {pixel} in {self.geobox.crs}"

    def summary(self) -> str:
        """The plan in one sentence, for the log."""
        taken = " No pixel's centre lies in the area, so it has the pixels that the area touches."
        return (
            f"{len(self.scenes)} scenes on {len(self.days)} days; the composite has "
            f"{self.grid_in_words()}.{taken if self.is_thin else ''}"
        )

    def blocks(self) -> Iterator[Block]:
        """The blocks by row, each with the days whose scenes touch it.

        A day has the scenes whose masks reach into the block.
        """
        days = DaysByPlace(self.days, self.bounds_by_scene)
        for rows, columns in self.block_grid.cut(self.geobox):
            geobox = self.geobox[rows, columns]
            around = geobox
            if self.recipe.mask_buffer > 0:
                margin_rows, margin_columns = buffer_margin(geobox, self.recipe.mask_buffer)
                around = geobox.pad(margin_columns, margin_rows)
            touching = days.touching(geobox.boundingbox.bbox, around.boundingbox.bbox)
            yield Block(rows, columns, geobox, touching)


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
    skips_unreadable = request.on_error == "skip"
    located, unreadable = locate_scenes(ordered, readers, skips_unreadable)
    finest = [finest_grid(scene) for scene in located]
    geobox = choose_output_grid(
        area, finest, resolution=request.resolution, crs=request.crs, align=request.align
    )
    bounds = bounds_by_scene(located, geobox)
    used = [s for s in located if overlap(bounds[s.id], geobox.boundingbox.bbox)]
    if not used:
        raise NoScenesError(
            f"None of the {len(located)} scenes found has pixels in the area of interest; widen "
            "the area or choose other dates."
        )
    needed = source_bands(list(output_bands))
    sources = {band: [scene.bands[band] for scene in used] for band in needed}
    encodings = {band: choose_encoding(sources[band]) for band in needed}
    days = group_by_solar_day(used, mid_longitude(geobox.extent))
    mask_buffer = 0.0 if masked_classes is None else request.mask_buffer
    block_plan = plan_blocks(
        request.memory_gb,
        len(days),
        _bytes_by_day(output_bands, encodings, sources),
        len(output_bands),
        margin=max(buffer_margin(geobox, mask_buffer)) if mask_buffer > 0 else 0,
        disk_bytes=disk_bytes_for_days(readers.scratch),
    )
    clip_to = area.geometry_in(geobox.crs) if request.clip and not area.is_extent else None
    is_thin = clip_to is not None and holds_no_centre(clip_to, geobox)
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
            mask_buffer=mask_buffer,
            skips_unreadable=skips_unreadable,
            holds_days_in_files=block_plan.days_in_files,
            clip_to=touched_pixels(clip_to, geobox) if clip_to and is_thin else clip_to,
        ),
        block_plan=block_plan,
        block_grid=_block_grid(geobox, used, readers, block_plan.edge),
        bounds_by_scene=bounds,
        unreadable=tuple(unreadable),
        is_thin=is_thin,
    )


def _bytes_by_day(
    output_bands: Sequence[OutputBand],
    encodings: Mapping[str, CommonEncoding],
    sources: Mapping[str, Sequence[SourceBand]],
) -> float:
    """Of one pixel of one day: the numbers of the bands held together."""
    groups = [
        source_bands(output_bands[number] for number in group)
        for group in groups_read_together(output_bands)
    ]
    return max(
        sum(bytes_of_a_number(encodings[band], sources[band]) for band in group) for group in groups
    )


def _block_grid(geobox: GeoBox, scenes: Sequence[Scene], readers: Readers, edge: int) -> BlockGrid:
    """Blocks along the tiles of the first scene's finest band: others are mostly made alike."""
    for scene in scenes[:SCENES_TO_ASK]:
        finest = finest_grid(scene)
        source = next(band for band in scene.bands.values() if band.geobox == finest)
        try:
            file = readers.files.open(source.href)
        except ReadError:
            continue
        level = choose_level(file.levels, geobox)
        return choose_block_grid(geobox, file.levels[level], file.tile_shapes[level], edge)
    return BlockGrid(edge, edge)


def _unit(crs: CRS | None) -> str:
    if crs is None:
        return "units"
    if crs.geographic:
        return "degrees"
    return (
        str(crs.units[0]).replace("foot", "feet") if "foot" in crs.units[0] else f"{crs.units[0]}s"
    )
