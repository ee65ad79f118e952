"""A document too long to be read as a whole, mostly an ItemCollection: item by item."""

from __future__ import annotations

import codecs
import json
import os
from collections.abc import Iterator
from typing import IO, Any

from ...bridge.errors import CatalogError
from ..web.json_text import JSON_DECODER, MOST_VALUES, check_values, count_values
from .documents import (
    MOST_DOCUMENT_BYTES,
    Document,
    DocumentReader,
    NoStacError,
    to_document,
)
from .source import RawItem, title_of
from .static import StaticSource, item_of, items_in

# What is shorter is read as a whole, which is faster.
LONG_BYTES = 8 * 2**20
# Published items have twenty kilobytes, those with long footprints a few hundred.
MOST_ITEM_BYTES = 16 * 2**20
MOST_NAME_BYTES = 2**20
READ_AT_ONCE = 2**20
ITEMS_AT_ONCE = 500
BYTES_AT_ONCE = 4 * 2**20
BLANKS = " \t\n\r"
# At both ends, to see whether all of it is there.
ENDS_BYTES = 2**10


def is_long(file: IO[bytes]) -> bool:
    """Whether ``file``, which is at its beginning, is better not read as a whole."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    return size > LONG_BYTES


def check_document_ends(file: IO[bytes], location: str) -> None:
    """Check that a long document ends as objects do, and leave ``file`` at its beginning.

    What does not begin as one, or whose end is blank, is judged when it is read.

    Raises:
        NoStacError: it is a part of one, or something follows.
    """
    begin = file.read(ENDS_BYTES).removeprefix(codecs.BOM_UTF8).lstrip()
    size = file.seek(0, os.SEEK_END)
    file.seek(max(size - ENDS_BYTES, 0))
    end = file.read().rstrip()
    file.seek(0)
    if begin.startswith(b"{") and end and not end.endswith(b"}"):
        raise NoStacError(_damaged(location, "it does not end as JSON does"))


class LongDocumentSource(StaticSource):
    """What a long document holds and leads to: thousands of items, or of links."""

    def __init__(self, file: IO[bytes], location: str, reader: DocumentReader) -> None:
        super().__init__(Document({"type": "FeatureCollection"}, location), reader)
        self._file = file

    def _root_batches(self) -> Iterator[list[RawItem]]:
        """The items of the file.

        Raises:
            CatalogError: it is no STAC, or a part of it is longer than in any.
        """
        size = self._file.seek(0, os.SEEK_END)
        self._file.seek(0)
        members: dict[str, Any] = {}
        batch: list[RawItem] = []
        began = 0
        try:
            for name, value in _JsonText(self._file).members("features"):
                if name != "features":
                    members[name] = value
                    continue
                batch.append((item_of(value), self.location))
                position = self._file.tell()
                if len(batch) == ITEMS_AT_ONCE or position - began > BYTES_AT_ONCE:
                    self.share_done = position / size
                    began = position
                    yield batch
                    batch = []
        except ValueError as error:
            raise CatalogError(_damaged(self.location, error)) from error
        yield batch
        self._root = to_document(members, self.location)
        self.title = title_of(self._root)
        if self._root.type != "FeatureCollection":
            yield items_in(self._root)


def _damaged(location: str, reason: object) -> str:
    return (
        f"The catalogue {location} is not a STAC catalogue, or is damaged ({reason}); "
        "check that CATALOG is the address of a STAC API or catalogue, or fetch it again."
    )


class _JsonText:
    """A JSON object in a file, of which never more is in memory than its largest part."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")()
        self._text = ""
        self._position = 0
        self._is_whole = False
        # Of all members that are kept.
        self._characters = 0
        self._values = 0

    def members(self, streamed: str) -> Iterator[tuple[str, Any]]:
        """Names and values; of the list ``streamed``, each entry with the list's name.

        Raises:
            ValueError: it is no such object, or a part of it is too long.
        """
        self._expect("{")
        separator = "," if self._peek() != "}" else self._take()
        while separator == ",":
            name = self._value(MOST_NAME_BYTES, is_kept=True)
            self._expect(":")
            if name == streamed and self._peek() == "[":
                for entry in self._entries():
                    yield name, entry
            else:
                yield str(name), self._value(MOST_DOCUMENT_BYTES, is_kept=True)
            separator = self._take()
        if separator != "}" or self._peek():
            raise ValueError("it does not end as JSON does")

    def _entries(self) -> Iterator[Any]:
        self._expect("[")
        separator = "," if self._peek() != "]" else self._take()
        while separator == ",":
            yield self._value(MOST_ITEM_BYTES)
            separator = self._take()
        if separator != "]":
            raise ValueError("a list does not end as JSON does")

    def _value(self, most_bytes: int, *, is_kept: bool = False) -> Any:
        """The next value, however far it reaches.

        All that ``is_kept`` are together no more than a document holds.
        """
        self._peek()
        while True:
            try:
                value, end = JSON_DECODER.raw_decode(self._text, self._position)
            except json.JSONDecodeError:
                if self._is_whole:
                    raise
            except RecursionError as error:
                raise ValueError("it is nested too deeply") from error
            else:
                # A number at the end of what was read may go on.
                if end < len(self._text) or self._is_whole:
                    if is_kept:
                        self._count_kept(end)
                    self._position = end
                    return value
            if len(self._text) - self._position > most_bytes:
                raise ValueError(f"a part of it is longer than {most_bytes >> 20} MB")
            self._read_more()

    def _count_kept(self, end: int) -> None:
        self._characters += end - self._position
        self._values += count_values(self._text, self._position, end)
        if self._characters > MOST_DOCUMENT_BYTES or self._values > MOST_VALUES:
            raise ValueError("beside its items it is longer than any catalogue")

    def _expect(self, mark: str) -> None:
        if self._take() != mark:
            raise ValueError(f"{mark} is missing")

    def _take(self) -> str:
        mark = self._peek()
        self._position += len(mark)
        return mark

    def _peek(self) -> str:
        """The next character that is not blank; empty at the end."""
        while True:
            while self._position < len(self._text):
                character = self._text[self._position]
                if character not in BLANKS:
                    return character
                self._position += 1
            if self._is_whole:
                return ""
            self._read_more()

    def _read_more(self) -> None:
        # Twice as much each time: a long value is tried a few times only.
        left = self._text[self._position :]
        content = self._file.read(max(READ_AT_ONCE, len(left)))
        self._is_whole = not content
        self._text = left + self._decoder.decode(content, final=self._is_whole)
        self._position = 0
        if len(left) >= READ_AT_ONCE:
            check_values(self._text)
