"""How much memory a run may take, and the block size and block count that keep to it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

import psutil

from ...bridge.errors import InvalidRequestError
from .mask_buffer import BYTES_BY_GROWN_PIXEL
from .readers import READS_IN_FLIGHT

# The interpreter with its libraries and caches, and what is in the reading threads' hands: tiles
# not yet decoded, of which all may wait for the network, and a few decoded ones.
BASE_BYTES = 400 * 1024**2

# MEMORY 0: what a run may take while it holds whole tiles of the source, and what it keeps to
# otherwise. More would not make it faster.
COMFORTABLE_BYTES = 1024**3

# A mask as it is read, where it is valid, and what it hides.
BYTES_BY_MASK_PIXEL = 4

LARGEST_EDGE = 1024
SMALLEST_EDGE = 128


@dataclass(frozen=True)
class BlockPlan:
    """How a raster is cut: ``edge`` is the blocks' height and width in pixels.

    ``at_once`` is how many are in work.
    """

    edge: int
    at_once: int


def budget_bytes(memory_gb: float) -> int:
    """MEMORY in bytes; 0 means half of what is free now."""
    if memory_gb > 0:
        return int(memory_gb * 1024**3)
    return int(psutil.virtual_memory().available) // 2


def plan_blocks(
    memory_gb: float, days: int, bytes_by_day: float, bands: int, margin: int = 0
) -> BlockPlan:
    """The largest blocks, as many at once as there are processors, that fit the budget.

    Args:
        memory_gb: MEMORY; 0 means as much as is comfortable, and more only where blocks would
            otherwise be smaller than the source's tiles, up to half of what is free.
        days: scene days that may have to be held.
        bytes_by_day: bytes of one pixel of one day.
        bands: output bands.
        margin: pixels around a block whose masks are read and grown too, 0 where none is.

    Raises:
        InvalidRequestError: not even one of the smallest blocks fits.
    """
    # Of every pixel: the finished bands twice (float64, then the output's dtype), the lookups of
    # a scene in another CRS (two int64 and their temporaries), counts and masks.
    bytes_by_pixel = days * bytes_by_day + bands * 16 + 64
    most = budget_bytes(memory_gb)
    comfortable = most if memory_gb > 0 else min(most, COMFORTABLE_BYTES)

    def needed(edge: int, at_once: int) -> int:
        block = int(edge * edge * bytes_by_pixel)
        if margin == 0:
            return BASE_BYTES + block * at_once
        pixels = (edge + 2 * margin) ** 2
        growing = pixels * BYTES_BY_GROWN_PIXEL * min(days, os.cpu_count() or 1)
        waiting = (pixels - edge * edge) * BYTES_BY_MASK_PIXEL * min(days, READS_IN_FLIGHT)
        return BASE_BYTES + (block + growing) * at_once + waiting

    # Several blocks only where that is comfortable; smaller ones than tiles only where even one
    # does not fit at all.
    for edge, at_once, budget in _choices(comfortable, most):
        if needed(edge, at_once) <= budget:
            return BlockPlan(edge, at_once)
    gigabytes = needed(SMALLEST_EDGE, 1) / 1024**3
    raise InvalidRequestError(
        f"{days} scene days need at least {gigabytes:.1f} GB of memory; raise MEMORY, close "
        f"other programs, or choose fewer dates{' or a smaller MASK_BUFFER' if margin else ''}."
    )


def _choices(comfortable: int, most: int) -> Iterator[tuple[int, int, int]]:
    """Block edges, blocks at once and the budget to keep to, the best first."""
    for at_once in range(max(2, os.cpu_count() or 1), 1, -1):
        yield LARGEST_EDGE, at_once, comfortable
    yield LARGEST_EDGE, 1, most
    edge = LARGEST_EDGE // 2
    while edge >= SMALLEST_EDGE:
        yield edge, 1, most
        edge //= 2
