"""How much memory a run may take, and the block size and block count that keep to it."""

from __future__ import annotations

import ctypes
import os
import sys
from dataclasses import dataclass, replace

import psutil

from ...bridge.errors import InvalidRequestError

# The interpreter with its libraries, GDAL's caches and the COG's compressor.
BASE_BYTES = 350 * 1024**2

# How many files are read at once: the work waits on the network, not on the processor.
READS_IN_FLIGHT = 16

# What one read holds for each pixel of its block: four pixels of the file, the block's own, where
# they lie in the file, their encoded copy, and masks.
BYTES_BY_PIXEL_OF_READ = 40

# glibc's M_MMAP_THRESHOLD, and from how many bytes on an array is given back when it is freed.
MMAP_THRESHOLD_OPTION = -3
BYTES_GIVEN_BACK = 64 * 1024

LARGEST_EDGE = 1024
SMALLEST_EDGE = 128

# A small raster is cut into at least this many blocks a processor, so that all of them have work
# and progress shows; but not into blocks below this edge, for each opens every file again.
BLOCKS_BY_PROCESSOR = 4
SMALLEST_SHARED_EDGE = 256


@dataclass(frozen=True)
class BlockPlan:
    """How a raster is cut: ``edge`` is the blocks' height and width in pixels.

    ``at_once`` is how many are in work. ``is_tight`` says that twice what they need would not fit
    the budget, so that freed memory has to go back to the system at once.
    """

    edge: int
    at_once: int
    is_tight: bool = False


def budget_bytes(memory_gb: float) -> int:
    """MEMORY in bytes; 0 means half of what is free now."""
    if memory_gb > 0:
        return int(memory_gb * 1024**3)
    return int(psutil.virtual_memory().available) // 2


def give_back_freed_memory() -> None:
    """Let this process hand freed arrays back to the system at once.

    By default glibc learns to keep ever larger ones, in a heap of each thread, until a run holds
    twice what it uses. It costs a third of a run's time, so it is for a tight budget only. Other
    systems have no such setting and need none.
    """
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            mallopt(MMAP_THRESHOLD_OPTION, BYTES_GIVEN_BACK)


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
    reading = READS_IN_FLIGHT * BYTES_BY_PIXEL_OF_READ
    while edge * edge * (bytes_by_pixel * at_once + reading) > free:
        if edge > 256 or (edge > SMALLEST_EDGE and at_once == 1):
            edge //= 2
        elif at_once > 1:
            at_once -= 1
        else:
            gigabytes = (BASE_BYTES + edge * edge * (bytes_by_pixel + reading)) / 1024**3
            raise InvalidRequestError(
                f"{days} scene days need at least {gigabytes:.1f} GB of memory; raise MEMORY, "
                "close other programs, or choose fewer dates."
            )
    needed = edge * edge * (bytes_by_pixel * at_once + reading)
    return BlockPlan(edge, at_once, is_tight=2 * needed > free)


def share_out(plan: BlockPlan, height: int, width: int) -> BlockPlan:
    """The plan with smaller blocks where a raster of this size has too few to share."""
    edge = plan.edge
    while (
        edge > SMALLEST_SHARED_EDGE
        and -(-height // edge) * -(-width // edge) < BLOCKS_BY_PROCESSOR * plan.at_once
    ):
        edge //= 2
    return replace(plan, edge=edge)
