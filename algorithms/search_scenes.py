"""The algorithm ``searchscenes``: the scenes of an area, as footprints and as an ItemCollection."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Dict, List, Optional

from qgis.core import (
    QgsCoordinateReferenceSystem,
    QgsProcessing,
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingOutputNumber,
    QgsProcessingParameterFeatureSink,
    QgsProcessingParameterFileDestination,
    QgsProcessingParameterNumber,
    QgsWkbTypes,
)

from ..core.bridge.job_folders import job_folder
from ..core.bridge.request import SearchScenesRequest
from .area import DEFAULT_CRS, DrawnArea, check_area, read_area
from .authentication import auth_parameter
from .base import FairweatherAlgorithm
from .footprints import footprint_fields, read_footprints
from .layer_names import footprints_name
from .output_checks import check_outputs
from .parameters import describe, read_search, search_parameters
from .scenes import ChosenScenes, read_scenes
from .sinks import OutputWriter
from .styling import FootprintStyler

LIMIT = "LIMIT"
LIMIT_DEFAULT = 10_000
OUTPUT = "OUTPUT"
OUTPUT_ITEMS = "OUTPUT_ITEMS"
SCENE_COUNT = "SCENE_COUNT"
DAY_COUNT = "DAY_COUNT"

HELP = """Finds the satellite scenes of an area and dates in a STAC catalogue, without reading a \
pixel. The footprints layer shows where each scene lies, when it was taken, how cloudy it is, and \
its thumbnail as a map tip.

Delete, filter or select footprints, then give the layer to “Cloud-free composite” as \
<b>Scenes found before</b>: each footprint carries its whole STAC item. The ItemCollection file \
does the same for all scenes."""


class SearchScenesAlgorithm(FairweatherAlgorithm):
    """Search a catalogue; nothing but metadata is read."""

    _request: SearchScenesRequest
    _area: DrawnArea
    _scenes: ChosenScenes
    _loaded_layer: str

    def name(self) -> str:
        """The fixed name."""
        return "searchscenes"

    def displayName(self) -> str:
        """The name in the toolbox."""
        return "Search scenes"

    def group(self) -> str:
        """The group in the toolbox."""
        return "Imagery"

    def groupId(self) -> str:
        """The group's fixed name."""
        return "imagery"

    def tags(self) -> List[str]:
        """Words to find it by."""
        return [
            "stac",
            "catalogue",
            "catalog",
            "satellite",
            "sentinel-2",
            "footprints",
            "images",
            "find",
        ]

    def shortDescription(self) -> str:
        """What it does, in a line."""
        return "Finds the satellite scenes of an area and dates, with cloud cover and thumbnails."

    def shortHelpString(self) -> str:
        """The help beside the dialog."""
        return HELP

    def initAlgorithm(self, _configuration: Optional[Dict[str, Any]] = None) -> None:
        """Define parameters and outputs."""
        for definition in search_parameters():
            self.addParameter(definition)
        self.addParameter(
            describe(
                QgsProcessingParameterNumber(
                    LIMIT,
                    "At most so many scenes",
                    QgsProcessingParameterNumber.Type.Integer,
                    LIMIT_DEFAULT,
                    minValue=1,
                ),
                "The search stops after so many scenes, with a warning.",
                advanced=True,
            )
        )
        self.addParameter(auth_parameter())
        self.addParameter(
            describe(
                QgsProcessingParameterFeatureSink(
                    OUTPUT, "Footprints", QgsProcessing.SourceType.TypeVectorPolygon
                ),
                "One polygon for each scene, with its whole STAC item in the field item.",
            )
        )
        self.addParameter(
            describe(
                QgsProcessingParameterFileDestination(
                    OUTPUT_ITEMS,
                    "Scenes as an ItemCollection",
                    "STAC ItemCollection files (*.json)",
                    optional=True,
                    createByDefault=True,
                ),
                "The scenes as a STAC ItemCollection, for any STAC tool.",
            )
        )
        self.addOutput(QgsProcessingOutputNumber(SCENE_COUNT, "Number of scenes"))
        self.addOutput(QgsProcessingOutputNumber(DAY_COUNT, "Number of days with scenes"))

    def check(self, parameters: Dict[str, Any], context: QgsProcessingContext) -> None:
        """Check everything that needs no layer."""
        check_outputs(self, parameters, context)
        read_search(self, parameters, context)
        check_area(self, parameters, context)

    def prepare_request(
        self,
        parameters: Dict[str, Any],
        context: QgsProcessingContext,
        _feedback: QgsProcessingFeedback,
    ) -> None:
        """Read parameters, layers and project."""
        search = read_search(self, parameters, context)
        limit = self.parameterAsInt(parameters, LIMIT, context)
        self._request = SearchScenesRequest(replace(search, limit=limit), "", "")
        self._area = read_area(self, parameters, context)
        self._scenes = read_scenes(self, parameters, context)

    def run_request(
        self,
        parameters: Dict[str, Any],
        context: QgsProcessingContext,
        feedback: QgsProcessingFeedback,
    ) -> Dict[str, Any]:
        """Let the worker search, and put what it found in the outputs."""
        with job_folder("search") as folder:
            footprints = folder / "footprints.geojson"
            writer = OutputWriter(self, parameters, context, feedback, folder)
            request = replace(
                self._request,
                items=writer.staged_file(OUTPUT_ITEMS),
                footprints=str(footprints),
                destinations=writer.destinations(),
            )
            with writer.whole():
                values = self.run_search(request, self._area.merged(), self._scenes, feedback)
                self._loaded_layer = writer.write(
                    OUTPUT,
                    read_footprints(footprints),
                    footprint_fields(),
                    QgsWkbTypes.Type.MultiPolygon,
                    QgsCoordinateReferenceSystem(DEFAULT_CRS),
                )
        results = {name: values[name] for name in (SCENE_COUNT, DAY_COUNT)}
        return {**results, **writer.files(), OUTPUT: self._loaded_layer}

    def postProcessAlgorithm(
        self, context: QgsProcessingContext, _feedback: QgsProcessingFeedback
    ) -> Dict[str, Any]:
        """Name and style the layer that QGIS is about to load."""
        name = footprints_name(self._request.search)
        self.style_layer(self._loaded_layer, context, FootprintStyler(), name)
        return {}
