"""The job ``searchscenes``: find scenes, write them as items and as footprints."""

from __future__ import annotations

import json
from datetime import timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...bridge.credentials import Credentials
from ...bridge.profiles import CollectionProfile, find_profile
from ...bridge.request import SearchScenesRequest
from ..area import read_area
from ..imagery.solar_day import solar_day
from ..whole_file import check_target, whole_file
from ..words import count_of
from .candidates import scene_moment
from .checks import CLOUD_COVER
from .find import find_scenes
from .hrefs import is_remote
from .scene_tile import scene_tile

if TYPE_CHECKING:
    import pystac

    from ..access.access import Access
    from ..reporter import Reporter

PERCENT_WHEN_FOUND = 90.0


def run_search(
    request: SearchScenesRequest,
    reporter: Reporter,
    scratch: Path,
    credentials: Credentials | None = None,
) -> dict[str, object]:
    """Find the scenes and write the files that are asked for (an empty path asks for none).

    ``items`` becomes an ItemCollection with absolute addresses, ``footprints`` a GeoJSON file in
    EPSG:4326 whose features carry the whole item in their property ``item``.

    Returns:
        SCENE_COUNT, and DAY_COUNT: the number of different solar days at the area's centre.

    Raises:
        FairweatherError: see ``read_area``, ``find_scenes`` and ``whole_file``.
    """
    targets = [Path(path) for path in (request.items, request.footprints) if path]
    for target in targets:
        check_target(target, scratch)
    profile = find_profile(request.search.collection, request.search.profile)
    area = read_area(request.search.area, reporter)
    scenes = find_scenes(
        request.search,
        profile,
        area,
        reporter,
        percent_at_end=PERCENT_WHEN_FOUND,
        access=_access(request, profile, credentials),
    )
    footprints = [_footprint(item, profile, area.centre_longitude) for item in scenes.items]
    if request.items:
        items = [_item_content(item) for item in scenes.items]
        _write_features(items, Path(request.items), scratch)
    if request.footprints:
        _write_features(footprints, Path(request.footprints), scratch)
    days = {footprint["properties"]["solar_day"] for footprint in footprints}
    reporter.message(
        f"{count_of(len(scenes.items), 'scene')} of {count_of(len(days), 'day')} found in "
        f"{scenes.catalog_title}."
    )
    reporter.progress(100, "Scenes written")
    return {"SCENE_COUNT": len(scenes.items), "DAY_COUNT": len(days)}


def _access(
    request: SearchScenesRequest, profile: CollectionProfile, credentials: Credentials | None
) -> Access | None:
    search = request.search
    catalog = search.catalog.strip() or profile.catalog
    if credentials is None and not is_remote(catalog) and not is_remote(search.scenes.strip()):
        return None
    # Imported here: a local catalogue is searched without the 0.1 s that requests costs.
    from ..access.access import open_access  # noqa: PLC0415

    return open_access(search, credentials)


def _write_features(features: list[dict[str, Any]], target: Path, scratch: Path) -> None:
    content = {"type": "FeatureCollection", "features": features}
    with whole_file(target, scratch) as path:
        path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")


def _footprint(item: pystac.Item, profile: CollectionProfile, longitude: float) -> dict[str, Any]:
    moment = scene_moment(item.properties)
    cloud_cover = item.properties.get(CLOUD_COVER)
    return {
        "type": "Feature",
        "id": item.id,
        "geometry": item.geometry,
        "properties": {
            "item_id": item.id,
            "datetime": moment.astimezone(timezone.utc).isoformat().replace("+00:00", "Z"),
            "solar_day": solar_day(moment, longitude).isoformat(),
            "collection": item.collection_id,
            "cloud_cover": cloud_cover,
            "grid": scene_tile(item.id, item.properties),
            "platform": item.properties.get("platform"),
            "thumbnail": _thumbnail(item, profile.thumbnail),
            "href": _own_address(item),
            "item": json.dumps(_item_content(item), ensure_ascii=False),
        },
    }


def _item_content(item: pystac.Item) -> dict[str, Any]:
    return item.to_dict(include_self_link=True, transform_hrefs=False)


def _thumbnail(item: pystac.Item, asset: str) -> str | None:
    """The address of a small picture of the scene: an asset of that name or role, or a link."""
    if asset in item.assets:
        return item.assets[asset].href
    for role in ("thumbnail", "overview"):
        for candidate in item.assets.values():
            if role in (candidate.roles or ()):
                return candidate.href
    link = item.get_single_link("thumbnail") or item.get_single_link("preview")
    return str(link.target) if link else None


def _own_address(item: pystac.Item) -> str | None:
    link = item.get_single_link("self") or item.get_single_link("canonical")
    return str(link.target) if link else None
