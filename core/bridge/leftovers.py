"""What runs that ended too early left under FAIRWEATHER_HOME: listed, bounded, and removed."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Tuple

from .days_of_use import count_days, forget_days, note_day
from .folder_size import folder_size
from .home import fonts_folder, unfinished_folder
from .job_folders import (
    all_job_folders,
    read_job_note,
    remove_killed_job,
    remove_unclaimed_jobs,
)
from .owned_folders import (
    claimed_folders,
    is_in_use,
    remove_never_claimed,
    remove_unless_in_use,
)
from .part_files import write_whole

MOST_BYTES = 20 * 1024**3
# Days on which runs began and none went on with it.
MOST_DAYS = 14
SECONDS_TO_TIDY = 5.0
TITLE_FILE = "title.json"
# The key of a run: the first half of a SHA-256 digest.
_KEY = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True)
class Leftover:
    """Something that ``environment`` lists and removes.

    ``kind`` is what it is called, ``title`` which one it is, ``size`` in bytes.
    """

    kind: str
    title: str
    folder: Path
    size: int
    is_in_use: bool


def tidy_up() -> None:
    """Remove what killed jobs left, and unfinished composites beyond the bounds.

    What lies on a drive that is away is looked for again at the next starts, on ``MOST_DAYS`` days.

    It is called when a run starts, and goes on beside it where it takes long: a part file may lie
    on a drive that does not answer.
    """
    thread = threading.Thread(target=_tidy_up, name="leftovers", daemon=True)
    thread.start()
    thread.join(SECONDS_TO_TIDY)


def _tidy_up() -> None:
    _remove_unclaimed()
    for folder in all_job_folders():
        remove_killed_job(folder, MOST_DAYS)
    for folder in all_unfinished():
        if not is_in_use(folder):
            note_day(folder)
    bound_unfinished(MOST_BYTES, MOST_DAYS)


def bound_unfinished(most_bytes: int, most_days: int) -> int:
    """Remove unfinished composites, the oldest first, until the rest is new and small enough.

    ``most_days`` are days on which runs began without going on with one. None that is in use is
    removed. The bytes freed are returned.
    """
    days = {folder: count_days(folder) for folder in all_unfinished()}
    total = sum(folder_size(folder) for folder in days)
    freed = 0
    for folder in sorted(days, key=lambda folder: (-days[folder], _last_begun(folder))):
        if days[folder] > most_days or total - freed > most_bytes:
            freed += remove_unless_in_use(folder)
    return freed


def make_room_for_unfinished(folder: Path, size: int) -> None:
    """Remove others, the oldest first, until ``folder`` may grow to ``size`` bytes in the bound."""
    more = min(size, MOST_BYTES) - folder_size(folder)
    bound_unfinished(MOST_BYTES - max(0, more), MOST_DAYS)


def remove_unfinished() -> int:
    """Remove all unfinished composites that are not in use; the bytes freed are returned."""
    return sum(map(remove_unless_in_use, all_unfinished()))


def all_unfinished() -> List[Path]:
    """The folders of unfinished composites, those of running ones too."""
    return claimed_folders(unfinished_folder(), _KEY)


def find_leftovers() -> List[Leftover]:
    """Unfinished composites, jobs and caches, those of running ones too."""
    found = [
        Leftover("Unfinished composite", _title_of(folder), folder, folder_size(folder), in_use)
        for folder, in_use in _with_use(all_unfinished())
    ]
    jobs = _with_use(all_job_folders())
    for folder, in_use in jobs:
        outputs = ", ".join(path.name for path in read_job_note(folder).outputs)
        found.append(Leftover("Job", outputs or folder.name, folder, folder_size(folder), in_use))
    fonts = fonts_folder()
    if fonts.is_dir():
        in_use = any(in_use for _, in_use in jobs)
        found.append(Leftover("Cache", "lists of fonts", fonts, folder_size(fonts), in_use))
    return found


def remove_leftovers() -> int:
    """Remove all of them that are not in use; the bytes freed are returned.

    What lies on a drive that is away now is not looked for again.
    """
    _remove_unclaimed()
    freed = remove_unfinished()
    freed += sum(remove_killed_job(folder, most_days=0) for folder in all_job_folders())
    fonts = fonts_folder()
    if fonts.is_dir() and not any(map(is_in_use, all_job_folders())):
        size = folder_size(fonts)
        shutil.rmtree(fonts, ignore_errors=True)
        freed += size - folder_size(fonts)
    return freed


def write_title(folder: Path, title: Dict[str, str]) -> None:
    """Note what an unfinished composite is, for people: ``bands``, ``dates`` and ``output``.

    From now on it is as new as any.

    Raises:
        OSError: the folder cannot be written.
    """
    write_whole(folder / TITLE_FILE, json.dumps(title).encode("ascii"))
    forget_days(folder)


def _title_of(folder: Path) -> str:
    with contextlib.suppress(OSError, ValueError, LookupError, TypeError):
        title = json.loads((folder / TITLE_FILE).read_text(encoding="ascii"))
        return f"{title['bands']} of {title['dates']} for {title['output']}"[:300]
    return folder.name


def _with_use(folders: List[Path]) -> List[Tuple[Path, bool]]:
    return [(folder, is_in_use(folder)) for folder in folders]


def _remove_unclaimed() -> None:
    remove_unclaimed_jobs()
    remove_never_claimed(unfinished_folder(), _KEY)


def _last_begun(folder: Path) -> float:
    """When the last run of it began; only their order counts."""
    try:
        return (folder / TITLE_FILE).stat().st_mtime
    except OSError:
        return 0.0
