"""The tables that the worker wrote, as rows for QGIS's sinks.

They are CSV files; times are ISO 8601 in UTC, and what has no value is empty and becomes NULL.
"""

from __future__ import annotations

import csv
from functools import lru_cache
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, List, Sequence

from qgis.core import QgsFeature, QgsField, QgsFields, QgsProcessingUtils
from qgis.PyQt.QtCore import QDate, QDateTime, Qt, QVariant

from .sites import DrawnSites

SERIES_TYPES = {
    "site_id": QVariant.LongLong,
    "site": QVariant.String,
    "index": QVariant.String,
    "time": QVariant.DateTime,
    "value": QVariant.Double,
    "interpolated": QVariant.Double,
    "smoothed": QVariant.Double,
}
OBSERVATION_TYPES = {
    "site_id": QVariant.LongLong,
    "site": QVariant.String,
    "index": QVariant.String,
    "time": QVariant.DateTime,
    "value": QVariant.Double,
    "clear_pixels": QVariant.LongLong,
    "all_pixels": QVariant.LongLong,
    "item_ids": QVariant.String,
}
STATISTIC_TYPES = {
    "count": QVariant.LongLong,
    "mean": QVariant.Double,
    "maximum": QVariant.Double,
    "maximum_date": QVariant.Date,
}
LABEL_TYPES = {"site_id": QVariant.LongLong, "site": QVariant.String}


def table_fields(types: Dict[str, int]) -> QgsFields:
    """Fields of the names and types."""
    fields = QgsFields()
    for name, kind in types.items():
        fields.append(QgsField(name, kind))
    return fields


def read_table(path: Path, types: Dict[str, int]) -> Iterator[QgsFeature]:
    """A feature without geometry for each row of the table at ``path``, one after the other."""
    for attributes in _read_rows(path, types):
        feature = QgsFeature()
        feature.setAttributes(attributes)
        yield feature


def site_fields(sites: DrawnSites, indices: Sequence[str]) -> QgsFields:
    """The sites' own fields, then the site's id and name, then four of each index.

    A name that is taken gets a number: ``site_2``.
    """
    types = dict(LABEL_TYPES)
    own = QgsProcessingUtils.combineFields(sites.fields, table_fields(types))
    statistics = QgsFields()
    for index in indices:
        for name, kind in STATISTIC_TYPES.items():
            statistics.append(QgsField(f"{index}_{name}", kind))
    return QgsProcessingUtils.combineFields(own, statistics)


def read_sites_with_statistics(path: Path, sites: DrawnSites) -> Iterator[QgsFeature]:
    """The sites' features with what the table at ``path`` says of each: a row a site and index."""
    types = {"site_id": QVariant.LongLong, "index": QVariant.String, **STATISTIC_TYPES}
    statistics: Dict[int, List[Any]] = {}
    for site_id, _index, *values in _read_rows(path, types):
        statistics.setdefault(site_id, []).extend(values)
    for drawn, name in zip(sites.features, sites.names):
        feature = QgsFeature(drawn)
        own = drawn.attributes()
        feature.setAttributes([*own, drawn.id(), name, *statistics[drawn.id()]])
        yield feature


def _read_rows(path: Path, types: Dict[str, int]) -> Iterator[List[Any]]:
    converters = [CONVERTERS[kind] for kind in types.values()]
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file)
        next(rows)
        for row in rows:
            yield [convert(text) if text else None for convert, text in zip(converters, row)]


@lru_cache(maxsize=4096)
def _date_time(text: str) -> QDateTime:
    """The sites of a run share most of their times."""
    return QDateTime.fromString(text, Qt.DateFormat.ISODateWithMs)


def _date(text: str) -> QDate:
    return QDate.fromString(text, Qt.DateFormat.ISODate)


CONVERTERS: Dict[int, Callable[[str], Any]] = {
    QVariant.LongLong: int,
    QVariant.String: str,
    QVariant.DateTime: _date_time,
    QVariant.Date: _date,
    QVariant.Double: float,
}
