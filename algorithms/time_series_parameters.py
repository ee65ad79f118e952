"""The parameters of ``timeseries``, in the order of the dialog."""

from __future__ import annotations

from typing import List

from qgis.core import (
    QgsProcessing,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterEnum,
    QgsProcessingParameterFeatureSink,
    QgsProcessingParameterFeatureSource,
    QgsProcessingParameterField,
    QgsProcessingParameterFileDestination,
    QgsProcessingParameterNumber,
    QgsProcessingParameterPoint,
    QgsProcessingParameterString,
)

from ..core.bridge.indices import OFTEN_USED
from ..core.bridge.series_recipe import FILLS, LARGEST_PENALTY, SMOOTHS, STATISTICS, SeriesRecipe
from .authentication import auth_parameter
from .mask_parameters import mask_parameters
from .on_error import on_error_parameter
from .parameters import (
    cluster_parameters,
    describe,
    dry_run_parameter,
    memory_parameter,
    search_parameters,
)
from .sites import NAME_FIELD, POINT, SITES

INDEX = "INDEX"
STATISTIC = "STATISTIC"
STEP = "STEP"
FILL = "FILL"
MAX_GAP = "MAX_GAP"
SMOOTH = "SMOOTH"
WINDOW = "WINDOW"
ORDER = "ORDER"
LAMBDA = "LAMBDA"
MIN_CLEAR = "MIN_CLEAR"
OUTPUT = "OUTPUT"
OUTPUT_OBSERVATIONS = "OUTPUT_OBSERVATIONS"
OUTPUT_SITES = "OUTPUT_SITES"
OUTPUT_CHART = "OUTPUT_CHART"
OUTPUT_CHART_IMAGE = "OUTPUT_CHART_IMAGE"

WHOLE = QgsProcessingParameterNumber.Type.Integer
DECIMAL = QgsProcessingParameterNumber.Type.Double


def time_series_parameters() -> List[QgsProcessingParameterDefinition]:
    """Definitions of all parameters."""
    return [
        *search_parameters(_places()),
        *_measures(),
        *_steps(),
        *_smoothing(),
        *mask_parameters(),
        memory_parameter(),
        on_error_parameter(),
        dry_run_parameter(),
        *cluster_parameters(),
        auth_parameter(),
        *_layers(),
        *_charts(),
    ]


def _places() -> List[QgsProcessingParameterDefinition]:
    kinds = [QgsProcessing.SourceType.TypeVectorPoint, QgsProcessing.SourceType.TypeVectorPolygon]
    any_type = QgsProcessingParameterField.DataType.Any
    return [
        describe(
            QgsProcessingParameterFeatureSource(
                SITES, "Sites: points or polygons", kinds, optional=True
            ),
            "Points or polygons, such as parcels, in any CRS; each feature gets a series of its "
            "own. They win over the point.",
        ),
        describe(
            QgsProcessingParameterPoint(POINT, "Site: a point", optional=True),
            "One point: from the canvas, or as text x,y [EPSG:4326]. Without a CRS it is in the "
            "project's.",
        ),
        describe(
            QgsProcessingParameterField(
                NAME_FIELD,
                "Field with the sites' names",
                parentLayerParameterName=SITES,
                type=any_type,
                optional=True,
            ),
            "The field whose value names a site in tables and charts. Not set: the feature's id.",
        ),
    ]


def _measures() -> List[QgsProcessingParameterDefinition]:
    return [
        describe(
            QgsProcessingParameterString(INDEX, "Index", "NDVI"),
            "Indices and bands to follow, separated by commas: NDVI,NDMI. Indices are "
            f"{', '.join(OFTEN_USED)} and many more; a formula of your own is name=formula, such "
            "as ratio=nir/red.",
        ),
        describe(
            _choice(STATISTIC, "Statistic of a site's pixels", STATISTICS, STATISTICS[0]),
            "How the clear pixels of a polygon become one value a day. std is the standard "
            "deviation, p10 and p90 are percentiles.",
        ),
        describe(
            QgsProcessingParameterNumber(
                MIN_CLEAR, "Clear at least (percent)", DECIMAL, 0, minValue=0, maxValue=100
            ),
            "A day counts where at least this share of the site's pixels is clear. 0 takes every "
            "day with a clear pixel.",
        ),
    ]


