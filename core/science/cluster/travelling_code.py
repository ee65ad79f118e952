"""What brings this package to a cluster that does not have it, and takes it away again.

These classes travel by value, before the package does: they use the standard library and Dask
only. Whoever's run it was, and however it ended, the scheduler sees its connection close, and that
is when everything is taken away.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import io
import shutil
import sys
import tempfile
import threading
import zipfile
from collections.abc import Callable
from typing import Any

from distributed import Scheduler, SchedulerPlugin, Worker, WorkerPlugin

SECONDS_BETWEEN_LOOKS = 0.005
SECONDS_TO_SEND = 30.0  # what a worker's connection gets that is stuck; Dask gives it up soon after


class CodeOnNode:
    """The package on one machine of the cluster.

    Args:
        package: the name it is imported by.
        run: a name for the run whose code it is.
        archive: a zip file that holds it; empty where it is there anyway.
    """

    def __init__(self, package: str, run: str, archive: bytes) -> None:
        self._package = package
        self._run = run
        self._archive = archive
        self._folder = ""

    def bring(self, parent: str | None = None) -> None:
        """Make the package importable from a folder in ``parent``, or where temporary ones are.

        Raises:
            ImportError: another run's copy is loaded, which must not be mixed with this one.
        """
        if not self._archive:
            return
        loaded = sys.modules.get(self._package)
        if loaded is not None and self._run not in str(loaded.__file__):
            raise ImportError(f"another copy of {self._package} is in use")
        self._folder = tempfile.mkdtemp(prefix=f"{self._run}-", dir=parent)
        with zipfile.ZipFile(io.BytesIO(self._archive)) as archive:
            archive.extractall(self._folder)
        sys.path.insert(0, self._folder)
        importlib.invalidate_caches()

    def take_away(self) -> None:
        """Leave nothing of it, neither loaded nor on the disk."""
        if not self._folder:
            return
        sys.path[:] = [entry for entry in sys.path if entry != self._folder]
        for name in list(sys.modules):
            if name.partition(".")[0] == self._package:
                del sys.modules[name]
        shutil.rmtree(self._folder, ignore_errors=True)


class CodeOnWorker(WorkerPlugin):
    """The package in a worker process, and what its tasks keep there from one to the next."""

    def __init__(self, code: CodeOnNode) -> None:
        self._code = code
        self._kept: Any = None

    def setup(self, worker: Worker) -> None:
        """Dask calls this in every worker, also in one that joins or comes back later."""
        self._lock = threading.Lock()
        self._scratch = tempfile.mkdtemp(prefix="scratch-", dir=worker.local_directory)
        self._code.bring(worker.local_directory)

    def keep(self, make: Callable[[str], Any]) -> Any:
        """What ``make`` made at the first call of all, given a folder for temporary files."""
        with self._lock:
            if self._kept is None:
                self._kept = make(self._scratch)
            return self._kept

    async def teardown(self, worker: Worker) -> None:  # noqa: ARG002
        """Close what was kept, which ends tasks that still run."""
        if self._kept is not None:
            await asyncio.to_thread(self._kept.close)
        shutil.rmtree(self._scratch, ignore_errors=True)
        self._code.take_away()


class CodeOnScheduler(SchedulerPlugin):
    """The package in the scheduler, which reads the tasks before it hands them out.

    Args:
        client: the connection whose end is the end of all.
        name: that both this plugin and its ``CodeOnWorker`` are registered by.
    """

    def __init__(self, code: CodeOnNode, client: str, name: str) -> None:
        self._code = code
        self._client = client
        self._name = name

    async def start(self, scheduler: Scheduler) -> None:  # noqa: ARG002
        """Dask calls this when the plugin arrives."""
        self._code.bring()

    def remove_client(self, scheduler: Scheduler, client: str) -> None:
        """Dask calls this when a connection has ended, in whichever way."""
        if client == self._client:
            scheduler.loop.add_callback(self._leave, scheduler)

    async def close(self) -> None:
        """Dask calls this when the scheduler ends."""
        self._code.take_away()

    async def _leave(self, scheduler: Scheduler) -> None:
        # Dask pickles a task when its message leaves, a moment after it was handed out: one that
        # it cannot pickle any more costs the connection to the worker, and so the worker.
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._tasks_have_left(scheduler), SECONDS_TO_SEND)
        scheduler.remove_plugin(self._name)
        self._code.take_away()
        if self._name in scheduler.worker_plugins:
            # A worker that ends at this moment takes its copy away itself.
            with contextlib.suppress(OSError):
                await scheduler.unregister_worker_plugin(None, self._name)

    async def _tasks_have_left(self, scheduler: Scheduler) -> None:
        while self._tasks_wait_to_be_sent(scheduler):
            await asyncio.sleep(SECONDS_BETWEEN_LOOKS)

    def _tasks_wait_to_be_sent(self, scheduler: Scheduler) -> bool:
        """Whether any of this run does; without the client there come no more."""
        run = self._client.lower()
        messages = (one for stream in scheduler.stream_comms.values() for one in stream.buffer)
        return any(
            message.get("op") == "compute-task" and str(message["key"]).endswith(run)
            for message in messages
        )
