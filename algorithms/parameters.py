"""The parameters that searching algorithms share, and the request's search made of them."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple

from qgis.core import (
    QgsProcessing,
    QgsProcessingAlgorithm,
    QgsProcessingContext,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterDateTime,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterEnum,
    QgsProcessingParameterExtent,
    QgsProcessingParameterFeatureSource,
    QgsProcessingParameterFile,
    QgsProcessingParameterNumber,
    QgsProcessingParameterString,
    QgsProperty,
)
from qgis.PyQt.QtCore import QDate

from ..core.bridge.errors import InvalidRequestError
from ..core.bridge.profiles import (
    CUSTOM_COLLECTION,
    DEFAULT_COLLECTION,
    CollectionProfile,
    find_profile,
    load_profiles,
)
from ..core.bridge.request import Area, SceneSearch
from ..core.bridge.scene_filter import parse_filter, parse_months
from .area import AOI, EXTENT

COLLECTION = "COLLECTION"
PROFILE = "PROFILE"
CATALOG = "CATALOG"
START = "START"
END = "END"
MONTHS = "MONTHS"
MAX_CLOUD = "MAX_CLOUD"
FILTER = "FILTER"
SCENES = "SCENES"
MEMORY = "MEMORY"
DRY_RUN = "DRY_RUN"
CLUSTER = "CLUSTER"
DASHBOARD = "DASHBOARD"

MAX_CLOUD_DEFAULT = 30


def describe(
    parameter: QgsProcessingParameterDefinition, text: str, advanced: bool = False
) -> QgsProcessingParameterDefinition:
    """``parameter`` with its help, and among the advanced ones if so asked."""
    parameter.setHelp(text)
    if advanced:
        advanced_flag = QgsProcessingParameterDefinition.Flag.FlagAdvanced
        parameter.setFlags(parameter.flags() | advanced_flag)
    return parameter


def search_parameters(
    places: Sequence[QgsProcessingParameterDefinition] = (),
) -> List[QgsProcessingParameterDefinition]:
    """Definitions of all shared parameters, in the order of the dialog.

    ``places`` say where to search in the stead of AOI and EXTENT.
    """
    return [
        _collection(),
        *(places or _areas()),
        *_dates(),
        *_narrowing(),
        _profile(),
        _catalog(),
        _scenes(),
    ]


def memory_parameter() -> QgsProcessingParameterDefinition:
    """MEMORY, among the advanced ones."""
    return describe(
        QgsProcessingParameterNumber(
            MEMORY,
            "Memory (GB)",
            QgsProcessingParameterNumber.Type.Double,
            0,
            minValue=0,
        ),
        "How much memory the run may use. 0 is about 1 GB, and up to half of what is free where "
        "a run needs it.",
        advanced=True,
    )


def dry_run_parameter() -> QgsProcessingParameterDefinition:
    """DRY_RUN, among the advanced ones."""
    return describe(
        QgsProcessingParameterBoolean(DRY_RUN, "Dry run: only tell what would be done", False),
        "Search and plan only: the log tells how many scenes would be read, how many bytes, how "
        "long it would take and how large the result would be. No pixel is read, and no OUTPUT "
        "is made.",
        advanced=True,
    )


def cluster_parameters() -> List[QgsProcessingParameterDefinition]:
    """CLUSTER and DASHBOARD, among the advanced ones."""
    return [
        describe(
            QgsProcessingParameterString(CLUSTER, "Dask cluster", "", optional=True),
            "The address of a Dask scheduler, such as tcp://10.0.0.5:8786, whose workers have the "
            "packages of the Python environment: they read and reduce, and memory is then for "
            "each of them. Empty is this computer.",
            advanced=True,
        ),
        describe(
            QgsProcessingParameterBoolean(DASHBOARD, "Show Dask's dashboard", False),
            "The log names the address of a page that shows the work while it is done. Without a "
            "cluster only this computer can open it.",
            advanced=True,
        ),
    ]


def read_cluster(
    algorithm: QgsProcessingAlgorithm, parameters: Dict[str, Any], context: QgsProcessingContext
) -> Dict[str, Any]:
    """The request's fields that say where it is computed."""
    return {
        "cluster": algorithm.parameterAsString(parameters, CLUSTER, context).strip(),
        "dashboard": algorithm.parameterAsBool(parameters, DASHBOARD, context),
    }


