"""Where outputs shall be: the files that they name, and whether a file can be written there."""

from __future__ import annotations

import stat
import tempfile
from pathlib import Path
from typing import Any, Optional

from qgis.core import (
    QgsProcessingOutputLayerDefinition,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterFeatureSink,
    QgsProcessingParameterFolderDestination,
    QgsVectorFileWriter,
)

from ..core.bridge.errors import InvalidRequestError
from ..core.bridge.part_files import is_device, real_place

DEFAULT_ENDING = ".gpkg"
SHAPEFILE = ".shp"


def destination_file(definition: QgsProcessingParameterDefinition, value: Any) -> Optional[Path]:
    """The file that a destination names; None where it is a layer in memory or a database.

    Of a layer, it has the ending that QGIS adds to names which are of no format, or not quite.

    Raises:
        InvalidRequestError: it begins in the current folder, and that is gone.
    """
    if isinstance(value, QgsProcessingOutputLayerDefinition):
        value = value.sink.staticValue()
    if not isinstance(value, str) or not value.strip() or value == "TEMPORARY_OUTPUT":
        return None
    scheme, colon, _ = value.partition(":")
    if colon and len(scheme) > 1:  # one letter is a Windows drive
        return None
    try:
        path = Path(value).absolute()
    except OSError as error:
        raise InvalidRequestError(
            f"{definition.name()}: {value} begins in the folder that QGIS was started in, and that "
            "is gone; give the whole path."
        ) from error
    if isinstance(definition, QgsProcessingParameterFeatureSink) and path.name:
        return path.with_name(_layer_name(path.name))
    return path


def _layer_name(name: str) -> str:
    """The name that QGIS gives a layer's file: ``a`` becomes a.gpkg, ``a.json`` a.json.geojson."""
    _, dot, ending = name.rpartition(".")
    driver = QgsVectorFileWriter.driverForExtension(ending) if dot else ""
    if not driver:
        return name + DEFAULT_ENDING
    metadata = QgsVectorFileWriter.MetaData()
    if not QgsVectorFileWriter.driverMetadata(driver, metadata):
        return name
    endings = [f".{ending}" for ending in metadata.ext.split()]
    if not name.lower().endswith(tuple(endings)):
        return name + endings[0]
    # A shapefile's are written in small letters.
    return name[: -len(SHAPEFILE)] + SHAPEFILE if endings[0] == SHAPEFILE else name


def place_of(path: Path) -> Path:
    """What is replaced when ``path`` is written: where it leads, if it is a link.

    Unlike ``real_place``, it keeps the folder as the user wrote it.
    """
    try:
        return real_place(path) if path.is_symlink() else path
    except OSError:
        return path


def check_destination(definition: QgsProcessingParameterDefinition, value: Any) -> None:
    """Check that an output file, or an output folder, can be written where it shall be.

    Raises:
        InvalidRequestError: it cannot, or is no file.
    """
    name, path = definition.name(), destination_file(definition, value)
    if path is None:
        return
    try:
        _check_place(definition, path)
    except (OSError, ValueError) as error:  # ValueError: no name of a file at all
        reason = getattr(error, "strerror", None) or error
        raise InvalidRequestError(
            f"{name}: {path} cannot be written ({reason}); choose another name or folder."
        ) from error


def _check_place(definition: QgsProcessingParameterDefinition, path: Path) -> None:
    name, mode = definition.name(), _mode_of(path)
    is_folder = mode is not None and stat.S_ISDIR(mode)
    wants_folder = isinstance(definition, QgsProcessingParameterFolderDestination)
    if is_folder and not wants_folder:
        raise InvalidRequestError(f"{name}: {path} is a folder; give the name of a file.")
    if is_device(path):
        kind = "folder" if wants_folder else "file"
        raise InvalidRequestError(
            f"{name}: {path} is a device, a pipe or a socket; give the name of a {kind}."
        )
    _check_folder(name, path if is_folder else place_of(path).parent)


def _check_folder(name: str, folder: Path) -> None:
    mode = _mode_of(folder)
    if mode is None:
        raise InvalidRequestError(
            f"{name}: the folder {folder} does not exist; make it or choose another."
        )
    if not stat.S_ISDIR(mode):
        raise InvalidRequestError(f"{name}: {folder} is a file, no folder; choose another.")
    try:
        with tempfile.TemporaryFile(dir=str(folder)):
            pass
    except OSError as error:
        raise InvalidRequestError(
            f"{name}: the folder {folder} cannot be written ({error.strerror}); choose another."
        ) from error


def _mode_of(path: Path) -> Optional[int]:
    """What is there, as ``stat`` tells it; None where there is nothing."""
    try:
        return path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None
