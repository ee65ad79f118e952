"""The algorithm ``timeseries``: how indices change at points and in polygons."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

from qgis.core import (
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingOutputNumber,
    QgsWkbTypes,
)

from ..core.bridge.indices import check_layers, read_layers, split_entries
from ..core.bridge.job_folders import job_folder
from ..core.bridge.profiles import find_profile
from ..core.bridge.request import TimeSeriesRequest
from ..core.bridge.series_recipe import SeriesRecipe, check_series_recipe
from .base import FairweatherAlgorithm
from .layer_names import series_name
from .mask_parameters import read_mask
from .on_error import ON_ERROR
from .output_checks import check_outputs
from .parameters import (
    DRY_RUN,
    MEMORY,
    read_cluster,
    read_profile,
    read_search,
)
from .scenes import ChosenScenes, read_scenes
from .series_tables import (
    OBSERVATION_TYPES,
    SERIES_TYPES,
    read_sites_with_statistics,
    read_table,
    site_fields,
    table_fields,
)
from .sinks import OutputWriter
from .site_styling import SiteStyler
from .sites import DrawnSites, check_sites, read_sites
from .time_series_parameters import (
    FILL,
    INDEX,
    LAMBDA,
    MAX_GAP,
    MIN_CLEAR,
    ORDER,
    OUTPUT,
    OUTPUT_CHART,
    OUTPUT_CHART_IMAGE,
    OUTPUT_OBSERVATIONS,
    OUTPUT_SITES,
    SMOOTH,
    STATISTIC,
    STEP,
    WINDOW,
    time_series_parameters,
)

SITE_COUNT = "SITE_COUNT"
OBSERVATION_COUNT = "OBSERVATION_COUNT"

HELP = """Shows how a place changes: NDVI, another index or a band, at points or in polygons, \
through time. It finds the satellite scenes over each site, reads only the pixels it needs, masks \
clouds and their shadows, and makes a regular, smoothed series of what is left.

Give a layer of points or polygons (parcels, say), or a point, and dates; everything else has a \
default. A point takes the pixel it lies in (on an edge, the one to the right and below: a pixel \
owns its upper and left edges), a polygon the statistic of the pixels whose centre is inside.

