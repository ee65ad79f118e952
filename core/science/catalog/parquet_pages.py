"""How much memory rows of a Parquet file may take, told by its pages before any is decoded.

A text of megabytes is stored once, and each row may name it. The format, in Thrift's compact
protocol: https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift
"""

from __future__ import annotations

import gzip
import io
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any

from .parquet_thrift import Bounds, Fields, TooManyError, read_struct

MAGIC = b"PAR1"
# Of all columns: the published files of 100,000 items have a few megabytes, and 10,000 pages.
MOST_FOOTER_BYTES = 16 * 2**20
MOST_PAGES = 300_000
# Of the footer and the headers of all pages, in which a row group has some fifty for each column:
# they take a second. None of them are kept.
MOST_VALUES = 4_200_000
# Of the columns, and of their parts in all row groups, which are kept.
MOST_MEMBERS = 350_000
# Of all dictionaries that are opened to see how long their longest text is.
MOST_TEXTS = 10_000_000
# Of all pages that are unpacked to see what they hold.
MOST_UNPACKED_BYTES = 4 * 2**30
# Programs write pages, and dictionaries, of a megabyte.
MOST_PAGE_BYTES = 16 * 2**20
# Of one page of each column and what is made of it, and of the dictionaries.
MOST_HELD_BYTES = 512 * 2**20
HEADER_BYTES = 2**12
MOST_HEADER_BYTES = 2**20
# Shorter dictionaries are not opened.
SHORT_DICTIONARY_BYTES = 2**10
BYTES_OF_A_NUMBER = 16
# Of lists, of which one row may hold all that a file has.
MOST_LIST_BYTES = 2**31

TEXT, BYTES_OF_FIXED_LENGTH = 6, 7
REPEATED = 2
DICTIONARY_PAGE = 2
# By the type of a page, what its header has, and nothing of another type.
HEADERS_OF_PAGES = {0: 5, DICTIONARY_PAGE: 7, 3: 8}
DICTIONARY_ENCODINGS = frozenset({2, 8})
# Of texts, by differences: a page of a hundred bytes may say that it has any number of them.
DIFFERENCES = frozenset({6, 7})
CODECS = {0: "", 1: "snappy", 2: "gzip", 4: "brotli", 6: "zstd", 7: "lz4"}
# Readers unpack them to their end, however much more there is than the page's header says.
ENDLESS_CODECS = frozenset({2, 4})

SMALLER_PARTS = "write it again with smaller row groups, such as ROW_GROUP_SIZE 10000 in DuckDB"
FEWER_PARTS = "write it again with fewer and larger row groups, or in several files"

FOOTER: Fields = {
    2: [{1: int, 2: int, 3: int, 5: int}],
    4: [{1: [{3: {1: int, 4: int, 7: int, 9: int, 11: int}}]}],
}
PAGE: Fields = {
    1: int,
    2: int,
    3: int,
    5: {1: int, 2: int},
    7: {1: int},
    8: {1: int, 4: int, 5: int, 6: int, 7: bool},
}


class TextEncodingError(Exception):
    """Texts are stored in a way whose size nothing tells before they are read."""


class TooLargeError(ValueError):
    """A file, damaged or not, has more than is read.

    The message goes on after the file's name: what there is too much of, and what to do.
    """


@dataclass
class _Column:
    """One column of all row groups: the values and bytes of each page, and its longest value.

    ``longest`` is of values that are stored once for many rows, in bytes.
    """

    is_list: bool
    pages: list[tuple[int, int]] = field(default_factory=list)
    longest: int = BYTES_OF_A_NUMBER
    largest_page: int = 0
    dictionary: int = 0

    def add(self, page: Mapping[int, Any]) -> None:
        """Add a page of values, by its header."""
        about = page[8] if 8 in page else page[5]
        values, encoding = about[1], about[4 if 8 in page else 2]
        if values < 0:
            raise ValueError("a page has fewer values than none")
        if encoding in DIFFERENCES:
            raise TextEncodingError
        self.largest_page = max(self.largest_page, page[2])
        # What a page of numbers of a dictionary holds becomes values of its own.
        self.pages.append((values, 0 if encoding in DICTIONARY_ENCODINGS else page[2]))

    @property
    def held_bytes(self) -> int:
        """What is in memory while rows are read: a dictionary, a page, and values of two pages."""
        return self.dictionary + 3 * self.largest_page

    def most_bytes(self, rows: int) -> int:
        """No less than so many values, one after the other, may take beside ``held_bytes``."""
        if self.is_list:
            return 0
        most = held = values = first = 0
        for number, size in self.pages:
            held += size
            values += number
            # Those who begin with the first page's last value do not reach this one.
            while values - self.pages[first][0] - number >= rows - 1 and held > size:
                values -= self.pages[first][0]
                held -= self.pages[first][1]
                first += 1
            most = max(most, held)
        return max(0, most - 2 * self.largest_page) + rows * self.longest

    def most_list_bytes(self) -> int:
        """No less than all of its values may take, if they are in lists."""
        values, size = map(sum, zip(*self.pages)) if self.is_list and self.pages else (0, 0)
        return size + values * self.longest


