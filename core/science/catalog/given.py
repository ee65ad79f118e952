"""Scenes that were found before: SCENES names a file of them."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

import shapely

from ...bridge.errors import InvalidRequestError, NoScenesError
from ...bridge.profiles import CollectionProfile
from ..area import AreaOfInterest
from ..words import count_of
from .found import DroppedScenes, FoundScenes
from .gathering import finish, read_candidates
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
    items = chain.from_iterable(source.batches(None))
    malformed: list[str] = []
    candidates = list(read_candidates(items, malformed, set()))
    if not candidates:
        reason = f"; the first entry is {malformed[0]}" if malformed else ""
        raise NoScenesError(
            f"SCENES {source.location} holds no scene{reason}; give a file that searchscenes wrote."
        )
    collections = {candidate.item.get("collection") for candidate in candidates}
    others = sorted(map(str, collections - {None, profile.collection}))
    if others:
        raise InvalidRequestError(
            f"SCENES holds scenes of {', '.join(others)}, but COLLECTION is {profile.id}; "
            "choose the collection that the scenes belong to."
        )
    shapely.prepare(area.search_geometry)
    inside = [one for one in candidates if area.search_geometry.intersects(one.footprint)]
    outside = len(candidates) - len(inside)
    if not inside:
        raise NoScenesError(
            f"None of the {count_of(outside, 'scene')} in SCENES touches the area of interest; "
            "choose the area they were searched for."
        )
    dropped = [DroppedScenes("outside the area of interest", outside)] if outside else []
    return finish(inside, dropped, source, malformed, reporter)
