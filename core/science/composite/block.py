"""The composite of one block: what a Dask task does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from odc.geo.geobox import GeoBox
from shapely.geometry.base import BaseGeometry

from ...bridge.errors import ReadError
from ..imagery.encoding import CommonEncoding
from ..imagery.losses import Loss, loss_of
from ..imagery.masks import MaskReader
from ..imagery.output_bands import OutputBand, source_bands
from ..imagery.readers import Readers
from ..imagery.reading import BlockReader
from ..imagery.scene_days import SceneDay, read_day
from .band_stack import BandStack, valid_numbers
from .clear_days import ClearDays
from .clip import pixels_inside
from .median import masked_median, median_of_sortable, run_length
from .stack_memory import StackMemory


@dataclass(frozen=True)
class Recipe:
    """What is made of every block.

    ``raster`` is the whole output's grid. ``masked_classes`` None means that no mask is read,
    and what is within ``mask_buffer`` metres of a masked pixel is masked too.
    ``clip_to`` is the polygon in the output's CRS outside of which there is nothing, or None.
    With ``skips_unreadable`` a day of which a file cannot be read is left out of the block.
    """

    raster: GeoBox
    output_bands: tuple[OutputBand, ...]
    encodings: Mapping[str, CommonEncoding]
    masked_classes: tuple[int, ...] | None
    clip_to: BaseGeometry | None
    mask_buffer: float = 0.0
    skips_unreadable: bool = True


@dataclass(frozen=True)
class Block:
    """One piece of the output: its place in the raster and the days whose scenes touch it."""

    rows: slice
    columns: slice
    geobox: GeoBox
    days: tuple[SceneDay, ...]


@dataclass(frozen=True)
class BlockComposite:
    """A finished block.

    ``values`` is float64 (bands, height, width), NaN where there is none; ``clear_days`` int32
    (height, width), the days on which every source band is clear; ``inside`` bool (height,
    width), the pixels in the area; ``clear_pixels`` their number by day. ``days_asked`` is how
    many days were to be read, and ``losses`` what of them could not be.
    """

    values: np.ndarray
    clear_days: np.ndarray
    inside: np.ndarray
    clear_pixels: Mapping[date, int]
    days_asked: int = 0
    losses: tuple[Loss, ...] = ()


def compose_block(
    block: Block, recipe: Recipe, readers: Readers, memory: StackMemory
) -> BlockComposite:
    """Read, mask and reduce one block, in ``readers``' threads and in memory lent by ``memory``.

    Raises:
        ReadError: a file cannot be read, and the recipe does not skip it.
    """
    inside = np.ones(block.geobox.shape, bool)
    if recipe.clip_to is not None:
        inside = pixels_inside(recipe.clip_to, recipe.raster, block.rows, block.columns)
    reader = BlockReader(block.geobox, readers.files, recipe.raster)
    masks = MaskReader(reader, recipe.masked_classes, recipe.mask_buffer)
    days = block.days if inside.any() else ()
    clear, losses = _find_clear_days(days, masks, inside, recipe, readers)
    bands = _BandComposer(clear, reader, recipe, readers, memory)
    bands.compose()
    return BlockComposite(
        values=bands.values.reshape(-1, *inside.shape),
        clear_days=bands.seen.days_by_pixel(),
        inside=inside,
        clear_pixels=bands.seen.pixels_by_day(),
        days_asked=len(days),
        losses=(*losses, *bands.losses),
    )


def groups_read_together(bands: Sequence[OutputBand]) -> list[list[int]]:
    """The numbers of output bands, those that share source bands in one list."""
    groups: list[tuple[set[str], list[int]]] = []
    for number, band in enumerate(bands):
        names, numbers = set(band.source_bands), [number]
        for group in [group for group in groups if group[0] & names]:
            groups.remove(group)
            names, numbers = names | group[0], group[1] + numbers
        groups.append((names, numbers))
    return [numbers for _, numbers in groups]


def _find_clear_days(
    days: Sequence[SceneDay],
    masks: MaskReader,
    inside: np.ndarray,
    recipe: Recipe,
    readers: Readers,
) -> tuple[ClearDays, list[Loss]]:
    """The days with a clear pixel inside; a day whose mask cannot be read is none."""

    def find(day: SceneDay) -> np.ndarray | Loss:
        try:
            return masks.clear_pixels(day, inside)
        except ReadError as error:
            return _lose(day, error, recipe)

    clear, losses = ClearDays(inside.shape), []
    for day, found in zip(days, readers.map(find, days), strict=True):
        if isinstance(found, Loss):
            losses.append(found)
        elif found.any():
            clear.add(day, found)
    return clear, losses


def _lose(day: SceneDay, error: ReadError, recipe: Recipe) -> Loss:
    if not recipe.skips_unreadable:
        raise error
    return loss_of(day.day, day.scenes, error)


class _BandComposer:
    """Reads and reduces the bands of a block over its clear days.

    ``values`` is float64 (bands, pixels); ``seen`` are the days where every band has a value.
    """

    def __init__(
        self,
        clear: ClearDays,
        reader: BlockReader,
        recipe: Recipe,
        readers: Readers,
        memory: StackMemory,
    ) -> None:
        self._clear = clear
        self._reader = reader
        self._recipe = recipe
        self._readers = readers
        self._memory = memory
        self._lost: set[int] = set()
        self.values = np.full((len(recipe.output_bands), clear.size), np.nan)
        self.seen = clear.copy()
        self.losses: list[Loss] = []

    def compose(self) -> None:
        """Read and reduce all bands, each over the same days.

        Bands that no formula brings together are read and reduced one after the other, so that
        memory holds one of them over all days. A day lost with one of them is taken out of those
        that were made before, too: these are read again.
        """
        groups = groups_read_together(self._recipe.output_bands) if self._clear.days else []
        lost_when_made: dict[int, int] = {}
        while True:
            outdated = [
                number
                for number in range(len(groups))
                if lost_when_made.get(number) != len(self._lost)
            ]
            if not outdated:
                return
            for number in outdated:
                self._compose_group(groups[number])
                lost_when_made[number] = len(self._lost)

    def _compose_group(self, numbers: Sequence[int]) -> None:
        bands = [self._recipe.output_bands[number] for number in numbers]
        encodings = {name: self._recipe.encodings[name] for name in source_bands(bands)}
        stacks = self._read_stacks(encodings)
        self.seen.keep_valid(stacks.values())
        for number, band in zip(numbers, bands, strict=True):
            _reduce_band(band, stacks, encodings, self._readers, out=self.values[number])
        for stack in stacks.values():
            self._memory.give_back(stack)

    def _read_stacks(self, encodings: Mapping[str, CommonEncoding]) -> dict[str, np.ndarray]:
        """Of each band the (days, pixels) numbers of a ``BandStack``, without the lost days."""
        clear = self._clear
        stacks = {band: BandStack(len(clear.days), clear.size, self._memory) for band in encodings}

        def fill(band: str, position: int) -> Loss | None:
            day = clear.days[position]
            wanted = clear.pixels_of(position)
            sources = [scene.bands[band] for scene in day.scenes]
            try:
                read = read_day(self._reader, sources, wanted, encodings[band])
            except ReadError as error:
                return _lose(day, error, self._recipe)
            if read is not None:
                values, valid = read
                stacks[band].put(position, values, valid & wanted)
            return None

        left = [number for number in range(len(clear.days)) if number not in self._lost]
        bands = [band for band in stacks for _ in left]
        positions = left * len(stacks)
        for position, loss in zip(
            positions, self._readers.map(fill, bands, positions), strict=True
        ):
            if loss is not None:
                self.losses.append(loss)
                self._lost.add(position)
        return {band: stack.finish(without=self._lost) for band, stack in stacks.items()}


def _reduce_band(
    band: OutputBand,
    stacks: Mapping[str, np.ndarray],
    encodings: Mapping[str, CommonEncoding],
    readers: Readers,
    out: np.ndarray,
) -> None:
    """Write the median over days into ``out``, float64 (pixels,), NaN where no day is clear."""
    own = {name: stacks[name] for name in band.source_bands}
    widest = np.dtype(np.float64) if band.formula else own[band.source_bands[0]].dtype
    length = run_length(widest)

    def reduce_run(start: int) -> None:
        run = slice(start, start + length)
        out[run] = _reduce(band, {name: stack[:, run] for name, stack in own.items()}, encodings)

    for _ in readers.compute(reduce_run, range(0, len(out), length)):
        pass


def _reduce(
    band: OutputBand, stacks: Mapping[str, np.ndarray], encodings: Mapping[str, CommonEncoding]
) -> np.ndarray:
    """float64 (pixels,): the median over days, NaN where no day is clear."""
    if band.formula is None:
        name = band.source_bands[0]
        numbers, valid = stacks[name], valid_numbers(stacks[name])
        # The highest number stands for what is not valid already; NaN would not be sorted.
        median = masked_median if numbers.dtype.kind == "f" else median_of_sortable
        return encodings[name].reflectance(median(numbers, valid))
    daily = band.formula.evaluate(
        {name: encodings[name].exact_reflectance(stacks[name]) for name in band.source_bands}
    )
    valid = np.isfinite(daily)
    for name in band.source_bands:
        valid &= valid_numbers(stacks[name])
    return masked_median(daily, valid)
