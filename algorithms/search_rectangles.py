"""Where to search for the scenes of many sites: rectangles around neighbours.

One rectangle around all sites would find the scenes of everything between two distant ones.
"""

from __future__ import annotations

import json
import math
from typing import Dict, List, Sequence, Tuple

from qgis.core import (
    Qgis,
    QgsCoordinateReferenceSystem,
    QgsCoordinateTransform,
    QgsCoordinateTransformContext,
    QgsCsException,
    QgsGeometry,
    QgsPointXY,
    QgsRectangle,
)

from ..core.bridge.errors import InvalidRequestError
from ..core.bridge.request import Area
from .area import COORDINATE_DIGITS, DEFAULT_CRS

CELL_DEGREES = 1.0
# How much a rectangle grows, in degrees or in the CRS's unit: a point needs an area.
GROWTH_DEGREES = 0.0001
GROWTH = 10.0


def search_area(
    shapes: Sequence[QgsGeometry],
    crs: QgsCoordinateReferenceSystem,
    transforms: QgsCoordinateTransformContext,
    parameter: str,
) -> Area:
    """The rectangles in EPSG:4326 around the shapes of each cell of one by one degree.

    ``parameter`` is the parameter's name for messages.

    Raises:
        InvalidRequestError: a shape lies where its CRS is not defined.
    """
    to_degrees = QgsCoordinateTransform(crs, QgsCoordinateReferenceSystem(DEFAULT_CRS), transforms)
    growth = GROWTH_DEGREES if crs.isGeographic() else GROWTH
    try:
        cells = _rectangles_of_cells(shapes, to_degrees)
        rectangles = [
            part
            for rectangle in cells.values()
            for part in _in_degrees(rectangle.buffered(growth), to_degrees)
        ]
    except (QgsCsException, ValueError) as error:
        raise InvalidRequestError(
            f"{parameter}: a site lies where the CRS {crs.userFriendlyIdentifier()} is not "
            "defined; check its coordinates and the CRS."
        ) from error
    merged = QgsGeometry.unaryUnion([QgsGeometry.fromRect(part) for part in rectangles])
    return Area(DEFAULT_CRS, json.loads(merged.asJson(COORDINATE_DIGITS)))


def _rectangles_of_cells(
    shapes: Sequence[QgsGeometry], to_degrees: QgsCoordinateTransform
) -> Dict[Tuple[int, int], QgsRectangle]:
    """The rectangle around all shapes whose centre is in a cell, in the shapes' CRS."""
    cells: Dict[Tuple[int, int], QgsRectangle] = {}
    for shape in shapes:
        rectangle = shape.boundingBox()
        cell = _cell(to_degrees.transform(rectangle.center()))
        if cell in cells:
            cells[cell].combineExtentWith(rectangle)
        else:
            cells[cell] = QgsRectangle(rectangle)
    return cells


def _cell(centre: QgsPointXY) -> Tuple[int, int]:
    # Not a number has no floor, and infinity none either: what is raised says where it lies.
    if abs(centre.y()) > 90:
        raise ValueError("no latitude")
    return math.floor(centre.x() / CELL_DEGREES), math.floor(centre.y() / CELL_DEGREES)


def _in_degrees(rectangle: QgsRectangle, to_degrees: QgsCoordinateTransform) -> List[QgsRectangle]:
    """The rectangle around ``rectangle`` in EPSG:4326; two where it crosses 180 degrees."""
    forward = Qgis.TransformDirection.Forward
    found = to_degrees.transformBoundingBox(rectangle, forward, True)
    west, south, east, north = (
        found.xMinimum(),
        found.yMinimum(),
        found.xMaximum(),
        found.yMaximum(),
    )
    if not found.isFinite():
        raise ValueError("not finite")
    if west <= east:
        return [found]
    return [QgsRectangle(west, south, 180, north), QgsRectangle(-180, south, east, north)]