The series has a row for each site, index and step, with the value as observed, interpolated over \
gaps, and smoothed. The observations have a row for each day with a scene: no value where it was \
cloudy. Join either to the sites by <b>site</b>. The sites come back with count, mean, maximum \
and its date of each index, coloured by the mean, and the charts need no network to be read."""


class TimeSeriesAlgorithm(FairweatherAlgorithm):
    """Search, mask, follow indices at sites, write tables and charts."""

    _request: TimeSeriesRequest
    _sites: DrawnSites
    _scenes: ChosenScenes
    _layers: Dict[str, str]

    def name(self) -> str:
        """The fixed name."""
        return "timeseries"

    def displayName(self) -> str:
        """The name in the toolbox."""
        return "Index time series"

    def group(self) -> str:
        """The group in the toolbox."""
        return "Imagery"

    def groupId(self) -> str:
        """The group's fixed name."""
        return "imagery"

    def tags(self) -> List[str]:
        """Words to find it by."""
        words = "time series ndvi evi index phenology crop parcel field forest monitoring"
        return [*words.split(), "vegetation", "chart", "sentinel-2", "satellite", "stac"]

    def shortDescription(self) -> str:
        """What it does, in a line."""
        return "Follows NDVI or another index at points or polygons through time, without clouds."

    def shortHelpString(self) -> str:
        """The help beside the dialog."""
        return HELP

    def initAlgorithm(self, _configuration: Optional[Dict[str, Any]] = None) -> None:
        """Define parameters and outputs."""
        for definition in time_series_parameters():
            self.addParameter(definition)
        self.addOutput(QgsProcessingOutputNumber(SITE_COUNT, "Number of sites"))
        self.addOutput(QgsProcessingOutputNumber(OBSERVATION_COUNT, "Number of observations"))

    def check(self, parameters: Dict[str, Any], context: QgsProcessingContext) -> None:
        """Check everything that needs no feature."""
        read_search(self, parameters, context)
        self._read_indices(parameters, context)
        read_mask(self, parameters, context)
        self._read_recipe(parameters, context)
        check_sites(self, parameters, context)
        check_outputs(self, parameters, context)

    def prepare_request(
        self,
        parameters: Dict[str, Any],
        context: QgsProcessingContext,
        feedback: QgsProcessingFeedback,
    ) -> None:
        """Read parameters, layers and project."""
        self._sites = read_sites(self, parameters, context, feedback)
        self._scenes = read_scenes(self, parameters, context)
        self._layers = {}
        self._request = TimeSeriesRequest(
            search=read_search(self, parameters, context),
            sites=self._sites.for_request(),
            sites_crs=self._sites.crs_text,
            indices=self._read_indices(parameters, context),
            recipe=self._read_recipe(parameters, context),
            statistic=self.parameterAsEnumString(parameters, STATISTIC, context),
            **read_mask(self, parameters, context),
            min_clear=self.parameterAsDouble(parameters, MIN_CLEAR, context),
            memory_gb=self.parameterAsDouble(parameters, MEMORY, context),
            on_error=self.parameterAsEnumString(parameters, ON_ERROR, context),
            dry_run=self.parameterAsBool(parameters, DRY_RUN, context),
            **read_cluster(self, parameters, context),
        )

    def run_request(
        self,
        parameters: Dict[str, Any],
        context: QgsProcessingContext,
        feedback: QgsProcessingFeedback,
    ) -> Dict[str, Any]:
        """Let the worker make the series, and put its tables in the outputs."""
        if self._request.dry_run:
            values = self.run_search(self._request, self._sites.area, self._scenes, feedback)
            return {SITE_COUNT: values[SITE_COUNT]}
        with job_folder("series") as folder:
            writer = OutputWriter(self, parameters, context, feedback, folder)
            tables = {
                name: folder / f"{name.lower()}.csv"
                for name in (OUTPUT, OUTPUT_OBSERVATIONS, OUTPUT_SITES)
                if writer.is_wanted(name)
            }
            request = replace(
                self._request,
                series=str(tables[OUTPUT]),
                observations=str(tables.get(OUTPUT_OBSERVATIONS, "")),
                site_summary=str(tables.get(OUTPUT_SITES, "")),
                chart=writer.staged_file(OUTPUT_CHART),
                chart_image=writer.staged_file(OUTPUT_CHART_IMAGE),
                destinations=writer.destinations(),
            )
            with writer.whole():
                values = self.run_search(request, self._sites.area, self._scenes, feedback)
                self._layers = self._write_layers(tables, writer)
        counts = {name: values[name] for name in (SITE_COUNT, OBSERVATION_COUNT)}
        return {**counts, **self._layers, **writer.files()}

    def postProcessAlgorithm(
        self, context: QgsProcessingContext, _feedback: QgsProcessingFeedback
    ) -> Dict[str, Any]:
        """Name the layers that QGIS is about to load, and style the sites."""
        words = {OUTPUT: "series", OUTPUT_OBSERVATIONS: "observations", OUTPUT_SITES: "at sites"}
        for output, layer in self._layers.items():
            name = series_name(self._request, words[output], self._scenes.given)
            if output == OUTPUT_SITES:
                self.style_layer(layer, context, SiteStyler(self._mean_field()), name)
            else:
                self.name_layer(layer, context, name)
        return {}

    def _write_layers(self, tables: Dict[str, Path], writer: OutputWriter) -> Dict[str, str]:
        """Copy the worker's tables into the sinks; the layers' ids by output."""
        no_geometry = QgsWkbTypes.Type.NoGeometry
        layers = {}
        for name, types in ((OUTPUT, SERIES_TYPES), (OUTPUT_OBSERVATIONS, OBSERVATION_TYPES)):
            if name in tables:
                rows = read_table(tables[name], types)
                layers[name] = writer.write(name, rows, table_fields(types), no_geometry)
        if OUTPUT_SITES in tables:
            layers[OUTPUT_SITES] = writer.write(
                OUTPUT_SITES,
                read_sites_with_statistics(tables[OUTPUT_SITES], self._sites),
                site_fields(self._sites, self._index_names()),
                self._sites.wkb_type,
                self._sites.crs,
            )
        return layers

    def _index_names(self) -> List[str]:
        profile = find_profile(self._request.search.collection, self._request.search.profile)
        return [layer.name for layer in read_layers(self._request.indices, profile, INDEX)]

    def _mean_field(self) -> str:
        """The field with the first index's mean: the second after the sites' own and labels."""
        indices = self._index_names()
        fields = site_fields(self._sites, indices)
        return str(fields[len(fields) - 4 * len(indices) + 1].name())

    def _read_indices(
        self, parameters: Dict[str, Any], context: QgsProcessingContext
    ) -> Tuple[str, ...]:
        """INDEX, which depends on the collection."""
        profile = read_profile(self, parameters, context)
        indices = split_entries(self.parameterAsString(parameters, INDEX, context))
        check_layers(indices, profile, INDEX)
        return indices

    def _read_recipe(
        self, parameters: Dict[str, Any], context: QgsProcessingContext
    ) -> SeriesRecipe:
        recipe = SeriesRecipe(
            step=self.parameterAsInt(parameters, STEP, context),
            fill=self.parameterAsEnumString(parameters, FILL, context),
            max_gap=self.parameterAsInt(parameters, MAX_GAP, context),
            smooth=self.parameterAsEnumString(parameters, SMOOTH, context),
            window=self.parameterAsInt(parameters, WINDOW, context),
            order=self.parameterAsInt(parameters, ORDER, context),
            penalty=self.parameterAsDouble(parameters, LAMBDA, context),
        )
        check_series_recipe(recipe)
        return recipe
