"""Sites observed on a Dask cluster: one task a group of blocks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from ..access.access import AccessRules
from ..cluster.shared_files import check_is_shared
from ..cluster.task_window import Cluster
from ..cluster.worker_tools import Work, WorkerTools
from ..reporter import StageProgress
from .observing import (
    BLOCKS_AT_ONCE,
    ObservedBlock,
    ObservingRecipe,
    observe_group,
)
from .site_blocks import SiteBlock

# Of each worker, so that none is long without work while the last ones end.
GROUPS_PER_WORKER = 2


def observe_blocks_on_cluster(
    blocks: Sequence[SiteBlock],
    recipe: ObservingRecipe,
    cluster: Cluster,
    progress: StageProgress,
    *,
    days_at_once: int,
    access: AccessRules,
) -> Iterator[tuple[SiteBlock, ObservedBlock]]:
    """Read every day of every block by the cluster's workers.

    Raises:
        ReadError: a file cannot be read.
        ClusterError: the cluster was lost.
    """
    groups_wanted = max(1, cluster.worker_count) * GROUPS_PER_WORKER
    size = min(BLOCKS_AT_ONCE, -(-len(blocks) // groups_wanted))
    groups = [tuple(blocks[start : start + size]) for start in range(0, len(blocks), size or 1)]
    work = Work(
        compute=partial(_observe, recipe=recipe, days_at_once=days_at_once),
        # The threads that read are one worker process's own: a second group would only wait.
        at_once=1,
        access=access,
    )
    for group, found in cluster.compute(work, groups):
        for loss in (loss for observed in found for loss in observed.losses):
            check_is_shared(loss.file, loss.reason)
        yield from zip(group, found, strict=True)
        progress.advance(sum(len(block.days) for block in group))


def _observe(
    group: tuple[SiteBlock, ...], tools: WorkerTools, recipe: ObservingRecipe, days_at_once: int
) -> list[ObservedBlock]:
    return observe_group(group, recipe, tools.readers, days_at_once, lambda: None)
