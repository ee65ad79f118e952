"""From what a source yields to the scenes that are handed on, however they were found."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import pystac

from ...bridge.errors import CatalogError
from ..scene_tile import scene_tile
from ..web.addresses import is_remote
from ..words import count_of
from .candidates import Candidate, read_candidate
from .found import DroppedScenes, FoundScene, FoundScenes
from .hrefs import resolve_hrefs
from .item_store import ItemStore, StoredItems, to_item
from .source import MOST_ENTRIES, RawItem, SearchedSource
from .twins import newest_of_twins

if TYPE_CHECKING:
    from ..reporter import Reporter

NAMES_SHOWN = 20

# What pystac raises at what is no complete item.
NO_ITEM = (
    *(pystac.STACError, pystac.STACTypeError),
    *(KeyError, TypeError, ValueError, AttributeError, IndexError),
)


class Gathering:
    """The scenes of a search, as they are found.

    ``scenes`` is what is kept of each; ``ids`` are those of all entries that were seen. Of entries
    that are no complete item ``malformed`` is the number, and ``first_malformed`` why the first is
    none.
    """

    def __init__(self, source: SearchedSource) -> None:
        self._source = source
        self._entries = 0
        self.scenes: list[FoundScene] = []
        self.ids: set[str] = set()
        self.malformed = 0
        self.first_malformed = ""
        self._store = ItemStore()
        self._acquisitions: dict[tuple[str, str], tuple[str, str]] = {}
        self._assets_left_out = 0
        self._incomplete = 0

    def read(self, items: Iterable[RawItem]) -> Iterator[Candidate]:
        """The items, each id once; what is no STAC item is left out, and counted.

        Raises:
            CatalogError: there are more than any search needs.
        """
        for item, document in items:
            self._entries += 1
            if self._entries > MOST_ENTRIES:
                raise CatalogError(
                    f"The catalogue {self._source.location} answers with more than "
                    f"{MOST_ENTRIES:,} scenes; narrow the dates or the area, or use another "
                    "CATALOG."
                )
            try:
                candidate = read_candidate(item, document)
            except ValueError as error:
                name = item.get("id") if isinstance(item, dict) else None
                self._leave_out(name or "one without an id", error)
                continue
            if candidate.id not in self.ids:
                self.ids.add(candidate.id)
                yield candidate

    def take(self, candidate: Candidate) -> None:
        """Keep the scene, its item as it was published, but with absolute addresses.

        Assets whose address must not be read from such a catalogue are left out. What pystac does
        not take for an item is counted as malformed.
        """
        content, left_out = resolve_hrefs(candidate.item, candidate.document)
        # A server that leaves the version out means no other.
        content = {"type": "Feature", "stac_version": "1.0.0", **content}
        place = self._store.add(content)
        try:
            to_item(content)
        except NO_ITEM as error:
            self._leave_out(candidate.id, error)
            self._incomplete += 1
            return
        self._assets_left_out += left_out
        scene = FoundScene(candidate.id, candidate.moment, self._acquisition(candidate), place)
        self.scenes.append(scene)

    def finish(
        self,
        dropped: Sequence[DroppedScenes],
        reporter: Reporter,
        limit: int | None = None,
    ) -> FoundScenes:
        """The scenes found, without older twins; the log says what was dropped and left out.

        Of more than ``limit`` the earliest are taken.
        """
        self.check_any_complete()
        if limit is not None:
            self._keep_earliest(limit, reporter)
        kept, older = newest_of_twins(self.scenes, self._store)
        if older:
            reason = "an older processing of the same acquisition, of which the newest counts"
            ids = tuple(twin.id for twin in older)
            dropped = [*dropped, DroppedScenes(reason, len(older), ids)]
        self._tell(dropped, reporter)
        items = StoredItems(self._store, [scene.place for scene in kept])
        source = self._source
        documents = tuple(place for place in source.documents() if not is_remote(place))
        return FoundScenes(items, tuple(dropped), source.title, source.location, documents)

    def check_any_complete(self) -> None:
        """Check that, of what was to be taken, not everything had to be left out.

        Raises:
            CatalogError: none of the candidates is a complete STAC item.
        """
        if self._incomplete and not self.scenes:
            raise CatalogError(
                f"None of the scenes of {self._source.location} is a complete STAC item; the "
                f"first is {self.first_malformed}."
            )

    def _leave_out(self, name: Any, error: Exception) -> None:
        self.malformed += 1
        self.first_malformed = self.first_malformed or f"{str(name)[:200]} ({error})"

    def _acquisition(self, candidate: Candidate) -> tuple[str, str] | None:
        platform = candidate.properties.get("platform")
        tile = scene_tile(candidate.id, candidate.properties)
        if not platform or not tile:
            return None
        # Thousands of scenes share a few.
        acquisition = (str(platform).lower(), tile)
        return self._acquisitions.setdefault(acquisition, acquisition)

    def _keep_earliest(self, limit: int, reporter: Reporter) -> None:
        if len(self.scenes) <= limit:
            return
        reporter.warning(
            f"LIMIT is reached: there are more than {limit} scenes, of which {limit} are taken; "
            "raise LIMIT, or narrow the dates or the area."
        )
        self.scenes = sorted(self.scenes, key=lambda scene: scene.sort_key)[:limit]

    def _tell(self, dropped: Sequence[DroppedScenes], reporter: Reporter) -> None:
        source = self._source
        if self._assets_left_out:
            reporter.warning(
                f"{count_of(self._assets_left_out, 'asset')} left out, having an address that is "
                "neither http(s) nor cloud storage, or is a special path of GDAL, which a "
                "catalogue must not name."
            )
        for one in dropped:
            names = _names(one.ids)
            reporter.message(f"{count_of(one.count, 'scene')} dropped: {one.reason}{names}")
        if self.malformed:
            reporter.warning(
                f"{count_of(self.malformed, 'entry', 'entries')} of {source.location} left out, "
                f"being no complete STAC item; the first is {self.first_malformed}."
            )
        if source.unreadable:
            reporter.warning(
                f"{count_of(len(source.unreadable), 'document')} of the catalogue left out, "
                f"because it could not be read; the first: {source.unreadable[0]}"
            )


def _names(ids: tuple[str, ...]) -> str:
    more = f" and {len(ids) - NAMES_SHOWN} more" if len(ids) > NAMES_SHOWN else ""
    return f" ({', '.join(ids[:NAMES_SHOWN])}{more})" if ids else ""
