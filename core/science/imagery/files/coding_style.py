"""How finely a JPEG 2000 cuts its tiles into pieces, and what it takes to hold these.

By its coding styles (ISO/IEC 15444-1, A.6.1 and A.6.2) a header of a hundred bytes may claim a
piece of its own for every pixel, for each of which OpenJPEG takes half a kilobyte.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

DEFAULT_STYLE, COMPONENT_STYLE = b"\xff\x52", b"\xff\x53"
MARKERS = (DEFAULT_STYLE, COMPONENT_STYLE)

# More components than these are numbered by two bytes.
SMALL_NUMBERS = 256
MOST_DECOMPOSITIONS = 32
# As an exponent of 2: of precincts whose size is not told.
WHOLE_PRECINCT = 15

# Code blocks of 16 x 16 numbers, a sixteenth of what is common, take less than the numbers do.
SMALLEST_CODE_BLOCK = 16 * 16
FEW_CODE_BLOCKS = 2**17
MOST_STYLES = 1024
# A layer of a precinct each; OpenJPEG looks for two million in a second.
MOST_PACKETS = 2**22


@dataclass(frozen=True)
class _Style:
    """Sizes are exponents of 2: width and height; ``precincts`` by resolution, coarsest first."""

    code_block: tuple[int, int]
    precincts: tuple[tuple[int, int], ...]

    def count(self, shape: tuple[int, int]) -> tuple[int, int]:
        """How many code blocks and how many precincts a tile of a component has (B.6, B.7)."""
        code_blocks = precincts = 0
        for number, precinct in enumerate(self.precincts):
            step = 2 ** (len(self.precincts) - 1 - number)
            sides = [-(-side // step) for side in reversed(shape)]
            # All resolutions but the coarsest are three bands of half its sides.
            half = 1 if number else 0
            block = [
                min(own, side - half) + half
                for own, side in zip(self.code_block, precinct, strict=True)
            ]
            code_blocks += (3 if number else 1) * _pieces(sides, block)
            precincts += _pieces(sides, precinct)
        return code_blocks, precincts


def check_coding_styles(
    segments: Sequence[bytes], tile_shape: tuple[int, int], components: int
) -> None:
    """Check what it takes to decode a tile that has any of these coding styles.

    Args:
        segments: COD and COC, with their markers; of all that are given, the finest counts.
        tile_shape: its rows and columns.
        components: how many of these it has.

    Raises:
        ValueError: the tile would be in more pieces than any is, or a segment is broken.
    """
    if len(segments) > MOST_STYLES:
        raise ValueError("it has too many coding styles")
    layers = 1
    code_blocks = precincts = 0
    for segment in segments:
        try:
            if segment.startswith(DEFAULT_STYLE):
                layers = max(layers, *struct.unpack(">H", segment[6:8]))
                style = _read_style(segment[4], segment[9:])
            else:
                place = 5 if components <= SMALL_NUMBERS else 6
                style = _read_style(segment[place], segment[place + 1 :])
        except (IndexError, struct.error) as error:
            raise ValueError("its coding style is broken") from error
        code_blocks, precincts = map(max, style.count(tile_shape), (code_blocks, precincts))
    samples = math.prod(tile_shape) * components
    most_code_blocks = max(FEW_CODE_BLOCKS, samples // SMALLEST_CODE_BLOCK)
    if code_blocks * components > most_code_blocks:
        raise ValueError("its tiles are in too many pieces")
    if precincts * components * layers > MOST_PACKETS:
        raise ValueError("its tiles are in too many pieces")


def _read_style(flags: int, content: bytes) -> _Style:
    decompositions, width, height = struct.unpack(">3B", content[:3])
    if decompositions > MOST_DECOMPOSITIONS:
        raise ValueError("its coding style is broken")
    precincts = [(WHOLE_PRECINCT, WHOLE_PRECINCT)] * (decompositions + 1)
    if flags & 1:
        told = [content[5 + number] for number in range(decompositions + 1)]
        precincts = [(size & 15, size >> 4) for size in told]
    if any(0 in size for size in precincts[1:]):
        raise ValueError("its coding style is broken")
    return _Style((width + 2, height + 2), tuple(precincts))


def _pieces(sides: Iterable[int], exponents: Iterable[int]) -> int:
    return math.prod(-(-side // 2**own) for side, own in zip(sides, exponents, strict=True))
