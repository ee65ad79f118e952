"""How results look when they arrive in the project.

The stylers hold nothing of a run: they read from the layer what it is. The provider keeps them
alive until the layer is loaded, because QGIS itself does not.
"""

from __future__ import annotations

from typing import List, Tuple

from qgis.core import (
    QgsColorRampShader,
    QgsContrastEnhancement,
    QgsFillSymbol,
    QgsGradientColorRamp,
    QgsGradientStop,
    QgsGraduatedSymbolRenderer,
    QgsMapLayer,
    QgsMultiBandColorRenderer,
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingLayerPostProcessorInterface,
    QgsRasterLayer,
    QgsRasterRenderer,
    QgsRasterShader,
    QgsRectangle,
    QgsRendererRange,
    QgsSingleBandGrayRenderer,
    QgsSingleBandPseudoColorRenderer,
    QgsVectorLayer,
)
from qgis.PyQt.QtGui import QColor

from ..core.bridge.profiles import load_profiles

NATURAL_COLOUR = ("red", "green", "blue")
SAMPLE_PIXELS = 250_000  # enough for a stretch, read from the overviews
LOW_SHARE, HIGH_SHARE = 0.02, 0.98

# Viridis (by S. van der Walt and N. Smith, CC0): its order is seen without colour vision too.
VIRIDIS = ("#440154", "#414487", "#2a788e", "#22a884", "#7ad151", "#fde725")

# Cloud cover in percent up to …, from clear to covered; light is cloudy, as clouds are.
CLOUD_CLASSES = (
    (5, "#08519c"),
    (20, "#3182bd"),
    (40, "#6baed6"),
    (70, "#bdd7e7"),
    (100, "#f7f7f7"),
)
UNKNOWN_CLOUD = -1
FOOTPRINT_ALPHA = 90  # of 255: footprints lie on each other
CLOUD_EXPRESSION = f'coalesce("cloud_cover", {UNKNOWN_CLOUD})'

# What a catalogue says is escaped: a name is text, not HTML.
_ESCAPED = """replace({0}, map('&', '&amp;', '<', '&lt;', '>', '&gt;', '"', '&quot;'))"""
MAP_TIP = (
    "<b>[% " + _ESCAPED.format("coalesce(\"item_id\", '')") + " %]</b><br>"
    "[% format_date(\"datetime\", 'yyyy-MM-dd HH:mm') %] UTC, "
    "[% coalesce(round(\"cloud_cover\", 1) || ' % cloud', 'cloud cover not known') %]"
    '[% if(regexp_match("thumbnail", \'^https?://\') = 1, \'<br><img width="300" src="\' || '
    + _ESCAPED.format('"thumbnail"')
    + " || '\">', '') %]"
)


class FootprintStyler(QgsProcessingLayerPostProcessorInterface):
    """Footprints coloured by cloud cover, with the thumbnail as a map tip."""

    def postProcessLayer(
        self, layer: QgsMapLayer, _context: QgsProcessingContext, _feedback: QgsProcessingFeedback
    ) -> None:
        """Style ``layer``; QGIS calls it in the main thread."""
        if not isinstance(layer, QgsVectorLayer):
            return
        layer.setRenderer(footprint_renderer())
        layer.setDisplayExpression('"item_id"')
        layer.setMapTipTemplate(MAP_TIP)
        layer.triggerRepaint()


class CompositeStyler(QgsProcessingLayerPostProcessorInterface):
    """Natural colour for red, green, blue; a colour ramp for an index; grey for a lone band."""

    def postProcessLayer(
        self, layer: QgsMapLayer, _context: QgsProcessingContext, _feedback: QgsProcessingFeedback
    ) -> None:
        """Style ``layer``; QGIS calls it in the main thread."""
        if not isinstance(layer, QgsRasterLayer) or not layer.isValid():
            return
        layer.setRenderer(composite_renderer(layer))
        layer.triggerRepaint()


def footprint_renderer() -> QgsGraduatedSymbolRenderer:
    """Classes of cloud cover; scenes that do not tell it have one of their own."""
    ranges = [_cloud_range(UNKNOWN_CLOUD, UNKNOWN_CLOUD, "#e69f00", "not known")]
    lower = 0
    for upper, color in CLOUD_CLASSES:
        ranges.append(_cloud_range(lower, upper, color, f"{lower} – {upper} % cloud"))
        lower = upper
    return QgsGraduatedSymbolRenderer(CLOUD_EXPRESSION, ranges)


