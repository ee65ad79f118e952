"""TIFF's directories of tags, as bytes (TIFF 6.0, and BigTIFF by Aware Systems and libtiff)."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# TIFF's numbers for the types of a tag's values.
LONG = 4
LONG8 = 16
BYTES_BY_TYPE = {1: 1, 2: 1, 3: 2, LONG: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}


@dataclass(frozen=True)
class Tag:
    """A tag's values: TIFF's number of their type, how many, and their bytes (little-endian)."""

    type: int
    count: int
    values: bytes


Directory = Mapping[int, Tag]


@dataclass(frozen=True)
class TiffForm:
    """Classic TIFF or BigTIFF: the file's first bytes, and the sizes of what follows."""

    header: bytes
    count_format: str
    entry_format: str
    offset_format: str

    @property
    def inline_bytes(self) -> int:
        """Values up to this size lie in the entry itself."""
        return struct.calcsize(self.offset_format)


# The header ends with the first directory's offset, which follows it.
CLASSIC = TiffForm(struct.pack("<2sH", b"II", 42), "<H", "<HHI", "<I")
BIG = TiffForm(struct.pack("<2sHHH", b"II", 43, 8, 0), "<Q", "<HHQ", "<Q")


def long_tag(values: Sequence[int]) -> Tag:
    """A tag of unsigned 32-bit numbers."""
    return Tag(LONG, len(values), struct.pack(f"<{len(values)}I", *values))


def read_first_directory(file: bytes) -> Directory:
    """The tags of the first directory of a classic, little-endian TIFF, by their numbers."""
    (start,) = struct.unpack_from("<I", file, 4)
    (count,) = struct.unpack_from("<H", file, start)
    directory = {}
    for place in range(start + 2, start + 2 + 12 * count, 12):
        code, type_, length = struct.unpack_from("<HHI", file, place)
        size = length * BYTES_BY_TYPE[type_]
        where = place + 8
        if size > CLASSIC.inline_bytes:
            (where,) = struct.unpack_from("<I", file, where)
        directory[code] = Tag(type_, length, file[where : where + size])
    return directory


def directories_as_bytes(directories: Sequence[Directory], start: int, form: TiffForm) -> bytes:
    """The directories one after the other, each followed by its values, from ``start`` on."""
    content = b""
    for number, directory in enumerate(directories, start=1):
        is_last = number == len(directories)
        content += _directory_as_bytes(directory, start + len(content), is_last, form)
    return content


def _directory_as_bytes(directory: Directory, start: int, is_last: bool, form: TiffForm) -> bytes:
    inline = form.inline_bytes
    entry_bytes = struct.calcsize(form.entry_format) + inline
    entries, values = struct.pack(form.count_format, len(directory)), b""
    values_start = start + len(entries) + entry_bytes * len(directory) + inline
    for code, tag in sorted(directory.items()):
        entries += struct.pack(form.entry_format, code, tag.type, tag.count)
        if len(tag.values) <= inline:
            entries += tag.values.ljust(inline, b"\0")
        else:
            entries += struct.pack(form.offset_format, values_start + len(values))
            values += tag.values + bytes(-len(tag.values) % 8)
    values += bytes(-(values_start + len(values)) % 8)
    following = 0 if is_last else values_start + len(values)
    return entries + struct.pack(form.offset_format, following) + values
