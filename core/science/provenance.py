"""How a file was made, as tags inside it."""

from __future__ import annotations

import importlib.metadata
import json
import platform
from collections.abc import Sequence
from dataclasses import replace

from ..bridge.plain_text import plain_json, plain_words
from ..bridge.profiles import CollectionProfile
from ..bridge.request import CompositeRequest, request_to_json
from ..bridge.version import plugin_version
from .imagery.scene import Scene
from .web.addresses import without_query

PACKAGES = (
    "dask", "imagecodecs", "numpy", "odc-geo", "pyproj", "pystac-client", "rasterio", "tifffile"
)  # fmt: skip


def versions() -> dict[str, str]:
    """Versions of Fairweather, Python and the packages that shape a result."""
    found = {"fairweather": plugin_version(), "python": platform.python_version()}
    found.update({name: importlib.metadata.version(name) for name in PACKAGES})
    return found


def attribution(profile: CollectionProfile, scenes: Sequence[Scene]) -> str:
    """The attribution that the data's licence asks for, with the years of the scenes."""
    years = sorted({scene.moment.year for scene in scenes})
    span = f"{years[0]}–{years[-1]}" if len(years) > 1 else str(years[0])
    return profile.attribution.format(years=span)


def request_to_show(request: CompositeRequest) -> CompositeRequest:
    """The request as it may be written down: without what signs the addresses in it."""
    search = request.search
    catalog, scenes = without_query(search.catalog), without_query(search.scenes)
    return replace(request, search=replace(search, catalog=catalog, scenes=scenes))


def provenance_tags(
    request: CompositeRequest, profile: CollectionProfile, scenes: Sequence[Scene]
) -> dict[str, str]:
    """TIFF and GDAL tags: the request, the item ids, the versions, attribution and licence.

    The request is without where it was computed: that shapes no result. QGIS shows tags as HTML:
    what a stranger wrote is none.
    """
    request = replace(request_to_show(request), cluster="", dashboard=False)
    whose = plain_words(attribution(profile, scenes))
    return {
        "TIFFTAG_SOFTWARE": f"Fairweather {plugin_version()}",
        "TIFFTAG_COPYRIGHT": whose.replace("–", "-"),
        "FAIRWEATHER_REQUEST": plain_json(request_to_json(request)),
        "FAIRWEATHER_ITEMS": plain_json(json.dumps([scene.id for scene in scenes])),
        "FAIRWEATHER_VERSIONS": json.dumps(versions()),
        "ATTRIBUTION": whose,
        "LICENSE": plain_words(profile.license),
    }
