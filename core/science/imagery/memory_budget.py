"""How much memory a run may take, and the block size and block count that keep to it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from ...bridge.errors import InvalidRequestError, OutputError
from ..whole_file import ELSEWHERE
from .mask_buffer import BYTES_BY_GROWN_PIXEL
from .readers import READS_IN_FLIGHT

# The interpreter with its libraries and caches, and what is in the reading threads' hands: tiles
# not yet decoded, of which all may wait for the network, and a few decoded ones.
BASE_BYTES = 400 * 1024**2

# MEMORY 0: what a run keeps to where the disk has room for what it then cannot hold. More would
# not make it faster.
COMFORTABLE_BYTES = 960 * 1024**2

# Of a pixel on a day: the bits for clear, as its mask has it and as the bands leave it.
CLEAR_BYTES = 2 / 8

# What is taken at once out of the days that a block holds, for each processor.
STRIP_BYTES = 8 * 1024**2

# Of a disk's free room, and in all, what days may be held in.
SHARE_OF_DISK = 4
MOST_DISK_BYTES = 8 * 1024**3

# A mask as it is read, where it is valid, and what it hides.
BYTES_BY_MASK_PIXEL = 4

LARGEST_EDGE = 1024
SMALLEST_EDGE = 128


@dataclass(frozen=True)
class BlockPlan:
    """How a raster is cut: ``edge`` is the blocks' height and width in pixels.

    ``at_once`` is how many are in work. With ``days_in_files`` a block's days are held on disk.
    """

    edge: int
    at_once: int
    days_in_files: bool = False


def budget_bytes(memory_gb: float) -> int:
    """MEMORY in bytes; 0 means half of what is free now."""
    if memory_gb > 0:
        return int(memory_gb * 1024**3)
    return int(psutil.virtual_memory().available) // 2


def disk_bytes_for_days(folder: Path) -> int:
    """How much of the disk that ``folder`` is on may hold days.

    Raises:
        OutputError: the folder is gone, or its disk fails.
    """
    try:
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise OutputError(
            f"The folder of unfinished jobs, {folder.parent}, cannot be used ({error.strerror}); "
            f"{ELSEWHERE}."
        ) from error
    return min(free // SHARE_OF_DISK, MOST_DISK_BYTES)


def plan_blocks(
    memory_gb: float,
    days: int,
    bytes_by_day: float,
    bands: int,
    *,
    margin: int = 0,
    disk_bytes: int = 0,
) -> BlockPlan:
    """The largest blocks, as many at once as there are processors, that fit the budget.

    Args:
        memory_gb: MEMORY; 0 means as much as is comfortable, and more only where blocks would
            otherwise be smaller than the source's tiles, up to half of what is free.
        days: scene days that may have to be held.
        bytes_by_day: bytes of the numbers of one pixel on one day that are held together.
        bands: output bands.
        margin: pixels around a block whose masks are read and grown too, 0 where none is.
        disk_bytes: room for days that memory does not hold.

    Raises:
        InvalidRequestError: not even one of the smallest blocks fits.
    """
    most = budget_bytes(memory_gb)
    comfortable = most if memory_gb > 0 else min(most, COMFORTABLE_BYTES)
    need = _Need(days, bytes_by_day, bands, margin)
    for plan in _choices():
        if need.memory(plan) <= comfortable and need.disk(plan) <= disk_bytes:
            return plan
    # One block, and smaller ones than tiles only where not even one of them fits.
    for edge in _edges():
        plan = BlockPlan(edge, 1)
        if need.memory(plan) <= most:
            return plan
    gigabytes = need.memory(BlockPlan(SMALLEST_EDGE, 1)) / 1024**3
    raise InvalidRequestError(
        f"{days} scene days need at least {gigabytes:.1f} GB of memory; raise MEMORY, close "
        f"other programs, or choose fewer dates{' or a smaller MASK_BUFFER' if margin else ''}."
    )


@dataclass(frozen=True)
class _Need:
    """What a plan takes; see ``plan_blocks``."""

    days: int
    bytes_by_day: float
    bands: int
    margin: int

    def memory(self, plan: BlockPlan) -> int:
        """Bytes of the whole process at its peak."""
        # Of every pixel: the finished bands twice (float64, then the output's dtype), the lookups
        # of a scene in another CRS (two int64 and their temporaries), counts and masks.
        by_pixel = self.days * CLEAR_BYTES + self.bands * 16 + 64
        if not plan.days_in_files:
            by_pixel += self.days * self.bytes_by_day
        block = int(plan.edge**2 * by_pixel)
        processors = os.cpu_count() or 1
        strips = STRIP_BYTES * processors if plan.days_in_files else 0
        if self.margin == 0:
            return BASE_BYTES + strips + block * plan.at_once
        pixels = (plan.edge + 2 * self.margin) ** 2
        growing = pixels * BYTES_BY_GROWN_PIXEL * min(self.days, processors)
        beyond = pixels - plan.edge**2
        waiting = beyond * BYTES_BY_MASK_PIXEL * min(self.days, READS_IN_FLIGHT)
        return BASE_BYTES + strips + (block + growing) * plan.at_once + waiting

    def disk(self, plan: BlockPlan) -> int:
        """Bytes of the files that hold days."""
        if not plan.days_in_files:
            return 0
        return int(plan.edge**2 * self.days * self.bytes_by_day) * plan.at_once


def _choices() -> Iterator[BlockPlan]:
    """Plans that keep to what is comfortable, the best first."""
    several = range(max(2, os.cpu_count() or 1), 1, -1)
    for in_files in (False, True):
        for at_once in several:
            yield BlockPlan(LARGEST_EDGE, at_once, in_files)
    for edge in _edges():
        yield BlockPlan(edge, 1, days_in_files=True)


def _edges() -> Iterator[int]:
    edge = LARGEST_EDGE
    while edge >= SMALLEST_EDGE:
        yield edge
        edge //= 2
