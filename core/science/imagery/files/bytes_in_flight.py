"""How much of what is fetched may wait to be decoded: of large tiles, fewer are on the way."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from .processor_places import place_given_up


class BytesInFlight:
    """Lets only ``most`` bytes be on the way at once; what is larger goes alone."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken = 0
        self._changed = threading.Condition()

    @contextmanager
    def taken(self, size: int) -> Iterator[None]:
        """``size`` bytes are on the way, from now on until they are decoded."""
        with self._changed:
            fits = self._fits(size)
            self._taken += size if fits else 0
        if not fits:
            # Whoever has bytes may need this thread's place to decode them.
            with place_given_up(), self._changed:
                self._changed.wait_for(lambda: self._fits(size))
                self._taken += size
        try:
            yield
        finally:
            with self._changed:
                self._taken -= size
                self._changed.notify_all()

    def _fits(self, size: int) -> bool:
        return self._taken == 0 or self._taken + size <= self._most
