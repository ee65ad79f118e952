"""Invented clouds that drift over the land, and the shadows they throw."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .noise import FloatArray, Noise

PIXEL = 20  # metres, of the pattern and of the mask
PATTERN_SIZE = 512  # pixels: just more than the two tiles together
LARGEST_CLOUD = 128  # pixels
DRIFT_METRES_PER_DAY = ((3100, 900), (-1700, 2300))
CLOUD_HEIGHT = 400.0
OPACITY_STEPS = 20  # few, so that the files compress well
EDGE_WIDTH = 0.09  # how fast a cloud gets opaque behind its edge
OPAQUE_ENOUGH_FOR_SHADOW = 0.35

# The part of the pattern over the tiles, whose share of clouds is asked for: columns, rows.
OVER_THE_TILES = np.meshgrid(np.arange(-232, 232, 8), np.arange(-136, 136, 8))


@dataclass(frozen=True)
class Sun:
    """Where the sun stands, in degrees; the azimuth is clockwise from north."""

    elevation: float
    azimuth: float


@dataclass(frozen=True)
class Sky:
    """The sky over a grid of pixels: cloud opacity in 0 to 1 (float32), and shadow."""

    opacity: FloatArray
    shadow: NDArray[np.bool_]


class Clouds:
    """Two layers of cloud density that drift in different directions, so that no day repeats."""

    def __init__(self, seed: int) -> None:
        axis = np.arange(PATTERN_SIZE, dtype=np.float32)
        x, y = np.meshgrid(axis, axis)
        cells = PATTERN_SIZE // LARGEST_CLOUD
        self._layers = [
            Noise(LARGEST_CLOUD, seed + 10 * layer, octaves=5, cells=cells).at(x, y)
            for layer in range(2)
        ]

    def sky(self, x: FloatArray, y: FloatArray, day: int, share: float, sun: Sun) -> Sky:
        """The sky over points of ``LOCAL_CRS`` in metres.

        Clouds are over ``share`` (0 to 1) of the land as a whole; one tile has more, one less.
        """
        if share <= 0:
            return Sky(np.zeros(x.shape, np.float32), np.zeros(x.shape, np.bool_))
        column = np.floor(x / PIXEL).astype(np.int64)
        row = np.floor(y / PIXEL).astype(np.int64)
        edge = float(np.quantile(self._density(*OVER_THE_TILES, day), 1 - share))
        opacity = _opacity(self._density(column, row, day) - edge)
        east, north = _pixels_to_the_cloud_before(sun)
        before_sun = _opacity(self._density(column + east, row + north, day) - edge)
        return Sky(opacity, (before_sun > OPAQUE_ENOUGH_FOR_SHADOW) & (opacity == 0))

    def _density(self, column: NDArray[np.int64], row: NDArray[np.int64], day: int) -> FloatArray:
        total = np.zeros(column.shape, dtype=np.float32)
        for layer, drift in zip(self._layers, DRIFT_METRES_PER_DAY, strict=True):
            east, north = (round(metres * day / PIXEL) for metres in drift)
            total += layer[(row - north) % PATTERN_SIZE, (column - east) % PATTERN_SIZE]
        return total


def _opacity(behind_edge: FloatArray) -> FloatArray:
    opacity = 1 - np.exp(-np.maximum(behind_edge, 0) / np.float32(EDGE_WIDTH))
    steps: FloatArray = np.ceil(opacity * OPACITY_STEPS) / np.float32(OPACITY_STEPS)
    return steps


def _pixels_to_the_cloud_before(sun: Sun) -> tuple[int, int]:
    """From a place in shadow to below the cloud that stands before the sun: east and north."""
    length = CLOUD_HEIGHT / np.tan(np.radians(sun.elevation)) / PIXEL
    azimuth = np.radians(sun.azimuth)
    return round(float(length * np.sin(azimuth))), round(float(length * np.cos(azimuth)))
