"""The job ``searchscenes``: find scenes, write them as items and as footprints."""

from __future__ import annotations

import json
from contextlib import ExitStack
from datetime import timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...bridge.credentials import Credentials
from ...bridge.plain_text import plain_cell, plain_json
from ...bridge.profiles import CollectionProfile, find_profile
from ...bridge.request import SearchScenesRequest
from ..area import read_area
from ..scene_tile import scene_tile
from ..solar_day import solar_day
from ..web.addresses import is_remote, scheme_of, without_keys, without_login
from ..whole_file import check_target
from ..words import count_of
from .candidates import scene_moment
from .checks import cloud_cover
from .feature_file import feature_file
from .find import find_scenes
from .output_checks import checked_items

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

    ``items`` becomes an ItemCollection with absolute addresses (links without signatures, which
    those of assets keep: they are to be read), ``footprints`` a GeoJSON file in
    EPSG:4326 whose features carry the whole item in their property ``item``. Each feature is one
    line of its file, so that it can be read without the others.

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
    access = _access(request, profile, credentials)
    scenes = find_scenes(
        request.search,
        profile,
        area,
        reporter,
        percent_at_end=PERCENT_WHEN_FOUND,
        access=access,
    )
    days = set()
    with ExitStack() as files:
        items_file, footprints_file = (
            files.enter_context(feature_file(Path(path), scratch)) if path else None
            for path in (request.items, request.footprints)
        )
        for item in checked_items(scenes, request):
            _remove_keys(item)
            content = _item_content(item)
            footprint = _footprint(item, content, profile, area.centre_longitude)
            if access and not _may_be_shown(footprint["properties"]["thumbnail"], access):
                footprint["properties"]["thumbnail"] = None
            days.add(footprint["properties"]["solar_day"])
            if items_file:
                items_file.write(content)
            if footprints_file:
                footprints_file.write(footprint)
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


def _footprint(
    item: pystac.Item, content: dict[str, Any], profile: CollectionProfile, longitude: float
) -> dict[str, Any]:
    moment = scene_moment(item.properties)
    return {
        "type": "Feature",
        "id": item.id,
        "geometry": _outline(item),
        "properties": {
            "item_id": plain_cell(item.id),
            "datetime": moment.astimezone(timezone.utc).isoformat().replace("+00:00", "Z"),
            "solar_day": solar_day(moment, longitude).isoformat(),
            "collection": _cell(item.collection_id),
            "cloud_cover": cloud_cover(item.properties),
            "grid": _cell(scene_tile(item.id, item.properties)),
            "platform": _cell(item.properties.get("platform")),
            "thumbnail": _cell(_thumbnail(item, profile.thumbnail)),
            "href": _cell(_own_address(item)),
            "item": _item_text(content),
        },
    }


def _item_text(content: dict[str, Any]) -> str:
    """The whole item for a cell, as JSON in which QGIS sees no HTML."""
    text = json.dumps(content, ensure_ascii=False)
    # GDAL writes JSON into GeoJSON as an object, with ``<`` as it is, but no text that begins so.
    start = " " if "<" in text else ""
    return start + plain_json(text)


def _cell(value: Any) -> str | None:
    """A stranger's text for the table of footprints; None stays none."""
    return None if value is None else plain_cell(str(value))


def _outline(item: pystac.Item) -> dict[str, Any] | None:
    """The item's polygons as they were published; None where its geometry is something else."""
    geometry = item.geometry or {}
    kind = {"polygon": "Polygon", "multipolygon": "MultiPolygon"}.get(
        str(geometry.get("type")).lower()
    )
    return {"type": kind, "coordinates": geometry["coordinates"]} if kind else None


def _remove_keys(item: pystac.Item) -> None:
    for link in item.links:
        address = str(link.target)
        if scheme_of(address) not in {"", "file"}:
            link.target = without_keys(address)
    for asset in item.assets.values():
        asset.href = without_login(asset.href)


def _item_content(item: pystac.Item) -> dict[str, Any]:
    return item.to_dict(include_self_link=True, transform_hrefs=False)


def _thumbnail(item: pystac.Item, asset: str) -> str | None:
    """The address of a small picture of the scene: an asset of that name or role, or a link."""
    if asset in item.assets:
        return item.assets[asset].href
    for role in ("thumbnail", "overview"):
        for candidate in item.assets.values():
            if isinstance(candidate.roles, list) and role in candidate.roles:
                return candidate.href
    link = item.get_single_link("thumbnail") or item.get_single_link("preview")
    return str(link.target) if link else None


def _may_be_shown(thumbnail: str | None, access: Access) -> bool:
    """Whether QGIS, which loads it for a map tip, may ask for a picture that a stranger names."""
    # Imported here: see ``_access``.
    from ..web.private_addresses import may_be_shown  # noqa: PLC0415

    is_asked_for = thumbnail is not None and is_remote(thumbnail)
    return not is_asked_for or may_be_shown(str(thumbnail), access.rules.private_addresses)


def _own_address(item: pystac.Item) -> str | None:
    link = item.get_single_link("self") or item.get_single_link("canonical")
    return str(link.target) if link else None
