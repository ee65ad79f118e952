"""Scenes that were found before: SCENES names a file of them."""

from __future__ import annotations

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

if TYPE_CHECKING:
    from ..access.access import Access
    from ..reporter import Reporter


def scenes_given(
    scenes: str,
    profile: CollectionProfile,
    area: AreaOfInterest,
    reporter: Reporter,
    access: Access | None = None,
) -> FoundScenes:
    """The scenes in the ItemCollection file (footprints GeoJSON, GeoParquet) that touch the area.

    Raises:
        CatalogError: the file cannot be read or is no STAC.
        InvalidRequestError: it holds scenes of another collection than the profile's.
        NoScenesError: it holds no scene, or none that touches the area.
    """
    source = open_items_file(read_location(scenes), access)
    shapely.prepare(area.search_geometry)
    gathering = Gathering(source)
    collections: set[Any] = set()
    outside = 0
    for candidate in gathering.read(chain.from_iterable(source.batches(None))):
        collections.add(candidate.item.get("collection"))
        if area.search_geometry.intersects(candidate.footprint):
            gathering.take(candidate)
        else:
            outside += 1
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
