"""The search for scenes: one way for APIs, static catalogues and files of items."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

from ...bridge.errors import CatalogError, FairweatherError, InvalidRequestError, NoScenesError
from ...bridge.profiles import CollectionProfile
from ...bridge.request import SceneSearch
from ..area import AreaOfInterest
from .candidates import Candidate
from .checks import Checker, Conditions, read_conditions
from .extent import check_extent, told_period
from .found import DroppedScenes, FoundScenes
from .gathering import finish, read_candidates
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
        CatalogError: the catalogue cannot be read or has no such collection.
        AccessError: the catalogue wants keys, or other ones.
        NoScenesError: nothing meets the conditions; the message says what would find some.
    """
    if search.scenes:
        return scenes_given(search.scenes, profile, area, reporter, access)
    conditions = read_conditions(search, profile.collection, area.search_geometry)
    reporter.progress(0, "Opening the catalogue")
    source = open_source(_catalog_location(search, profile), profile, access)
    checker = Checker(conditions)
    malformed: list[str] = []
    ids: set[str] = set()
    found: list[Candidate] = []
    items = _with_progress(source, conditions, found, reporter, percent_at_end)
    for candidate in read_candidates(items, malformed, ids):
        if checker.accepts(candidate):
            found.append(candidate)
        if source.stops_at_limit and len(found) > search.limit:
            break
    if not found:
        raise _nothing_found(source, conditions, checker, ids)
    faults = [*source.dropped_unseen(conditions), *checker.faults()]
    dropped = [DroppedScenes(reason, count) for reason, count in faults]
    found = _up_to_limit(found, search.limit, reporter)
    begins, ends = _collections_period(source, conditions, found)
    scenes = finish(found, dropped, source, malformed, reporter)
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
    found: list[Candidate],
    reporter: Reporter,
    percent_at_end: float,
) -> Iterator[RawItem]:
    """The items of all batches, each batch told when it has come."""
    looked_at = 0
    for batch in source.batches(conditions):
        looked_at += len(batch)
        reporter.progress(
            source.share_done * percent_at_end,
            f"Searching: {looked_at} scenes looked at, {len(found)} found",
        )
        yield from batch


def _up_to_limit(found: list[Candidate], limit: int, reporter: Reporter) -> list[Candidate]:
    if len(found) <= limit:
        return found
    reporter.warning(
        f"LIMIT is reached: there are more than {limit} scenes, of which {limit} are taken; "
        "raise LIMIT, or narrow the dates or the area."
    )
    return sorted(found, key=lambda candidate: candidate.sort_key)[:limit]


def _collections_period(
    source: SearchedSource, conditions: Conditions, found: list[Candidate]
) -> tuple[date | None, date | None]:
    """When the collection begins and ends by its document.

    The document is asked for only where one end of the dates has no scene for long.
    """
    days = [candidate.moment.date() for candidate in found]
    period = conditions.period
    longest = max(min(days) - period.start, period.end - max(days))
    if longest <= WITHOUT_SCENE_FOR_LONG:
        return None, None
    try:
        return told_period(source.collection(conditions.collection) or {})
    except CatalogError:
        return None, None


def _nothing_found(
    source: SearchedSource, conditions: Conditions, checker: Checker, ids: set[str]
) -> FairweatherError:
    """The error that says best why nothing was found."""
    try:
        if not checker.saw_any_there_and_then:
            _check_collection(source, conditions, checker)
        for candidate in read_candidates(source.more_items(conditions), [], ids):
            checker.accepts(candidate)
        checker.check_properties_exist(conditions.comparisons)
    except FairweatherError as error:
        return error
    return NoScenesError(nothing_found_sentence(conditions, checker.dropped))


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
