"""From stored numbers to reflectance, with scenes of different offsets brought to one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from .scene import SourceBand

# scale and offset are decimal fractions; a quotient this close to a whole number is one.
WHOLE_TOLERANCE = 1e-6


@dataclass(frozen=True)
class CommonEncoding:
    """How one band's numbers are held while they are compared: reflectance = n * scale + offset.

    ``held_as`` is ``stored`` (the files' own dtype: all scenes agree), ``int32`` (offsets differ
    by whole steps, so that numbers are shifted and may fall below zero) or ``float64`` (already
    reflectances). It is one for the whole run: a block's own scenes must not decide it.
    """

    scale: float
    offset: float
    held_as: Literal["stored", "int32", "float64"]

    def hold(self, values: np.ndarray, source: SourceBand) -> np.ndarray:
        """``values`` of ``source`` in this encoding; the input itself where nothing changes."""
        if self.held_as == "stored":
            return values
        if self.held_as == "int32":
            shift = round((source.offset - self.offset) / self.scale)
            # Wider where the file is: uint32 becomes int64, and floats stay floats.
            held = np.promote_types(values.dtype, np.int32)
            return np.asarray(values.astype(held) + held.type(shift))
        return np.asarray(values * np.float64(source.scale) + source.offset)

    def reflectance(self, numbers: np.ndarray) -> np.ndarray:
        """float64 reflectance of ``numbers``, for averages of two numbers too."""
        return np.asarray(numbers.astype(np.float64) * self.scale + self.offset)

    def exact_reflectance(self, numbers: np.ndarray) -> np.ndarray:
        """float64 reflectance in which equal and opposite values cancel to zero.

        Where the offset is a whole number of steps it is added before the scale is applied, so
        that a sum that is zero in the stored integers is zero here.
        """
        steps = self.offset / self.scale
        if abs(steps - round(steps)) < WHOLE_TOLERANCE:
            return np.asarray((numbers.astype(np.float64) + round(steps)) * self.scale)
        return self.reflectance(numbers)


def bytes_of_a_number(encoding: CommonEncoding, sources: Iterable[SourceBand]) -> int:
    """How many bytes one pixel of one day takes while it is held in ``encoding``."""
    if encoding.held_as == "float64":
        return 8
    dtypes = [_dtype(source) for source in sources]
    if encoding.held_as == "int32":
        dtypes.append(np.dtype(np.int32))
    return np.result_type(*dtypes).itemsize


def _dtype(source: SourceBand) -> np.dtype:
    """The file's dtype as the item tells it; where it tells none, one that is rarely exceeded."""
    try:
        return np.dtype(source.data_type or "float32")
    except TypeError:
        return np.dtype("float32")


def choose_encoding(sources: Sequence[SourceBand]) -> CommonEncoding:
    """The encoding in which all scenes of one band can be compared, the most common one's."""
    pairs = Counter((source.scale, source.offset) for source in sources)
    scale, offset = pairs.most_common(1)[0][0]
    if len(pairs) == 1:
        return CommonEncoding(scale, offset, "stored")
    shifts = [(other - offset) / scale for _, other in pairs]
    whole = all(abs(shift - round(shift)) < WHOLE_TOLERANCE for shift in shifts)
    if whole and all(other == scale for other, _ in pairs):
        return CommonEncoding(scale, offset, "int32")
    return CommonEncoding(1.0, 0.0, "float64")
