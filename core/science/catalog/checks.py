"""The conditions of a search, each checked here whatever the server was sent."""

from __future__ import annotations

import difflib
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from typing import TYPE_CHECKING, Any

import shapely

from ...bridge.errors import InvalidRequestError
from ...bridge.request import SceneSearch
from ...bridge.scene_filter import Comparison, FilterValue, parse_filter
from .candidates import Candidate

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

CLOUD_COVER = "eo:cloud_cover"
NO_CLOUD_LIMIT = 100
# What a scene fails that is no scene of this place, or not of this time.
ELSEWHERE = frozenset({"COLLECTION", "AREA"})
ANOTHER_TIME = frozenset({"DATES"})
# Names that scenes use, kept for a message: no honest catalogue has more.
MOST_NAMES = 10_000
# Properties that the STAC specification and its extensions define as numbers.
NUMERIC_PROPERTIES = frozenset(
    {CLOUD_COVER, "eo:snow_cover", "gsd", "view:sun_azimuth", "view:sun_elevation"}
)


@dataclass(frozen=True)
class Condition:
    """One condition: the parameter it comes from, what fails it in words, and the check itself."""

    parameter: str
    fault: str
    holds: Callable[[Candidate], bool]


@dataclass(frozen=True)
class Sendable:
    """Comparisons that a server may check too, and why a scene that fails them is dropped."""

    reason: str
    comparisons: tuple[Comparison, ...]


@dataclass(frozen=True)
class Period:
    """Whole days in UTC, both included."""

    start: date
    end: date

    @property
    def first_moment(self) -> datetime:
        """The beginning of the first day."""
        return datetime.combine(self.start, time(), timezone.utc)

    @property
    def last_moment(self) -> datetime:
        """The end of the last day, which does not belong to it any more."""
        return datetime.combine(self.end, time(), timezone.utc) + timedelta(days=1)

    def contains(self, moment: datetime) -> bool:
        """Whether ``moment`` (with a time zone) lies in it."""
        return self.first_moment <= moment < self.last_moment

    def __str__(self) -> str:
        return f"between {self.start} and {self.end}"


@dataclass(frozen=True)
class Conditions:
    """What a search asks for, parsed: ``geometry`` is in EPSG:4326, ``months`` empty for all."""

    collection: str
    geometry: BaseGeometry
    period: Period
    months: tuple[int, ...]
    max_cloud: float
    comparisons: tuple[Comparison, ...]

    @property
    def has_cloud_limit(self) -> bool:
        """Whether MAX_CLOUD excludes anything at all."""
        return self.max_cloud < NO_CLOUD_LIMIT

    def checks(self) -> list[Condition]:
        """The conditions in the order in which a scene is told why it was dropped."""
        checks = [
            Condition("COLLECTION", "of another collection", self._is_in_collection),
            Condition("AREA", "outside the area of interest", self._touches_area),
            Condition("DATES", f"not {self.period}", self._is_in_period),
        ]
        if self.months:
            names = ",".join(map(str, self.months))
            checks.append(Condition("MONTHS", f"not in the months {names}", self._is_in_months))
        if self.has_cloud_limit:
            checks.append(Condition("MAX_CLOUD", self._cloud_fault, self._is_clear_enough))
        for comparison in self.comparisons:
            checks.append(Condition("FILTER", f"not {comparison}", _checker(comparison)))
        return checks

    def sendable(self) -> list[Sendable]:
        """The comparisons whose values have one certain type on any server.

        Servers order text by rules of their own and disagree on ``!=``, so neither is sent.
        """
        certain = tuple(one for one in self.comparisons if _is_certain(one))
        cloud = Comparison(CLOUD_COVER, "<", (FilterValue(f"{self.max_cloud!r}"),))
        groups = [
            Sendable(f"MAX_CLOUD: {self._cloud_fault}", (cloud,) if self.has_cloud_limit else ()),
            Sendable(f"FILTER: not {' and '.join(map(str, certain))}", certain),
        ]
        return [group for group in groups if group.comparisons]

    @property
    def _cloud_fault(self) -> str:
        return f"not below {self.max_cloud:g} % cloud"

    def _is_in_collection(self, candidate: Candidate) -> bool:
        return candidate.item.get("collection") in (None, self.collection)

    def _touches_area(self, candidate: Candidate) -> bool:
        return bool(shapely.intersects(self.geometry, candidate.footprint))

    def _is_in_period(self, candidate: Candidate) -> bool:
        return self.period.contains(candidate.moment)

    def _is_in_months(self, candidate: Candidate) -> bool:
        return candidate.moment.month in self.months

    def _is_clear_enough(self, candidate: Candidate) -> bool:
        cover = cloud_cover(candidate.properties)
        return cover is not None and cover < self.max_cloud


@dataclass(frozen=True, slots=True)
class DroppedScene:
    """A scene that was not taken: the parameters it fails, its UTC day and its cloud cover."""

    failed: frozenset[str]
    day: date
    cloud_cover: float | None