def rows_at_once(file: IO[bytes], most_rows: int, most_bytes: int) -> int:
    """How many rows, ``most_rows`` at most, never take more than ``most_bytes``; 0 if one may.

    What a reader holds of any row, and the values of lists, are bounded apart from that.

    Raises:
        TextEncodingError: its texts are stored by their differences.
        TooLargeError: its parts are too large, or too many.
        Exception: ``file`` is no Parquet, or damaged.
    """
    try:
        columns = _columns(file)
    except TooManyError as error:
        raise TooLargeError(f"has too many columns, row groups or pages; {FEWER_PARTS}") from error
    if sum(column.held_bytes for column in columns) > MOST_HELD_BYTES:
        raise TooLargeError(
            f"has pages that take more than {MOST_HELD_BYTES >> 20} MB at once; {SMALLER_PARTS}"
        )
    if sum(column.most_list_bytes() for column in columns) > MOST_LIST_BYTES:
        raise TooLargeError(
            f"has lists that may take more than {MOST_LIST_BYTES >> 20} MB; write it again in "
            "several files, or give the items as JSON"
        )
    rows = most_rows
    while rows and sum(column.most_bytes(rows) for column in columns) > most_bytes:
        rows //= 2
    return rows


def _columns(file: IO[bytes]) -> Sequence[_Column]:
    size = file.seek(-8, os.SEEK_END) + 8
    end = file.read(8)
    length = int.from_bytes(end[:4], "little")
    if end[4:] != MAGIC or not 0 < length <= size - 12:
        raise ValueError("its footer is damaged")
    if length > MOST_FOOTER_BYTES:
        raise TooLargeError(
            f"has a footer of more than {MOST_FOOTER_BYTES >> 20} MB; {FEWER_PARTS}"
        )
    file.seek(size - 8 - length)
    bounds = Bounds(MOST_VALUES, MOST_MEMBERS)
    footer, _ = read_struct(file.read(length), FOOTER, bounds)
    columns = [_Column(is_list, longest=longest) for is_list, longest in _leaves(footer[2])]
    walk = _Walk(file, size, bounds)
    for group in footer.get(4, ()):
        for column, chunk in zip(columns, group.get(1, ()), strict=True):
            walk.add_pages(column, chunk[3])
    return columns


def _leaves(schema: Sequence[Mapping[int, int]]) -> Iterator[tuple[bool, int]]:
    """Of each column, whether it has lists, and how long a value of fixed length is."""
    open_groups: list[list[int]] = []
    for element in schema[1:]:
        is_list = bool(open_groups and open_groups[-1][1]) or element.get(3) == REPEATED
        if children := element.get(5, 0):
            if not 0 < children < len(schema):
                raise ValueError("a group has more columns than there are")
            open_groups.append([children, is_list])
            continue
        is_fixed = element.get(1) == BYTES_OF_FIXED_LENGTH
        yield is_list, element.get(2, 0) if is_fixed else BYTES_OF_A_NUMBER
        while open_groups:
            open_groups[-1][0] -= 1
            if open_groups[-1][0]:
                break
            open_groups.pop()


