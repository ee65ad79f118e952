"""What lies under FAIRWEATHER_HOME and no run needs any more: listed by check, removed by clean."""

from __future__ import annotations

from typing import List, Sequence

from ..errors import EnvironmentNotReadyError
from ..folder_size import folder_size
from ..home import environments_folder
from ..job_folders import runs_a_job
from ..leftovers import Leftover, find_leftovers, remove_leftovers
from .environments import old_environments, remove_folder
from .one_at_a_time import try_environments_lock


def list_leftovers() -> List[Leftover]:
    """Unfinished composites and jobs, caches, and environments of other versions or half-made."""
    found = find_leftovers()
    old = old_environments()
    if old:
        is_at_work = _is_somebody_at_work()
        for folder in old:
            in_use = is_at_work or runs_a_job(folder)
            found.append(
                Leftover("Old environment", folder.name, folder, folder_size(folder), in_use)
            )
    return found


def clean() -> int:
    """Remove all of them that are not in use; the bytes freed are returned."""
    freed = remove_leftovers()
    if not old_environments():
        return freed
    try:
        lock = try_environments_lock(environments_folder())
    except (OSError, EnvironmentNotReadyError):
        return freed
    if lock is not None:
        # One that was half-made until now may be whole.
        for folder in old_environments():
            if not runs_a_job(folder):
                size = folder_size(folder)
                remove_folder(folder, quietly=True)
                freed += size - folder_size(folder)
        lock.release()
    return freed


def leftovers_in_words(leftovers: Sequence[Leftover]) -> List[str]:
    """A line for each, after one for all; none where there is nothing."""
    if not leftovers:
        return []
    total = sum(leftover.size for leftover in leftovers)
    lines = [
        f"Left over: {len(leftovers):,}, {_megabytes(total)}. The action clean removes what is not "
        "in use; an unfinished composite goes on when the same request runs again."
    ]
    for leftover in leftovers:
        use = ", in use" if leftover.is_in_use else ""
        lines.append(f"{leftover.kind}: {leftover.title} ({_megabytes(leftover.size)}{use})")
    return lines


def freed_in_words(freed: int) -> str:
    """What ``clean`` has done, as a sentence."""
    return f"Removed: {_megabytes(freed)} ({freed:,} bytes) are free again."


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.0f} MB" if size >= 1e6 else "less than 1 MB"


def _is_somebody_at_work() -> bool:
    """Whether another process makes or removes environments; where that is unknown, one does."""
    try:
        lock = try_environments_lock(environments_folder())
    except (OSError, EnvironmentNotReadyError):
        return True
    if lock is None:
        return True
    lock.release()
    return False
