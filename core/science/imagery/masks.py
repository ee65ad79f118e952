"""Which classes of a collection's mask hide a pixel, and where a day's pixels are clear."""

from __future__ import annotations

import numpy as np

from ...bridge.errors import InvalidRequestError
from ...bridge.profiles import CollectionProfile
from .reading import BlockReader
from .scene_days import SceneDay, read_day


def choose_masked_classes(
    asked: tuple[int, ...] | None, profile: CollectionProfile
) -> tuple[int, ...] | None:
    """The classes to mask, or None where nothing is masked.

    Args:
        asked: class numbers, empty to mask nothing, None for the profile's.
        profile: of the collection.

    Raises:
        InvalidRequestError: the collection has no such class.
    """
    if asked is None:
        return profile.mask.masked
    for number in asked:
        if number not in profile.mask.classes:
            known = ", ".join(f"{key} {words}" for key, words in profile.mask.classes.items())
            raise InvalidRequestError(
                f"MASK_CLASSES: {number} is no class of {profile.id}; its classes are {known}."
            )
    return asked or None


def clear_pixels(
    day: SceneDay,
    reader: BlockReader,
    wanted: np.ndarray,
    masked_classes: tuple[int, ...] | None,
) -> np.ndarray:
    """Where a day is clear on a block.

    Args:
        day: whose scenes have a mask, unless nothing is masked.
        reader: of the block.
        wanted: (height, width) bool, the pixels that count.
        masked_classes: None where nothing is masked; then nothing is read.

    Returns:
        (height, width) bool, False where not wanted.

    Raises:
        ReadError: a mask cannot be read.
    """
    if masked_classes is None:
        return wanted
    masks = [scene.mask for scene in day.scenes if scene.mask is not None]
    # A pixel without a class is clear, unless "no data" is one of the classes to mask.
    no_class_is_clear = not any(mask.nodata in masked_classes for mask in masks)
    read = read_day(reader, masks, wanted)
    if read is None:
        return wanted & no_class_is_clear
    classes, valid = read
    return wanted & np.where(valid, ~np.isin(classes, masked_classes), no_class_is_clear)
