"""Where each day of a block is clear, a bit a pixel."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import date

import numpy as np

from ..imagery.scene_days import SceneDay
from .band_stack import valid_numbers

MOST_IN_A_BYTE = 255


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

    def add(self, day: SceneDay, clear: np.ndarray) -> None:
        """One more day; ``clear`` is bool (height, width)."""
        self.days.append(day)
        self._packed.append(np.packbits(clear))

    def copy(self) -> ClearDays:
        """The same days, which may then become less clear on their own."""
        copy = ClearDays(self.shape)
        copy.days = list(self.days)
        copy._packed = [bits.copy() for bits in self._packed]
        return copy

    def pixels_of(self, position: int) -> np.ndarray:
        """bool (height, width) of the day at ``position``."""
        bits = np.unpackbits(self._packed[position], count=self.size)
        return bits.view(bool).reshape(self.shape)

    def keep_valid(self, stacks: Iterable[np.ndarray]) -> None:
        """Take out what is not valid in one of the ``stacks``, each (days, pixels)."""
        for stack in stacks:
            for position, numbers in enumerate(stack):
                self._packed[position] &= np.packbits(valid_numbers(numbers))

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
