"""MASK_CLASSES and MASK_BUFFER: what of a collection's mask hides a pixel, and how far around."""

from __future__ import annotations

import re
from typing import Dict, Iterable, Optional, Tuple

from .errors import InvalidRequestError
from .profiles import CollectionProfile
from .text_length import check_length, shortened

NOTHING_MASKED = "none"
LARGEST_BUFFER = 2_000  # metres; more hides the land, and takes longer than all the rest


def read_mask_classes(text: str, profile: CollectionProfile) -> Optional[Tuple[int, ...]]:
    """The class or bit numbers that ``text`` asks for, each once.

    Args:
        text: words and numbers separated by commas; ``none`` masks nothing.
        profile: of the collection.

    Returns:
        None for the profile's own choice, which an empty text asks for; empty for ``none``.

    Raises:
        InvalidRequestError: a word or number that the collection's mask does not have, or a text
            that is too long.
    """
    check_length(text, "MASK_CLASSES")
    names = tuple(part.strip() for part in text.split(",") if part.strip())
    if not names:
        return None
    if [name.lower() for name in names] == [NOTHING_MASKED]:
        return ()
    words = mask_words(profile)
    numbers: Dict[int, None] = {}
    for name in names:
        if re.fullmatch("[0-9]{1,9}", name) and int(name) in profile.mask.classes:
            numbers[int(name)] = None
        elif name.lower() in words:
            numbers.update(dict.fromkeys(words[name.lower()]))
        else:
            raise _unknown(shortened(name), profile)
    return tuple(numbers)


def check_mask_numbers(numbers: Iterable[int], profile: CollectionProfile) -> None:
    """Check that the collection's mask has all these classes or bits.

    Raises:
        InvalidRequestError: it has not.
    """
    for number in numbers:
        if number not in profile.mask.classes:
            raise _unknown(str(number), profile)


def check_mask_buffer(metres: float) -> None:
    """Check MASK_BUFFER.

    Raises:
        InvalidRequestError: it is no distance, or an absurd one.
    """
    if not 0 <= metres <= LARGEST_BUFFER:
        raise InvalidRequestError(
            f"MASK_BUFFER is {metres:g}; give metres from 0 to {LARGEST_BUFFER:,}."
        )


def mask_words(profile: CollectionProfile) -> Dict[str, Tuple[int, ...]]:
    """Each word, in small letters, with the numbers it stands for.

    A class's title is a word too, unless it holds a comma, which separates words.
    """
    titles = {
        title.lower(): (number,)
        for number, title in profile.mask.classes.items()
        if "," not in title
    }
    return {**titles, **{word.lower(): found for word, found in profile.mask.words.items()}}


def _unknown(what: str, profile: CollectionProfile) -> InvalidRequestError:
    known = ", ".join(f"{number} {title}" for number, title in profile.mask.classes.items())
    kind = "bit" if profile.mask.kind == "bits" else "class"
    groups = ", ".join(profile.mask.words) or "none"
    return InvalidRequestError(
        f"MASK_CLASSES: {what} is no {kind} of {profile.id}; give {NOTHING_MASKED}, or words "
        f"({groups}), or numbers of {known}."
    )
