"""Threads that read and threads that compute, and the files they share."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import Any, TypeVar

from ..access.access import Access
from .files.processor_places import ProcessorPlaces
from .files.raster_files import RasterFiles

Found = TypeVar("Found")

# The work waits on the network, not on the processor.
READS_IN_FLIGHT = 32

# Threads that compute beside one for each processor: some are about to ask for more bytes.
SPARE_PLACES = 2

# Of tiles that more than one block needs; the tiles of a mask are larger than a block.
TILE_CACHE_BYTES = 128 * 1024**2

# A failed run is told of within two seconds.
SECONDS_TO_CLOSE = 1.0


class Readers:
    """A number of reading threads, one that computes for each processor, and the files read.

    Leaving it ends them all. ``scratch`` is a folder for files whose servers send no parts of
    them. ``access`` has the keys of servers that want some.
    """

    def __init__(
        self,
        threads: int,
        scratch: Path,
        cache_bytes: int = TILE_CACHE_BYTES,
        access: Access | None = None,
    ) -> None:
        self.access = access or Access()
        self.scratch = scratch
        self.files = RasterFiles(threads, scratch, cache_bytes, self.access)
        self._places = ProcessorPlaces((os.cpu_count() or 1) + SPARE_PLACES)
        self._work = _WorkUnderWay()
        self._reading = ThreadPoolExecutor(threads, thread_name_prefix="read")
        self._computing = ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="compute")

    def __enter__(self) -> Readers:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close(cancel=error is not None)

    def close(self, cancel: bool) -> None:
        """End the threads, with ``cancel`` before they have done what was not begun.

        A thread that waits for a server cannot be woken: with ``cancel``, whoever does so after
        ``SECONDS_TO_CLOSE`` is left to itself, with the files, until the server's time is over.
        """
        if cancel:
            self.files.stop_waiting()
        for threads in (self._reading, self._computing):
            threads.shutdown(wait=not cancel, cancel_futures=cancel)
        if self._work.is_over(SECONDS_TO_CLOSE):
            self.files.close()

    def map(
        self,
        function: Callable[..., Found],
        *arguments: Iterable[Any],
        at_once: int = READS_IN_FLIGHT,
    ) -> Iterator[Found]:
        """``function`` of each set of arguments, run by ``at_once`` reading threads, in order.

        An error is raised as soon as there is one, also where earlier reads still wait.
        """
        room = threading.Semaphore(at_once)

        def run(*own: Any) -> Found:
            with self._work, room, self._places.taken():
                return function(*own)

        return _in_order([self._reading.submit(run, *own) for own in zip(*arguments, strict=False)])

    def compute(self, function: Callable[..., Found], *arguments: Iterable[Any]) -> Iterator[Found]:
        """``function`` of each set of arguments, run by the computing threads; see ``map``."""

        def run(*own: Any) -> Found:
            with self._work:
                return function(*own)

        return _in_order(
            [self._computing.submit(run, *own) for own in zip(*arguments, strict=False)]
        )


def _in_order(futures: list[Future[Found]]) -> Iterator[Found]:
    """What the futures find, in their order; an error as soon as any of them has one.

    Left early, it cancels what was not begun.
    """
    finished: SimpleQueue[int] = SimpleQueue()
    waiting = dict(enumerate(futures))
    # Whatever is taken out of the dictionary is let go of, with what it has found.
    futures.clear()
    _tell_when_done(waiting, finished)
    try:
        for number in range(len(waiting)):
            while not waiting[number].done():
                done = finished.get()
                if done in waiting:
                    waiting[done].result()
            yield waiting.pop(number).result()
    finally:
        while waiting:
            waiting.popitem()[1].cancel()


def _tell_when_done(futures: dict[int, Future[Found]], finished: SimpleQueue[int]) -> None:
    def tell(number: int, _: Future[Found]) -> None:
        finished.put(number)

    for number, future in futures.items():
        future.add_done_callback(partial(tell, number))


class _WorkUnderWay:
    """Counts what threads are at, within ``with``, and waits for its end."""

    def __init__(self) -> None:
        self._count = 0
        self._changed = threading.Condition()

    def __enter__(self) -> None:
        with self._changed:
            self._count += 1

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._count -= 1
            self._changed.notify_all()

    def is_over(self, seconds: float) -> bool:
        """Whether all ends within so many seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: self._count == 0, seconds)
