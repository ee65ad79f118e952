"""How long a text that a user writes may be."""

from __future__ import annotations

from .errors import InvalidRequestError

MOST_CHARACTERS = 100_000


def check_length(text: str, parameter: str) -> None:
    """Check that ``text``, the value of ``parameter``, is none that takes minutes to read.

    Raises:
        InvalidRequestError: it is longer than anything that a person, or a script, would write.
    """
    if len(text) > MOST_CHARACTERS:
        raise InvalidRequestError(
            f"{parameter} has {len(text):,} characters; give at most {MOST_CHARACTERS:,}."
        )


def shortened(text: str, most: int = 80) -> str:
    """``text`` for a message: quoted, and cut where it is longer than ``most`` characters."""
    return repr(text if len(text) <= most else f"{text[: most - 1]}…")
