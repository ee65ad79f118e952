"""How much memory a run may take, and the block size and block count that keep to it."""

from __future__ import annotations

import os
from dataclasses import dataclass

import psutil

from ..bridge.errors import InvalidRequestError

# The interpreter with its libraries, GDAL's caches and the COG's compressor.
BASE_BYTES = 350 * 1024**2

LARGEST_EDGE = 1024
SMALLEST_EDGE = 128


@dataclass(frozen=True)
class BlockPlan:
    """``edge``: the blocks' height and width in pixels; ``at_once``: how many are in work."""

    edge: int
    at_once: int


def budget_bytes(memory_gb: float) -> int:
    """MEMORY in bytes; 0 means half of what is free now."""
    if memory_gb > 0:
        return int(memory_gb * 1024**3)
    return int(psutil.virtual_memory().available) // 2


def plan_blocks(budget: int, days: int, bytes_by_day: int, bands: int) -> BlockPlan:
    """The largest blocks, as many at once as there are processors, that fit the budget.

    Args:
        budget: bytes for the whole process.
        days: scene days that may have to be held.
        bytes_by_day: bytes of one pixel of one day.
        bands: output bands.

    Raises:
        InvalidRequestError: not even one of the smallest blocks fits.
    """
    # Of every pixel: the finished bands twice (float64, then the output's dtype), the lookups of
    # a scene in another CRS (two int64 and their temporaries), counts and masks.
    bytes_by_pixel = days * bytes_by_day + bands * 16 + 96
    free = budget - BASE_BYTES
    edge, at_once = LARGEST_EDGE, os.cpu_count() or 1
    while edge * edge * bytes_by_pixel * at_once > free:
        if edge > 256 or (edge > SMALLEST_EDGE and at_once == 1):
            edge //= 2
        elif at_once > 1:
            at_once -= 1
        else:
            needed = (BASE_BYTES + edge * edge * bytes_by_pixel) / 1024**3
            raise InvalidRequestError(
                f"{days} scene days need at least {needed:.1f} GB of memory; raise MEMORY, close "
                "other programs, or choose fewer dates."
            )
    return BlockPlan(edge, at_once)
