"""From what a source yields to the scenes that are handed on, however they were found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from ...bridge.errors import CatalogError
from ..words import count_of
from .candidates import Candidate, read_candidate
from .found import DroppedScenes, FoundScenes, to_items
from .source import RawItem, SearchedSource
from .twins import newest_of_twins

if TYPE_CHECKING:
    from ..reporter import Reporter

NAMES_SHOWN = 20


def read_candidates(
    items: Iterable[RawItem], malformed: list[str], ids: set[str]
) -> Iterator[Candidate]:
    """The items, each id once; what is no STAC item is left out, and why goes to ``malformed``.

    Items whose ids are in ``ids`` are passed over, and the ids of those yielded are added.
    """
    for item, document in items:
        try:
            candidate = read_candidate(item, document)
        except ValueError as error:
            name = item.get("id") if isinstance(item, dict) else None
            malformed.append(f"{name or 'one without an id'} ({error})")
            continue
        if candidate.id not in ids:
            ids.add(candidate.id)
            yield candidate


def finish(
    candidates: Iterable[Candidate],
    dropped: Sequence[DroppedScenes],
    source: SearchedSource,
    malformed: list[str],
    reporter: Reporter,
) -> FoundScenes:
    """The scenes found, without older twins; the log says what was dropped and left out.

    Raises:
        CatalogError: none of the candidates is a complete STAC item.
    """
    kept, older = newest_of_twins(candidates)
    if older:
        reason = "an older processing of the same acquisition, of which the newest counts"
        ids = tuple(twin.id for twin in older)
        dropped = [*dropped, DroppedScenes(reason, len(older), ids)]
    items = to_items(kept, malformed, reporter)
    if not items:
        raise CatalogError(
            f"None of the scenes of {source.location} is a complete STAC item; the first is "
            f"{malformed[0]}."
        )
    for one in dropped:
        reporter.message(f"{count_of(one.count, 'scene')} dropped: {one.reason}{_names(one.ids)}")
    if malformed:
        reporter.warning(
            f"{count_of(len(malformed), 'entry', 'entries')} of {source.location} left out, being "
            f"no complete STAC item; the first is {malformed[0]}."
        )
    if source.unreadable:
        reporter.warning(
            f"{count_of(len(source.unreadable), 'document')} of the catalogue left out, because it "
            f"could not be read; the first: {source.unreadable[0]}"
        )
    return FoundScenes(items, tuple(dropped), source.title, source.location)


def _names(ids: tuple[str, ...]) -> str:
    more = f" and {len(ids) - NAMES_SHOWN} more" if len(ids) > NAMES_SHOWN else ""
    return f" ({', '.join(ids[:NAMES_SHOWN])}{more})" if ids else ""