def read_search(
    algorithm: QgsProcessingAlgorithm,
    parameters: Dict[str, Any],
    context: QgsProcessingContext,
) -> SceneSearch:
    """The search that the parameters ask for, without area and scenes, which the run fills in.

    Raises:
        InvalidRequestError: a value that does not parse, or values that exclude each other.
    """
    start, end = read_period(algorithm, parameters, context)
    profile_file = _read_profile_file(algorithm, parameters, context)
    condition = algorithm.parameterAsString(parameters, FILTER, context).strip()
    parse_filter(condition)
    return SceneSearch(
        collection=algorithm.parameterAsEnumString(parameters, COLLECTION, context),
        area=Area("", {}),
        start=start.isoformat(),
        end=end.isoformat(),
        catalog=read_catalog(algorithm, parameters, context),
        months=parse_months(algorithm.parameterAsString(parameters, MONTHS, context)),
        max_cloud=algorithm.parameterAsDouble(parameters, MAX_CLOUD, context),
        filter=condition,
        profile=profile_file,
    )


def read_profile(
    algorithm: QgsProcessingAlgorithm, parameters: Dict[str, Any], context: QgsProcessingContext
) -> CollectionProfile:
    """The profile that COLLECTION, or with ``custom`` PROFILE, names.

    Raises:
        InvalidRequestError: there is none, or its file holds no profile.
    """
    collection = algorithm.parameterAsEnumString(parameters, COLLECTION, context)
    return find_profile(collection, _read_profile_file(algorithm, parameters, context))


def _read_profile_file(
    algorithm: QgsProcessingAlgorithm, parameters: Dict[str, Any], context: QgsProcessingContext
) -> str:
    """PROFILE as an absolute path, empty where none is given."""
    path = algorithm.parameterAsFile(parameters, PROFILE, context).strip()
    return str(Path(path).absolute()) if path else ""


def read_catalog(
    algorithm: QgsProcessingAlgorithm, parameters: Dict[str, Any], context: QgsProcessingContext
) -> str:
    """CATALOG's text; a collection without a catalogue of its own needs it, or SCENES."""
    catalog = algorithm.parameterAsString(parameters, CATALOG, context).strip()
    profile = read_profile(algorithm, parameters, context)
    if not catalog and not profile.catalog and parameters.get(SCENES) in (None, ""):
        raise InvalidRequestError(
            f"The collection {profile.id} is in no public catalogue; "
            "give CATALOG, the path of the one that holds it."
        )
    return catalog


def read_period(
    algorithm: QgsProcessingAlgorithm, parameters: Dict[str, Any], context: QgsProcessingContext
) -> Tuple[datetime.date, datetime.date]:
    """START and END, both inclusive."""
    start = _read_date(algorithm, parameters, context, START)
    end = _read_date(algorithm, parameters, context, END)
    if start > end:
        raise InvalidRequestError(
            f"START ({start}) is after END ({end}); give a START that is not later than END."
        )
    return start, end


def last_full_year() -> int:
    """The last calendar year that is over."""
    return datetime.datetime.now(datetime.timezone.utc).year - 1


def _collection() -> QgsProcessingParameterDefinition:
    profiles = load_profiles()
    titles = "; ".join(f"{profile.id}: {profile.title}" for profile in profiles.values())
    return describe(
        QgsProcessingParameterEnum(
            COLLECTION,
            "Collection",
            options=[*profiles, CUSTOM_COLLECTION],
            defaultValue=DEFAULT_COLLECTION,
            usesStaticStrings=True,
        ),
        f"The collection of scenes to use. {titles}; {CUSTOM_COLLECTION}: the one that the profile "
        "describes.",
    )


def _profile() -> QgsProcessingParameterDefinition:
    return describe(
        QgsProcessingParameterFile(PROFILE, "Profile", extension="json", optional=True),
        f"A file that describes the collection {CUSTOM_COLLECTION}: its bands, its mask, its scale "
        "and offset. The page “Collections” of the documentation says how to write one.",
        advanced=True,
    )


