"""Writing features into an output, and leaving none that is not whole."""

from __future__ import annotations

import contextlib
import shutil
import sys
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Tuple

from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsFeature,
    QgsFeatureSink,
    QgsFields,
    QgsProcessingAlgorithm,
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingOutputLayerDefinition,
    QgsProcessingParameterFeatureSink,
    QgsProperty,
)

from ..core.bridge.errors import CancelledError, OutputError
from ..core.bridge.job_folders import note_job
from ..core.bridge.part_files import flush_file, part_path, remove_parts
from .base import cancel_check, destination_file

FEATURES_AT_ONCE = 1000
FULL_DISK_BYTES = 1 << 20
BESIDE = ("-wal", "-shm", "-journal")  # a GeoPackage's
BESIDE_SHAPEFILE = (".shx", ".dbf", ".prj", ".cpg", ".qmd")


class OutputWriter:
    """Fills the layers of one run, each in a folder beside its place.

    Within ``whole``, all take their places at the end or none. What a killed QGIS leaves is removed
    at the next start: the job's folder ``job`` notes it.
    """

    def __init__(
        self,
        algorithm: QgsProcessingAlgorithm,
        parameters: Dict[str, Any],
        context: QgsProcessingContext,
        feedback: QgsProcessingFeedback,
        job: Path,
    ) -> None:
        self._algorithm = algorithm
        self._parameters = parameters
        self._context = context
        self._is_cancelled = cancel_check(feedback)
        self._job = job
        self._places: Dict[str, Path] = {}

    def is_wanted(self, name: str) -> bool:
        """Whether the optional layer ``name`` is to be made."""
        value = self._parameters.get(name)
        if isinstance(value, QgsProcessingOutputLayerDefinition):
            value = value.sink.staticValue() or value.sink.expressionString()
        return value not in (None, "")

    def file(self, name: str) -> str:
        """The absolute path of the output file ``name``; empty where it is not wanted."""
        path = self._algorithm.parameterAsFileOutput(self._parameters, name, self._context)
        return str(Path(path).absolute()) if path else ""

    @contextmanager
    def whole(self, *files: str) -> Iterator[None]:
        """Let the layers take their places if the block succeeds; remove ``files`` if it fails.

        Raises:
            OutputError: a layer that was there before cannot be replaced.
        """
        wanted = {name: destination_file(self._parameters.get(name)) for name in self._sinks()}
        self._places = {name: path for name, path in wanted.items() if path is not None}
        note_job(self._job, map(_without_dots, self._places.values()), sys.executable)
        try:
            yield
            for name, place in self._places.items():
                _take_places(name, part_path(_without_dots(place), self._job), place)
        except BaseException:
            for file in filter(None, files):
                with contextlib.suppress(OSError):
                    Path(file).unlink()
            raise
        finally:
            for place in self._places.values():
                remove_parts(_without_dots(place), self._job)

    def _sinks(self) -> List[str]:
        definitions = self._algorithm.destinationParameterDefinitions()
        kind = QgsProcessingParameterFeatureSink
        return [item.name() for item in definitions if isinstance(item, kind)]

    def write(
        self,
        name: str,
        features: Iterator[QgsFeature],
        fields: QgsFields,
        wkb_type: Any,
        crs: Optional[QgsCoordinateReferenceSystem] = None,
    ) -> str:
        """Write ``features`` into the layer output ``name``, some at a time; the layer's id.

        Raises:
            OutputError: it cannot be made or filled.
            CancelledError: the user stopped the run.
        """
        path = self._places.get(name)
        sink, layer = self._open(name, path, fields, wkb_type, crs)
        cancelled, problem = False, ""
        while not problem and not cancelled:
            some = list(islice(features, FEATURES_AT_ONCE))
            if not some:
                break
            if not sink.addFeatures(some, QgsFeatureSink.Flag.FastInsert):
                problem = sink.lastError() or "the rows are refused"
            cancelled = self._is_cancelled()
        del sink  # closes the file
        if problem:
            raise OutputError(f"{name}: {_reason(problem, path)}.")
        if cancelled:
            raise CancelledError("The run was cancelled.")
        return layer

    def _open(
        self,
        name: str,
        path: Optional[Path],
        fields: QgsFields,
        wkb_type: Any,
        crs: Optional[QgsCoordinateReferenceSystem],
    ) -> Tuple[QgsFeatureSink, str]:
        """Where to write the layer, and the id that it will have in its place."""
        crs = crs or QgsCoordinateReferenceSystem()
        given = self._parameters[name]
        if path is None:
            values = self._parameters
        else:
            folder = part_path(_without_dots(path), self._job)
            with contextlib.suppress(OSError):  # then QGIS cannot write there either
                folder.mkdir()
            values = {**self._parameters, name: _moved(given, folder / path.name)}
        sink, layer = self._algorithm.parameterAsSink(
            values, name, self._context, fields, wkb_type, crs
        )
        if sink is None:
            raise OutputError(self._algorithm.invalidSinkError(self._parameters, name))
        if path is None:
            return sink, str(layer)
        place = str(layer).replace(str(folder), str(path.parent))
        loaded = self._context.layersToLoadOnCompletion()
        if layer in loaded:
            loaded[place] = loaded.pop(layer)
            self._context.setLayersToLoadOnCompletion(loaded)
        return sink, place


def _without_dots(place: Path) -> Path:
    """What a layer's folder is named after; ``a.xlsx.part/a.xlsx`` is a file in a zip to GDAL."""
    return place.with_name(place.name.replace(".", "_"))


def _moved(value: Any, path: Path) -> Any:
    """The destination ``value``, but with ``path`` as its file."""
    if not isinstance(value, QgsProcessingOutputLayerDefinition):
        return str(path)
    moved = QgsProcessingOutputLayerDefinition(value)
    moved.sink = QgsProperty.fromValue(str(path))
    return moved


def _take_places(name: str, folder: Path, place: Path) -> None:
    """Move a layer's files from ``folder`` to where ``place`` is, replacing the former layer's."""
    try:
        files = sorted(folder.iterdir())
        for file in files:
            flush_file(file)
        for former in _files_beside(place):
            if former.name not in {file.name for file in files}:
                former.unlink()
        for file in files:
            file.replace(place.with_name(file.name))
    except OSError as error:
        raise OutputError(
            f"{name}: {place} cannot be replaced ({error.strerror}); close the layers and programs "
            "that use it, or choose another output."
        ) from error


def _reason(problem: str, path: Optional[Path]) -> str:
    """Why a layer cannot be written, and what to do; OGR says of a full disk what SQL it was at."""
    if path is not None and shutil.disk_usage(path.parent).free < FULL_DISK_BYTES:
        return "the disk is full; make room, or choose another output"
    return f"it cannot be written ({problem}); choose another output"


def _files_beside(path: Path) -> List[Path]:
    """The files that its format puts beside a layer, of those that are there."""
    names = [path.name + ending for ending in BESIDE]
    if path.suffix.lower() == ".shp":
        names += [path.stem + ending for ending in BESIDE_SHAPEFILE]
    return [beside for beside in map(path.with_name, names) if beside.exists()]
