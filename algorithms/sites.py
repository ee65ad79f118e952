"""From the parameters SITES, POINT and NAME_FIELD to the request's sites."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Tuple

from qgis.core import (
    NULL,
    QgsCoordinateReferenceSystem,
    QgsFeature,
    QgsFeatureRequest,
    QgsFields,
    QgsGeometry,
    QgsPointXY,
    QgsProcessingAlgorithm,
    QgsProcessingContext,
    QgsProcessingFeatureSource,
    QgsProcessingFeedback,
    QgsWkbTypes,
)
from qgis.PyQt.QtCore import QDate, QDateTime, Qt, QTime

from ..core.bridge.errors import InvalidRequestError
from ..core.bridge.request import Area, Site
from .area import DEFAULT_CRS, crs_text, flat_geometry
from .search_rectangles import search_area

SITES = "SITES"
POINT = "POINT"
NAME_FIELD = "NAME_FIELD"
MOST_SITES = 10_000
ID_OF_POINT = 1
SITE_GEOMETRIES = (
    QgsWkbTypes.GeometryType.PointGeometry,
    QgsWkbTypes.GeometryType.PolygonGeometry,
)


WRONG_GEOMETRY = (
    "SITES: {name} holds lines or mixed geometries; give a layer of points or polygons (the "
    "algorithm Buffer makes polygons of lines)."
)


@dataclass(frozen=True)
class DrawnSites:
    """The sites as they were given: ``features`` with ``fields``, geometries in ``crs``.

    ``names`` and ``shapes`` go with the features; a shape is the geometry that is measured, flat
    and without curves. ``area`` is what is searched.
    """

    crs: QgsCoordinateReferenceSystem
    fields: QgsFields
    wkb_type: Any
    features: Tuple[QgsFeature, ...]
    names: Tuple[str, ...]
    shapes: Tuple[QgsGeometry, ...]
    area: Area

    @property
    def crs_text(self) -> str:
        """The CRS as a request has it."""
        return crs_text(self.crs)

    def for_request(self) -> Tuple[Site, ...]:
        """The sites as a request has them."""
        return tuple(
            Site(feature.id(), name, _geojson(shape))
            for feature, name, shape in zip(self.features, self.names, self.shapes)
        )


def check_sites(
    algorithm: QgsProcessingAlgorithm, parameters: Dict[str, Any], context: QgsProcessingContext
) -> None:
    """Check that there are SITES, with the field NAME_FIELD, or a POINT; features are not read.

    Raises:
        InvalidRequestError: neither is given, NAME_FIELD is not known, or POINT is no point.
    """
    if parameters.get(SITES) not in (None, ""):
        source = algorithm.parameterAsSource(parameters, SITES, context)
        _check_source(source)
        _name_position(algorithm, parameters, context, source)
    elif parameters.get(POINT) not in (None, ""):
        _read_point(algorithm, parameters, context)
    else:
        raise InvalidRequestError(
            "Give the sites: a layer of points or polygons as SITES, or a POINT."
        )


def read_sites(
    algorithm: QgsProcessingAlgorithm,
    parameters: Dict[str, Any],
    context: QgsProcessingContext,
    feedback: QgsProcessingFeedback,
) -> DrawnSites:
    """The sites; SITES wins over POINT. A feature without geometry is left out with a warning.

    Raises:
        InvalidRequestError: as ``check_sites``; or SITES has no CRS, no feature, more than
            ``MOST_SITES``, or something else than points and polygons.
    """
    check_sites(algorithm, parameters, context)
    if parameters.get(SITES) in (None, ""):
        return _site_of_point(algorithm, parameters, context)
    source = algorithm.parameterAsSource(parameters, SITES, context)
    features, shapes = _read_features(source, feedback)
    position = _name_position(algorithm, parameters, context, source)
    return DrawnSites(
        crs=source.sourceCrs(),
        fields=source.fields(),
        wkb_type=source.wkbType(),
        features=tuple(features),
        names=tuple(_site_name(feature, position) for feature in features),
        shapes=tuple(shapes),
        area=search_area(shapes, source.sourceCrs(), context.transformContext(), SITES),
    )


def _check_source(source: QgsProcessingFeatureSource) -> None:
    name = source.sourceName()
    if source.wkbType() == QgsWkbTypes.Type.NoGeometry:
        raise InvalidRequestError(
            f"SITES: {name} is a table without geometry; give a layer of points or polygons."
        )
    # A layer whose type is not known may hold anything: its features tell.
    if source.wkbType() != QgsWkbTypes.Type.Unknown and not _holds_sites(source.wkbType()):
        raise InvalidRequestError(WRONG_GEOMETRY.format(name=name))
    if not source.sourceCrs().isValid():
        raise InvalidRequestError(f"SITES: {name} has no CRS; set the layer's CRS first.")


def _holds_sites(wkb_type: Any) -> bool:
    return QgsWkbTypes.geometryType(wkb_type) in SITE_GEOMETRIES


def _name_position(
    algorithm: QgsProcessingAlgorithm,
    parameters: Dict[str, Any],
    context: QgsProcessingContext,
    source: QgsProcessingFeatureSource,
) -> Optional[int]:
    """Where in a feature's attributes the name is; None where the id is the name."""
    name = algorithm.parameterAsString(parameters, NAME_FIELD, context)
    if not name:
        return None
    position = int(source.fields().lookupField(name))
    if position < 0:
        known = ", ".join(source.fields().names()) or "none"
        raise InvalidRequestError(
            f"NAME_FIELD: {source.sourceName()} has no field {name!r}; its fields are: {known}."
        )
    return position


