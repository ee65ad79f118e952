"""What every algorithm that runs the worker shares."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Callable, Dict, Optional, Tuple, Union

from qgis.core import (
    QgsApplication,
    QgsProcessingAlgorithm,
    QgsProcessingContext,
    QgsProcessingException,
    QgsProcessingFeedback,
    QgsProcessingLayerPostProcessorInterface,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterEnum,
    QgsProcessingParameterFeatureSource,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterLayer,
    QgsSettings,
)
from qgis.PyQt.QtCore import QCoreApplication, QThread
from qgis.PyQt.QtGui import QIcon

from ..core.bridge.credentials import Credentials
from ..core.bridge.ending_signals import cancelling_before_the_end
from ..core.bridge.environment import check_worker_python, find_worker_python
from ..core.bridge.errors import CancelledError, FairweatherError, InvalidRequestError
from ..core.bridge.events import Event, Message, Progress, WarningMessage
from ..core.bridge.plain_text import plain_words
from ..core.bridge.request import (
    Area,
    CompositeRequest,
    Request,
    SearchScenesRequest,
    TimeSeriesRequest,
)
from ..core.bridge.worker_process import run_job
from .authentication import check_auth, read_credentials
from .destinations import check_destination
from .named_sources import check_names_no_other
from .scenes import ChosenScenes

PYTHON_SETTING = "fairweather/python"
CANCELLED = "Cancelled; nothing was written."


def chosen_python() -> str:
    """The user's own interpreter as set in QGIS, empty where none is."""
    return str(QgsSettings().value(PYTHON_SETTING, "") or "")


class FairweatherAlgorithm(QgsProcessingAlgorithm):
    """Base of the algorithms: identity, whether it can run, and one sentence for each error.

    A subclass says what is wrong with its parameters in ``check``, reads layers and project in
    ``prepare_request`` and works in ``run_request``; all may raise ``FairweatherError``.
    """

    _refusal = ""
    _credentials: Optional[Credentials] = None

    def createInstance(self) -> FairweatherAlgorithm:
        """A fresh algorithm of the same kind."""
        return type(self)()

    def icon(self) -> QIcon:
        """The provider's icon."""
        return QIcon(self.svgIconPath())

    def svgIconPath(self) -> str:
        """The path of the plugin's icon."""
        return str(Path(__file__).parent.parent / "icon.svg")

    def canExecute(self) -> Tuple[bool, str]:
        """Whether the worker's environment is there; else, how to make it."""
        try:
            find_worker_python(chosen_python())
        except FairweatherError as error:
            return False, str(error)
        return True, ""

    def check(self, parameters: Dict[str, Any], context: QgsProcessingContext) -> None:
        """Check what can be checked at once, or raise ``InvalidRequestError``."""

    def checkParameterValues(
        self, parameters: Dict[str, Any], context: QgsProcessingContext
    ) -> Tuple[bool, str]:
        """Whether the parameters make sense, and the sentence that says why not."""
        try:
            self.check_all(parameters, context)
        except FairweatherError as error:
            return False, str(error)
        return super().checkParameterValues(parameters, context)

    def check_all(self, parameters: Dict[str, Any], context: QgsProcessingContext) -> None:
        """Check the value of each parameter, then what they mean together."""
        # First of all: whatever asks QGIS about a value may have it opened.
        for definition in self.parameterDefinitions():
            check_names_no_other(definition, parameters.get(definition.name()), context)
        for definition in self.parameterDefinitions():
            _check_value(definition, parameters.get(definition.name()), context)
            self._check_layer(definition, parameters, context)
            if definition.isDestination():
                check_destination(definition, parameters.get(definition.name()))
        check_auth(self, parameters, context)
        self.check(parameters, context)

    def prepareAlgorithm(
        self,
        parameters: Dict[str, Any],
        context: QgsProcessingContext,
        feedback: QgsProcessingFeedback,
    ) -> bool:
        """Check and read everything while layers and project may be read.

        An error waits for ``processAlgorithm``: of one raised here, a script is told nothing but
        that there were errors.
        """
        self._refusal = ""
        try:
            self.check_all(parameters, context)
            self._credentials = read_credentials(self, parameters, context)
            self.prepare_request(parameters, context, feedback)
        except FairweatherError as error:
            self._refusal = str(error)
        return True

    def processAlgorithm(
        self,
        parameters: Dict[str, Any],
        context: QgsProcessingContext,
        feedback: QgsProcessingFeedback,
    ) -> Dict[str, Any]:
        """Run what was prepared, in a thread of its own."""
        if self._refusal:
            raise QgsProcessingException(self._refusal)
        try:
            ends_by_itself = QgsApplication.platform() == "qgis_process"
            with cancelling_before_the_end(feedback.cancel, ends_by_itself=ends_by_itself):
                return self.run_request(parameters, context, feedback)
        except CancelledError as error:
            raise QgsProcessingException(CANCELLED) from error
        except FairweatherError as error:
            raise QgsProcessingException(str(error)) from error
        except OSError as error:
            raise QgsProcessingException(
                f"{error.filename or 'A file'} cannot be read or written ({error.strerror}); see "
                "to its disk or choose another folder, and run again."
            ) from error

    def prepare_request(
        self,
        parameters: Dict[str, Any],
        context: QgsProcessingContext,
        feedback: QgsProcessingFeedback,
    ) -> None:
        """Read what ``run_request`` needs of layers and project."""

    def run_request(
        self,
        parameters: Dict[str, Any],
        context: QgsProcessingContext,
        feedback: QgsProcessingFeedback,
    ) -> Dict[str, Any]:
        """Do the work; the outputs by name."""
        raise NotImplementedError

    def run_worker(self, request: Request, feedback: QgsProcessingFeedback) -> Dict[str, Any]:
        """Run ``request`` in the worker; the result's values are returned.

        Raises:
            FairweatherError: the job failed or was cancelled.
        """
        return run_job(
            request,
            check_worker_python(chosen_python()),
            on_event=lambda event: forward_event(event, feedback),
            is_cancelled=cancel_check(feedback),
            credentials=self._credentials,
        )

    def run_search(
        self,
        request: Union[CompositeRequest, SearchScenesRequest, TimeSeriesRequest],
        area: Area,
        scenes: ChosenScenes,
        feedback: QgsProcessingFeedback,
    ) -> Dict[str, Any]:
        """Run ``request`` for ``area``, on ``scenes`` or on what its search finds without any."""
        with scenes.put_into(replace(request.search, area=area)) as search:
            return self.run_worker(replace(request, search=search), feedback)

    def style_layer(
        self,
        layer: str,
        context: QgsProcessingContext,
        styler: QgsProcessingLayerPostProcessorInterface,
        name: str,
    ) -> None:
        """Have ``layer`` styled when it is loaded, and named unless the user named it."""
        self.name_layer(layer, context, name)
        if context.willLoadLayerOnCompletion(layer):
            self.provider().keep_styler(styler)
            context.layerToLoadOnCompletionDetails(layer).setPostProcessor(styler)

    def name_layer(self, layer: str, context: QgsProcessingContext, name: str) -> None:
        """Have ``layer`` named when it is loaded, unless the user named it."""
        if not context.willLoadLayerOnCompletion(layer):
            return
        details = context.layerToLoadOnCompletionDetails(layer)
        definition = self.parameterDefinition(details.outputName)
        if definition is not None and details.name == definition.description():
            details.name = plain_words(name)  # which QGIS shows as HTML

    def _check_layer(
        self,
        definition: QgsProcessingParameterDefinition,
        parameters: Dict[str, Any],
        context: QgsProcessingContext,
    ) -> None:
        """Check that a layer that is given can be opened."""
        name = definition.name()
        value = parameters.get(name)
        if value in (None, ""):
            return
        if isinstance(definition, QgsProcessingParameterFeatureSource):
            layer, kind = self.parameterAsSource(parameters, name, context), "vector"
        elif isinstance(definition, QgsProcessingParameterRasterLayer):
            layer, kind = self.parameterAsRasterLayer(parameters, name, context), "raster"
        else:
            return
        if layer is None:
            raise InvalidRequestError(
                f"{name}: {value!s} cannot be opened as a {kind} layer; check the path, or choose "
                "a layer."
            )


