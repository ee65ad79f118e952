"""From the parameters AOI and EXTENT to the request's area of interest."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Tuple

from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsFeatureRequest,
    QgsGeometry,
    QgsProcessingAlgorithm,
    QgsProcessingContext,
    QgsProcessingFeatureSource,
    QgsRectangle,
    QgsWkbTypes,
)

from ..core.bridge.errors import InvalidRequestError
from ..core.bridge.request import Area

AOI = "AOI"
EXTENT = "EXTENT"
DEFAULT_CRS = "EPSG:4326"
DEGREES_AROUND = 360
COORDINATE_DIGITS = 17  # what a double needs to come back unchanged


def check_area(
    algorithm: QgsProcessingAlgorithm,
    parameters: Dict[str, Any],
    context: QgsProcessingContext,
) -> None:
    """Check that there is an AOI, or an EXTENT that is a rectangle; AOI's features are not read."""
    if parameters.get(AOI) not in (None, ""):
        return
    if parameters.get(EXTENT) in (None, ""):
        raise InvalidRequestError("Give an area of interest: a polygon layer as AOI, or an EXTENT.")
    _area_of_extent(algorithm, parameters, context)


@dataclass(frozen=True)
class DrawnArea:
    """The area as it was given: polygons in ``crs``, not merged yet."""

    name: str
    crs: str
    polygons: Tuple[QgsGeometry, ...]
    is_extent: bool = False

    def merged(self) -> Area:
        """The request's area; with many polygons this takes seconds.

        A single polygon is passed on as it is, invalid or not: the worker repairs it and says so.

        Raises:
            InvalidRequestError: the polygons cover no area or cannot be merged.
        """
        geometry = self.polygons[0] if len(self.polygons) == 1 else _merge(self.polygons)
        if geometry.isEmpty():
            raise InvalidRequestError(
                f"AOI: {self.name} covers no area; give a layer with polygons in it."
            )
        content = json.loads(geometry.asJson(COORDINATE_DIGITS))
        return Area(self.crs, content, self.is_extent)


def read_area(
    algorithm: QgsProcessingAlgorithm,
    parameters: Dict[str, Any],
    context: QgsProcessingContext,
) -> DrawnArea:
    """The area of interest; AOI wins over EXTENT.

    Raises:
        InvalidRequestError: neither is given, there is no CRS, no feature, or something else than
            polygons.
    """
    check_area(algorithm, parameters, context)
    if parameters.get(AOI) in (None, ""):
        return _area_of_extent(algorithm, parameters, context)
    source = algorithm.parameterAsSource(parameters, AOI, context)
    name = source.sourceName()
    if source.wkbType() == QgsWkbTypes.Type.NoGeometry:
        raise InvalidRequestError(f"AOI: {name} is a table without polygons; give a polygon layer.")
    polygons = _read_polygons(source)
    if not source.sourceCrs().isValid():
        raise InvalidRequestError(f"AOI: {name} has no CRS; set the layer's CRS first.")
    return DrawnArea(name, crs_text(source.sourceCrs()), tuple(polygons))


def crs_text(crs: QgsCoordinateReferenceSystem) -> str:
    """``crs`` as an authority's code, else as WKT 2: a user's own codes mean nothing elsewhere."""
    authority_code = crs.authid()
    if authority_code and not authority_code.upper().startswith("USER:"):
        return authority_code
    return crs.toWkt(QgsCoordinateReferenceSystem.WktVariant.WKT_PREFERRED)


def _area_of_extent(
    algorithm: QgsProcessingAlgorithm,
    parameters: Dict[str, Any],
    context: QgsProcessingContext,
) -> DrawnArea:
    rectangle = algorithm.parameterAsExtent(parameters, EXTENT, context)
    if rectangle.isNull() or rectangle.isEmpty() or not rectangle.isFinite():
        raise InvalidRequestError(
            f"EXTENT: {parameters[EXTENT]!s} is no rectangle; give xmin,xmax,ymin,ymax [EPSG:4326]."
        )
    crs = algorithm.parameterAsExtentCrs(parameters, EXTENT, context)
    if not crs.isValid() and "[" in str(parameters[EXTENT]):
        raise InvalidRequestError(
            f"EXTENT: the CRS in {parameters[EXTENT]!s} is not known; "
            "write it as [EPSG:4326], for example."
        )
    crs = crs if crs.isValid() else QgsCoordinateReferenceSystem(DEFAULT_CRS)
    if crs.isGeographic() and _goes_from_east_to_west(parameters[EXTENT]):
        # Across 180 degrees, which QGIS turns into the rectangle around all the rest.
        west, east = rectangle.xMaximum(), rectangle.xMinimum() + DEGREES_AROUND
        rectangle = QgsRectangle(west, rectangle.yMinimum(), east, rectangle.yMaximum())
    return DrawnArea(
        name=EXTENT,
        crs=crs_text(crs),
        polygons=(QgsGeometry.fromRect(rectangle),),
        is_extent=True,
    )


def _goes_from_east_to_west(extent: Any) -> bool:
    """Whether an extent is written as ``179,-179,-17,-16``, its western end first."""
    if not isinstance(extent, str):
        return False
    try:
        west, east, _, _ = (float(number) for number in extent.split("[")[0].split(","))
    except ValueError:
        return False
    return west > east


def _read_polygons(source: QgsProcessingFeatureSource) -> List[QgsGeometry]:
    """The flat polygons of all features; a feature without geometry is left out."""
    request = QgsFeatureRequest()
    request.setNoAttributes()
    # The worker repairs; QGIS's own check, the default, may end Python in the middle of this loop.
    unchecked = QgsProcessingFeatureSource.FlagSkipGeometryValidityChecks
    polygons = []
    for feature in source.getFeatures(request, unchecked):
        geometry = flat_geometry(feature.geometry())
        if geometry is None:
            continue
        if geometry.type() != QgsWkbTypes.GeometryType.PolygonGeometry:
            raise InvalidRequestError(
                f"AOI: {source.sourceName()} holds points or lines; give a polygon layer "
                "(the algorithm Buffer makes one)."
            )
        polygons.append(geometry)
    if not polygons:
        raise InvalidRequestError(
            f"AOI: {source.sourceName()} has no polygon (or none is selected); "
            "give a layer with polygons in it."
        )
    return polygons


def flat_geometry(geometry: QgsGeometry) -> Optional[QgsGeometry]:
    """``geometry`` with straight edges and without heights; None where there is nothing."""
    if geometry.isNull() or geometry.isEmpty():
        return None
    shape = geometry.constGet().segmentize()
    shape.dropZValue()
    shape.dropMValue()
    return QgsGeometry(shape)


def _merge(geometries: Tuple[QgsGeometry, ...]) -> QgsGeometry:
    """One geometry of all polygons; a union needs valid ones."""
    valid = [
        geometry if geometry.isGeosValid() else geometry.makeValid() for geometry in geometries
    ]
    merged = QgsGeometry.unaryUnion(valid)
    if merged.isNull():
        raise InvalidRequestError(
            "AOI: the polygons cannot be merged; run the algorithm Fix geometries on the layer."
        )
    merged.convertGeometryCollectionToSubclass(QgsWkbTypes.GeometryType.PolygonGeometry)
    return merged
