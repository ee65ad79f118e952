"""Decoded tiles, each made by one thread for all that want it, and kept while there is room."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable, Mapping
from concurrent.futures import Future
from typing import TypeVar

import numpy as np

from .processor_places import place_given_up

Key = TypeVar("Key", bound=Hashable)


class TileCache:
    """Tiles by key; those used longest ago go first once there are more than ``most_bytes``."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._kept: OrderedDict[Hashable, np.ndarray] = OrderedDict()
        self._in_work: dict[Hashable, Future[np.ndarray]] = {}
        self._lock = threading.Lock()

    def find(
        self,
        keys: Iterable[Key],
        keep: Callable[[Key], bool],
        make: Callable[[list[Key]], Mapping[Key, np.ndarray]],
    ) -> dict[Key, np.ndarray]:
        """The tiles of ``keys``.

        Args:
            keys: distinct.
            keep: whether somebody else will want the tile.
            make: makes those that no thread has made or is making.

        Raises:
            Exception: whatever ``make`` raises. What another thread could not make is made again
                here: it may have failed because of tiles that are none of ``keys``.
        """
        found, others, own = self._claim(keys)
        try:
            made = make(own) if own else {}
        except BaseException as error:
            self._give_up(own, error)
            raise
        self._hand_out(made, keep)
        found.update(made)
        # Only now: two threads that wait for each other have both made their own.
        with place_given_up():
            failed = [key for key, future in others.items() if future.exception() is not None]
        found.update({key: others[key].result() for key in others if key not in failed})
        found.update(make(failed) if failed else {})
        return found

    def _claim(
        self, keys: Iterable[Key]
    ) -> tuple[dict[Key, np.ndarray], dict[Key, Future[np.ndarray]], list[Key]]:
        """What is here, what others are making, and what is left to the caller."""
        found: dict[Key, np.ndarray] = {}
        others: dict[Key, Future[np.ndarray]] = {}
        own: list[Key] = []
        with self._lock:
            for key in keys:
                if key in self._kept:
                    self._kept.move_to_end(key)
                    found[key] = self._kept[key]
                elif key in self._in_work:
                    others[key] = self._in_work[key]
                else:
                    self._in_work[key] = Future()
                    own.append(key)
        return found, others, own

    def _give_up(self, own: Iterable[Key], error: BaseException) -> None:
        with self._lock:
            futures = [self._in_work.pop(key) for key in own]
        for future in futures:
            future.set_exception(error)

    def _hand_out(self, made: Mapping[Key, np.ndarray], keep: Callable[[Key], bool]) -> None:
        with self._lock:
            futures = [(self._in_work.pop(key), tile) for key, tile in made.items()]
            for key, tile in made.items():
                if keep(key):
                    self._kept[key] = tile
                    self._bytes += tile.nbytes
            while self._bytes > self._most_bytes:
                self._bytes -= self._kept.popitem(last=False)[1].nbytes
        for future, tile in futures:
            future.set_result(tile)