def _read_features(
    source: QgsProcessingFeatureSource, feedback: QgsProcessingFeedback
) -> Tuple[List[QgsFeature], List[QgsGeometry]]:
    """The features with a geometry, and what is measured of each."""
    features, shapes, empty = [], [], 0
    # The worker repairs; QGIS's own check, the default, may end Python in the middle of this loop.
    unchecked = QgsProcessingFeatureSource.FlagSkipGeometryValidityChecks
    for feature in source.getFeatures(QgsFeatureRequest(), unchecked):
        shape = flat_geometry(feature.geometry())
        if shape is None:
            empty += 1
            continue
        if not _holds_sites(shape.wkbType()):
            raise InvalidRequestError(WRONG_GEOMETRY.format(name=source.sourceName()))
        features.append(feature)
        shapes.append(shape)
        if len(features) > MOST_SITES:
            raise InvalidRequestError(
                f"SITES: {source.sourceName()} has more than {MOST_SITES:,} features; "
                "select some and run on the selected ones."
            )
    if not features:
        raise InvalidRequestError(
            f"SITES: {source.sourceName()} has no point and no polygon (or none is selected); "
            "give a layer with sites in it."
        )
    if empty:
        feedback.pushWarning(f"Features without a geometry, which are left out: {empty}.")
    return features, shapes


def _site_name(feature: QgsFeature, position: Optional[int]) -> str:
    """The value at ``position`` as a text, else the feature's id."""
    value = None if position is None else feature.attributes()[position]
    if value is None or value == NULL:
        return str(feature.id())
    if isinstance(value, (QDate, QDateTime, QTime)):
        return str(value.toString(Qt.DateFormat.ISODate))
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip() or str(feature.id())


def _site_of_point(
    algorithm: QgsProcessingAlgorithm, parameters: Dict[str, Any], context: QgsProcessingContext
) -> DrawnSites:
    point, crs = _read_point(algorithm, parameters, context)
    feature = QgsFeature(QgsFields(), ID_OF_POINT)
    feature.setGeometry(QgsGeometry.fromPointXY(point))
    shapes = (feature.geometry(),)
    return DrawnSites(
        crs=crs,
        fields=QgsFields(),
        wkb_type=QgsWkbTypes.Type.Point,
        features=(feature,),
        names=(str(ID_OF_POINT),),
        shapes=shapes,
        area=search_area(shapes, crs, context.transformContext(), POINT),
    )


def _read_point(
    algorithm: QgsProcessingAlgorithm, parameters: Dict[str, Any], context: QgsProcessingContext
) -> Tuple[QgsPointXY, QgsCoordinateReferenceSystem]:
    """POINT in its own CRS, else the project's, else ``DEFAULT_CRS``."""
    point = algorithm.parameterAsPoint(parameters, POINT, context)
    if point.isEmpty() or not math.isfinite(point.x()) or not math.isfinite(point.y()):
        raise InvalidRequestError(
            f"POINT: {parameters[POINT]!s} is no point; give x,y [EPSG:4326]."
        )
    crs = algorithm.parameterAsPointCrs(parameters, POINT, context)
    if not crs.isValid() and "[" in str(parameters[POINT]):
        raise InvalidRequestError(
            f"POINT: the CRS in {parameters[POINT]!s} is not known; "
            "write it as [EPSG:4326], for example."
        )
    return point, crs if crs.isValid() else QgsCoordinateReferenceSystem(DEFAULT_CRS)


def _geojson(shape: QgsGeometry) -> Dict[str, Any]:
    """``shape`` as GeoJSON with every digit; QGIS's own writer rounds."""
    is_multi = shape.isMultipart()
    if shape.type() == QgsWkbTypes.GeometryType.PointGeometry:
        if is_multi:
            points = [_position(point) for point in shape.asMultiPoint()]
            return {"type": "MultiPoint", "coordinates": points}
        return {"type": "Point", "coordinates": _position(shape.asPoint())}
    if is_multi:
        polygons = [_rings(polygon) for polygon in shape.asMultiPolygon()]
        return {"type": "MultiPolygon", "coordinates": polygons}
    return {"type": "Polygon", "coordinates": _rings(shape.asPolygon())}


def _rings(polygon: List[List[QgsPointXY]]) -> List[List[List[float]]]:
    return [[_position(point) for point in ring] for ring in polygon]


def _position(point: QgsPointXY) -> List[float]:
    return [point.x(), point.y()]