def cancel_check(feedback: QgsProcessingFeedback) -> Callable[[], bool]:
    """A function for this thread, to be called often: whether the run was cancelled.

    Batch mode, scripts and qgis_process run in the main thread, which would not see a window's
    button or Ctrl-C meanwhile: there the function handles events, too.
    """
    is_main_thread = QThread.currentThread() == QCoreApplication.instance().thread()

    def is_cancelled() -> bool:
        if is_main_thread:
            QCoreApplication.processEvents()
        return bool(feedback.isCanceled())

    return is_cancelled


def forward_event(event: Event, feedback: QgsProcessingFeedback) -> None:
    """Show an event of the worker in the dialog's bar and log."""
    if isinstance(event, Progress):
        feedback.setProgress(event.percent)
        if event.message:
            feedback.setProgressText(event.message)
    elif isinstance(event, Message):
        feedback.pushInfo(event.text)
    elif isinstance(event, WarningMessage):
        feedback.pushWarning(event.text)


def _check_value(
    definition: QgsProcessingParameterDefinition, value: Any, context: QgsProcessingContext
) -> None:
    """Say what an enum or a number takes; QGIS itself only says that a value is wrong."""
    if value is None or definition.checkValueIsAcceptable(value, context):
        return
    name = definition.name()
    if isinstance(definition, QgsProcessingParameterEnum):
        raise InvalidRequestError(
            f"{name}: {value!s} is not known; known are {', '.join(definition.options())}."
        )
    if isinstance(definition, QgsProcessingParameterNumber):
        raise InvalidRequestError(
            f"{name}: {value!s} is not accepted; give {_number_range(definition)}."
        )


def _number_range(definition: QgsProcessingParameterNumber) -> str:
    lowest, highest = definition.minimum(), definition.maximum()
    unlimited = 1e300  # QGIS writes "no limit" as the largest double
    if lowest > -unlimited and highest < unlimited:
        return f"a number from {lowest:g} to {highest:g}"
    if lowest > -unlimited:
        return f"a number from {lowest:g} on"
    return "a number"
