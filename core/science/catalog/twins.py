"""One acquisition that was processed and published more than once."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from .candidates import Candidate, scene_grid

# A later processing may move the time by milliseconds; two datastrips of a pass lie seconds apart.
SAME_TIME = timedelta(seconds=1)


def newest_of_twins(candidates: Iterable[Candidate]) -> tuple[list[Candidate], list[Candidate]]:
    """The candidates without older twins, and the older twins; both by time, then id.

    Twins have the same platform, tile and time. The newest has the highest processing baseline,
    then the latest processing time. Items that name no platform or tile have no twins.
    """
    groups: dict[Any, list[Candidate]] = defaultdict(list)
    kept: list[Candidate] = []
    for candidate in candidates:
        platform, grid = candidate.properties.get("platform"), scene_grid(candidate.properties)
        if platform and grid:
            groups[str(platform).lower(), grid].append(candidate)
        else:
            kept.append(candidate)
    older: list[Candidate] = []
    for group in groups.values():
        for twins in _split_by_time(sorted(group, key=lambda one: one.sort_key)):
            newest = max(twins, key=_processing_order)
            kept.append(newest)
            older += [twin for twin in twins if twin is not newest]
    return sorted(kept, key=_sort_key), sorted(older, key=_sort_key)


def _split_by_time(candidates: list[Candidate]) -> list[list[Candidate]]:
    runs: list[list[Candidate]] = []
    for candidate in candidates:
        if runs and candidate.moment - runs[-1][0].moment < SAME_TIME:
            runs[-1].append(candidate)
        else:
            runs.append([candidate])
    return runs


def _processing_order(candidate: Candidate) -> tuple[list[int], list[str], str]:
    properties = candidate.properties
    baseline = properties.get("s2:processing_baseline") or properties.get("processing:version")
    times = ("s2:generation_time", "processing:datetime", "created", "updated")
    return (
        [int(number) for number in re.findall(r"[0-9]{1,9}", str(baseline or ""))],
        [str(properties.get(name) or "") for name in times],
        candidate.id,
    )


def _sort_key(candidate: Candidate) -> Any:
    return candidate.sort_key
