"""One acquisition that was processed and published more than once."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

from .candidates import Candidate
from .scene_tile import scene_tile

# A later processing may move the time by milliseconds; two datastrips of a pass lie seconds apart.
SAME_TIME = timedelta(seconds=1)
# Where a collection gives all tiles of a pass one time, datastrips tell by their beginnings, which
# are minutes apart; a later processing may move one by a second or two.
SAME_DATASTRIP = timedelta(seconds=10)

PROCESSING_TIMES = (
    "s2:generation_time",
    "processing:datetime",
    "landsat:product_generated",
    "created",
    "updated",
)

_DATASTRIP_START = re.compile(r"_S([0-9]{8}T[0-9]{6})_")
_VERSION_IN_ID = re.compile(r"\.v([0-9]+\.[0-9]+)$")


def newest_of_twins(candidates: Iterable[Candidate]) -> tuple[list[Candidate], list[Candidate]]:
    """The candidates without older twins, and the older twins; both by time, then id.

    Twins have the same platform, tile and time, and come from one datastrip where they name it.
    The newest has the highest processing baseline or version, then the latest processing time.
    Items that name no platform or tile have no twins.
    """
    groups: dict[Any, list[Candidate]] = defaultdict(list)
    kept: list[Candidate] = []
    for candidate in candidates:
        platform = candidate.properties.get("platform")
        tile = scene_tile(candidate.id, candidate.properties)
        if platform and tile:
            groups[str(platform).lower(), tile].append(candidate)
        else:
            kept.append(candidate)
    older: list[Candidate] = []
    for group in groups.values():
        for twins in _split_by_acquisition(sorted(group, key=_sort_key)):
            newest = max(twins, key=_processing_order)
            kept.append(newest)
            older += [twin for twin in twins if twin is not newest]
    return sorted(kept, key=_sort_key), sorted(older, key=_sort_key)


def _split_by_acquisition(candidates: list[Candidate]) -> Iterator[list[Candidate]]:
    """Lists of candidates (in order of time) that are one acquisition each."""
    at_one_time: list[list[Candidate]] = []
    for candidate in candidates:
        if at_one_time and candidate.moment - at_one_time[0][0].moment >= SAME_TIME:
            yield from at_one_time
            at_one_time = []
        for twins in at_one_time:
            if _are_of_one_datastrip(twins[0], candidate):
                twins.append(candidate)
                break
        else:
            at_one_time.append([candidate])
    yield from at_one_time


def _are_of_one_datastrip(one: Candidate, other: Candidate) -> bool:
    start, other_start = _datastrip_start(one), _datastrip_start(other)
    return start is None or other_start is None or abs(other_start - start) < SAME_DATASTRIP


def _datastrip_start(candidate: Candidate) -> datetime | None:
    properties = candidate.properties
    name = properties.get("s2:datastrip_id") or properties.get("eopf:datastrip_id")
    match = _DATASTRIP_START.search(str(name))
    try:
        return datetime.strptime(match[1], "%Y%m%dT%H%M%S") if match else None
    except ValueError:
        return None


def _processing_order(candidate: Candidate) -> tuple[list[int], list[str], str]:
    properties = candidate.properties
    version = properties.get("s2:processing_baseline") or properties.get("processing:version")
    if not version and (match := _VERSION_IN_ID.search(candidate.id)):
        version = match[1]
    return (
        [int(number) for number in re.findall(r"[0-9]{1,9}", str(version or ""))],
        [str(properties.get(name) or "") for name in PROCESSING_TIMES],
        candidate.id,
    )


def _sort_key(candidate: Candidate) -> Any:
    return candidate.sort_key
