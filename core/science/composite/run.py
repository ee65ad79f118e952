"""The run: one Dask task a block, each streamed into the output raster as it is done."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

from dask.base import compute
from dask.delayed import delayed
from dask.threaded import get as run_in_threads

from ..imagery.files.gdal import limited_block_cache
from ..imagery.readers import Readers
from ..reporter import StageProgress
from ..stack_memory import StackMemory
from .block import Block, compose_block
from .finished_blocks import FinishedBlocks
from .output_raster import EncodedBlock, OutputRaster, encode_block
from .plan import CompositePlan
from .tally import BlockCounts, RunStatistics, Tally, count_pixels


@dataclass(frozen=True)
class BlockSink:
    """Where finished blocks go, from any thread: into the raster, the sums, and for the next run.

    ``finished`` has those of an earlier run, and is given those of this one.
    """

    raster: OutputRaster
    progress: StageProgress
    finished: FinishedBlocks
    tally: Tally = field(default_factory=Tally)

    def put(self, block: Block, encoded: EncodedBlock, counts: BlockCounts) -> None:
        """Take in a block.

        Raises:
            OutputError: it cannot be written.
            ReadError: a server was given up, and nothing of the block could be read.
        """
        self.raster.put(block, encoded)
        self.tally.add(counts)
        self.finished.keep(block, encoded, counts)
        self.progress.advance()

    def take_up(self, blocks: Iterable[Block], at_once: int) -> list[Block]:
        """Take in what an earlier run has finished, and return the blocks that are left."""

        def is_taken_up(block: Block) -> bool:
            found = self.finished.find(block)
            if found is None:
                return False
            encoded, counts = found
            self.raster.put(block, encoded)
            self.tally.add(counts)
            self.progress.skip()
            return True

        blocks = list(blocks)
        if self.finished.is_empty:
            return blocks
        with ThreadPoolExecutor(at_once, thread_name_prefix="take-up") as threads:
            taken = list(threads.map(is_taken_up, blocks))
        self.finished.tell_taken_up(sum(taken), len(blocks))
        return [block for block, is_taken in zip(blocks, taken, strict=True) if not is_taken]


def run_composite_blocks(
    plan: CompositePlan,
    raster: OutputRaster,
    readers: Readers,
    progress: StageProgress,
    finished: FinishedBlocks | None = None,
) -> RunStatistics:
    """Compute every block of the plan on Dask's threaded scheduler and write it.

    Blocks in ``finished`` are not computed again.

    Raises:
        ReadError: a file cannot be read and is not to be skipped, or too much cannot be read.
        OutputError: a block cannot be written.
    """
    sink = BlockSink(raster, progress, finished or FinishedBlocks(progress.reporter))
    memory = StackMemory()

    def store(block: Block) -> None:
        composite = compose_block(block, plan.recipe, readers, memory)
        sink.put(block, encode_block(composite, raster.layout), count_pixels(composite))

    # The block is bound, not passed: Dask would look through an argument for collections of its
    # own and make tasks of its parts. By these names it keeps neighbours, which share tiles,
    # together: names of its own are in no order.
    tasks = [
        delayed(partial(store, block), pure=False)(dask_key_name=f"block-{number:09}")
        for number, block in enumerate(sink.take_up(plan.blocks(), plan.block_plan.at_once))
    ]
    with limited_block_cache(), _block_threads(plan.block_plan.at_once) as pool:
        # Asked for by the name "threads", Dask would load its distributed half first.
        compute(*tasks, scheduler=run_in_threads, pool=pool)  # type: ignore[no-untyped-call]
    return sink.tally.statistics()


@contextmanager
def _block_threads(count: int) -> Iterator[ThreadPoolExecutor]:
    """Threads that are gone on leaving; after an error, each as soon as its block allows.

    Dask would keep its own until the process ends.
    """
    pool = ThreadPoolExecutor(count, thread_name_prefix="block")
    try:
        yield pool
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()
