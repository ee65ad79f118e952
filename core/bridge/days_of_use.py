"""On how many days runs began that left a folder alone: how old that is which nobody uses.

Days are counted, not the time since: a clock that is wrong by a year, or a file of the future,
counts for one day.
"""

from __future__ import annotations

import contextlib
import json
import time
from pathlib import Path
from typing import Set

from .part_files import write_whole

DAYS_FILE = "days.json"


def note_day(folder: Path) -> None:
    """Note that a run begins today, by whatever the clock says, and leaves ``folder`` alone."""
    today = time.strftime("%Y-%m-%d", time.gmtime(time.time()))
    days = sorted(_noted_days(folder) | {today})
    # Where it cannot be noted, the folder stays, within the bound of all together.
    with contextlib.suppress(OSError):
        write_whole(folder / DAYS_FILE, json.dumps(days).encode("ascii"))


def count_days(folder: Path) -> int:
    """How many days are noted of ``folder``."""
    return len(_noted_days(folder))


def forget_days(folder: Path) -> None:
    """From now on ``folder`` is as new as any."""
    with contextlib.suppress(OSError):
        (folder / DAYS_FILE).unlink()


def _noted_days(folder: Path) -> Set[str]:
    with contextlib.suppress(OSError, ValueError):
        days = json.loads((folder / DAYS_FILE).read_text(encoding="ascii"))
        if isinstance(days, list) and all(isinstance(day, str) for day in days):
            return set(days)
    return set()
