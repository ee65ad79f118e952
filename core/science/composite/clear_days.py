"""Where each day of a block is clear, a bit a pixel."""

from __future__ import annotations

import math
from datetime import date

import numpy as np

from ..imagery.scene_days import SceneDay

MOST_IN_A_BYTE = 255


def packed(pixels: np.ndarray) -> np.ndarray:
    """A bit for each of (height, width) bool, in uint8."""
    return np.packbits(pixels)


class ClearDays:
    """Some days and their clear pixels; ``shape`` is the block's height and width."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self.shape = shape
        self.days: list[SceneDay] = []
        self._packed: list[np.ndarray] = []

    @property
    def size(self) -> int:
        """Number of pixels of the block."""
        return math.prod(self.shape)

    def add(self, day: SceneDay, bits: np.ndarray) -> None:
        """One more day; ``bits`` are its clear pixels as ``packed`` makes them."""
        self.days.append(day)
        self._packed.append(bits)

    def copy(self) -> ClearDays:
        """The same days, which may then become less clear on their own."""
        copy = ClearDays(self.shape)
        copy.days = list(self.days)
        copy._packed = list(self._packed)
        return copy

    def pixels_of(self, position: int) -> np.ndarray:
        """bool (height, width) of the day at ``position``."""
        bits = np.unpackbits(self._packed[position], count=self.size)
        return bits.view(bool).reshape(self.shape)

    def keep(self, position: int, bits: np.ndarray | None) -> None:
        """Take out of a day what is not in ``bits`` too; all of it without any."""
        if bits is None:
            bits = np.zeros_like(self._packed[position])
        kept = self._packed[position] & bits
        # Mostly nothing is taken out, and what is shared with a copy stays shared.
        if not np.array_equal(kept, self._packed[position]):
            self._packed[position] = kept

    def days_by_pixel(self) -> np.ndarray:
        """int32 (height, width): on how many days a pixel is clear."""
        total = np.zeros(self.shape, np.int32)
        for start in range(0, len(self.days), MOST_IN_A_BYTE):
            some = np.zeros(self.shape, np.uint8)
            for position in range(start, min(start + MOST_IN_A_BYTE, len(self.days))):
                some += self.pixels_of(position).view(np.uint8)
            total += some
        return total

    def pixels_by_day(self) -> dict[date, int]:
        """How many pixels are clear on each day."""
        return {
            day.day: int(np.bitwise_count(bits).sum())
            for day, bits in zip(self.days, self._packed, strict=True)
        }
