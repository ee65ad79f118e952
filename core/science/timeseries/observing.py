"""Reading the days of a block of sites: the mask first, the bands only where a site is clear."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial

import numpy as np

from ..imagery.encoding import CommonEncoding
from ..imagery.masks import clear_pixels
from ..imagery.output_bands import OutputBand
from ..imagery.readers import Readers
from ..imagery.reading import BlockReader
from ..imagery.scene_days import SceneDay, read_day
from ..reporter import StageProgress
from .site_blocks import SiteBlock
from .statistics import reduce_sites

# Of each block in work, its lookups are held: two numbers a pixel where CRSs differ.
BLOCKS_AT_ONCE = 16


@dataclass(frozen=True)
class ObservingRecipe:
    """What is observed: indices, how pixels become one number, and how clear a day must be.

    ``masked_classes`` None means that no mask is read. ``min_clear`` is in percent of a site's
    pixels.
    """

    indices: tuple[OutputBand, ...]
    encodings: Mapping[str, CommonEncoding]
    masked_classes: tuple[int, ...] | None
    statistic: str
    min_clear: float


@dataclass(frozen=True)
class BlockObservations:
    """What was observed of one index in a block: (days, sites).

    ``values`` float64, NaN where there is none; ``clear_pixels`` int64.
    """

    values: np.ndarray
    clear_pixels: np.ndarray


def observe_blocks(
    blocks: Sequence[SiteBlock], recipe: ObservingRecipe, readers: Readers, progress: StageProgress
) -> Iterator[tuple[SiteBlock, list[BlockObservations]]]:
    """Read every day of every block; one entry an index.

    A day's pixels are let go as soon as the sites' numbers are made, so that memory grows with
    neither days nor sites. Some blocks are read together, day by day, so that all threads have
    work and a file is open for all of them.

    Raises:
        ReadError: a file cannot be read.
    """
    for start in range(0, len(blocks), BLOCKS_AT_ONCE):
        observers = [
            _BlockObserver(block, recipe, readers)
            for block in blocks[start : start + BLOCKS_AT_ONCE]
        ]
        tasks = sorted(
            (day.day, number, position)
            for number, observer in enumerate(observers)
            for position, day in enumerate(observer.block.days)
        )

        def observe(task: tuple[date, int, int], observers: Sequence[_BlockObserver]) -> None:
            observers[task[1]].observe(task[2])
            progress.advance()

        for _ in readers.map(partial(observe, observers=observers), tasks):
            pass
        for observer in observers:
            yield observer.block, observer.observations()


class _BlockObserver:
    """Observes the days of one block, in any order and from any thread."""

    def __init__(self, block: SiteBlock, recipe: ObservingRecipe, readers: Readers) -> None:
        self.block = block
        self._recipe = recipe
        self._reader = BlockReader(block.geobox, readers.files)
        self._wanted = np.zeros(block.geobox.shape, bool)
        self._wanted.ravel()[block.positions] = True
        shape = (len(recipe.indices), len(block.days), len(block.site_ids))
        self._values = np.full(shape, np.nan)
        self._clear_pixels = np.zeros(shape, np.int64)

    def observe(self, position: int) -> None:
        """Read the day at ``position`` of the block's days and reduce its pixels to sites."""
        block, recipe = self.block, self._recipe
        found = _read_indices(block, block.days[position], recipe, self._reader, self._wanted)
        for index, pixels in enumerate(found):
            values, clear = reduce_sites(
                pixels, block.owners, len(block.site_ids), recipe.statistic
            )
            self._values[index, position] = values
            self._clear_pixels[index, position] = clear

    def observations(self) -> list[BlockObservations]:
        """What was observed, without days that are too cloudy or not a site's own."""
        block = self.block
        too_cloudy = 100 * self._clear_pixels < self._recipe.min_clear * block.pixel_counts
        self._values[too_cloudy | ~block.has_day] = np.nan
        return [
            BlockObservations(values, clear)
            for values, clear in zip(self._values, self._clear_pixels, strict=True)
        ]


def _read_indices(
    block: SiteBlock,
    day: SceneDay,
    recipe: ObservingRecipe,
    reader: BlockReader,
    wanted: np.ndarray,
) -> Sequence[np.ndarray]:
    """For each index, (pixels,) float64 in the order of ``positions``, NaN where not clear."""
    clear = clear_pixels(day, reader, wanted, recipe.masked_classes)
    if not clear.any():
        return []
    reflectances: dict[str, np.ndarray] = {}
    for band, encoding in recipe.encodings.items():
        read = read_day(reader, [scene.bands[band] for scene in day.scenes], clear, encoding)
        if read is None:
            return []
        numbers, valid = read[0].ravel()[block.positions], (read[1] & clear).ravel()
        missing = ~valid[block.positions]
        reflectances[band] = np.where(missing, np.nan, encoding.exact_reflectance(numbers))
    return [
        index.formula.evaluate(reflectances)
        if index.formula
        else reflectances[index.source_bands[0]]
        for index in recipe.indices
    ]
