"""What a job asks for: frozen dataclasses that travel as JSON.

One request is one job. The same file can be run again by hand, without QGIS:
``python core/launch.py worker request.json``.
"""

from __future__ import annotations

import dataclasses
import json
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Optional, Tuple, Union

from .errors import InvalidRequestError
from .series_recipe import SeriesRecipe
from .text_length import shortened
from .typed_json import build, parse_json

REQUEST_VERSION = 1
# What becomes of what cannot be read.
METHODS = ("median",)
DTYPES = ("float32", "int16")
ON_ERROR_CHOICES = ("skip", "fail")
OUTPUT_FIELDS = (
    *("items", "footprints", "output", "report", "folder"),
    *("series", "observations", "site_summary", "chart", "chart_image"),
)


@dataclass(frozen=True)
class Area:
    """The area of interest.

    ``geometry`` is a GeoJSON Polygon or MultiPolygon (one, all features merged) in ``crs``, which
    is an authority code such as ``EPSG:4326`` or a WKT 2 text, x before y. With ``is_extent`` the
    geometry is a rectangle, and the area is its bounding rectangle in the output's CRS.
    """

    crs: str
    geometry: typing.Dict[str, Any]
    is_extent: bool = False


@dataclass(frozen=True)
class SceneSearch:
    """Which scenes to use.

    ``collection`` is a profile's id, or ``custom`` for the profile in the file ``profile``.
    ``start`` and ``end`` are ISO dates in UTC, both inclusive; ``months`` are the month numbers
    kept (empty: all). ``catalog`` is a STAC API's URL, the path or URL of a static catalogue or
    a file of items, or a folder of scenes (empty: the profile's). When ``scenes`` names a file
    of items, nothing is searched: only the area narrows it, and ``scene_ids``, the ids of the
    items used (empty: all).
    """

    collection: str
    area: Area
    start: str
    end: str
    catalog: str = ""
    months: Tuple[int, ...] = ()
    max_cloud: float = 30.0
    filter: str = ""
    limit: int = 10_000
    scenes: str = ""
    scene_ids: Tuple[str, ...] = ()
    profile: str = ""


@dataclass(frozen=True)
class PixelGrid:
    """Another raster's pixels, for ALIGN: its CRS, one pixel corner and the size of a pixel.

    All numbers are in the units of ``crs``; the sizes are positive.
    """

    crs: str
    origin_x: float
    origin_y: float
    pixel_width: float
    pixel_height: float


@dataclass(frozen=True)
class SearchScenesRequest:
    """Find scenes; write them as an ItemCollection and as a table of footprints (GeoJSON).

    ``destinations`` are files that whoever runs the job will replace with what it writes; like
    those that it writes, none may be read by it.
    """

    job: ClassVar[str] = "searchscenes"

    search: SceneSearch
    items: str
    footprints: str
    destinations: Tuple[str, ...] = ()


@dataclass(frozen=True)
class CompositeRequest:
    """Make a cloud-free composite as a Cloud Optimized GeoTIFF.

    ``bands`` are bands of the collection or names of indices. ``mask_classes`` None means the
    profile's, empty masks nothing; ``mask_buffer``, in metres, grows what is masked.
    ``resolution`` is in units of the output CRS. ``memory_gb`` 0 means about 1 GB, and more where
    the run needs it. ``dry_run`` plans and tells, and makes nothing but the report.
    ``cluster`` is a Dask scheduler's address, empty for this computer; ``memory_gb`` is then for
    each of its worker processes. ``dashboard`` opens Dask's on loopback, or names the cluster's.
    ``on_error`` says what becomes of what still cannot be read after all retries: ``skip`` leaves
    its day out of the blocks concerned, ``fail`` ends the run.
    """

    job: ClassVar[str] = "composite"

    search: SceneSearch
    bands: Tuple[str, ...]
    output: str
    report: str = ""
    method: str = "median"
    mask_classes: Optional[Tuple[int, ...]] = None
    mask_buffer: float = 0.0
    resolution: Optional[float] = None
    crs: str = ""
    align: Optional[PixelGrid] = None
    clip: bool = True
    dtype: str = "float32"
    count_band: bool = False
    memory_gb: float = 0.0
    dry_run: bool = False
    cluster: str = ""
    dashboard: bool = False
    on_error: str = "skip"


