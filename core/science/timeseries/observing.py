"""Reading the days of a block of sites: the mask first, the bands only where a site is clear."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass

import numpy as np

from ..imagery.encoding import CommonEncoding
from ..imagery.masks import clear_pixels
from ..imagery.output_bands import OutputBand
from ..imagery.reading import BlockReader
from ..imagery.scene_days import SceneDay, read_day
from ..reporter import StageProgress
from .site_blocks import SiteBlock
from .statistics import reduce_sites


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


def observe_block(
    block: SiteBlock, recipe: ObservingRecipe, readers: Executor, progress: StageProgress
) -> list[BlockObservations]:
    """Read every day of a block; one entry an index.

    A day's pixels are let go as soon as the sites' numbers are made, so that memory grows with
    neither days nor sites.

    Raises:
        ReadError: a file cannot be read.
    """
    reader = BlockReader(block.geobox)
    wanted = np.zeros(block.geobox.shape, bool)
    wanted.ravel()[block.positions] = True
    shape = (len(recipe.indices), len(block.days), len(block.site_ids))
    values, clear_counts = np.full(shape, np.nan), np.zeros(shape, np.int64)

    def observe(number: int) -> None:
        pixels = _read_indices(block, block.days[number], recipe, reader, wanted)
        for index, found in enumerate(pixels):
            values[index, number], clear_counts[index, number] = reduce_sites(
                found, block.owners, len(block.site_ids), recipe.statistic
            )
        progress.advance()

    for _ in readers.map(observe, range(len(block.days))):
        pass
    too_cloudy = 100 * clear_counts < recipe.min_clear * block.pixel_counts
    values[too_cloudy | ~block.has_day] = np.nan
    return [
        BlockObservations(index_values, index_counts)
        for index_values, index_counts in zip(values, clear_counts, strict=True)
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
