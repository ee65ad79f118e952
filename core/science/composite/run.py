"""The run: one Dask task a block, each streamed into the output raster as it is done."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import partial

import numpy as np
from dask.base import compute
from dask.delayed import delayed

from ..imagery.memory_budget import give_back_freed_memory
from ..imagery.readers import Readers
from ..reporter import StageProgress
from .block import Block, BlockComposite, compose_block
from .output_raster import OutputRaster, limited_block_cache
from .plan import CompositePlan


@dataclass(frozen=True)
class RunStatistics:
    """What the finished blocks add up to.

    ``area_pixels`` are the pixels in the area; ``covered_pixels`` those of them with at least one
    clear day; ``clear_pixels`` the clear ones by day; ``pixels_by_clear_days`` how many pixels
    have how many clear days.
    """

    area_pixels: int
    covered_pixels: int
    clear_pixels: Mapping[date, int]
    pixels_by_clear_days: Mapping[int, int]

    @property
    def clear_percent(self) -> float:
        """The share of the area's pixels that have a value, in percent."""
        return 100.0 * self.covered_pixels / self.area_pixels if self.area_pixels else 0.0


class _Tally:
    """Adds up blocks, from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._clear_pixels: Counter[date] = Counter()
        self._clear_days: Counter[int] = Counter()

    def add(self, composite: BlockComposite) -> None:
        days, pixels = np.unique(composite.clear_days[composite.inside], return_counts=True)
        with self._lock:
            self._clear_pixels.update(composite.clear_pixels)
            self._clear_days.update(dict(zip(days.tolist(), pixels.tolist(), strict=True)))

    def statistics(self) -> RunStatistics:
        area = sum(self._clear_days.values())
        return RunStatistics(
            area_pixels=area,
            covered_pixels=area - self._clear_days[0],
            clear_pixels=dict(sorted(self._clear_pixels.items())),
            pixels_by_clear_days=dict(sorted(self._clear_days.items())),
        )


def run_composite_blocks(
    plan: CompositePlan, raster: OutputRaster, readers: Readers, progress: StageProgress
) -> RunStatistics:
    """Compute every block of the plan on Dask's threaded scheduler and write it.

    Raises:
        ReadError: a file cannot be read.
        OutputError: a block cannot be written.
    """
    tally = _Tally()
    if plan.block_plan.is_tight:
        give_back_freed_memory()

    def store(block: Block) -> None:
        composite = compose_block(block, plan.recipe, readers)
        raster.write(block, composite)
        tally.add(composite)
        progress.advance()

    # The block is bound, not passed: Dask would look through an argument for collections of its
    # own and make tasks of its parts.
    tasks = [delayed(partial(store, block), pure=False)() for block in plan.blocks()]
    with limited_block_cache():
        compute(  # type: ignore[no-untyped-call]
            *tasks, scheduler="threads", num_workers=plan.block_plan.at_once
        )
    return tally.statistics()