class Checker:
    """Checks candidates one by one, and remembers what it dropped and why (not the items)."""

    def __init__(self, conditions: Conditions) -> None:
        shapely.prepare(conditions.geometry)
        self._checks = conditions.checks()
        self._faults: Counter[tuple[str, str]] = Counter()
        # A million scenes fail in a few ways.
        self._failures: dict[frozenset[str], frozenset[str]] = {}
        self.collections: set[str] = set()
        self.properties: set[str] = set()
        self.dropped: list[DroppedScene] = []

    def accepts(self, candidate: Candidate) -> bool:
        """Whether ``candidate`` meets all conditions; if not, the first fault is counted."""
        faults = [check for check in self._checks if not check.holds(candidate)]
        failed = frozenset(fault.parameter for fault in faults)
        if len(self.collections) < MOST_NAMES:
            self.collections.add(str(candidate.item.get("collection")))
        if not failed & ELSEWHERE and len(self.properties) < MOST_NAMES:
            self.properties.update(
                name for name, value in candidate.properties.items() if value is not None
            )
        if faults:
            self._faults[faults[0].parameter, faults[0].fault] += 1
            cover = cloud_cover(candidate.properties)
            failed = self._failures.setdefault(failed, failed)
            self.dropped.append(DroppedScene(failed, candidate.moment.date(), cover))
        return not faults

    @property
    def saw_any_there_and_then(self) -> bool:
        """Whether any dropped scene is of the collection, the area and the dates at least."""
        return any(not one.failed & (ELSEWHERE | ANOTHER_TIME) for one in self.dropped)

    def faults(self) -> list[tuple[str, int]]:
        """Why scenes were dropped and how many, in the order of the checks."""
        keys = [(check.parameter, check.fault) for check in self._checks]
        return [
            (f"{parameter}: {fault}", self._faults[parameter, fault])
            for parameter, fault in dict.fromkeys(keys)
            if self._faults[parameter, fault]
        ]

    def check_properties_exist(self, comparisons: Iterable[Comparison]) -> None:
        """Check that FILTER names only properties that some scene of the area has.

        Raises:
            InvalidRequestError: a property that none has, though there are scenes.
        """
        for comparison in comparisons:
            if self.properties and comparison.property not in self.properties:
                raise InvalidRequestError(
                    f"FILTER: {comparison.property!r} is an unknown property, no scene has it; "
                    f"known are {_some_names(self.properties, comparison.property)}."
                )


def read_conditions(search: SceneSearch, collection: str, geometry: BaseGeometry) -> Conditions:
    """The conditions that ``search`` sets on items of the STAC ``collection``.

    Raises:
        InvalidRequestError: a date, START after END, a month, MAX_CLOUD, LIMIT or FILTER is wrong.
    """
    period = Period(_read_date(search.start, "START"), _read_date(search.end, "END"))
    if period.start > period.end:
        raise InvalidRequestError(
            f"START ({period.start}) is after END ({period.end}); exchange them."
        )
    wrong_months = [month for month in search.months if not 1 <= month <= 12]
    if wrong_months:
        raise InvalidRequestError(f"MONTHS: {wrong_months[0]} is no month; give 1 to 12.")
    if not 0 <= search.max_cloud <= NO_CLOUD_LIMIT:
        raise InvalidRequestError(
            f"MAX_CLOUD is {search.max_cloud:g}; give a percentage from 0 to 100 (no limit)."
        )
    if search.limit < 1:
        raise InvalidRequestError(f"LIMIT is {search.limit}; give a number of scenes from 1 on.")
    comparisons = parse_filter(search.filter)
    return Conditions(
        collection, geometry, period, search.months, float(search.max_cloud), comparisons
    )


def cloud_cover(properties: Mapping[str, Any]) -> float | None:
    """A scene's cloud cover in percent, if its properties name one."""
    cover = properties.get(CLOUD_COVER)
    if isinstance(cover, bool) or not isinstance(cover, (int, float)):
        return None
    try:
        return float(cover) if math.isfinite(cover) else None
    except OverflowError:
        return None


def _some_names(known: set[str], wanted: str) -> str:
    close = difflib.get_close_matches(wanted, sorted(known), n=3, cutoff=0.5)
    others = [name for name in sorted(known) if name not in close]
    names = [*close, *others][:12]
    return ", ".join(names) + (" and others" if len(known) > len(names) else "")


def _read_date(text: str, parameter: str) -> date:
    try:
        found = date.fromisoformat(text)
    except ValueError as error:
        raise InvalidRequestError(
            f"{parameter} {text[:40]!r} is no date; write it like 2023-08-31."
        ) from error
    if not date.min.year < found.year < date.max.year:
        raise InvalidRequestError(f"{parameter} {text} is in no year of a scene; give another.")
    return found


def _checker(comparison: Comparison) -> Callable[[Candidate], bool]:
    return lambda candidate: comparison.matches(candidate.properties)


def _is_certain(comparison: Comparison) -> bool:
    values = comparison.values
    if comparison.property in NUMERIC_PROPERTIES and comparison.operator in "<=>=":
        return all(value.is_number for value in values)
    if comparison.operator not in ("=", "in"):
        return False
    return all(_is_certain_text(value) for value in values)


def _is_certain_text(value: FilterValue) -> bool:
    if value.quoted:
        return True
    return not value.is_number and value.text.lower() not in ("true", "false")