def _areas() -> List[QgsProcessingParameterDefinition]:
    return [
        describe(
            QgsProcessingParameterFeatureSource(
                AOI,
                "Area of interest: polygons",
                [QgsProcessing.SourceType.TypeVectorPolygon],
                optional=True,
            ),
            "Polygons of the area of interest, in any CRS; several are taken together. "
            "They win over the extent.",
        ),
        describe(
            QgsProcessingParameterExtent(EXTENT, "Area of interest: extent", optional=True),
            "The area of interest as a rectangle: from the canvas, a layer, or as text "
            "xmin,xmax,ymin,ymax [EPSG:4326]. Without a CRS it is in the project's.",
        ),
    ]


def _dates() -> List[QgsProcessingParameterDefinition]:
    year = last_full_year()
    date_type = QgsProcessingParameterDateTime.Type.Date
    return [
        describe(
            QgsProcessingParameterDateTime(START, "First day", date_type, QDate(year, 1, 1)),
            "The first day (UTC), such as 2024-05-01. The default is the last full year.",
        ),
        describe(
            QgsProcessingParameterDateTime(END, "Last day", date_type, QDate(year, 12, 31)),
            "The last day (UTC); its scenes are used too.",
        ),
    ]


def _narrowing() -> List[QgsProcessingParameterDefinition]:
    return [
        describe(
            QgsProcessingParameterNumber(
                MAX_CLOUD,
                "Cloud cover below (percent)",
                QgsProcessingParameterNumber.Type.Double,
                MAX_CLOUD_DEFAULT,
                minValue=0,
                maxValue=100,
            ),
            "Only scenes whose cloud cover (eo:cloud_cover) is below this are used. "
            "100 is no limit, and takes scenes that do not tell it.",
        ),
        describe(
            QgsProcessingParameterString(FILTER, "Filter on properties", "", optional=True),
            "Comparisons of the scenes' properties, joined by and: mgrs:grid_square = GQ and "
            "s2:nodata_pixel_percentage < 50. The comparisons are =, !=, <, <=, >, "
            ">=, in (a, b) and like.",
        ),
        describe(
            QgsProcessingParameterString(MONTHS, "Months", "", optional=True),
            "The months kept of every year: 5-9, or 11-2 over the turn of the year. "
            "Empty keeps all.",
            advanced=True,
        ),
    ]


def _catalog() -> QgsProcessingParameterDefinition:
    return describe(
        QgsProcessingParameterString(CATALOG, "Catalogue", "", optional=True),
        "The address of a STAC API, the path or address of a static catalogue or of a file of "
        "items (JSON or GeoParquet), or a folder of Sentinel-2 or Landsat scenes on your disk. "
        "Empty is the collection's own catalogue.",
        advanced=True,
    )


def _scenes() -> QgsProcessingParameterDefinition:
    return describe(
        QgsProcessingParameterFeatureSource(
            SCENES,
            "Scenes found before",
            [QgsProcessing.SourceType.TypeVectorPolygon],
            optional=True,
        ),
        "An ItemCollection file or a footprints layer of “Search scenes”. Then nothing is "
        "searched: delete, filter or select footprints to choose the scenes.",
    )


def _read_date(
    algorithm: QgsProcessingAlgorithm,
    parameters: Dict[str, Any],
    context: QgsProcessingContext,
    name: str,
) -> datetime.date:
    """One date; what QGIS cannot read would silently become the default."""
    value = parameters.get(name)
    if isinstance(value, QgsProperty):
        value, _ = value.valueAsString(context.expressionContext())
    if isinstance(value, datetime.date):
        value = value.isoformat()
    if isinstance(value, str) and value.strip():
        date = _parse_date(value.strip())
    else:
        date = _python_date(algorithm.parameterAsDateTime(parameters, name, context).date())
    if date is None:
        raise InvalidRequestError(f"{name}: {value!s} is no date; write it like 2024-05-31.")
    return date


def _parse_date(text: str) -> Optional[datetime.date]:
    """The UTC day of an ISO date, with or without a time."""
    try:
        if len(text) == len("2024-05-31"):
            return datetime.date.fromisoformat(text)
        moment = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None
    if moment.tzinfo is not None:
        moment = moment.astimezone(datetime.timezone.utc)
    return moment.date()


def _python_date(date: QDate) -> Optional[datetime.date]:
    if not date.isValid():
        return None
    return datetime.date(date.year(), date.month(), date.day())
