"""Where the numbers of a band over many days are kept: in memory, or in a file."""

from __future__ import annotations

from typing import Protocol

import numpy as np


class HeldNumbers(Protocol):
    """(days, pixels) numbers of one dtype, written by day and read by strips of pixels.

    Days may be written by several threads at once, each by one.
    """

    dtype: np.dtype

    def row(self, day: int) -> np.ndarray:
        """(pixels,) to fill with a day's numbers, for ``keep``."""

    def keep(self, day: int, row: np.ndarray) -> None:
        """Keep what ``row`` gave.

        Raises:
            OutputError: the disk is full or fails.
        """

    def kept(self, day: int) -> np.ndarray:
        """(pixels,) of a day that was kept; not to be written to.

        Raises:
            OutputError: the disk fails.
        """

    def strip(self, start: int) -> np.ndarray:
        """(days, pixels) of the strip that begins at the pixel ``start``; not to be written to.

        Raises:
            OutputError: the disk fails.
        """

    def let_go(self) -> None:
        """Make room; nothing of it may be used any more."""


class StackRoom(Protocol):
    """Room for numbers."""

    def hold(self, shape: tuple[int, int], dtype: np.dtype, strip_length: int) -> HeldNumbers:
        """Room for (days, pixels) numbers, to be read by strips of so many pixels each.

        Raises:
            OutputError: there is none on the disk.
        """
