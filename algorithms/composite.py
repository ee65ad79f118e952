"""The algorithm ``composite``: a cloud-free composite as a Cloud Optimized GeoTIFF."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, List, Optional

from qgis.core import (
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingOutputNumber,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterCrs,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterEnum,
    QgsProcessingParameterFileDestination,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterDestination,
    QgsProcessingParameterRasterLayer,
    QgsProcessingParameterString,
)

from ..core.bridge.errors import InvalidRequestError
from ..core.bridge.indices import OFTEN_USED, check_layers, split_entries
from ..core.bridge.request import DTYPES, METHODS, CompositeRequest, PixelGrid
from .area import DrawnArea, check_area, crs_text, read_area
from .authentication import auth_parameter
from .base import FairweatherAlgorithm
from .destinations import destination_file
from .layer_names import composite_name
from .mask_parameters import mask_parameters, read_mask
from .on_error import ON_ERROR, on_error_parameter
from .output_checks import check_outputs
from .parameters import (
    DRY_RUN,
    MEMORY,
    cluster_parameters,
    describe,
    dry_run_parameter,
    memory_parameter,
    read_cluster,
    read_profile,
    read_search,
    search_parameters,
)
from .pixel_grid import grid_of_layer
from .scenes import ChosenScenes, read_scenes
from .styling import CompositeStyler

BANDS = "BANDS"
METHOD = "METHOD"
RESOLUTION = "RESOLUTION"
CRS = "CRS"
ALIGN = "ALIGN"
CLIP = "CLIP"
DTYPE = "DTYPE"
COUNT_BAND = "COUNT_BAND"
OUTPUT = "OUTPUT"
OUTPUT_REPORT = "OUTPUT_REPORT"
SCENE_COUNT = "SCENE_COUNT"
DAY_COUNT = "DAY_COUNT"
CLEAR_PERCENT = "CLEAR_PERCENT"

OUTPUT_TITLE = "Cloud-free composite"

HELP = """Shows what a place looks like without clouds. It finds the satellite scenes of your \
area and dates, reads only the pixels it needs, masks clouds and their shadows, takes the median \
of the clear days for every pixel, and loads the result.

Give an area of interest (polygons or an extent) and dates; everything else has a default. \
<b>Bands</b> takes bands (red, green, blue, nir, swir16 …), indices (NDVI, NDWI, NDMI, EVI, \
NBR …) and formulas (ratio=nir/red); an index is computed for each day, then reduced.

