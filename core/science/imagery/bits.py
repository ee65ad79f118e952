"""Masks whose pixels are sets of bits: which bits a pixel has."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np


def has_any_bit(values: np.ndarray, bits: Iterable[int]) -> np.ndarray:
    """Where ``values`` have at least one of ``bits`` (0 is the lowest) set; bool of their shape."""
    unsigned = _as_unsigned(values)
    # A bit that the numbers are too narrow for is never set.
    asked = sum(1 << bit for bit in set(bits) if bit < 8 * unsigned.itemsize)
    return np.asarray((unsigned & unsigned.dtype.type(asked)) != 0)


def has_all_bits_of(values: np.ndarray, number: int) -> np.ndarray:
    """Where ``values`` have all the bits set that ``number`` has; bool of their shape.

    No value has all the bits of 0: a mask of bits without any is a value like others.
    """
    unsigned = _as_unsigned(values)
    if not 0 < number < 1 << 8 * unsigned.itemsize:
        return np.zeros(values.shape, bool)
    wanted = unsigned.dtype.type(number)
    return np.asarray((unsigned & wanted) == wanted)


def _as_unsigned(values: np.ndarray) -> np.ndarray:
    """The same bits as unsigned numbers; floats, which hold whole numbers here, become integers."""
    if values.dtype.kind == "f":
        values = np.nan_to_num(values).astype(np.int64)
    return values.view(f"u{values.itemsize}")
