"""What brings this package to a cluster that does not have it, and takes it away again.

What is in here travels by value, before the package does: it uses the standard library and Dask
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

from distributed import Reschedule, Scheduler, SchedulerPlugin, Worker, WorkerPlugin, get_worker
from distributed.protocol.serialize import deserialize_bytes, serialize_bytes

SECONDS_FOR_TASKS = 30.0  # what they get to find that what they need is closed


def seal_task(task: Callable[[CodeOnWorker], Any]) -> tuple[Callable[[str, bytes], Any], bytes]:
    """What Dask passes on for ``task``: a function of the plugin's name and the sealed task.

    Dask unpacks a task on each connection that it comes by, and a scheduler or a worker that cannot
    ends that connection, or itself: where the code of a run that broke off was taken away, say.
    These anybody can unpack; the task in them only needs the package when it is its turn.
    """

    # Known by no module's name, it travels by value.
    def open_and_run(plugin: str, sealed: bytes) -> Any:
        keeper: Any = get_worker().plugins[plugin]
        return keeper.run(sealed)

    # A worker may lack what compresses here.
    return open_and_run, serialize_bytes(task, compression=None)


class CodeOnNode:
    """The package in one process of the cluster.

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

    def bring(self, parent: str) -> None:
        """Make the package importable, from a folder in ``parent``.

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
        self._tasks = threading.Condition()
        self._tasks_in_work = 0
        self._is_over = False
        self._scratch = tempfile.mkdtemp(prefix="scratch-", dir=worker.local_directory)
        self._code.bring(worker.local_directory)

    def keep(self, make: Callable[[str], Any]) -> Any:
        """What ``make`` made at the first call of all, given a folder for temporary files.

        Raises:
            Reschedule: the worker is leaving, or the run is over.
        """
        with self._lock:
            self._check()
            if self._kept is None:
                self._kept = make(self._scratch)
            return self._kept

    def run(self, sealed: bytes) -> Any:
        """Unpack a task and do it.

        Raises:
            Reschedule: the worker is leaving, or the run is over.
            Exception: any of the task's.
        """
        with self._tasks:
            self._check()
            self._tasks_in_work += 1
        try:
            return deserialize_bytes(sealed)(self)
        finally:
            with self._tasks:
                self._tasks_in_work -= 1
                self._tasks.notify_all()

    async def teardown(self, worker: Worker) -> None:  # noqa: ARG002
        """End the tasks that still run, and take the package away."""
        await asyncio.to_thread(self._end_tasks)
        shutil.rmtree(self._scratch, ignore_errors=True)
        self._code.take_away()

    def _end_tasks(self) -> None:
        """Close what was kept, which they need, and wait for them.

        A module that one of them loads meanwhile would be there again after it was taken away.
        """
        self._is_over = True
        with self._lock:
            kept = self._kept
        if kept is not None:
            kept.close()
        with self._tasks:
            self._tasks.wait_for(lambda: not self._tasks_in_work, SECONDS_FOR_TASKS)

    def _check(self) -> None:
        if self._is_over:
            raise Reschedule


class EndOnScheduler(SchedulerPlugin):
    """Takes the package away from all workers when the run's connection ends.

    Args:
        client: the connection.
        name: that both this plugin and the ``CodeOnWorker`` are registered by.
    """

    def __init__(self, client: str, name: str) -> None:
        self._client = client
        self._name = name

    def remove_client(self, scheduler: Scheduler, client: str) -> None:
        """Dask calls this when a connection has ended, in whichever way."""
        if client == self._client:
            scheduler.loop.add_callback(self._take_away, scheduler)

    async def _take_away(self, scheduler: Scheduler) -> None:
        scheduler.remove_plugin(self._name)
        if self._name in scheduler.worker_plugins:
            # A worker that ends at this moment takes its copy away itself.
            with contextlib.suppress(OSError):
                await scheduler.unregister_worker_plugin(None, self._name)
