"""Which classes or bits of a collection's mask hide a pixel, and where a day's pixels are clear."""

from __future__ import annotations

import os
import threading

import numpy as np

from ...bridge.mask_classes import check_mask_numbers
from ...bridge.profiles import CollectionProfile
from .bits import has_any_bit
from .mask_buffer import buffer_margin, grow
from .reading import BlockReader
from .scene_days import SceneDay, read_day


def choose_masked_classes(
    asked: tuple[int, ...] | None, profile: CollectionProfile
) -> tuple[int, ...] | None:
    """The classes or bits to mask, or None where nothing is masked.

    Args:
        asked: class or bit numbers, empty to mask nothing, None for the profile's.
        profile: of the collection.

    Raises:
        InvalidRequestError: the collection's mask has no such class or bit.
    """
    if asked is None:
        return profile.mask.masked or None
    check_mask_numbers(asked, profile)
    return asked or None


class MaskReader:
    """Tells where days are clear on one block; for use by several threads."""

    def __init__(
        self, reader: BlockReader, masked_classes: tuple[int, ...] | None, buffer: float = 0.0
    ) -> None:
        """A reader of masks.

        Args:
            reader: of the block.
            masked_classes: class numbers, or bit numbers where the masks are of bits; None where
                nothing is masked, and then nothing is read.
            buffer: in metres: what is this near to a masked pixel, centre to centre, is masked too.
        """
        self._reader = reader
        self._masked_classes = masked_classes
        self._buffer = 0.0 if masked_classes is None else buffer
        self._margin = (0, 0)
        if self._buffer > 0:
            # What lies outside of the block reaches into it.
            self._margin = buffer_margin(reader.block, buffer)
            self._reader = reader.padded(*self._margin)
        # Growing takes memory, and more at once than there are processors would not be faster.
        self._room = threading.BoundedSemaphore(os.cpu_count() or 1)

    def clear_pixels(self, day: SceneDay, wanted: np.ndarray) -> np.ndarray:
        """Where a day is clear on the block.

        A pixel without a class is clear, unless "no data" is one of the classes to mask or a
        masked pixel is near. A pixel whose mask of bits has no value (its fill bit is set, or the
        file does not reach it) is not. What has no value is not grown.

        Args:
            day: whose scenes have a mask, unless nothing is masked.
            wanted: (height, width) bool, the pixels that count.

        Returns:
            (height, width) bool, False where not wanted.

        Raises:
            ReadError: a mask cannot be read.
        """
        if self._masked_classes is None:
            return wanted
        masks = [scene.mask for scene in day.scenes if scene.mask is not None]
        are_bits = any(mask.is_bits for mask in masks)
        no_value_is_clear = not are_bits and not any(
            mask.nodata in self._masked_classes for mask in masks
        )
        read = read_day(self._reader, masks, self._around(wanted))
        if read is None:
            return wanted & no_value_is_clear
        values, valid = read
        hidden = _is_hidden(values, self._masked_classes, are_bits)
        hidden &= valid
        if self._buffer > 0:
            hidden, valid = self._inside(self._grown(hidden)), self._inside(valid)
        return np.asarray(wanted & ~hidden & (valid | no_value_is_clear))

    def _around(self, wanted: np.ndarray) -> np.ndarray:
        """The pixels whose class matters."""
        return wanted if self._buffer == 0 else np.ones(self._reader.block.shape, bool)

    def _grown(self, hidden: np.ndarray) -> np.ndarray:
        if not hidden.any():
            return hidden
        with self._room:
            return grow(hidden, self._reader.block, self._buffer)

    def _inside(self, pixels: np.ndarray) -> np.ndarray:
        """Of the block with its margin, the block."""
        rows, columns = self._margin
        return pixels[rows : pixels.shape[0] - rows, columns : pixels.shape[1] - columns]


def _is_hidden(values: np.ndarray, masked_classes: tuple[int, ...], are_bits: bool) -> np.ndarray:
    """Where a mask hides the pixel."""
    if are_bits:
        return has_any_bit(values, masked_classes)
    # One class after the other: with a dozen of them still as fast as a look-up in a table, and
    # many times faster than np.isin.
    hidden = np.zeros(values.shape, bool)
    for number in masked_classes:
        hidden |= values == number
    return hidden