def composite_renderer(layer: QgsRasterLayer) -> QgsRasterRenderer:
    """The renderer that suits the bands of ``layer``, which are known by their descriptions."""
    names = band_names(layer)
    if set(NATURAL_COLOUR) <= set(names):
        return _color_renderer(layer, [names.index(name) + 1 for name in NATURAL_COLOUR])
    if len(names) >= 3 and all(map(_is_source_band, names[:3])):
        return _color_renderer(layer, [1, 2, 3])
    if _is_source_band(names[0]):
        return _grey_renderer(layer)
    return _ramp_renderer(layer)


def _is_source_band(name: str) -> bool:
    """Whether ``name`` is a band that some satellite measures, not something computed."""
    return any(name in profile.bands for profile in load_profiles().values())


def band_names(layer: QgsRasterLayer) -> List[str]:
    """The bands' descriptions, without the number that QGIS puts before each."""
    return [layer.bandName(band).split(": ")[-1] for band in range(1, layer.bandCount() + 1)]


def _cloud_range(lower: float, upper: float, color: str, label: str) -> QgsRendererRange:
    fill = QColor(color)
    fill.setAlpha(FOOTPRINT_ALPHA)
    symbol = QgsFillSymbol.createSimple(
        {
            "color": f"{fill.red()},{fill.green()},{fill.blue()},{fill.alpha()}",
            "outline_color": "37,52,73,200",
            "outline_width": "0.3",
        }
    )
    return QgsRendererRange(lower, upper, symbol, label)


def _color_renderer(layer: QgsRasterLayer, bands: List[int]) -> QgsMultiBandColorRenderer:
    """Three bands on one common stretch, so that the balance of their colours stays true."""
    renderer = QgsMultiBandColorRenderer(layer.dataProvider(), *bands)
    limits = [_stretch(layer, band) for band in bands]
    lowest = max(0.0, min(lower for lower, _ in limits))
    highest = max(upper for _, upper in limits)
    setters = (
        renderer.setRedContrastEnhancement,
        renderer.setGreenContrastEnhancement,
        renderer.setBlueContrastEnhancement,
    )
    for setter, band in zip(setters, bands):
        setter(_enhancement(layer, band, lowest, highest))
    return renderer


def _ramp_renderer(layer: QgsRasterLayer) -> QgsSingleBandPseudoColorRenderer:
    lowest, highest = _stretch(layer, 1)
    stops = [
        QgsGradientStop(position / (len(VIRIDIS) - 1), QColor(color))
        for position, color in enumerate(VIRIDIS)
    ]
    ramp = QgsGradientColorRamp(QColor(VIRIDIS[0]), QColor(VIRIDIS[-1]), False, stops[1:-1])
    function = QgsColorRampShader(lowest, highest, ramp)
    function.classifyColorRamp(len(VIRIDIS), 1, QgsRectangle(), layer.dataProvider())
    shader = QgsRasterShader(lowest, highest)
    shader.setRasterShaderFunction(function)
    renderer = QgsSingleBandPseudoColorRenderer(layer.dataProvider(), 1, shader)
    renderer.setClassificationMin(lowest)
    renderer.setClassificationMax(highest)
    return renderer


def _grey_renderer(layer: QgsRasterLayer) -> QgsSingleBandGrayRenderer:
    renderer = QgsSingleBandGrayRenderer(layer.dataProvider(), 1)
    renderer.setContrastEnhancement(_enhancement(layer, 1, *_stretch(layer, 1)))
    return renderer


def _stretch(layer: QgsRasterLayer, band: int) -> Tuple[float, float]:
    """The values between which all but the darkest and the brightest pixels lie."""
    lowest, highest = layer.dataProvider().cumulativeCut(
        band, LOW_SHARE, HIGH_SHARE, QgsRectangle(), SAMPLE_PIXELS
    )
    return (lowest, highest) if lowest < highest else (lowest, lowest + 1)


def _enhancement(
    layer: QgsRasterLayer, band: int, lowest: float, highest: float
) -> QgsContrastEnhancement:
    enhancement = QgsContrastEnhancement(layer.dataProvider().dataType(band))
    algorithm = QgsContrastEnhancement.ContrastEnhancementAlgorithm.StretchToMinimumMaximum
    enhancement.setContrastEnhancementAlgorithm(algorithm)
    enhancement.setMinimumValue(lowest)
    enhancement.setMaximumValue(highest)
    return enhancement
