"""Threads that read, and the files they keep open."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from types import TracebackType
from typing import Any, TypeVar

import rasterio

Found = TypeVar("Found")

# Below what macOS lets a process open (256), with room for all else.
MOST_OPEN_FILES = 128


class OpenFiles:
    """Open raster files, lent to one thread at a time and kept for the next.

    A block needs the same files as the block before: opening one again costs a request or two
    over a network. The files used longest ago are closed first.
    """

    def __init__(self, most: int = MOST_OPEN_FILES) -> None:
        self._most = most
        self._idle: OrderedDict[int, tuple[Any, rasterio.DatasetReader]] = OrderedDict()
        self._numbers = 0
        self._lock = threading.Lock()

    @contextmanager
    def lend(
        self, key: Any, open_file: Callable[[], rasterio.DatasetReader]
    ) -> Iterator[rasterio.DatasetReader]:
        """The file of ``key``, opened by ``open_file`` unless one is idle.

        A file that was read with an error is closed, not kept.
        """
        dataset = self._take(key) or open_file()
        try:
            yield dataset
        except BaseException:
            dataset.close()
            raise
        self._keep(key, dataset)

    def close(self) -> None:
        """Close all idle files."""
        with self._lock:
            idle, self._idle = self._idle, OrderedDict()
        for _, dataset in idle.values():
            dataset.close()

    def _take(self, key: Any) -> rasterio.DatasetReader | None:
        with self._lock:
            for number, (own, _) in self._idle.items():
                if own == key:
                    return self._idle.pop(number)[1]
        return None

    def _keep(self, key: Any, dataset: rasterio.DatasetReader) -> None:
        with self._lock:
            self._numbers += 1
            self._idle[self._numbers] = (key, dataset)
            surplus = self._idle.popitem(last=False) if len(self._idle) > self._most else None
        if surplus:
            surplus[1][1].close()


class Readers:
    """A number of reading threads, and the files they keep open; closes both on leaving."""

    def __init__(self, threads: int) -> None:
        self.files = OpenFiles()
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix="read")

    def __enter__(self) -> Readers:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._threads.shutdown(wait=True, cancel_futures=error is not None)
        self.files.close()

    def map(self, function: Callable[..., Found], *arguments: Iterable[Any]) -> Iterator[Found]:
        """``function`` of each set of arguments, run in the threads, in the arguments' order."""
        return self._threads.map(function, *arguments)
