"""A run's tasks on a cluster: so many at once that no worker waits, and no more."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from concurrent.futures import CancelledError
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from distributed import Client, Future
from distributed.client import ClosedClientError
from distributed.comm.core import CommClosedError
from distributed.scheduler import KilledWorker

from ...bridge.errors import ClusterError, FairweatherError, ReadError
from .shared_files import check_is_shared
from .travelling_code import seal_task
from .worker_tools import Task, Work

Piece = TypeVar("Piece")
Answer = TypeVar("Answer")

# For each place on a worker: one that is computed, and one that is finished or comes next.
TASKS_PER_PLACE = 2
SECONDS_BETWEEN_LOOKS = 1.0
SECONDS_WITHOUT_WORKER = 60.0


@dataclass
class _Window:
    """The tasks that were handed out; ``finished`` has the keys of those that are done."""

    tasks: dict[str, tuple[Future, Any]] = field(default_factory=dict)
    finished: SimpleQueue[str] = field(default_factory=SimpleQueue)


class Cluster:
    """A connection to a scheduler whose workers have the code; see ``connection.py``."""

    def __init__(self, client: Client, run: str, plugin: str) -> None:
        self._client = client
        self._run = run
        self._plugin = plugin
        # A name that was cancelled must not come again.
        self._numbers = count()

    @property
    def worker_count(self) -> int:
        """The number of worker processes now.

        Raises:
            ClusterError: the scheduler does not answer any more.
        """
        return len(self._threads())

    def compute(
        self, work: Work[Piece, Answer], pieces: Iterable[Piece]
    ) -> Iterator[tuple[Piece, Answer]]:
        """Each piece with its answer, as they are finished.

        No more than the cluster needs to stay busy are handed out: as long as the caller does not
        take answers, few are computed and held there. Leaving early cancels what was handed out.

        Raises:
            FairweatherError: the one with which a task failed.
            ClusterError: the cluster or the connection to it was lost.
        """
        window = _Window()
        remaining = iter(pieces)
        try:
            self._fill(window, work, remaining)
            while window.tasks:
                key = self._wait(window)
                answer = _answer(window.tasks[key][0])
                # With its future goes what the cluster holds of it.
                piece = window.tasks.pop(key)[1]
                self._fill(window, work, remaining)
                yield piece, answer
        finally:
            # Without a connection there is nobody to tell, and the scheduler has cancelled them.
            with suppress(OSError, RuntimeError, CancelledError, ClosedClientError):
                self._client.cancel([future for future, _ in window.tasks.values()])

    def _fill(self, window: _Window, work: Work[Piece, Answer], remaining: Iterator[Piece]) -> None:
        """Hand out as many tasks as the cluster has room for now."""
        places = sum(min(threads, work.at_once) for threads in self._threads().values())
        while len(window.tasks) < max(1, places) * TASKS_PER_PLACE:
            piece = next(remaining, None)
            if piece is None:
                return
            key = f"fairweather-{next(self._numbers)}-{self._run}"
            run, sealed = seal_task(Task(work, piece))
            future = self._client.submit(run, self._plugin, sealed, key=key, pure=False)
            window.tasks[key] = (future, piece)
            future.add_done_callback(lambda done: window.finished.put(done.key))

    def _wait(self, window: _Window) -> str:
        """The key of the next task that is done."""
        had_worker = time.monotonic()
        while True:
            try:
                return window.finished.get(timeout=SECONDS_BETWEEN_LOOKS)
            except Empty:
                now = time.monotonic()
                if self._threads():
                    had_worker = now
                elif now - had_worker > SECONDS_WITHOUT_WORKER:
                    raise ClusterError(
                        "The Dask cluster has lost all of its workers; see their log, start new "
                        "ones, and run again."
                    ) from None

    def _threads(self) -> dict[str, int]:
        """The number of threads of each worker."""
        try:
            threads: dict[str, int] = self._client.nthreads()
        except (OSError, RuntimeError, CancelledError, ClosedClientError) as error:
            raise _lost_connection() from error
        return threads


def _answer(future: Future) -> Any:
    if future.cancelled():
        raise _lost_connection()
    try:
        return future.result()
    except ReadError as error:
        check_is_shared(error.href, error.reason)
        raise
    except FairweatherError:
        raise
    except ImportError as error:
        raise ClusterError(
            f"A worker of the Dask cluster cannot load what it needs ({error}); install there the "
            "packages of Fairweather's requirements.txt."
        ) from error
    except KilledWorker as error:
        raise ClusterError(
            "Worker after worker of the Dask cluster ended while it computed the same block, "
            "mostly for lack of memory; lower MEMORY, or give the workers more."
        ) from error
    except (CancelledError, CommClosedError) as error:
        raise _lost_connection() from error


def _lost_connection() -> ClusterError:
    return ClusterError(
        "The connection to the Dask scheduler was lost; see that it still runs, and run again."
    )
