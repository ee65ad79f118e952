"""The tables of a run, as CSV for the QGIS half: observations, series, and a line a site.

Times are ISO 8601 in UTC, and what has no value is empty. What a catalogue wrote becomes no formula
of a spreadsheet.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...bridge.plain_text import plain_cell
from .series import Observations, Series
from .sites import LocatedSite

OBSERVATION_FIELDS = (
    "site_id",
    "site",
    "index",
    "time",
    "value",
    "clear_pixels",
    "all_pixels",
    "item_ids",
)
SERIES_FIELDS = ("site_id", "site", "index", "time", "value", "interpolated", "smoothed")
SITE_FIELDS = ("site_id", "index", "count", "mean", "maximum", "maximum_date")


@dataclass(frozen=True)
class SiteIndex:
    """All that was observed of one index at one site.

    ``clear_pixels`` (days,) int64 and ``item_ids`` (days,) go with the observations' days;
    ``all_pixels`` is the site's number of pixels, 0 where no scene lies over it.
    """

    site: LocatedSite
    index: str
    observations: Observations
    clear_pixels: np.ndarray
    all_pixels: int
    item_ids: Sequence[str]


def write_table(path: Path, fields: Sequence[str], rows: Iterable[Sequence[object]]) -> int:
    """Write a table; the number of its rows."""
    count = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(fields)
        for row in rows:
            writer.writerow(row)
            count += 1
    return count


def observation_rows(found: Iterable[SiteIndex]) -> Iterator[tuple[object, ...]]:
    """A row a site, index and scene day; a site without a scene has one row without a time."""
    for one in found:
        start = (one.site.id, one.site.name, one.index)
        if one.observations.times.size == 0:
            yield (*start, "", "", 0, 0, "")
        days = zip(
            one.observations.times,
            one.observations.values,
            one.clear_pixels,
            one.item_ids,
            strict=True,
        )
        for time, value, clear, item_ids in days:
            yield (
                *start,
                _time(time),
                _number(value),
                int(clear),
                one.all_pixels,
                plain_cell(item_ids),
            )


def series_rows(found: Iterable[tuple[SiteIndex, Series]]) -> Iterator[tuple[object, ...]]:
    """A row a site, index and step; a site without a scene has one row without a time."""
    for one, series in found:
        start = (one.site.id, one.site.name, one.index)
        if series.times.size == 0:
            yield (*start, "", "", "", "")
        columns = (series.value, series.interpolated, series.smoothed)
        for number, time in enumerate(series.times):
            yield (*start, _time(time), *(_number(column[number]) for column in columns))


def site_rows(found: Iterable[SiteIndex]) -> Iterator[tuple[object, ...]]:
    """A row a site and index: its observations' count, mean, maximum and the maximum's date."""
    for one in found:
        values = one.observations.values
        if not np.isfinite(values).any():
            yield (one.site.id, one.index, 0, "", "", "")
            continue
        highest = int(np.nanargmax(values))
        yield (
            one.site.id,
            one.index,
            int(np.isfinite(values).sum()),
            _number(np.nanmean(values)),
            _number(values[highest]),
            str(one.observations.times[highest].astype("datetime64[D]")),
        )


def _time(time: np.datetime64) -> str:
    return f"{time.astype('datetime64[s]')}Z"


def _number(value: float) -> str:
    return repr(float(value)) if np.isfinite(value) else ""
