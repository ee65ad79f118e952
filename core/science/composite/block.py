"""The composite of one block: what a Dask task does."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import reduce

import numpy as np
from odc.geo.geobox import GeoBox
from shapely.geometry.base import BaseGeometry

from ..imagery.encoding import CommonEncoding
from ..imagery.masks import clear_pixels
from ..imagery.output_bands import OutputBand
from ..imagery.readers import Readers
from ..imagery.reading import BlockReader
from ..imagery.scene_days import SceneDay, read_day
from .clip import pixels_inside
from .median import RUN_LENGTH, masked_median


@dataclass(frozen=True)
class Recipe:
    """What is made of every block.

    ``raster`` is the whole output's grid. ``masked_classes`` None means that no mask is read.
    ``clip_to`` is the polygon in the output's CRS outside of which there is nothing, or None.
    """

    raster: GeoBox
    output_bands: tuple[OutputBand, ...]
    encodings: Mapping[str, CommonEncoding]
    masked_classes: tuple[int, ...] | None
    clip_to: BaseGeometry | None


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
    width), the pixels in the area; ``clear_pixels`` their number by day.
    """

    values: np.ndarray
    clear_days: np.ndarray
    inside: np.ndarray
    clear_pixels: Mapping[date, int]


class _Stack:
    """One band over the clear days, filled by the threads that read it.

    ``numbers`` (days, pixels) has the dtype of what was read; ``valid`` bool of the same shape.
    """

    def __init__(self, days: int, pixels: int) -> None:
        self.numbers = np.zeros((days, pixels), np.uint8)
        self.valid = np.zeros((days, pixels), bool)
        self._lock = threading.Lock()

    def put(self, position: int, values: np.ndarray, valid: np.ndarray) -> None:
        with self._lock:
            common = np.promote_types(self.numbers.dtype, values.dtype)
            self.numbers = self.numbers.astype(common, copy=False)
            self.numbers[position] = values.ravel()
            self.valid[position] = valid.ravel()


def compose_block(block: Block, recipe: Recipe, readers: Readers) -> BlockComposite:
    """Read, mask and reduce one block; files are read in ``readers``' threads.

    Raises:
        ReadError: a file cannot be read.
    """
    height, width = block.geobox.shape
    inside = np.ones((height, width), bool)
    if recipe.clip_to is not None:
        inside = pixels_inside(recipe.clip_to, recipe.raster, block.rows, block.columns)
    days, clear = _clear_days(block, recipe, inside, readers)
    if not days:
        return _empty_composite(recipe, inside)
    stacks = _read_stacks(block.geobox, days, clear, recipe, readers)
    # One band after the other: NumPy would first make one array of all.
    seen = reduce(np.logical_and, [stack.valid for stack in stacks.values()])
    values = np.stack(
        [
            _reduce(band, stacks, recipe.encodings).reshape(height, width)
            for band in recipe.output_bands
        ]
    )
    return BlockComposite(
        values=values,
        clear_days=np.count_nonzero(seen, axis=0).astype(np.int32).reshape(height, width),
        inside=inside,
        clear_pixels={
            day.day: int(np.count_nonzero(pixels)) for day, pixels in zip(days, seen, strict=True)
        },
    )


def _clear_days(
    block: Block, recipe: Recipe, inside: np.ndarray, readers: Readers
) -> tuple[list[SceneDay], list[np.ndarray]]:
    """The days with a clear pixel inside, and (height, width) bool of where they are clear."""
    if not inside.any():
        return [], []
    reader = BlockReader(block.geobox, readers.files)

    def find_clear(day: SceneDay) -> np.ndarray:
        return clear_pixels(day, reader, inside, recipe.masked_classes)

    clear = readers.map(find_clear, block.days)
    kept = [(day, pixels) for day, pixels in zip(block.days, clear, strict=True) if pixels.any()]
    return [day for day, _ in kept], [pixels for _, pixels in kept]


def _read_stacks(
    geobox: GeoBox,
    days: list[SceneDay],
    clear: list[np.ndarray],
    recipe: Recipe,
    readers: Readers,
) -> dict[str, _Stack]:
    reader = BlockReader(geobox, readers.files)
    stacks = {
        band: _Stack(len(days), geobox.shape[0] * geobox.shape[1]) for band in recipe.encodings
    }

    def fill(band: str, position: int) -> None:
        sources = [scene.bands[band] for scene in days[position].scenes]
        read = read_day(reader, sources, clear[position], recipe.encodings[band])
        if read is not None:
            values, valid = read
            stacks[band].put(position, values, valid & clear[position])

    tasks = [(band, position) for band in stacks for position in range(len(days))]
    for _ in readers.map(fill, *zip(*tasks, strict=True)):
        pass
    return stacks


def _reduce(
    band: OutputBand, stacks: Mapping[str, _Stack], encodings: Mapping[str, CommonEncoding]
) -> np.ndarray:
    """float64 (pixels,): the median over days, NaN where no day is clear."""
    if band.formula is None:
        name = band.source_bands[0]
        median, _ = masked_median(stacks[name].numbers, stacks[name].valid)
        return encodings[name].reflectance(median)
    pixels = stacks[band.source_bands[0]].numbers.shape[1]
    result = np.empty(pixels)
    for start in range(0, pixels, RUN_LENGTH):
        run = slice(start, start + RUN_LENGTH)
        daily = band.formula.evaluate(
            {
                name: encodings[name].exact_reflectance(stacks[name].numbers[:, run])
                for name in band.source_bands
            }
        )
        valid = np.isfinite(daily)
        for name in band.source_bands:
            valid &= stacks[name].valid[:, run]
        result[run], _ = masked_median(daily, valid)
    return result


def _empty_composite(recipe: Recipe, inside: np.ndarray) -> BlockComposite:
    values = np.full((len(recipe.output_bands), *inside.shape), np.nan)
    return BlockComposite(values, np.zeros(inside.shape, np.int32), inside, {})
