"""From the raster layer of ALIGN to the request's pixel grid."""

from __future__ import annotations

import math

from qgis.core import QgsPoint, QgsRasterDataProvider, QgsRasterLayer

from ..core.bridge.errors import InvalidRequestError
from ..core.bridge.request import PixelGrid
from .area import crs_text

PIXEL_SHARE = 1e-6  # a grid that turns by less than this share of a pixel is straight


def grid_of_layer(layer: QgsRasterLayer) -> PixelGrid:
    """The grid of ``layer``'s pixels, its corner the upper left one.

    Raises:
        InvalidRequestError: the layer has no CRS or no straight grid of pixels.
    """
    name = layer.name()
    if not layer.crs().isValid():
        raise InvalidRequestError(
            f"ALIGN: the raster {name} has no CRS; set the layer's CRS first."
        )
    provider = layer.dataProvider()
    columns, rows = provider.xSize(), provider.ySize()
    if columns < 1 or rows < 1:
        raise InvalidRequestError(
            f"ALIGN: the raster {name} has no pixels of a fixed size; give a raster file."
        )
    _check_straight(layer)
    extent = layer.extent()
    return PixelGrid(
        crs=crs_text(layer.crs()),
        origin_x=extent.xMinimum(),
        origin_y=extent.yMaximum(),
        pixel_width=extent.width() / columns,
        pixel_height=extent.height() / rows,
    )


def _check_straight(layer: QgsRasterLayer) -> None:
    """Check the file's own grid: QGIS shows a rotated raster by a straight one of its making."""
    if layer.providerType() != "gdal":
        return
    to_layer = QgsRasterDataProvider.TransformType.TransformImageToLayer
    transform = layer.dataProvider().transformCoordinates
    corner, right, down = (
        transform(QgsPoint(column, row), to_layer) for column, row in ((0, 0), (1, 0), (0, 1))
    )
    if corner.isEmpty():
        raise InvalidRequestError(
            f"ALIGN: the raster {layer.name()} is not georeferenced; georeference it first."
        )
    pixel = math.hypot(right.x() - corner.x(), right.y() - corner.y())
    turn = max(abs(right.y() - corner.y()), abs(down.x() - corner.x()))
    if turn > PIXEL_SHARE * pixel:
        raise InvalidRequestError(
            f"ALIGN: the raster {layer.name()} is rotated; "
            "warp it to a north-up grid first (the algorithm Warp)."
        )
