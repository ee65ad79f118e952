"""TIFFs whose tiles are streams that tell, or unpack to, far more than a tile has."""

from __future__ import annotations

import random
import struct
import zlib
from functools import cache

import imagecodecs
import numpy as np

EDGE = 5_000
MEGABYTES = 300
LERC, JPEG2000, WEBP, JPEG, DEFLATE, ZSTANDARD = 34887, 34712, 50001, 7, 8, 50000
COMPRESSION = 259
OFFSETS, COUNTS = (273, 324), (279, 325)
NUMBERS = {3: "H", 4: "I", 16: "Q"}


@cache
def streams() -> dict[str, tuple[int, bytes]]:
    """A compression's number and a tile, by what it is."""
    plane = np.zeros((EDGE, EDGE), np.uint8)
    megabyte = bytes(2**20)
    packer = zlib.compressobj(1)
    deflated = b"".join(packer.compress(megabyte) for _ in range(MEGABYTES)) + packer.flush()
    zstandard = bytes(imagecodecs.zstd_encode(megabyte)) * MEGABYTES
    first_lerc = b"CntZImage " + struct.pack("<4id", 11, 8, 4 * EDGE, 4 * EDGE, 0)
    first_lerc += struct.pack("<3if3if", 0, 0, 0, 1, 1, 1, 1, 0) + b"\2"
    found = {
        "Deflate": (DEFLATE, deflated),
        "Zstandard": (ZSTANDARD, zstandard),
        "LERC": (LERC, imagecodecs.lerc_encode(plane)),
        "LERC's first version": (LERC, first_lerc),
        "LERC packed by Deflate": (LERC, deflated),
        "LERC packed by Zstandard": (LERC, zstandard),
        "JPEG": (JPEG, imagecodecs.jpeg8_encode(plane)),
        "JPEG 2000": (JPEG2000, imagecodecs.jpeg2k_encode(plane, codecformat="j2k")),
        "WebP": (WEBP, imagecodecs.webp_encode(np.stack([plane] * 3, -1), lossless=True)),
    }
    return {what: (code, bytes(stream)) for what, (code, stream) in found.items()}


def with_lying_tiles(
    content: bytes, order: str, entries: list[int], is_big: bool, source: random.Random
) -> tuple[str, bytes]:
    """A TIFF all tiles of which are one such stream; ``entries`` are those of its directories."""
    what = source.choice(sorted(streams()))
    compression, stream = streams()[what]
    changed = bytearray(content)
    for entry in entries:
        tag, kind = struct.unpack_from(f"{order}HH", content, entry)
        if tag == COMPRESSION:
            told = compression
        elif tag in OFFSETS:
            told = len(content)
        elif tag in COUNTS:
            told = len(stream)
        else:
            continue
        number = f"{order}{NUMBERS[kind]}"
        size = struct.calcsize(number)
        wide = f"{order}{'Q' if is_big else 'I'}"
        count = struct.unpack_from(wide, content, entry + 4)[0]
        place = entry + (12 if is_big else 8)
        if count * size > struct.calcsize(wide):
            place = struct.unpack_from(wide, content, place)[0]
        for one in range(count):
            struct.pack_into(number, changed, place + one * size, min(told, 2 ** (8 * size) - 1))
    return f"tiles that are {what}", bytes(changed) + stream
