"""The run on a Dask cluster: its workers compute blocks, this process writes them."""

from __future__ import annotations

import os
from collections.abc import Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from functools import partial

from ..access.access import AccessRules
from ..cluster.shared_files import check_is_shared
from ..cluster.task_window import Cluster
from ..cluster.worker_tools import Work, WorkerTools
from ..reporter import StageProgress
from .block import Block, Recipe, compose_block
from .finished_blocks import FinishedBlocks
from .output_raster import EncodedBlock, OutputRaster, RasterLayout, encode_block
from .plan import CompositePlan
from .run import BlockSink
from .tally import BlockCounts, RunStatistics, count_pixels


def run_composite_on_cluster(
    plan: CompositePlan,
    raster: OutputRaster,
    cluster: Cluster,
    progress: StageProgress,
    access: AccessRules,
    *,
    finished: FinishedBlocks,
) -> RunStatistics:
    """Compute every block of the plan by a task of the cluster, and write it here.

    Blocks in ``finished`` are not computed again. Never more that are done are in this process
    than it has processors, and one.

    Raises:
        ReadError: a file cannot be read.
        OutputError: a block cannot be written.
        ClusterError: the cluster was lost.
    """
    sink = BlockSink(raster, progress, finished)

    def store(block: Block, encoded: EncodedBlock, counts: BlockCounts) -> None:
        for loss in counts.losses:
            check_is_shared(loss.file, loss.reason)
        sink.put(block, encoded, counts)

    work = Work(
        compute=partial(_finish_block, recipe=plan.recipe, layout=raster.layout),
        at_once=plan.block_plan.at_once,
        access=access,
    )
    processors = os.cpu_count() or 1
    blocks = sink.take_up(plan.blocks(), processors)
    with ThreadPoolExecutor(processors, thread_name_prefix="write") as threads:
        writing: set[Future[None]] = set()
        for block, (encoded, counts) in cluster.compute(work, blocks):
            writing.add(threads.submit(store, block, encoded, counts))
            if len(writing) == processors:
                done, writing = wait(writing, return_when=FIRST_COMPLETED)
                _raise_errors(done)
        _raise_errors(writing)
    return sink.tally.statistics()


def _finish_block(
    block: Block, tools: WorkerTools, recipe: Recipe, layout: RasterLayout
) -> tuple[EncodedBlock, BlockCounts]:
    """What a task does: what comes back is as small as it can be."""
    composite = compose_block(block, recipe, tools.readers, tools.memory)
    return encode_block(composite, layout), count_pixels(composite)


def _raise_errors(done: Iterable[Future[None]]) -> None:
    for future in done:
        future.result()