def _steps() -> List[QgsProcessingParameterDefinition]:
    default = SeriesRecipe()
    return [
        describe(
            QgsProcessingParameterNumber(STEP, "Step (days)", WHOLE, default.step),
            "The series has a value every so many days: the mean of the observations in them.",
        ),
        describe(
            _choice(FILL, "Fill gaps", FILLS, default.fill),
            "How steps without an observation are filled: linear, between the steps beside the "
            "gap; or none.",
        ),
        describe(
            QgsProcessingParameterNumber(MAX_GAP, "Longest gap filled (days)", WHOLE, 0),
            "A longer gap stays a gap. 0 fills gaps of any length.",
            advanced=True,
        ),
    ]


def _smoothing() -> List[QgsProcessingParameterDefinition]:
    default = SeriesRecipe()
    return [
        describe(
            _choice(SMOOTH, "Smoothing", SMOOTHS, default.smooth),
            "rolling is the mean over a moving window; savgol fits a polynomial in it "
            "(Savitzky-Golay); whittaker is a penalised curve through all steps; none.",
        ),
        describe(
            QgsProcessingParameterNumber(WINDOW, "Window (steps)", WHOLE, default.window),
            "The width of the moving window of rolling and savgol, where it must be odd.",
            advanced=True,
        ),
        describe(
            QgsProcessingParameterNumber(ORDER, "Order of the polynomial", WHOLE, default.order),
            "For savgol: the degree of its polynomial, below the window's width.",
            advanced=True,
        ),
        describe(
            QgsProcessingParameterNumber(LAMBDA, "Lambda", DECIMAL, default.penalty),
            f"For whittaker: how smooth the curve is, above 0 and up to {LARGEST_PENALTY:.0e}.",
            advanced=True,
        ),
    ]


def _layers() -> List[QgsProcessingParameterDefinition]:
    table, shapes = (
        QgsProcessing.SourceType.TypeVector,
        QgsProcessing.SourceType.TypeVectorAnyGeometry,
    )
    return [
        describe(
            QgsProcessingParameterFeatureSink(OUTPUT, "Series", table),
            "A table with a row for each site, index and step: value, interpolated, smoothed.",
        ),
        describe(
            QgsProcessingParameterFeatureSink(
                OUTPUT_OBSERVATIONS, "Observations", table, optional=True, createByDefault=True
            ),
            "A table with a row for each site, index and day with a scene: the value, the number "
            "of clear and of all pixels, and the scenes.",
        ),
        describe(
            QgsProcessingParameterFeatureSink(
                OUTPUT_SITES, "Sites", shapes, optional=True, createByDefault=True
            ),
            "The sites with the count, the mean, the maximum and its date of each index.",
        ),
    ]


def _charts() -> List[QgsProcessingParameterDefinition]:
    return [
        describe(
            QgsProcessingParameterFileDestination(
                OUTPUT_CHART, "Chart", "HTML files (*.html)", optional=True, createByDefault=True
            ),
            "A page with the charts of the sites; it needs no network.",
        ),
        describe(
            QgsProcessingParameterFileDestination(
                OUTPUT_CHART_IMAGE,
                "Chart as an image",
                "PNG files (*.png)",
                optional=True,
                createByDefault=True,
            ),
            "The charts as a picture.",
        ),
    ]


def _choice(name: str, title: str, words: tuple, default: str) -> QgsProcessingParameterDefinition:
    return QgsProcessingParameterEnum(
        name, title, options=list(words), defaultValue=default, usesStaticStrings=True
    )
