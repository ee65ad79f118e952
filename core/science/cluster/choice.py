"""Where a run is computed: in this process, or by a Dask cluster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ...bridge.request import CompositeRequest, TimeSeriesRequest
from ..reporter import Reporter

if TYPE_CHECKING:
    from .task_window import Cluster


@contextmanager
def chosen_cluster(
    request: CompositeRequest | TimeSeriesRequest, reporter: Reporter
) -> Iterator[Cluster | None]:
    """The cluster that ``cluster`` or ``dashboard`` of the request asks for.

    None where the run needs none: then no socket is opened, and Dask's distributed half not loaded.

    Raises:
        ClusterError: the cluster cannot be reached or used.
        EnvironmentNotReadyError: a package for the dashboard is missing.
    """
    if request.dry_run or not (request.cluster or request.dashboard):
        yield None
        return
    from .connection import connect_cluster, local_cluster  # noqa: PLC0415

    if request.cluster:
        opened = connect_cluster(request.cluster, request.dashboard, reporter)
    else:
        opened = local_cluster(reporter)
    with opened as cluster:
        yield cluster