The values are surface reflectance, 0 to 1. Pixels without a clear day have no data. The report \
tells which scenes were used and why others were not."""


class CompositeAlgorithm(FairweatherAlgorithm):
    """Search, mask, take the median over the clear days, write one raster."""

    _request: CompositeRequest
    _area: DrawnArea
    _scenes: ChosenScenes
    _loaded_layer: str

    def name(self) -> str:
        """The fixed name."""
        return "composite"

    def displayName(self) -> str:
        """The name in the toolbox."""
        return "Cloud-free composite"

    def group(self) -> str:
        """The group in the toolbox."""
        return "Imagery"

    def groupId(self) -> str:
        """The group's fixed name."""
        return "imagery"

    def tags(self) -> List[str]:
        """Words to find it by."""
        words = "cloud free cloudless composite mosaic median sentinel-2 satellite stac ndvi"
        return [*words.split(), "remote sensing", "time series", "natural colour"]

    def shortDescription(self) -> str:
        """What it does, in a line."""
        return "Makes a cloud-free image of an area: the median of the clear days of many scenes."

    def shortHelpString(self) -> str:
        """The help beside the dialog."""
        return HELP

    def initAlgorithm(self, _configuration: Optional[Dict[str, Any]] = None) -> None:
        """Define parameters and outputs."""
        for definition in (
            *search_parameters(),
            *_recipe_parameters(),
            *_grid_parameters(),
            *_file_parameters(),
        ):
            self.addParameter(definition)
        self.addOutput(QgsProcessingOutputNumber(SCENE_COUNT, "Number of scenes used"))
        self.addOutput(QgsProcessingOutputNumber(DAY_COUNT, "Number of days used"))
        self.addOutput(QgsProcessingOutputNumber(CLEAR_PERCENT, "Share of the area with a value"))

    def check(self, parameters: Dict[str, Any], context: QgsProcessingContext) -> None:
        """Check everything that needs no layer."""
        check_outputs(self, parameters, context)
        read_search(self, parameters, context)
        self._read_recipe(parameters, context)
        self._read_crs(parameters, context)
        check_area(self, parameters, context)
        _check_is_geotiff(self._output_file(parameters))

    def prepare_request(
        self,
        parameters: Dict[str, Any],
        context: QgsProcessingContext,
        feedback: QgsProcessingFeedback,
    ) -> None:
        """Read parameters, layers and project."""
        self._request = self._read_request(parameters, context, feedback)
        self._area = read_area(self, parameters, context)
        self._scenes = read_scenes(self, parameters, context)

    def run_request(
        self,
        parameters: Dict[str, Any],
        context: QgsProcessingContext,
        feedback: QgsProcessingFeedback,
    ) -> Dict[str, Any]:
        """Let the worker make the composite."""
        # Of a dry run QGIS must not expect a layer to load.
        is_dry = self._request.dry_run
        output = "" if is_dry else self.parameterAsOutputLayer(parameters, OUTPUT, context)
        file = Path(output).absolute() if output else self._output_file(parameters)
        report = self.parameterAsFileOutput(parameters, OUTPUT_REPORT, context)
        request = replace(
            self._request,
            output=str(file or ""),
            report=str(Path(report).absolute()) if report else "",
        )
        values = self.run_search(request, self._area.merged(), self._scenes, feedback)
        self._request = request
        counts = (SCENE_COUNT, DAY_COUNT, CLEAR_PERCENT)
        results = {name: values[name] for name in counts if name in values}
        if output:
            results[OUTPUT] = output
        if report:
            results[OUTPUT_REPORT] = report
        self._loaded_layer = output
        return results

    def postProcessAlgorithm(
        self, context: QgsProcessingContext, _feedback: QgsProcessingFeedback
    ) -> Dict[str, Any]:
        """Name and style the layer that QGIS is about to load."""
        if self._loaded_layer:
            name = composite_name(self._request, chosen_scenes=self._scenes.given)
            self.style_layer(self._loaded_layer, context, CompositeStyler(), name)
        return {}

    def _output_file(self, parameters: Dict[str, Any]) -> Optional[Path]:
        return destination_file(self.parameterDefinition(OUTPUT), parameters.get(OUTPUT))

    def _read_recipe(
        self, parameters: Dict[str, Any], context: QgsProcessingContext
    ) -> Dict[str, Any]:
        """The request's fields that say what is made of the scenes."""
        profile = read_profile(self, parameters, context)
        bands = split_entries(self.parameterAsString(parameters, BANDS, context))
        check_layers(bands, profile)
        return {
            "bands": bands,
            "method": self.parameterAsEnumString(parameters, METHOD, context),
            **read_mask(self, parameters, context),
            "resolution": self._read_resolution(parameters, context),
            "clip": self.parameterAsBool(parameters, CLIP, context),
            "dtype": self.parameterAsEnumString(parameters, DTYPE, context),
            "count_band": self.parameterAsBool(parameters, COUNT_BAND, context),
            "memory_gb": self.parameterAsDouble(parameters, MEMORY, context),
            "on_error": self.parameterAsEnumString(parameters, ON_ERROR, context),
            "dry_run": self.parameterAsBool(parameters, DRY_RUN, context),
            **read_cluster(self, parameters, context),
        }

    def _read_request(
        self,
        parameters: Dict[str, Any],
        context: QgsProcessingContext,
        feedback: QgsProcessingFeedback,
    ) -> CompositeRequest:
        """The whole request, but for the output files."""
        request = CompositeRequest(
            search=read_search(self, parameters, context),
            output="",
            crs=self._read_crs(parameters, context),
            align=self._read_align(parameters, context),
            **self._read_recipe(parameters, context),
        )
        if request.align is None:
            return request
        if request.crs or request.resolution is not None:
            feedback.pushWarning("ALIGN gives the grid; CRS and RESOLUTION are not used.")
        return replace(request, crs="", resolution=None)

    def _read_resolution(
        self, parameters: Dict[str, Any], context: QgsProcessingContext
    ) -> Optional[float]:
        if parameters.get(RESOLUTION) in (None, ""):
            return None
        resolution = float(self.parameterAsDouble(parameters, RESOLUTION, context))
        if resolution <= 0:
            raise InvalidRequestError(
                f"RESOLUTION is {resolution:g}; give a size above 0, or leave it empty for the "
                "scenes' own."
            )
        return resolution

    def _read_crs(self, parameters: Dict[str, Any], context: QgsProcessingContext) -> str:
        if parameters.get(CRS) in (None, ""):
            return ""
        crs = self.parameterAsCrs(parameters, CRS, context)
        if not crs.isValid():
            raise InvalidRequestError(
                f"CRS: {parameters[CRS]!s} is not known; give one such as EPSG:32633."
            )
        return crs_text(crs)

    def _read_align(
        self, parameters: Dict[str, Any], context: QgsProcessingContext
    ) -> Optional[PixelGrid]:
        if parameters.get(ALIGN) in (None, ""):
            return None
        return grid_of_layer(self.parameterAsRasterLayer(parameters, ALIGN, context))


