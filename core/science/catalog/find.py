"""The search for scenes: one way for APIs, static catalogues and files of items."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

from ...bridge.errors import CatalogError, FairweatherError, InvalidRequestError, NoScenesError
from ...bridge.profiles import CollectionProfile
from ...bridge.request import SceneSearch
from ..area import AreaOfInterest
from ..words import count_of
from .checks import Checker, Conditions, read_conditions
from .extent import check_extent, told_period
from .found import DroppedScenes, FoundScenes
from .gathering import Gathering
from .given import scenes_given
from .hrefs import read_location
from .opening import open_source
from .relaxations import nothing_found_sentence
from .source import RawItem, SearchedSource

if TYPE_CHECKING:
    from ..access.access import Access
    from ..reporter import Reporter

NAMES_SHOWN = 20
WITHOUT_SCENE_FOR_LONG = timedelta(days=30)


def find_scenes(
    search: SceneSearch,
    profile: CollectionProfile,
    area: AreaOfInterest,
    reporter: Reporter,
    *,
    percent_at_end: float = 5.0,
    access: Access | None = None,
) -> FoundScenes:
    """The scenes that ``search`` asks for, of the profile's collection, by time, then id.

    Progress goes from 0 to ``percent_at_end``. How many scenes each condition dropped is told to
    the reporter and in the result. When LIMIT is reached, the earliest scenes are kept where the
    catalogue can sort. ``access`` has the keys of a catalogue that wants some.

    Raises:
        InvalidRequestError: a parameter makes no sense, or the area or the dates lie outside the
            collection.
        CatalogError: the catalogue cannot be read, or not all of it and nothing was found in the
            rest; or it has no such collection.
        AccessError: the catalogue wants keys, or other ones.
        NoScenesError: nothing meets the conditions; the message says what would find some.
    """
    if search.scenes:
        return scenes_given(
            search.scenes, profile, area, reporter, access, ids=frozenset(search.scene_ids)
        )
    conditions = read_conditions(search, profile.collection, area.search_geometry)
    reporter.progress(0, "Opening the catalogue")
    source = open_source(_catalog_location(search, profile), profile, access)
    checker = Checker(conditions)
    gathering = Gathering(source)
    items = _with_progress(source, conditions, gathering, reporter, percent_at_end)
    for candidate in gathering.read(items):
        if checker.accepts(candidate):
            gathering.take(candidate)
        if source.stops_at_limit and len(gathering.scenes) > search.limit:
            break
    if source.unfinished:
        reporter.warning(source.unfinished)
    gathering.check_any_complete()
    if not gathering.scenes:
        raise _nothing_found(source, conditions, checker, gathering)
    faults = [*source.dropped_unseen(conditions), *checker.faults()]
    dropped = [DroppedScenes(reason, count) for reason, count in faults]
    scenes = gathering.finish(dropped, reporter, search.limit)
    days = {scene.moment.date() for scene in gathering.scenes}
    begins, ends = _collections_period(source, conditions, days)
    return replace(scenes, collection_begins=begins, collection_ends=ends)


def _catalog_location(search: SceneSearch, profile: CollectionProfile) -> str:
    catalog = search.catalog.strip() or profile.catalog
    if not catalog:
        raise InvalidRequestError(
            f"The collection {profile.id} has no catalogue of its own; "
            "give the address or path of one as CATALOG."
        )
    return read_location(catalog)


def _with_progress(
    source: SearchedSource,
    conditions: Conditions,
    gathering: Gathering,
    reporter: Reporter,
    percent_at_end: float,
) -> Iterator[RawItem]:
    """The items of all batches, each batch told when it has come."""
    looked_at = 0
    for batch in source.batches(conditions):
        looked_at += len(batch)
        reporter.progress(
            source.share_done * percent_at_end,
            f"Searching: {looked_at} scenes looked at, {len(gathering.scenes)} found",
        )
        yield from batch


def _collections_period(
    source: SearchedSource, conditions: Conditions, days: Collection[date]
) -> tuple[date | None, date | None]:
    """When the collection begins and ends by its document.

    The document is asked for only where one end of the dates has no scene for long.
    """
    period = conditions.period
    longest = max(min(days) - period.start, period.end - max(days))
    if longest <= WITHOUT_SCENE_FOR_LONG:
        return None, None
    try:
        return told_period(source.collection(conditions.collection) or {})
    except CatalogError:
        return None, None


def _nothing_found(
    source: SearchedSource, conditions: Conditions, checker: Checker, gathering: Gathering
) -> FairweatherError:
    """The error that says best why nothing was found.

    What was not read may hold what is missed.
    """
    if unread := _unread(source):
        return CatalogError(f"Nothing was found, and not everything could be read: {unread}")
    try:
        if not checker.saw_any_there_and_then:
            _check_collection(source, conditions, checker)
        for candidate in gathering.read(source.more_items(conditions)):
            checker.accepts(candidate)
        checker.check_properties_exist(conditions.comparisons)
    except FairweatherError as error:
        return error
    return NoScenesError(nothing_found_sentence(conditions, checker.dropped))


def _unread(source: SearchedSource) -> str:
    """Why there may be more than was read; nothing if there is not."""
    if not source.unreadable:
        return source.unfinished
    count = count_of(len(source.unreadable), "document")
    return f"{count} of the catalogue left out; the first: {source.unreadable[0]}"


def _check_collection(source: SearchedSource, conditions: Conditions, checker: Checker) -> None:
    collection = source.collection(conditions.collection)
    if collection is not None:
        check_extent(collection, conditions)
        return
    names = source.collection_names() or sorted(checker.collections - {"None"})
    if not names or conditions.collection in names:
        return
    more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
    raise CatalogError(
        f"The catalogue {source.location} has no collection {conditions.collection}, "
        f"only {', '.join(names[:NAMES_SHOWN])}{more}; choose another COLLECTION or CATALOG."
    )
