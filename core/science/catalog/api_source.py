"""A search in a STAC API: what is asked, and what is asked in addition when nothing is found."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ...bridge.errors import CatalogError
from ...bridge.scene_filter import Comparison
from .api import Question, QuestionRejectedError, StacApi
from .checks import Conditions
from .documents import Document
from .paging import UnfinishedError
from .source import RawItem, SearchedSource, title_of

if TYPE_CHECKING:
    from ..access.access import Access

PAGES_FOR_RELAXATIONS = 3


class ApiSource(SearchedSource):
    """One search in one API."""

    stops_at_limit = True

    def __init__(self, landing_page: Document, access: Access | None = None) -> None:
        super().__init__(landing_page.location, title_of(landing_page))
        self._api = StacApi(landing_page, access)
        self._sent: tuple[Comparison, ...] = ()
        self._matched: int | None = None
        self._answered = 0

    def batches(self, conditions: Conditions) -> Iterator[list[RawItem]]:
        """What the API answers; if it rejects the comparisons, they are not sent.

        Raises:
            CatalogError: it does not answer, answers with an error or with no STAC, or goes on
                and on.
        """
        question = _question(conditions)
        if self._api.understands_comparisons:
            groups = conditions.sendable()
            self._sent = tuple(itertools.chain(*(group.comparisons for group in groups)))
        try:
            yield from self._ask(replace(question, comparisons=self._sent))
        except QuestionRejectedError:
            if self._answered:
                raise
            self._sent = ()
            yield from self._ask(replace(question, in_order=False))

    def collection(self, name: str) -> dict[str, Any] | None:
        """The document of the collection ``name``, if the API has it."""
        return self._api.collection(name)

    def collection_names(self) -> list[str]:
        """The ids of its collections."""
        return self._api.collection_names()

    def dropped_unseen(self, conditions: Conditions) -> list[tuple[str, int]]:
        """How many scenes each parameter that was sent left out, if the API tells numbers."""
        if self._matched is None or not self._sent:
            return []
        question = _question(conditions)
        groups = conditions.sendable()
        before = self._api.count(question)
        dropped = []
        for number, group in enumerate(groups, start=1):
            question = replace(question, comparisons=question.comparisons + group.comparisons)
            is_last = number == len(groups)
            after = self._matched if is_last else self._api.count(question)
            if before is not None and after is not None and before > after:
                dropped.append((f"{group.reason} (told by the catalogue)", before - after))
            before = after
        return dropped

    def more_items(self, conditions: Conditions) -> Iterator[RawItem]:
        """Scenes of the place and time that meet less; if there are none, of any time."""
        question = _question(conditions)
        there = 0
        if self._sent:
            for item in self._some(question):
                there += 1
                yield item
        if not there and not self._answered:
            yield from self._some(replace(question, start=None, end=None))

    def _ask(self, question: Question) -> Iterator[list[RawItem]]:
        try:
            for page in self._api.pages(question):
                if self._matched is None:
                    self._matched = page.matched
                self._answered += len(page.items)
                self.share_done = self._answered / max(self._matched or 0, self._answered, 1)
                yield [(item, self.location) for item in page.items]
        except UnfinishedError as error:
            self.unfinished = str(error)

    def _some(self, question: Question) -> Iterator[RawItem]:
        with suppress(CatalogError):
            for page in itertools.islice(self._api.pages(question), PAGES_FOR_RELAXATIONS):
                for item in page.items:
                    yield item, self.location


def _question(conditions: Conditions) -> Question:
    period = conditions.period
    return Question(
        conditions.collection, conditions.geometry, period.first_moment, period.last_moment
    )
