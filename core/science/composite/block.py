"""The composite of one block: what a Dask task does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from odc.geo.geobox import GeoBox
from shapely.geometry.base import BaseGeometry

from ...bridge.errors import ReadError
from ..imagery.encoding import CommonEncoding, bytes_of_a_number
from ..imagery.losses import Loss, loss_of
from ..imagery.masks import MaskReader
from ..imagery.memory_budget import STRIP_BYTES
from ..imagery.output_bands import OutputBand, source_bands
from ..imagery.readers import Readers
from ..imagery.reading import BlockReader
from ..imagery.scene_days import SceneDay, read_day
from ..stack_memory import StackMemory
from .band_stack import BandStack, valid_numbers
from .clear_days import ClearDays, packed
from .clip import pixels_inside
from .held_numbers import StackRoom
from .median import masked_median, median_of_sortable, run_length
from .stack_folder import StackFolder


@dataclass(frozen=True)
class Recipe:
    """What is made of every block.

    ``raster`` is the whole output's grid. ``masked_classes`` None means that no mask is read,
    and what is within ``mask_buffer`` metres of a masked pixel is masked too.
    ``clip_to`` is the polygon in the output's CRS outside of which there is nothing, or None.
    With ``skips_unreadable`` a day of which a file cannot be read is left out of the block.
    With ``holds_days_in_files`` memory does not hold all days of a block.
    """

    raster: GeoBox
    output_bands: tuple[OutputBand, ...]
    encodings: Mapping[str, CommonEncoding]
    masked_classes: tuple[int, ...] | None
    clip_to: BaseGeometry | None
    mask_buffer: float = 0.0
    skips_unreadable: bool = True
    holds_days_in_files: bool = False


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
        OutputError: the disk is full or fails, and the recipe holds days in files.
    """
    inside = np.ones(block.geobox.shape, bool)
    if recipe.clip_to is not None:
        inside = pixels_inside(recipe.clip_to, recipe.raster, block.rows, block.columns)
    reader = BlockReader(block.geobox, readers.files, recipe.raster)
    masks = MaskReader(reader, recipe.masked_classes, recipe.mask_buffer)
    days = block.days if inside.any() else ()
    clear, losses = _find_clear_days(days, masks, inside, recipe, readers)
    room = StackFolder(readers.scratch) if recipe.holds_days_in_files else memory
    bands = _BandComposer(clear, reader, recipe, readers, room)
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
            # A bit a pixel: behind a day that is slow to come, others wait for it.
            return packed(masks.clear_pixels(day, inside))
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
        room: StackRoom,
    ) -> None:
        self._clear = clear
        self._reader = reader
        self._recipe = recipe
        self._readers = readers
        self._room = room
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
        widest = self._widest(bands, encodings)
        strip_length = strip_length_of(len(self._clear.days), len(encodings), widest)
        stacks = {
            name: BandStack(len(self._clear.days), self._clear.size, self._room, strip_length)
            for name in encodings
        }
        try:
            self._fill(stacks, encodings)
            for number, band in zip(numbers, bands, strict=True):
                _reduce_band(band, stacks, encodings, self._readers, out=self.values[number])
        finally:
            for stack in stacks.values():
                stack.let_go()

    def _widest(self, bands: Sequence[OutputBand], encodings: Mapping[str, CommonEncoding]) -> int:
        """Bytes of the largest number that a pixel of a day is reduced in."""
        if any(band.formula for band in bands):
            return np.dtype(np.float64).itemsize
        scenes = self._clear.days[0].scenes
        return max(
            bytes_of_a_number(encoding, [scene.bands[name] for scene in scenes])
            for name, encoding in encodings.items()
        )

    def _fill(
        self, stacks: Mapping[str, BandStack], encodings: Mapping[str, CommonEncoding]
    ) -> None:
        """Read all days but the lost ones into the stacks, and note what is lost of them."""
        clear = self._clear

        def fill(band: str, position: int) -> np.ndarray | Loss | None:
            day = clear.days[position]
            wanted = clear.pixels_of(position)
            sources = [scene.bands[band] for scene in day.scenes]
            try:
                read = read_day(self._reader, sources, wanted, encodings[band])
            except ReadError as error:
                return _lose(day, error, self._recipe)
            if read is None:
                return None
            values, valid = read
            return packed(stacks[band].put(position, values, valid & wanted))

        left = [number for number in range(len(clear.days)) if number not in self._lost]
        bands = [band for band in stacks for _ in left]
        positions = left * len(stacks)
        for position, found in zip(
            positions, self._readers.map(fill, bands, positions), strict=True
        ):
            if isinstance(found, Loss):
                self.losses.append(found)
                self._lost.add(position)
            else:
                self.seen.keep(position, found)
        for position in self._lost:
            self.seen.keep(position, None)
        for stack in stacks.values():
            stack.finish(without=self._lost)


def strip_length_of(days: int, bands: int, bytes_of_a_number: int) -> int:
    """How many pixels of all days, and of so many bands, are taken out of stacks at once.

    As few as are best reduced at once would be small pieces of a file.
    """
    run = run_length(days, bytes_of_a_number)
    return max(STRIP_BYTES // (days * bands * bytes_of_a_number) // run, 1) * run


def _reduce_band(
    band: OutputBand,
    stacks: Mapping[str, BandStack],
    encodings: Mapping[str, CommonEncoding],
    readers: Readers,
    out: np.ndarray,
) -> None:
    """Write the median over days into ``out``, float64 (pixels,), NaN where no day is clear."""
    own = {name: stacks[name] for name in band.source_bands}

    def reduce_strip(start: int) -> None:
        strip = {name: stack.strip(start) for name, stack in own.items()}
        days, length = next(iter(strip.values())).shape
        widest = 8 if band.formula else max(numbers.itemsize for numbers in strip.values())
        run = run_length(days, widest)
        for first in range(0, length, run):
            pixels = slice(first, min(first + run, length))
            out[start:][pixels] = _reduce(
                band, {name: numbers[:, pixels] for name, numbers in strip.items()}, encodings
            )

    for _ in readers.compute(reduce_strip, next(iter(own.values())).strips):
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
