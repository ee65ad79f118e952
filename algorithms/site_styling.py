"""How sites look when they arrive in the project: coloured by the mean of their first index."""

from __future__ import annotations

from typing import List, Tuple

from qgis.core import (
    QgsGradientColorRamp,
    QgsGradientStop,
    QgsGraduatedSymbolRenderer,
    QgsMapLayer,
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingLayerPostProcessorInterface,
    QgsRendererRange,
    QgsSymbol,
    QgsVectorLayer,
)
from qgis.PyQt.QtGui import QColor

from .styling import VIRIDIS

CLASSES = 5
NO_VALUE = -1e9  # far below every index: sites without an observation are a class of their own
NO_VALUE_COLOR = "#bdbdbd"


class SiteStyler(QgsProcessingLayerPostProcessorInterface):
    """Classes of the values in one field, from dark (low) to light (high)."""

    def __init__(self, field: str) -> None:
        super().__init__()
        self._field = field

    def postProcessLayer(
        self, layer: QgsMapLayer, _context: QgsProcessingContext, _feedback: QgsProcessingFeedback
    ) -> None:
        """Style ``layer``; QGIS calls it in the main thread."""
        # A format may have shortened the field's name (a shapefile does); then QGIS's own style.
        if not isinstance(layer, QgsVectorLayer) or layer.fields().lookupField(self._field) < 0:
            return
        layer.setRenderer(site_renderer(layer, self._field))
        layer.triggerRepaint()


def site_renderer(layer: QgsVectorLayer, field: str) -> QgsGraduatedSymbolRenderer:
    """Classes of equal width from the lowest to the highest value in ``field``."""
    ranges = [_range(layer, NO_VALUE, NO_VALUE, NO_VALUE_COLOR, "no observation")]
    limits = _limits(layer, field)
    ramp = QgsGradientColorRamp(
        QColor(VIRIDIS[0]),
        QColor(VIRIDIS[-1]),
        False,
        [
            QgsGradientStop(position / (len(VIRIDIS) - 1), QColor(color))
            for position, color in enumerate(VIRIDIS[1:-1], start=1)
        ],
    )
    last = max(1, len(limits) - 1)
    for number, (lower, upper) in enumerate(limits):
        color = ramp.color(number / last).name()
        ranges.append(_range(layer, lower, upper, color, f"{lower:.3g} – {upper:.3g}"))
    return QgsGraduatedSymbolRenderer(f'coalesce("{field}", {NO_VALUE:.0f})', ranges)


def _limits(layer: QgsVectorLayer, field: str) -> List[Tuple[float, float]]:
    """The classes' limits; none where no site has a value, one where all have the same."""
    position = layer.fields().lookupField(field)
    lowest, highest = layer.minimumValue(position), layer.maximumValue(position)
    if not isinstance(lowest, float) or not isinstance(highest, float):
        return []
    if lowest == highest:
        return [(lowest, highest)]
    width = (highest - lowest) / CLASSES
    steps = [lowest + number * width for number in range(CLASSES)] + [highest]
    return list(zip(steps, steps[1:]))


def _range(
    layer: QgsVectorLayer, lower: float, upper: float, color: str, label: str
) -> QgsRendererRange:
    symbol = QgsSymbol.defaultSymbol(layer.geometryType())
    symbol.setColor(QColor(color))
    return QgsRendererRange(lower, upper, symbol, label)
