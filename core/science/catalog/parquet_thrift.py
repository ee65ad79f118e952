"""Thrift's compact protocol, as far as Parquet's headers need it: the wanted numbers of a struct.

https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Fields = Mapping[int, Any]
"""What is wanted, by the fields' numbers: ``int``, the fields of a struct, or a list of those."""

TRUE, FALSE, BYTE, DOUBLE, BINARY, LIST, SET, MAP, STRUCT = 1, 2, 3, 7, 8, 9, 10, 11, 12
INTEGERS = frozenset({4, 5, 6})
MOST_BITS = 64


def read_struct(content: bytes, wanted: Fields) -> tuple[dict[int, Any], int]:
    """The wanted fields of the struct at the beginning of ``content``, and how long it is.

    Raises:
        IndexError: it goes on behind the end.
        ValueError: it is none, or a field is something else.
        RecursionError: it is nested without an end.
    """
    reader = _Reader(content)
    return reader.struct(wanted), reader.position


class _Reader:
    def __init__(self, content: bytes) -> None:
        self._content = content
        self.position = 0

    def struct(self, wanted: Fields) -> dict[int, Any]:
        found: dict[int, Any] = {}
        number = 0
        while head := self._byte():
            kind, step = head & 15, head >> 4
            number = number + step if step else self._integer()
            if number in wanted:
                found[number] = self._value(kind, wanted[number])
            else:
                self._skip(kind)
        return found

    def _value(self, kind: int, wanted: Any) -> Any:
        if kind in INTEGERS and wanted is int:
            return self._integer()
        if kind == STRUCT and isinstance(wanted, dict):
            return self.struct(wanted)
        if kind == LIST and isinstance(wanted, list):
            length, member = self._list_head()
            return [self._value(member, wanted[0]) for _ in range(length)]
        raise ValueError("a field is of another type")

    def _skip(self, kind: int, *, is_member: bool = False) -> None:
        if kind in {TRUE, FALSE}:
            self.position += is_member
        elif kind == BYTE:
            self.position += 1
        elif kind in INTEGERS:
            self._natural()
        elif kind == DOUBLE:
            self.position += 8
        elif kind == BINARY:
            length = self._natural()
            self.position += length
        elif kind == STRUCT:
            self.struct({})
        elif kind in {LIST, SET}:
            length, member = self._list_head()
            for _ in range(length):
                self._skip(member, is_member=True)
        else:
            # Parquet has no maps.
            raise ValueError("a field is of no type")

    def _list_head(self) -> tuple[int, int]:
        head = self._byte()
        length = head >> 4
        return (self._natural() if length == 15 else length), head & 15

    def _integer(self) -> int:
        number = self._natural()
        return (number >> 1) ^ -(number & 1)

    def _natural(self) -> int:
        number = shift = 0
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
