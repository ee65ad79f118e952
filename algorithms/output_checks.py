"""Outputs that would replace each other, or a file that a parameter names."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, Iterator, Tuple

from qgis.core import (
    QgsMapLayer,
    QgsProcessingAlgorithm,
    QgsProcessingContext,
    QgsProcessingFeatureSourceDefinition,
    QgsProcessingParameterFeatureSource,
    QgsProcessingParameterFile,
    QgsProcessingParameterRasterLayer,
    QgsProcessingUtils,
    QgsProviderRegistry,
)

from ..core.bridge.errors import InvalidRequestError
from ..core.bridge.file_identity import FileIdentity, file_identity, identity_of_existing
from .destinations import destination_file, place_of
from .parameters import CATALOG

FILE_PARAMETERS = (
    QgsProcessingParameterFeatureSource,
    QgsProcessingParameterFile,
    QgsProcessingParameterRasterLayer,
)


def check_outputs(
    algorithm: QgsProcessingAlgorithm, parameters: Dict[str, Any], context: QgsProcessingContext
) -> None:
    """Check that each output is a file of its own, and none that is an input.

    The files of scenes are not known here; the worker checks them.

    Raises:
        InvalidRequestError: two are one file, or one is an input's.
    """
    inputs = {
        identity_of_existing(path): name for name, path in _inputs(algorithm, parameters, context)
    }
    seen: Dict[FileIdentity, str] = {}
    for definition in algorithm.destinationParameterDefinitions():
        name = definition.name()
        path = destination_file(definition, parameters.get(name))
        if path is None:
            continue
        identity = file_identity(place_of(path))
        if identity in seen:
            raise InvalidRequestError(
                f"{seen[identity]} and {name} are both {path}; give each a file of its own."
            )
        if identity in inputs:
            raise InvalidRequestError(
                f"{name} is {path}, which is {inputs[identity]} too and would be lost; choose "
                "another name or folder."
            )
        seen[identity] = name


def _inputs(
    algorithm: QgsProcessingAlgorithm, parameters: Dict[str, Any], context: QgsProcessingContext
) -> Iterator[Tuple[str, Path]]:
    """The names of the parameters that are read from files, with the files."""
    for definition in algorithm.parameterDefinitions():
        name = definition.name()
        if isinstance(definition, FILE_PARAMETERS) or name == CATALOG:
            path = _path(parameters.get(name), context)
            if path:
                yield name, Path(path)


def _path(value: Any, context: QgsProcessingContext) -> str:
    """Where a layer, or a file, is; empty where it is in no file."""
    if isinstance(value, QgsProcessingFeatureSourceDefinition):
        value = value.source.staticValue()
    if isinstance(value, str):
        value = QgsProcessingUtils.mapLayerFromString(value, context, False) or value
    if isinstance(value, QgsMapLayer):
        parts = QgsProviderRegistry.instance().decodeUri(value.providerType(), value.source())
        return str(parts.get("path") or "")
    return value.partition("|")[0].strip() if isinstance(value, str) else ""
