"""The parameters MASK_CLASSES and MASK_BUFFER, and the request's fields made of them."""

from __future__ import annotations

from typing import Any, Dict, List

from qgis.core import (
    QgsProcessingAlgorithm,
    QgsProcessingContext,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterNumber,
    QgsProcessingParameterString,
)

from ..core.bridge.mask_classes import check_mask_buffer, read_mask_classes
from .parameters import describe, read_profile

MASK_CLASSES = "MASK_CLASSES"
MASK_BUFFER = "MASK_BUFFER"


def mask_parameters() -> List[QgsProcessingParameterDefinition]:
    """MASK_CLASSES and MASK_BUFFER, among the advanced ones."""
    return [_classes(), _buffer()]


def read_mask(
    algorithm: QgsProcessingAlgorithm, parameters: Dict[str, Any], context: QgsProcessingContext
) -> Dict[str, Any]:
    """The request's fields that MASK_CLASSES and MASK_BUFFER ask for.

    Raises:
        InvalidRequestError: a class that the collection's mask does not have, or no distance.
    """
    classes = algorithm.parameterAsString(parameters, MASK_CLASSES, context)
    buffer = algorithm.parameterAsDouble(parameters, MASK_BUFFER, context)
    check_mask_buffer(buffer)
    profile = read_profile(algorithm, parameters, context)
    return {"mask_classes": read_mask_classes(classes, profile), "mask_buffer": buffer}


def _classes() -> QgsProcessingParameterDefinition:
    return describe(
        QgsProcessingParameterString(MASK_CLASSES, "Masked classes", "", optional=True),
        "What of the scenes' own mask to leave out, in words or as numbers of classes or bits: "
        "cloud,shadow,snow or 3,8,9,10. The page “Collections” of the documentation lists them. "
        "Empty takes the collection's default (clouds and their shadows); none masks nothing.",
        advanced=True,
    )


def _buffer() -> QgsProcessingParameterDefinition:
    return describe(
        QgsProcessingParameterNumber(
            MASK_BUFFER,
            "Mask buffer (metres)",
            QgsProcessingParameterNumber.Type.Double,
            0,
        ),
        "Leave out, too, what is this near to a masked pixel: the edges of clouds and shadows "
        "are often missed. 0 takes the mask as it is.",
        advanced=True,
    )
