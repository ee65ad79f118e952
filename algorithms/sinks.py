"""Writing features into an output, and leaving none that is not whole."""

from __future__ import annotations

import contextlib
import shutil
import uuid
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
)

from ..core.bridge.errors import CancelledError, InvalidRequestError, OutputError
from .base import destination_file

FEATURES_AT_ONCE = 1000
FULL_DISK_BYTES = 1 << 20
BESIDE = ("-wal", "-shm", "-journal")  # a GeoPackage's
BESIDE_SHAPEFILE = (".shx", ".dbf", ".prj", ".cpg", ".qmd")


def check_distinct_files(algorithm: QgsProcessingAlgorithm, parameters: Dict[str, Any]) -> None:
    """Check that no two outputs are the same file: the second would replace the first.

    Raises:
        InvalidRequestError: two are.
    """
    seen: Dict[Path, str] = {}
    for definition in algorithm.destinationParameterDefinitions():
        name = definition.name()
        path = destination_file(parameters.get(name))
        if path in seen:
            raise InvalidRequestError(
                f"{seen[path]} and {name} are both {path}; give each a file of its own."
            )
        if path is not None:
            seen[path] = name


class OutputWriter:
    """Fills the outputs of one run; within ``whole``, all of them or none stay."""

    def __init__(
        self,
        algorithm: QgsProcessingAlgorithm,
        parameters: Dict[str, Any],
        context: QgsProcessingContext,
        feedback: QgsProcessingFeedback,
    ) -> None:
        self._algorithm = algorithm
        self._parameters = parameters
        self._context = context
        self._feedback = feedback
        self._files: List[Path] = []
        self._former: List[Tuple[Path, Path]] = []

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
        """Remove ``files`` and what was written since if the block fails.

        Layers that were there before are then there again.
        """
        self._files = [Path(file) for file in files if file]
        try:
            yield
        except BaseException:
            for path in self._files:
                _remove(path)
            for place, kept in self._former:
                with contextlib.suppress(OSError):
                    kept.replace(place)
            raise
        for _, kept in self._former:
            with contextlib.suppress(OSError):
                kept.unlink()

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
        path = destination_file(self._parameters[name])
        if path is not None:
            # QGIS would remove what is there before it has anything else.
            self._former += _keep_aside(path)
        sink, layer = self._algorithm.parameterAsSink(
            self._parameters,
            name,
            self._context,
            fields,
            wkb_type,
            crs or QgsCoordinateReferenceSystem(),
        )
        if sink is None:
            raise OutputError(self._algorithm.invalidSinkError(self._parameters, name))
        if path is not None:
            self._files.append(path)
        cancelled, problem = False, ""
        while not problem and not cancelled:
            some = list(islice(features, FEATURES_AT_ONCE))
            if not some:
                break
            if not sink.addFeatures(some, QgsFeatureSink.Flag.FastInsert):
                problem = sink.lastError() or "the rows are refused"
            cancelled = self._feedback.isCanceled()
        del sink  # closes the file
        if problem:
            raise OutputError(f"{name}: {_reason(problem, path)}.")
        if cancelled:
            raise CancelledError("The run was cancelled.")
        return str(layer)


def _reason(problem: str, path: Optional[Path]) -> str:
    """Why a layer cannot be written, and what to do; OGR says of a full disk what SQL it was at."""
    if path is not None and shutil.disk_usage(path.parent).free < FULL_DISK_BYTES:
        return "the disk is full; make room, or choose another output"
    return f"it cannot be written ({problem}); choose another output"


def _remove(path: Path) -> None:
    """Remove an output that is not whole."""
    for file in _files_of(path):
        with contextlib.suppress(OSError):
            file.unlink()


def _keep_aside(path: Path) -> List[Tuple[Path, Path]]:
    """Give a former output other names; its files' places, and where they are meanwhile.

    A file that another program uses stays where it is, on Windows, and QGIS tells of it.
    """
    token = uuid.uuid4().hex[:8]
    moved = []
    for file in _files_of(path):
        kept = file.with_name(f".{file.name}.{token}.former")
        with contextlib.suppress(OSError):
            file.rename(kept)
            moved.append((file, kept))
    return moved


def _files_of(path: Path) -> List[Path]:
    """An output and the files that its format puts beside it."""
    names = [path.name + ending for ending in ("", *BESIDE)]
    if path.suffix.lower() == ".shp":
        names += [path.stem + ending for ending in BESIDE_SHAPEFILE]
    return [path.with_name(name) for name in names]
