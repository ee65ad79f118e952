"""What the blocks of a composite add up to: pixels, clear days, and what could not be read."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np

from ..imagery.losses import Loss, LossTally, LostFile
from .block import BlockComposite


@dataclass(frozen=True)
class RunStatistics:
    """What the finished blocks add up to.

    ``area_pixels`` are the pixels in the area; ``covered_pixels`` those of them with at least one
    clear day; ``clear_pixels`` the clear ones by day; ``pixels_by_clear_days`` how many pixels
    have how many clear days; ``lost`` the files that could not be read.
    """

    area_pixels: int
    covered_pixels: int
    clear_pixels: Mapping[date, int]
    pixels_by_clear_days: Mapping[int, int]
    lost: tuple[LostFile, ...] = ()

    @property
    def clear_percent(self) -> float:
        """The share of the area's pixels that have a value, in percent."""
        return 100.0 * self.covered_pixels / self.area_pixels if self.area_pixels else 0.0


@dataclass(frozen=True)
class BlockCounts:
    """What the statistics take of a block, as in ``RunStatistics`` and ``BlockComposite``."""

    clear_pixels: Mapping[date, int]
    pixels_by_clear_days: Mapping[int, int]
    days_asked: int
    losses: tuple[Loss, ...]


def count_pixels(composite: BlockComposite) -> BlockCounts:
    """Count a finished block's pixels."""
    pixels = np.bincount(composite.clear_days[composite.inside])
    days = np.flatnonzero(pixels)
    return BlockCounts(
        composite.clear_pixels,
        dict(zip(days.tolist(), pixels[days].tolist(), strict=True)),
        composite.days_asked,
        composite.losses,
    )


class Tally:
    """Adds up blocks, from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._clear_pixels: Counter[date] = Counter()
        self._clear_days: Counter[int] = Counter()
        self._losses = LossTally()

    def add(self, counts: BlockCounts) -> None:
        """Add one block's counts.

        Raises:
            ReadError: a server was given up, and nothing of the block could be read.
        """
        self._losses.add(counts.days_asked, counts.losses)
        with self._lock:
            self._clear_pixels.update(counts.clear_pixels)
            self._clear_days.update(counts.pixels_by_clear_days)

    def statistics(self) -> RunStatistics:
        """The sums.

        Raises:
            ReadError: most days could not be read.
        """
        area = sum(self._clear_days.values())
        return RunStatistics(
            area_pixels=area,
            covered_pixels=area - self._clear_days[0],
            clear_pixels=dict(sorted(self._clear_pixels.items())),
            pixels_by_clear_days=dict(sorted(self._clear_days.items())),
            lost=self._losses.finish(),
        )