def _check_is_geotiff(path: Optional[Path]) -> None:
    if path is not None and path.suffix.lower() not in (".tif", ".tiff"):
        raise InvalidRequestError(
            f"OUTPUT: the composite is a GeoTIFF; give a name that ends in .tif, not {path.name}."
        )


def _recipe_parameters() -> List[QgsProcessingParameterDefinition]:
    return [
        describe(
            QgsProcessingParameterString(BANDS, "Bands and indices", "red,green,blue"),
            "Bands and indices of the composite, separated by commas, in this order: "
            f"red,green,blue or NDVI. Indices are {', '.join(OFTEN_USED)} and many more; "
            "a formula of your own is name=formula, such as ratio=nir/red.",
        ),
        describe(
            QgsProcessingParameterEnum(
                METHOD,
                "Method",
                options=list(METHODS),
                defaultValue=METHODS[0],
                usesStaticStrings=True,
            ),
            "How the clear days become one value: median.",
        ),
        *mask_parameters(),
    ]


def _grid_parameters() -> List[QgsProcessingParameterDefinition]:
    return [
        describe(
            QgsProcessingParameterNumber(
                RESOLUTION,
                "Pixel size (in the output CRS's unit)",
                QgsProcessingParameterNumber.Type.Double,
                optional=True,
            ),
            "The size of a pixel in the unit of the output CRS: metres in UTM, degrees in "
            "EPSG:4326. Not set: that of the finest band asked for. Two or more times coarser "
            "than the scenes, their overviews are read: a preview of a city takes seconds.",
        ),
        describe(
            QgsProcessingParameterCrs(CRS, "Output CRS", optional=True),
            "The CRS of the composite. Not set: that of most scenes.",
        ),
        describe(
            QgsProcessingParameterRasterLayer(ALIGN, "Align to a raster's pixels", optional=True),
            "A raster whose CRS and pixels the composite takes exactly; it wins over the pixel "
            "size and the CRS.",
            advanced=True,
        ),
        describe(
            QgsProcessingParameterBoolean(CLIP, "Clip to the area", True),
            "Leave out pixels whose centre is outside of the polygons.",
            advanced=True,
        ),
    ]


def _file_parameters() -> List[QgsProcessingParameterDefinition]:
    return [
        describe(
            QgsProcessingParameterEnum(
                DTYPE,
                "Data type",
                options=list(DTYPES),
                defaultValue=DTYPES[0],
                usesStaticStrings=True,
            ),
            "float32 keeps every digit; int16 is half the size: the value times 10,000, with the "
            "scale in the file.",
            advanced=True,
        ),
        describe(
            QgsProcessingParameterBoolean(COUNT_BAND, "Add the number of clear days", False),
            "Add a last band that counts the clear days of each pixel.",
            advanced=True,
        ),
        memory_parameter(),
        on_error_parameter(),
        dry_run_parameter(),
        *cluster_parameters(),
        auth_parameter(),
        describe(
            QgsProcessingParameterRasterDestination(OUTPUT, OUTPUT_TITLE),
            "The composite, a Cloud Optimized GeoTIFF (.tif).",
        ),
        describe(
            QgsProcessingParameterFileDestination(
                OUTPUT_REPORT, "Report", "HTML files (*.html)", optional=True, createByDefault=True
            ),
            "A page with a picture, the scenes used and why others were not.",
        ),
    ]
