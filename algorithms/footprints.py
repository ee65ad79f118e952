"""The footprints that the worker found, as features with a fixed table of fields."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Dict, Iterator

from qgis.core import QgsFeature, QgsField, QgsFields, QgsGeometry, QgsPointXY
from qgis.PyQt.QtCore import QDate, QDateTime, Qt, QVariant

FIELD_TYPES = {
    "item_id": QVariant.String,
    "datetime": QVariant.DateTime,
    "solar_day": QVariant.Date,
    "collection": QVariant.String,
    "cloud_cover": QVariant.Double,
    "grid": QVariant.String,
    "platform": QVariant.String,
    "thumbnail": QVariant.String,
    "href": QVariant.String,
    "item": QVariant.String,
}


def footprint_fields() -> QgsFields:
    """The fields of a footprints layer."""
    fields = QgsFields()
    for name, kind in FIELD_TYPES.items():
        fields.append(QgsField(name, kind))
    return fields


def read_footprints(path: Path) -> Iterator[QgsFeature]:
    """A feature for each footprint in the worker's file, MultiPolygons in EPSG:4326.

    The worker writes one a line: 10,000 with their items would take QGIS a gigabyte at once.
    """
    fields = footprint_fields()
    with path.open(encoding="utf-8") as lines:
        next(lines)
        for line in lines:
            if not line.startswith("]"):
                yield _feature(json.loads(line.rstrip().rstrip(",")), fields)


def _feature(footprint: Dict[str, Any], fields: QgsFields) -> QgsFeature:
    feature = QgsFeature(fields)
    for name, kind in FIELD_TYPES.items():
        feature[name] = _attribute(footprint["properties"].get(name), kind)
    if footprint["geometry"]:
        feature.setGeometry(_multi_polygon(footprint["geometry"]))
    return feature


def _attribute(value: Any, kind: int) -> Any:
    """``value`` as the field's type; None is NULL."""
    if value is None:
        return None
    if kind == QVariant.DateTime:
        return QDateTime.fromString(value, Qt.DateFormat.ISODateWithMs)
    if kind == QVariant.Date:
        return QDate.fromString(value, Qt.DateFormat.ISODate)
    return float(value) if kind == QVariant.Double else str(value)


def _multi_polygon(geometry: Dict[str, Any]) -> QgsGeometry:
    polygons = geometry["coordinates"]
    if geometry["type"] == "Polygon":
        polygons = [polygons]
    return QgsGeometry.fromMultiPolygonXY(
        [[[QgsPointXY(*point[:2]) for point in ring] for ring in polygon] for polygon in polygons]
    )
