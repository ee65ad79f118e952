"""Repeatable random patterns over coordinates: the same point always gets the same value."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]


@dataclass(frozen=True)
class Noise:
    """Smoothly varying values in 0 to 1, mostly near 0.5, with features of ``cell_size`` metres.

    Each of the ``octaves`` adds features of half the size and half the weight of the one before.
    The pattern repeats after ``cells`` cells. This is value noise: random numbers on a lattice,
    blended in between.

    Example:
        >>> Noise(cell_size=500, seed=1, octaves=3).at(x, y)
    """

    cell_size: float
    seed: int
    octaves: int = 1
    cells: int = 64

    def at(self, x: FloatArray, y: FloatArray) -> FloatArray:
        """The values at points in metres; ``x``, ``y`` and the result have one shape."""
        total = np.zeros_like(x, dtype=np.float32)
        for octave in range(self.octaves):
            finer = 2**octave
            lattice = _lattice(self.cells * finer, self.seed + octave)
            scale = finer / self.cell_size
            total += _blend(lattice, x * scale, y * scale) / finer
        return total / np.float32(2 - 2.0 ** (1 - self.octaves))


def random_of_cell(column: NDArray[np.int64], row: NDArray[np.int64], seed: int) -> FloatArray:
    """One random value in 0 to 1 for each cell, given by its whole column and row numbers."""
    lattice = _lattice(64, seed)
    return lattice[row % 64, column % 64]


def _lattice(cells: int, seed: int) -> FloatArray:
    return np.random.default_rng(seed).random((cells, cells), dtype=np.float32)


def _blend(lattice: FloatArray, x: FloatArray, y: FloatArray) -> FloatArray:
    cells = len(lattice)
    column, along = _cell_and_weight(x, cells)
    row, down = _cell_and_weight(y, cells)
    next_column, next_row = (column + 1) % cells, (row + 1) % cells
    upper: FloatArray = lattice[row, column] * (1 - along) + lattice[row, next_column] * along
    lower: FloatArray = (
        lattice[next_row, column] * (1 - along) + lattice[next_row, next_column] * along
    )
    blended: FloatArray = upper * (1 - down) + lower * down
    return blended


def _cell_and_weight(position: FloatArray, cells: int) -> tuple[NDArray[np.int64], FloatArray]:
    cell = np.floor(position)
    fraction = position - cell
    weight: FloatArray = fraction * fraction * (3 - 2 * fraction)
    return cell.astype(np.int64) % cells, weight
