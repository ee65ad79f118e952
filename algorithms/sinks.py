"""Writing features into an output, and leaving none that is not whole."""

from __future__ import annotations

import shutil
import sys
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Any, Dict, Iterator, Optional, Tuple

from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsFeature,
    QgsFeatureSink,
    QgsFields,
    QgsProcessingAlgorithm,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProcessingOutputLayerDefinition,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterFeatureSink,
    QgsProcessingParameterFileDestination,
    QgsProperty,
)

from ..core.bridge.errors import CancelledError, OutputError
from ..core.bridge.job_folders import note_job
from ..core.bridge.part_files import FULL_DISK_BYTES, make_part_folder, part_path, remove_parts
from .base import cancel_check
from .destinations import destination_file, place_of
from .layer_check import is_whole
from .places import FULL_DISK, MOVED, StagedOutput, take_places

FEATURES_AT_ONCE = 1000


class OutputWriter:
    """Makes the outputs of one run, each in a folder beside its place.

    A folder is there once there is something to write: until then, the place's own may be renamed
    or be another. Within ``whole``, all take their places at the end or none. What a killed QGIS
    leaves is removed at the next start: the job's folder ``job`` notes it.
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
        self._files: Dict[str, Path] = {}
        self._outputs: Dict[str, StagedOutput] = {}
        for definition in algorithm.destinationParameterDefinitions():
            self._add(definition)

    def _add(self, definition: QgsProcessingParameterDefinition) -> None:
        name, path = definition.name(), None
        if isinstance(definition, QgsProcessingParameterFeatureSink):
            path = destination_file(definition, self._parameters.get(name))
        elif isinstance(definition, QgsProcessingParameterFileDestination):
            given = self._algorithm.parameterAsFileOutput(self._parameters, name, self._context)
            if given:
                path = self._files[name] = Path(given).absolute()
        if path is not None:
            place = place_of(path)
            folder = part_path(self._beside(name, place), self._job)
            self._outputs[name] = StagedOutput(name, folder, place)

    def _beside(self, name: str, place: Path) -> Path:
        """What the folder of the output ``name`` is named after; nothing is called that.

        It has no dots, for ``a.xlsx.part/a.xlsx`` is a file in a zip to GDAL, and is as long as
        the place's name: one that leaves no room for what is kept beside it is refused at once.
        """
        start = f"{name}-{self._job.name}-"
        return place.with_name((start + place.name[len(start) :]).replace(".", "_"))

    def is_wanted(self, name: str) -> bool:
        """Whether the optional layer ``name`` is to be made."""
        value = self._parameters.get(name)
        if isinstance(value, QgsProcessingOutputLayerDefinition):
            value = value.sink.staticValue() or value.sink.expressionString()
        return value not in (None, "")

    def files(self) -> Dict[str, str]:
        """The absolute paths of the files, not layers, that are wanted, by output."""
        return {name: str(path) for name, path in self._files.items()}

    def staged_file(self, name: str) -> str:
        """Where the file ``name`` is to be made, within ``whole``; empty if it is not wanted.

        Whoever makes it makes its folder.
        """
        if name not in self._files:
            return ""
        output = self._outputs[name]
        return str(output.folder / output.place.name)

    def destinations(self) -> Tuple[str, ...]:
        """The absolute paths of all files that the outputs will replace."""
        return tuple(str(output.place) for output in self._outputs.values())

    @contextmanager
    def whole(self) -> Iterator[None]:
        """Let the outputs take their places if the block succeeds, and leave nothing if it fails.

        Raises:
            OutputError: one cannot be made beside its place, or what was there cannot be replaced.
        """
        outputs = self._outputs.values()
        beside = [self._beside(output.name, output.place) for output in outputs]
        note_job(self._job, beside, sys.executable)
        try:
            for output in outputs:
                _make_folder(output)
                with suppress(OSError):  # a virus scanner, say, has it open
                    output.folder.rmdir()
            yield
            take_places(list(outputs))
        except OutputError as error:
            raise OutputError(self._with_places(str(error))) from error
        finally:
            for path in beside:
                remove_parts(path, self._job)

    def _with_places(self, text: str) -> str:
        """``text``, where it names a file that was being made, with the place it is made for."""
        for output in self._outputs.values():
            text = text.replace(str(output.folder), str(output.place.parent))
        return text

    def write(
        self,
        name: str,
        features: Iterator[QgsFeature],
        fields: QgsFields,
        wkb_type: Any,
        crs: Optional[QgsCoordinateReferenceSystem] = None,
    ) -> str:
        """Write ``features`` into the layer output ``name``, some at a time; the layer's id.

        Where a link is given, the id is that of the file to which it leads.

        Raises:
            OutputError: it cannot be made or filled, or is not whole.
            CancelledError: the user stopped the run.
        """
        output = self._outputs.get(name)
        sink, layer = self._open(name, output, fields, wkb_type, crs)
        count, problem = 0, ""
        while not problem and not self._is_cancelled():
            some = list(islice(features, FEATURES_AT_ONCE))
            if not some:
                break
            if not sink.addFeatures(some, QgsFeatureSink.Flag.FastInsert):
                problem = sink.lastError() or "the rows are refused"
            count += len(some)
        del sink  # closes the file
        if problem:
            raise OutputError(f"{name}: {_reason(problem, output)}.")
        if self._is_cancelled():
            raise CancelledError("The run was cancelled.")
        return layer if output is None else self._check(output, layer, count)

    def _open(
        self,
        name: str,
        output: Optional[StagedOutput],
        fields: QgsFields,
        wkb_type: Any,
        crs: Optional[QgsCoordinateReferenceSystem],
    ) -> Tuple[QgsFeatureSink, str]:
        """Where to write the layer, and its id there."""
        crs = crs or QgsCoordinateReferenceSystem()
        values = self._parameters
        if output is not None:
            _make_folder(output)
            moved = _moved(values[name], output.folder / output.place.name)
            values = {**values, name: moved}
        try:
            sink, layer = self._algorithm.parameterAsSink(
                values, name, self._context, fields, wkb_type, crs
            )
        except QgsProcessingException as error:
            problem = " ".join(str(error).split()).rstrip(".")
            raise OutputError(f"{name}: {_reason(problem, output)}.") from error
        if sink is None:
            raise OutputError(self._algorithm.invalidSinkError(self._parameters, name))
        return sink, str(layer)

    def _check(self, output: StagedOutput, layer: str, count: int) -> str:
        """The id that the layer ``layer`` will have in its place, if it is whole."""
        file = output.folder / output.place.name
        part = layer[len(str(file)) :]
        if file.suffix == ".shp" and not file.exists():  # rows without geometry
            file = file.with_suffix(".dbf")
        if not is_whole(file, count, self._is_cancelled):
            problem = "only a part of it is there, as on a disk that is full or fails"
            raise OutputError(f"{output.name}: {_reason(problem, output)}.")
        place = str(output.place.with_name(file.name)) + part
        loaded = self._context.layersToLoadOnCompletion()
        if layer in loaded:
            loaded[place] = loaded.pop(layer)
            self._context.setLayersToLoadOnCompletion(loaded)
        return place


def _make_folder(output: StagedOutput) -> None:
    try:
        make_part_folder(output.folder)
    except OSError as error:
        raise OutputError(
            f"{output.name}: {output.place} cannot be written ({error.strerror}); choose another "
            "name or folder."
        ) from error


def _moved(value: Any, path: Path) -> Any:
    """The destination ``value``, but with ``path`` as its file."""
    if not isinstance(value, QgsProcessingOutputLayerDefinition):
        return str(path)
    moved = QgsProcessingOutputLayerDefinition(value)
    moved.sink = QgsProperty.fromValue(str(path))
    return moved


def _is_disk_full(folder: Path) -> bool:
    try:
        return shutil.disk_usage(folder).free < FULL_DISK_BYTES
    except OSError:  # the folder is gone
        return False


def _reason(problem: str, output: Optional[StagedOutput]) -> str:
    """Why a layer cannot be written, and what to do; OGR says of a full disk what SQL it was at."""
    if output is not None and output.is_moved:
        return MOVED.format(place=output.place)
    if output is not None and _is_disk_full(output.folder):
        return FULL_DISK
    return f"it cannot be written ({problem}); choose another output"
