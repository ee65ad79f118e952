"""Scenes that were found before: SCENES names a file of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set
from itertools import chain
from typing import TYPE_CHECKING, Any

import shapely

from ...bridge.errors import InvalidRequestError, NoScenesError
from ...bridge.profiles import CollectionProfile
from ..area import AreaOfInterest
from ..words import count_of
from .found import DroppedScenes, FoundScenes
from .gathering import Gathering
from .hrefs import read_location
from .opening import open_items_file
from .source import RawItem

if TYPE_CHECKING:
    from ..access.access import Access
    from ..reporter import Reporter


def scenes_given(
    scenes: str,
    profile: CollectionProfile,
    area: AreaOfInterest,
    reporter: Reporter,
    access: Access | None = None,
    *,
    ids: Set[str] = frozenset(),
) -> FoundScenes:
    """The scenes in the ItemCollection file (footprints GeoJSON, GeoParquet) that touch the area.

    Of all of them those with one of ``ids``, if there are any; a warning tells how many of these
    the file does not hold.

    Raises:
        CatalogError: the file cannot be read or is no STAC.
        InvalidRequestError: it holds scenes of another collection than the profile's.
        NoScenesError: it holds no scene, none of ``ids``, or none that touches the area.
    """
    source = open_items_file(read_location(scenes), access)
    shapely.prepare(area.search_geometry)
    gathering = Gathering(source)
    collections: set[Any] = set()
    outside = 0
    items = chain.from_iterable(source.batches(None))
    missing = set(ids)
    for candidate in gathering.read(_chosen(items, ids, missing) if ids else items):
        collections.add(candidate.item.get("collection"))
        if area.search_geometry.intersects(candidate.footprint):
            gathering.take(candidate)
        else:
            outside += 1
    if missing:
        _tell_missing(missing, ids, source.location, reporter)
    if not gathering.ids:
        first = gathering.first_malformed
        reason = f"; the first entry is {first}" if first else ""
        raise NoScenesError(
            f"SCENES {source.location} holds no scene{reason}; give a file that searchscenes wrote."
        )
    others = sorted(map(str, collections - {None, profile.collection}))
    if others:
        raise InvalidRequestError(
            f"SCENES holds scenes of {', '.join(others)}, but COLLECTION is {profile.id}; "
            "choose the collection that the scenes belong to."
        )
    if outside == len(gathering.ids):
        raise NoScenesError(
            f"None of the {count_of(outside, 'scene')} in SCENES touches the area of interest; "
            "choose the area they were searched for."
        )
    dropped = [DroppedScenes("outside the area of interest", outside)] if outside else []
    return gathering.finish(dropped, reporter)


def _chosen(items: Iterable[RawItem], ids: Set[str], missing: set[str]) -> Iterator[RawItem]:
    """The items with one of ``ids``, each of which is taken from ``missing``."""
    for item, document in items:
        # Whatever is no item is none of those chosen.
        name = item.get("id") if isinstance(item, dict) else None
        if isinstance(name, str) and name in ids:
            missing.discard(name)
            yield item, document


def _tell_missing(missing: Set[str], ids: Set[str], location: str, reporter: Reporter) -> None:
    """Warn of those of ``ids`` that are not in the file, which may be another one by now.

    Raises:
        NoScenesError: it has none of them.
    """
    chosen = count_of(len(ids), "chosen scene")
    if missing == ids:
        raise NoScenesError(
            f"SCENES {location} holds none of the {chosen}; choose them again, as the file may "
            "be another one by now."
        )
    reporter.warning(
        f"{len(missing):,} of the {chosen} left out, being not in SCENES {location}, which may "
        f"be another file by now; the first is {min(missing)}."
    )