@dataclass(frozen=True)
class SampleCatalogRequest:
    """Write the built-in synthetic catalogue into ``folder``."""

    job: ClassVar[str] = "samplecatalog"

    folder: str
    days: int = 24


@dataclass(frozen=True)
class Site:
    """One place: ``geometry`` is a GeoJSON (Multi)Point or (Multi)Polygon in the request's CRS."""

    id: int
    name: str
    geometry: typing.Dict[str, Any]


@dataclass(frozen=True)
class TimeSeriesRequest:
    """Follow indices at sites through time; write tables (CSV) and charts.

    ``search.area`` is what is searched, around the sites. ``sites_crs`` is an authority code or a
    WKT 2 text. ``indices`` are bands, indices or ``name=formula``. An empty path writes nothing;
    ``dry_run`` plans and tells, and writes nothing at all. ``cluster``, ``dashboard`` and
    ``on_error`` are as in ``CompositeRequest``, ``destinations`` as in ``SearchScenesRequest``.
    """

    job: ClassVar[str] = "timeseries"

    search: SceneSearch
    sites: Tuple[Site, ...]
    sites_crs: str
    indices: Tuple[str, ...]
    recipe: SeriesRecipe
    statistic: str = "mean"
    mask_classes: Optional[Tuple[int, ...]] = None
    mask_buffer: float = 0.0
    min_clear: float = 0.0
    memory_gb: float = 0.0
    dry_run: bool = False
    cluster: str = ""
    dashboard: bool = False
    on_error: str = "skip"
    series: str = ""
    observations: str = ""
    site_summary: str = ""
    chart: str = ""
    chart_image: str = ""
    destinations: Tuple[str, ...] = ()


Request = Union[SearchScenesRequest, CompositeRequest, SampleCatalogRequest, TimeSeriesRequest]
REQUEST_TYPES = (SearchScenesRequest, CompositeRequest, SampleCatalogRequest, TimeSeriesRequest)


def request_to_json(request: Request) -> str:
    """The request as readable JSON, with its job's name and the format's version."""
    content = {"fairweather": REQUEST_VERSION, "job": request.job}
    content.update(dataclasses.asdict(request))
    return json.dumps(content, indent=2, ensure_ascii=False)


def output_files(request: Request) -> Tuple[Path, ...]:
    """The files, or the folder, that the request's job writes."""
    names = (getattr(request, field, "") for field in OUTPUT_FIELDS)
    return tuple(Path(name) for name in names if name)


def replaced_files(request: Request) -> Tuple[Path, ...]:
    """The files that are replaced by the job, or by whoever runs it: none may be an input."""
    return (*output_files(request), *map(Path, getattr(request, "destinations", ())))


def request_from_json(text: str) -> Request:
    """The request that ``text`` describes.

    Raises:
        InvalidRequestError: not JSON, another version, an unknown job or field, a missing field,
            or a value of another type.
    """
    try:
        content = parse_json(text)
    except (ValueError, RecursionError) as error:
        raise InvalidRequestError(f"The request is not JSON ({error}).") from error
    if not isinstance(content, dict) or content.pop("fairweather", None) != REQUEST_VERSION:
        raise InvalidRequestError(
            "The request is not one of this version: "
            f'it must be a JSON object that says "fairweather": {REQUEST_VERSION}.'
        )
    job = content.pop("job", None)
    for request_type in REQUEST_TYPES:
        if request_type.job == job:
            request: Request = build(request_type, content, "The request")
            return request
    known = ", ".join(request_type.job for request_type in REQUEST_TYPES)
    raise InvalidRequestError(
        f"The request asks for the unknown job {shortened(str(job))}; known are {known}."
    )


def read_request(path: Path) -> Request:
    """The request in the file at ``path``.

    Raises:
        InvalidRequestError: the file cannot be read, or is no request.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InvalidRequestError(
            f"The request file {path} cannot be read ({error.strerror})."
        ) from error
    except UnicodeDecodeError as error:
        raise InvalidRequestError(f"The request file {path} is not UTF-8 text.") from error
    return request_from_json(text)
