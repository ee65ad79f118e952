"""The pause that a server asks for, in whatever form."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

# Some servers tell parts of a second, or count it down too far.
SECONDS = re.compile(r"[+-]?[0-9]+(\.[0-9]*)?")


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds that the header Retry-After (RFC 9110, 10.2.3) asks to wait for.

    Infinite where it asks for more than can be counted, and None where it does not say, or not in
    a form that can be read. A moment is taken by the server's own clock, where it tells the time.
    """
    asked = headers.get("Retry-After", "").strip()
    if SECONDS.fullmatch(asked):
        return max(0.0, float(asked))
    moment = _read_moment(asked)
    if moment is None:
        return None
    now = _read_moment(headers.get("Date", "")) or datetime.now(timezone.utc)
    return max(0.0, (moment - now).total_seconds())


def _read_moment(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError, TypeError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