class _Walk:
    """The walk from page to page, which has an end whatever a file says."""

    def __init__(self, file: IO[bytes], size: int, bounds: Bounds) -> None:
        """``size`` is the file's, in bytes: no two pages lie in the same place."""
        self._file = file
        self._bounds = bounds
        self._bytes_left = size
        self._pages_left = MOST_PAGES
        self._texts_left = MOST_TEXTS
        self._unpacked_left = MOST_UNPACKED_BYTES

    def add_pages(self, column: _Column, chunk: Mapping[int, int]) -> None:
        """Add what a column has in one row group."""
        place = chunk.get(11) or chunk[9]
        end = place + chunk[7]
        if min(place, chunk[7]) < 0:
            raise ValueError("a column begins before the file")
        codec = chunk.get(4, 0)
        while place < end:
            page, length = self._header(place)
            self._check(page, length)
            place += length
            if codec in ENDLESS_CODECS:
                self._check_unpacked(place, page, codec)
            if page[1] == DICTIONARY_PAGE:
                column.dictionary = max(column.dictionary, page[2])
                if chunk.get(1) == TEXT:
                    longest = self._longest_text(place, page, codec)
                    column.longest = max(column.longest, longest)
            else:
                column.add(page)
            place += page[3]

    def _header(self, place: int) -> tuple[dict[int, Any], int]:
        self._file.seek(place)
        head = self._file.read(HEADER_BYTES)
        try:
            return read_struct(head, PAGE, self._bounds)
        except IndexError:
            return read_struct(head + self._file.read(MOST_HEADER_BYTES), PAGE, self._bounds)

    def _check(self, page: Mapping[int, Any], length: int) -> None:
        """Whether there may be such a page, with a header of ``length`` bytes, beside the others.

        Raises:
            TooLargeError: it is too large, or one too many.
            ValueError: there may not.
        """
        self._pages_left -= 1
        self._bytes_left -= length + page[3]
        sizes = page[2], page[3]
        if min(sizes) < 0 or self._bytes_left < 0:
            raise ValueError("a page is not in the file")
        if page.keys() & {5, 7, 8} != {HEADERS_OF_PAGES[page[1]]}:
            raise ValueError("a page is of two types, or of none")
        if page[1] == DICTIONARY_PAGE and page[7][1] > page[2]:
            raise ValueError("a dictionary has more values than bytes")
        if max(sizes) > MOST_PAGE_BYTES:
            raise TooLargeError(
                f"has pages of more than {MOST_PAGE_BYTES >> 20} MB; {SMALLER_PARTS}"
            )
        if self._pages_left < 0:
            raise TooLargeError(f"has more than {MOST_PAGES:,} pages; {FEWER_PARTS}")

    def _check_unpacked(self, place: int, page: Mapping[int, Any], codec: int) -> None:
        """Unpack a page, but no more of it than its header says.

        Raises:
            TooLargeError: it is too much altogether.
            Exception: there is more, or something else.
        """
        self._unpacked_left -= page[2]
        if self._unpacked_left < 0:
            raise TooLargeError(
                f"has packed pages of more than {MOST_UNPACKED_BYTES >> 20} MB; write it again "
                "with zstd compression, or in several files"
            )
        about = page.get(8, {})
        # They are not packed.
        levels = about.get(5, 0) + about.get(6, 0)
        if min(about.get(5, 0), about.get(6, 0)) < 0 or levels > min(page[2], page[3]):
            raise ValueError("a page has longer levels than it has bytes")
        if about.get(7, True) and page[2] > levels:
            self._file.seek(place + levels)
            packed = self._file.read(page[3] - levels)
            _unpacked(packed, CODECS[codec], page[2] - levels)

    def _longest_text(self, place: int, page: Mapping[int, Any], codec: int) -> int:
        """The length of the longest text of a dictionary, or more."""
        size = int(page[2])
        self._unpacked_left -= size
        if size <= SHORT_DICTIONARY_BYTES or codec not in CODECS or self._unpacked_left < 0:
            return size
        self._file.seek(place)
        content = _unpacked(self._file.read(page[3]), CODECS[codec], size)
        position = longest = 0
        while position < len(content):
            self._texts_left -= 1
            if self._texts_left < 0:
                return size
            length = int.from_bytes(content[position : position + 4], "little")
            longest = max(longest, length)
            position += 4 + length
        return longest


def _unpacked(content: bytes, codec: str, size: int) -> bytes:
    """The content of a page, which has ``size`` bytes at most.

    Raises:
        Exception: it has more, or is damaged.
    """
    if not codec:
        return content
    if codec == "gzip":
        # It may have several parts, which readers put together.
        with gzip.open(io.BytesIO(content)) as file:
            plain = file.read(size + 1)
        if len(plain) > size:
            raise ValueError("a page is longer than its header says")
        return plain
    # Imported here: few catalogues are Parquet.
    import imagecodecs  # noqa: PLC0415

    return bytes(getattr(imagecodecs, f"{codec}_decode")(content, out=size))
