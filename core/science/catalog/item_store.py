"""Items that a search found, out of memory: compressed, in a file without a name."""

from __future__ import annotations

import json
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, overload

import pystac

from ...bridge.home import jobs_folder, make_home_folder
from ..web.json_text import parse_json
from ..whole_file import errors_in_words

# A search rarely finds more; what it finds beyond goes to the disk.
BYTES_IN_MEMORY = 4 * 2**20


@dataclass(frozen=True, slots=True)
class Place:
    """Where an item lies in its store, in bytes."""

    start: int
    length: int


class ItemStore:
    """Items as JSON, each read again when it is wanted; for one thread.

    A published item takes ten times as much memory as text, and a search may find 100,000.
    """

    def __init__(self) -> None:
        self._folder = jobs_folder()
        with self._errors_in_words():
            make_home_folder(self._folder)
        # It has no name outside this process, so nothing is left of it however that ends.
        self._file = tempfile.SpooledTemporaryFile(  # noqa: SIM115
            BYTES_IN_MEMORY, dir=str(self._folder)
        )
        self._end = 0
        self._is_at_end = True

    def add(self, item: dict[str, Any]) -> Place:
        """Keep ``item``, and tell where.

        Raises:
            OutputError: the disk is full or fails.
        """
        content = zlib.compress(json.dumps(item, separators=(",", ":")).encode("ascii"), 1)
        with self._errors_in_words():
            if not self._is_at_end:
                self._file.seek(self._end)
                self._is_at_end = True
            self._file.write(content)
        place = Place(self._end, len(content))
        self._end += len(content)
        return place

    def read(self, place: Place) -> dict[str, Any]:
        """The item that was kept at ``place``.

        Raises:
            OutputError: the disk is full, as what was kept last is written now, or fails.
        """
        self._is_at_end = False
        with self._errors_in_words():
            self._file.seek(place.start)
            content = self._file.read(place.length)
        item: dict[str, Any] = parse_json(zlib.decompress(content))
        return item

    def _errors_in_words(self) -> AbstractContextManager[None]:
        return errors_in_words(self._folder / "items", f"What is found, kept in {self._folder},")


class StoredItems(Sequence[pystac.Item]):
    """STAC items in a store, each made anew whenever it is asked for."""

    def __init__(self, store: ItemStore, places: Sequence[Place]) -> None:
        self._store = store
        self._places = places

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, number: int) -> pystac.Item: ...

    @overload
    def __getitem__(self, number: slice) -> StoredItems: ...

    def __getitem__(self, number: int | slice) -> pystac.Item | StoredItems:
        if isinstance(number, slice):
            return StoredItems(self._store, self._places[number])
        return to_item(self._store.read(self._places[number]))

    def __iter__(self) -> Iterator[pystac.Item]:
        return (to_item(self._store.read(place)) for place in self._places)


def to_item(content: dict[str, Any]) -> pystac.Item:
    """The item as pystac has it; ``content`` is used up.

    Raises:
        Exception: see ``found.NO_ITEM``; it is none.
    """
    # Items of STAC 1 stay as they are: what reads them knows both 1.0 and 1.1.
    is_old = str(content["stac_version"]).startswith("0.")
    return pystac.Item.from_dict(content, migrate=is_old, preserve_dict=False)
