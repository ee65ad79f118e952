"""Thrift's compact protocol, as far as Parquet's headers need it: the wanted numbers of a struct.

https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Fields = Mapping[int, Any]
"""What is wanted, by the fields' numbers: ``int``, ``bool``, a struct's fields, or a list."""

TRUE, FALSE, BYTE, DOUBLE, BINARY, LIST, SET, MAP, STRUCT = 1, 2, 3, 7, 8, 9, 10, 11, 12
INTEGERS = frozenset({4, 5, 6})
BYTES_OF_MEMBERS = {TRUE: 1, FALSE: 1, BYTE: 1, DOUBLE: 8}
MOST_BITS = 64


class TooManyError(ValueError):
    """There is more than ``Bounds`` allow, damaged or not."""


@dataclass
class Bounds:
    """How many values may still be read, and how many members of wanted lists kept.

    Those who read several structs share one.
    """

    values: int
    members: int

    def take_value(self) -> None:
        """One value is read.

        Raises:
            TooManyError: it is one too many.
        """
        self.values -= 1
        if self.values < 0:
            raise TooManyError("it has too many values")

    def take_members(self, number: int) -> None:
        """So many members of a list are kept.

        Raises:
            TooManyError: they are too many.
        """
        self.members -= number
        if self.members < 0:
            raise TooManyError("its lists are too long")


def read_struct(content: bytes, wanted: Fields, bounds: Bounds) -> tuple[dict[int, Any], int]:
    """The wanted fields of the struct at the beginning of ``content``, and how long it is.

    Raises:
        IndexError: it goes on behind the end.
        TooManyError: it has more than ``bounds`` allow.
        ValueError: it is none, or a field is something else.
        RecursionError: it is nested without an end.
    """
    reader = _Reader(content, bounds)
    return reader.struct(wanted), reader.position


class _Reader:
    def __init__(self, content: bytes, bounds: Bounds) -> None:
        self._content = content
        self._bounds = bounds
        self.position = 0

    def struct(self, wanted: Fields) -> dict[int, Any]:
        found: dict[int, Any] = {}
        number = 0
        self._bounds.take_value()
        content, take_value = self._content, self._bounds.take_value
        while head := content[self.position]:
            self.position += 1
            take_value()
            kind, step = head & 15, head >> 4
            number = number + step if step else self._integer()
            if number in wanted:
                found[number] = self._value(kind, wanted[number])
            else:
                self._skip(kind)
        self.position += 1
        return found

    def _value(self, kind: int, wanted: Any) -> Any:
        if kind in INTEGERS and wanted is int:
            return self._integer()
        if kind in {TRUE, FALSE} and wanted is bool:
            return kind == TRUE
        if kind == STRUCT and isinstance(wanted, dict):
            return self.struct(wanted)
        if kind == LIST and isinstance(wanted, list):
            length, member = self._list_head()
            self._bounds.take_members(length)
            return [self._value(member, wanted[0]) for _ in range(length)]
        raise ValueError("a field is of another type")

    def _skip(self, kind: int) -> None:
        if kind in INTEGERS:
            self._natural()
        elif kind == BINARY:
            self._move(self._natural())
        elif kind == STRUCT:
            self.struct({})
        elif kind in (LIST, SET):
            self._skip_members()
        elif kind in (BYTE, DOUBLE):
            self._move(BYTES_OF_MEMBERS[kind])
        elif kind not in (TRUE, FALSE):
            # Parquet has no maps.
            raise ValueError("a field is of no type")

    def _skip_members(self) -> None:
        # It takes as long as two values.
        self._bounds.take_value()
        length, member = self._list_head()
        if member in BYTES_OF_MEMBERS:
            self._move(length * BYTES_OF_MEMBERS[member])
            return
        for _ in range(length):
            self._bounds.take_value()
            self._skip(member)

    def _list_head(self) -> tuple[int, int]:
        head = self._byte()
        length = head >> 4
        length = self._natural() if length == 15 else length
        # No member is shorter than a byte.
        self._check_left(length)
        return length, head & 15

    def _move(self, number: int) -> None:
        self._check_left(number)
        self.position += number

    def _check_left(self, number: int) -> None:
        if number > len(self._content) - self.position:
            raise IndexError("it goes on behind the end")

    def _integer(self) -> int:
        number = self._natural()
        return (number >> 1) ^ -(number & 1)

    def _natural(self) -> int:
        number = self._content[self.position]
        self.position += 1
        if number < 128:  # as most are
            return number
        number &= 127
        shift = 7
        while shift < MOST_BITS:
            byte = self._byte()
            number |= (byte & 127) << shift
            if byte < 128:
                return number
            shift += 7
        raise ValueError("a number has no end")

    def _byte(self) -> int:
        byte = self._content[self.position]
        self.position += 1
        return byte
