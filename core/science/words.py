"""Words that several messages share."""

from __future__ import annotations


def count_of(count: int, singular: str, plural: str = "") -> str:
    """``1 scene``, ``2 scenes``, ``1,234 scenes``."""
    return f"{count:,} {singular if count == 1 else plural or singular + 's'}"
