"""The algorithm ``samplecatalog``: write the built-in synthetic catalogue."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Dict, Optional

from qgis.core import (
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingOutputFile,
    QgsProcessingParameterFolderDestination,
    QgsProcessingParameterNumber,
)

from ..core.bridge.request import SampleCatalogRequest
from .base import FairweatherAlgorithm
from .parameters import describe

FOLDER = "FOLDER"
DAYS = "DAYS"
CATALOG = "CATALOG"

HELP = """Writes a small catalogue of synthetic scenes, for trying Fairweather out without a \
network: two tiles in different UTM zones, moving clouds and their shadows, vegetation that \
follows the seasons, and the true cloud-free values beside it.

Give the result as CATALOG to “Search scenes” or “Cloud-free composite”, with the collection \
fairweather-sample. Nothing in it was measured by a satellite."""


class SampleCatalogAlgorithm(FairweatherAlgorithm):
    """Write a deterministic, clearly labelled synthetic catalogue into a folder."""

    def name(self) -> str:
        """The fixed name."""
        return "samplecatalog"

    def displayName(self) -> str:
        """The name in the toolbox."""
        return "Make the sample catalogue"

    def group(self) -> str:
        """The group in the toolbox."""
        return "Setup"

    def groupId(self) -> str:
        """The group's fixed name."""
        return "setup"

    def tags(self) -> list:
        """Words to find it by."""
        return ["demo", "example", "synthetic", "stac", "tutorial", "test data"]

    def shortDescription(self) -> str:
        """What it does, in a line."""
        return "Writes a synthetic catalogue of scenes, for trying Fairweather out."

    def shortHelpString(self) -> str:
        """The help beside the dialog."""
        return HELP

    def initAlgorithm(self, _configuration: Optional[Dict[str, Any]] = None) -> None:
        """Define parameters and outputs."""
        self.addParameter(
            describe(
                QgsProcessingParameterFolderDestination(FOLDER, "Folder for the catalogue"),
                "The folder that will hold catalog.json and the scenes, a new or an empty one.",
            )
        )
        self.addParameter(
            describe(
                QgsProcessingParameterNumber(
                    DAYS,
                    "Days with scenes",
                    QgsProcessingParameterNumber.Type.Integer,
                    24,
                    minValue=1,
                    maxValue=366,
                ),
                "How many days have scenes, 12 to 146: up to 73 lie evenly over the year 2024, "
                "more go on into 2025, every fifth day.",
            )
        )
        self.addOutput(QgsProcessingOutputFile(CATALOG, "Catalogue"))

    def run_request(
        self,
        parameters: Dict[str, Any],
        context: QgsProcessingContext,
        feedback: QgsProcessingFeedback,
    ) -> Dict[str, Any]:
        """Let the worker write the catalogue."""
        folder = Path(self.parameterAsString(parameters, FOLDER, context)).absolute()
        days = self.parameterAsInt(parameters, DAYS, context)
        values = self.run_worker(SampleCatalogRequest(str(folder), days), feedback)
        return {FOLDER: str(folder), CATALOG: values[CATALOG]}
