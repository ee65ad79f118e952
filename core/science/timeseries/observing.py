"""Reading the days of a block of sites: the mask first, the bands only where a site is clear."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from ...bridge.errors import ReadError
from ..imagery.encoding import CommonEncoding
from ..imagery.losses import Loss, loss_of
from ..imagery.masks import MaskReader
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

    ``masked_classes`` None means that no mask is read, and what is within ``mask_buffer`` metres
    of a masked pixel is masked too. ``min_clear`` is in percent of a site's pixels. With
    ``skips_unreadable`` a day of which a file cannot be read has no value in the block.
    """

    indices: tuple[OutputBand, ...]
    encodings: Mapping[str, CommonEncoding]
    masked_classes: tuple[int, ...] | None
    statistic: str
    min_clear: float
    mask_buffer: float = 0.0
    skips_unreadable: bool = True


@dataclass(frozen=True)
class BlockObservations:
    """What was observed of one index in a block: (days, sites).

    ``values`` float64, NaN where there is none; ``clear_pixels`` int64.
    """

    values: np.ndarray
    clear_pixels: np.ndarray


@dataclass(frozen=True)
class ObservedBlock:
    """What was observed in a block, one entry an index, and what of its days was lost."""

    indices: tuple[BlockObservations, ...]
    losses: tuple[Loss, ...]


def observe_blocks(
    blocks: Sequence[SiteBlock],
    recipe: ObservingRecipe,
    readers: Readers,
    progress: StageProgress,
    days_at_once: int,
) -> Iterator[tuple[SiteBlock, ObservedBlock]]:
    """Read every day of every block, some blocks together.

    Raises:
        ReadError: a file cannot be read, and the recipe does not skip it.
    """
    for start in range(0, len(blocks), BLOCKS_AT_ONCE):
        group = blocks[start : start + BLOCKS_AT_ONCE]
        found = observe_group(group, recipe, readers, days_at_once, progress.advance)
        yield from zip(group, found, strict=True)


def observe_group(
    blocks: Sequence[SiteBlock],
    recipe: ObservingRecipe,
    readers: Readers,
    days_at_once: int,
    advance: Callable[[], None],
) -> list[ObservedBlock]:
    """Read every day of blocks together.

    A day's pixels are let go as soon as the sites' numbers are made, so that memory grows with
    neither days nor sites. The blocks are read day by day, so that all threads have work and a
    file is open for all of them; never more than ``days_at_once``. ``advance`` is called after
    each day of a block.

    Raises:
        ReadError: a file cannot be read, and the recipe does not skip it.
    """
    observers = [_BlockObserver(block, recipe, readers) for block in blocks]
    tasks = sorted(
        (day.day, number, position)
        for number, block in enumerate(blocks)
        for position, day in enumerate(block.days)
    )

    def observe(task: tuple[date, int, int]) -> Loss | None:
        loss = observers[task[1]].observe(task[2])
        advance()
        return loss

    losses: list[list[Loss]] = [[] for _ in blocks]
    for (_, number, _), loss in zip(
        tasks, readers.map(observe, tasks, at_once=days_at_once), strict=True
    ):
        if loss is not None:
            losses[number].append(loss)
    return [
        ObservedBlock(observer.observations(), tuple(lost))
        for observer, lost in zip(observers, losses, strict=True)
    ]


class _BlockObserver:
    """Observes the days of one block, in any order and from any thread."""

    def __init__(self, block: SiteBlock, recipe: ObservingRecipe, readers: Readers) -> None:
        self._block = block
        self._recipe = recipe
        self._reader = BlockReader(block.geobox, readers.files)
        self._masks = MaskReader(self._reader, recipe.masked_classes, recipe.mask_buffer)
        self._wanted = np.zeros(block.geobox.shape, bool)
        self._wanted.ravel()[block.positions] = True
        shape = (len(recipe.indices), len(block.days), len(block.site_ids))
        self._values = np.full(shape, np.nan)
        self._clear_pixels = np.zeros(shape, np.int64)

    def observe(self, position: int) -> Loss | None:
        """Read the day at ``position`` of the block's days and reduce its pixels to sites.

        Returns:
            what is lost of the day, which then has no value.

        Raises:
            ReadError: a file cannot be read, and the recipe does not skip it.
        """
        block, recipe = self._block, self._recipe
        day = block.days[position]
        try:
            clear = self._masks.clear_pixels(day, self._wanted)
            found = _read_indices(block, day, recipe, self._reader, clear)
        except ReadError as error:
            if not recipe.skips_unreadable:
                raise
            return loss_of(day.day, day.scenes, error)
        for index, pixels in enumerate(found):
            values, clear_pixels = reduce_sites(
                pixels, block.owners, len(block.site_ids), recipe.statistic
            )
            self._values[index, position] = values
            self._clear_pixels[index, position] = clear_pixels
        return None

    def observations(self) -> tuple[BlockObservations, ...]:
        """What was observed, without days that are too cloudy or not a site's own."""
        block = self._block
        too_cloudy = 100 * self._clear_pixels < self._recipe.min_clear * block.pixel_counts
        self._values[too_cloudy | ~block.has_day] = np.nan
        return tuple(
            BlockObservations(values, clear)
            for values, clear in zip(self._values, self._clear_pixels, strict=True)
        )


def _read_indices(
    block: SiteBlock,
    day: SceneDay,
    recipe: ObservingRecipe,
    reader: BlockReader,
    clear: np.ndarray,
) -> Sequence[np.ndarray]:
    """For each index, (pixels,) float64 in the order of ``positions``, NaN where not clear."""
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
