"""The parameter ON_ERROR: what becomes of pixels that cannot be read."""

from __future__ import annotations

from qgis.core import QgsProcessingParameterDefinition, QgsProcessingParameterEnum

from ..core.bridge.request import ON_ERROR_CHOICES
from .parameters import describe

ON_ERROR = "ON_ERROR"


def on_error_parameter() -> QgsProcessingParameterDefinition:
    """ON_ERROR, among the advanced ones."""
    return describe(
        QgsProcessingParameterEnum(
            ON_ERROR,
            "If a file cannot be read",
            options=list(ON_ERROR_CHOICES),
            defaultValue=ON_ERROR_CHOICES[0],
            usesStaticStrings=True,
        ),
        "What becomes of a file that still cannot be read after several tries. skip leaves its day "
        "out where it is needed, and tells so; fail stops the run.",
        advanced=True,
    )
