"""One acquisition that was processed and published more than once."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from .found import FoundScene
from .item_store import ItemStore

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


def newest_of_twins(
    scenes: Iterable[FoundScene], store: ItemStore
) -> tuple[list[FoundScene], list[FoundScene]]:
    """The scenes without older twins, and the older twins; both by time, then id.

    Twins have the same platform, tile and time, and come from one datastrip where they name it.
    The newest has the highest processing baseline or version, then the latest processing time.
    Items that name no platform or tile have no twins.
    """
    groups: dict[Any, list[FoundScene]] = defaultdict(list)
    kept: list[FoundScene] = []
    for scene in scenes:
        if scene.acquisition:
            groups[scene.acquisition].append(scene)
        else:
            kept.append(scene)
    older: list[FoundScene] = []
    for group in groups.values():
        for at_one_time in _split_by_time(sorted(group, key=_sort_key)):
            if len(at_one_time) == 1:
                kept += at_one_time
                continue
            versions = [_version_of(scene, store) for scene in at_one_time]
            for twins in _split_by_datastrip(versions):
                newest = max(twins, key=lambda version: version.processing_order)
                kept.append(newest.scene)
                older += [version.scene for version in twins if version is not newest]
    return sorted(kept, key=_sort_key), sorted(older, key=_sort_key)


@dataclass(frozen=True)
class _Version:
    """One of the scenes that may be an acquisition published again, by what its item says."""

    scene: FoundScene
    datastrip_start: datetime | None
    processing_order: tuple[list[int], list[str], str]


def _version_of(scene: FoundScene, store: ItemStore) -> _Version:
    properties = store.read(scene.place)["properties"]
    order = _processing_order(scene.id, properties)
    return _Version(scene, _datastrip_start(properties), order)


def _split_by_time(scenes: list[FoundScene]) -> Iterator[list[FoundScene]]:
    """Lists of scenes (in order of time) that are as good as simultaneous."""
    at_one_time: list[FoundScene] = []
    for scene in scenes:
        if at_one_time and scene.moment - at_one_time[0].moment >= SAME_TIME:
            yield at_one_time
            at_one_time = []
        at_one_time.append(scene)
    yield at_one_time


def _split_by_datastrip(versions: list[_Version]) -> list[list[_Version]]:
    """Lists of simultaneous scenes that are one acquisition each."""
    acquisitions: list[list[_Version]] = []
    for version in versions:
        for twins in acquisitions:
            if _are_of_one_datastrip(twins[0], version):
                twins.append(version)
                break
        else:
            acquisitions.append([version])
    return acquisitions


def _are_of_one_datastrip(one: _Version, other: _Version) -> bool:
    start, other_start = one.datastrip_start, other.datastrip_start
    return start is None or other_start is None or abs(other_start - start) < SAME_DATASTRIP


def _datastrip_start(properties: Mapping[str, Any]) -> datetime | None:
    name = properties.get("s2:datastrip_id") or properties.get("eopf:datastrip_id")
    match = _DATASTRIP_START.search(str(name))
    try:
        return datetime.strptime(match[1], "%Y%m%dT%H%M%S") if match else None
    except ValueError:
        return None


def _processing_order(
    item_id: str, properties: Mapping[str, Any]
) -> tuple[list[int], list[str], str]:
    version = properties.get("s2:processing_baseline") or properties.get("processing:version")
    if not version and (match := _VERSION_IN_ID.search(item_id)):
        version = match[1]
    return (
        [int(number) for number in re.findall(r"[0-9]{1,9}", str(version or ""))],
        [str(properties.get(name) or "") for name in PROCESSING_TIMES],
        item_id,
    )


def _sort_key(scene: FoundScene) -> Any:
    return scene.sort_key
