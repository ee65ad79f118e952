"""Scenes: what the engine needs to know of a STAC item, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pystac
from affine import Affine
from odc.geo.geobox import GeoBox

from ..bridge.errors import InvalidRequestError
from ..bridge.profiles import CollectionProfile


@dataclass(frozen=True)
class SourceBand:
    """One band of one scene, as a single-band raster file.

    reflectance = pixel * scale + offset. ``nodata`` None means that every pixel is one.
    ``geobox`` is the pixel grid that the item tells, or None where it tells none.
    """

    href: str
    nodata: float | None
    scale: float
    offset: float
    geobox: GeoBox | None


@dataclass(frozen=True)
class Scene:
    """One scene; ``bands`` by the profile's names, ``mask`` the classification, if asked for.

    ``moment`` is in UTC. ``encoding`` says in words where scale and offset come from.
    """

    id: str
    moment: datetime
    bands: Mapping[str, SourceBand]
    mask: SourceBand | None
    encoding: str
    properties: Mapping[str, Any]

    @property
    def sources(self) -> tuple[SourceBand, ...]:
        """All files of the scene, the mask last."""
        return (*self.bands.values(), *([self.mask] if self.mask else []))


def read_scenes(
    items: Iterable[pystac.Item],
    profile: CollectionProfile,
    bands: Iterable[str],
    with_mask: bool,
) -> tuple[list[Scene], list[str]]:
    """The scenes of ``items``, and the ids of items that lack an asset that is needed.

    Raises:
        InvalidRequestError: no item has the assets that are needed.
    """
    wanted = tuple(bands)
    scenes, incomplete = [], []
    first_missing = ""
    for item in items:
        needed = [profile.bands[band].asset for band in wanted]
        needed += [profile.mask.asset] if with_mask else []
        missing = [asset for asset in needed if asset not in item.assets]
        if missing or item.datetime is None:
            incomplete.append(item.id)
            first_missing = first_missing or (missing[0] if missing else "datetime")
        else:
            scenes.append(_read_scene(item, profile, wanted, with_mask))
    if incomplete and not scenes:
        raise InvalidRequestError(
            f"None of the {len(incomplete)} scenes has the asset {first_missing!r} of "
            f"{profile.id}; choose the COLLECTION that these scenes belong to, or other BANDS."
        )
    return scenes, incomplete


def _read_scene(
    item: pystac.Item, profile: CollectionProfile, bands: tuple[str, ...], with_mask: bool
) -> Scene:
    assert item.datetime is not None  # nosec B101: read_scenes leaves the others out
    sources = {band: _read_band(item, profile.bands[band].asset, profile) for band in bands}
    mask = None
    if with_mask:
        asset = item.assets[profile.mask.asset]
        nodata = _raster_value(asset, "nodata", profile.mask.nodata)
        mask = SourceBand(_href(asset), nodata, 1.0, 0.0, _geobox(item, asset))
    return Scene(
        id=item.id,
        moment=item.datetime,
        bands=sources,
        mask=mask,
        encoding=_encoding_in_words(item, profile, sources),
        properties=item.properties,
    )


def _read_band(item: pystac.Item, name: str, profile: CollectionProfile) -> SourceBand:
    asset = item.assets[name]
    offset = _raster_value(asset, "offset", profile.offset)
    return SourceBand(
        href=_href(asset),
        nodata=_raster_value(asset, "nodata", profile.nodata),
        scale=_raster_value(asset, "scale", profile.scale),
        offset=0.0 if _offset_was_applied(item, profile) else offset,
        geobox=_geobox(item, asset),
    )


def _offset_was_applied(item: pystac.Item, profile: CollectionProfile) -> bool:
    return (
        profile.offset_rule == "boa_offset_applied"
        and item.properties.get("earthsearch:boa_offset_applied") is True
    )


def _encoding_in_words(
    item: pystac.Item, profile: CollectionProfile, bands: Mapping[str, SourceBand]
) -> str:
    source = next(iter(bands.values()))
    numbers = f"scale {source.scale:g}, offset {source.offset:g}"
    if _offset_was_applied(item, profile):
        return f"{numbers} (the pixels already have it: earthsearch:boa_offset_applied)"
    asset = item.assets[profile.bands[next(iter(bands))].asset]
    if _raster_value(asset, "scale", None) is None:
        return f"{numbers} (the collection's; the item says nothing)"
    return f"{numbers} (as the item says)"


def _href(asset: pystac.Asset) -> str:
    return asset.get_absolute_href() or asset.href


def _raster_value(asset: pystac.Asset, key: str, default: Any) -> Any:
    """``key`` from where STAC 1.0 (raster:bands) and 1.1 (bands, or the asset itself) put it."""
    fields = asset.extra_fields
    for holder in (*fields.get("raster:bands", [])[:1], *fields.get("bands", [])[:1], fields):
        for name in (f"raster:{key}", key):
            value = holder.get(name)
            if value == "nan":
                return float("nan")
            if isinstance(value, (int, float)):
                return float(value)
    return default


def _geobox(item: pystac.Item, asset: pystac.Asset) -> GeoBox | None:
    def value(key: str) -> Any:
        return asset.extra_fields.get(key, item.properties.get(key))

    shape, transform = value("proj:shape"), value("proj:transform")
    crs = value("proj:code") or value("proj:wkt2")
    if crs is None and value("proj:epsg"):
        crs = f"EPSG:{value('proj:epsg')}"
    if not (shape and transform and crs):
        return None
    return GeoBox((int(shape[0]), int(shape[1])), Affine(*transform[:6]), crs)
