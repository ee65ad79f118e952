"""Parquet written by hand, so that its headers may say anything; Thrift's compact protocol.

https://github.com/apache/parquet-format/blob/master/src/main/thrift/parquet.thrift
"""

from dataclasses import dataclass

TRUE, FALSE, BYTE, INTEGER, DOUBLE, BINARY, LIST, STRUCT = 1, 2, 3, 6, 7, 8, 9, 12
DATA_PAGE, DICTIONARY_PAGE, DATA_PAGE_V2 = 0, 2, 3
PLAIN = 0
TEXT = 6


@dataclass(frozen=True)
class Members:
    """A list that says that it has ``length`` members of a kind, with these bytes of them."""

    length: int
    kind: int
    content: bytes


def natural(number):
    found = b""
    while number > 127:
        found += bytes([number & 127 | 128])
        number >>= 7
    return found + bytes([number])


def integer(number):
    return natural(2 * number if number >= 0 else -2 * number - 1)


def struct(fields):
    """The bytes of a struct of fields by their numbers."""
    found, last = b"", 0
    for number, value in sorted(fields.items()):
        kind, content = _encoded(value)
        step = number - last
        head = bytes([step << 4 | kind]) if step < 16 else bytes([kind]) + integer(number)
        found += head + content
        last = number
    return found + b"\0"


def _encoded(value):
    if isinstance(value, bool):
        return (TRUE if value else FALSE), b""
    if isinstance(value, int):
        return INTEGER, integer(value)
    if isinstance(value, bytes):
        return BINARY, natural(len(value)) + value
    if isinstance(value, dict):
        return STRUCT, struct(value)
    if isinstance(value, list):
        kinds = [_encoded(member) for member in value]
        value = Members(len(value), kinds[0][0], b"".join(content for _, content in kinds))
    return LIST, bytes([0xF0 | value.kind]) + natural(value.length) + value.content


def page(content, unpacked=None, encoding=PLAIN, more=None):
    """A page of three values; ``more`` are fields of its header that replace others."""
    size = len(content) if unpacked is None else unpacked
    header = {1: DATA_PAGE, 2: size, 3: len(content), 5: {1: 3, 2: encoding, 3: 3, 4: 3}}
    header.update(more or {})
    return struct({key: value for key, value in header.items() if value is not None}) + content


def file_of(pages, codec=0, columns=1, chunk=None, footer=None):
    """A file with these pages, which each of its columns of text claims for itself.

    ``chunk`` and ``footer`` are fields that replace those of the columns and the footer.
    """
    about = {1: TEXT, 2: [PLAIN], 3: [b"id"], 4: codec, 5: 3, 6: len(pages), 7: len(pages), 9: 4}
    about.update(chunk or {})
    leaf = {1: TEXT, 3: 0, 4: b"id"}
    groups = [{1: [{2: 0, 3: about}] * columns, 2: len(pages), 3: 3}]
    end = {1: 1, 2: [{4: b"schema", 5: columns}, *[leaf] * columns], 3: 3, 4: groups}
    return with_footer(struct({**end, **(footer or {})}), pages)


def with_footer(footer, pages=b""):
    """A file with this footer."""
    return b"PAR1" + pages + footer + len(footer).to_bytes(4, "little") + b"PAR1"
