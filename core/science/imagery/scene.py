"""Scenes: what the engine needs to know of a STAC item, and nothing else."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pystac
import shapely
from affine import Affine
from odc.geo.crs import CRS
from odc.geo.geobox import GeoBox
from pyproj.exceptions import CRSError
from shapely.errors import ShapelyError
from shapely.geometry.base import BaseGeometry

from ...bridge.errors import InvalidRequestError
from ...bridge.profiles import CollectionProfile


@dataclass(frozen=True)
class SourceBand:
    """One band of one scene, as a single-band raster file.

    reflectance = pixel * scale + offset. ``nodata`` None means that every pixel is one.
    ``geobox`` is the pixel grid that the item tells, or None where it tells none; ``data_type``
    the file's dtype by STAC's name, empty where the item does not tell.
    """

    href: str
    nodata: float | None
    scale: float
    offset: float
    geobox: GeoBox | None
    data_type: str = ""


@dataclass(frozen=True)
class Scene:
    """One scene; ``bands`` by the profile's names, ``mask`` the classification, if asked for.

    ``moment`` is in UTC, ``footprint`` in EPSG:4326. ``encoding`` says in words where scale and
    offset come from.
    """

    id: str
    moment: datetime
    footprint: BaseGeometry
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
        nodata = _nodata(asset, profile.mask.nodata)
        mask = SourceBand(_href(asset), nodata, 1.0, 0.0, _geobox(item, asset))
    return Scene(
        id=item.id,
        moment=item.datetime,
        footprint=_footprint(item),
        bands=sources,
        mask=mask,
        encoding=_encoding_in_words(item, profile, sources),
        properties=item.properties,
    )


def _footprint(item: pystac.Item) -> BaseGeometry:
    """The item's geometry, empty where it has none that can be read."""
    try:
        return shapely.make_valid(shapely.geometry.shape(item.geometry))
    except (ShapelyError, AttributeError, KeyError, TypeError, ValueError, IndexError):
        return shapely.Polygon()


def _read_band(item: pystac.Item, name: str, profile: CollectionProfile) -> SourceBand:
    asset = item.assets[name]
    scale, offset = _factor(asset, "scale"), _factor(asset, "offset")
    if _offset_was_applied(item, profile):
        offset = 0.0
    return SourceBand(
        href=_href(asset),
        nodata=_nodata(asset, profile.nodata),
        scale=profile.scale if scale is None else scale,
        offset=profile.offset if offset is None else offset,
        geobox=_geobox(item, asset),
        data_type=str(_raster_field(asset, "data_type") or ""),
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
    if _factor(asset, "scale") is None:
        return f"{numbers} (the collection's; the item says nothing)"
    return f"{numbers} (as the item says)"


def _href(asset: pystac.Asset) -> str:
    return asset.get_absolute_href() or asset.href


def _raster_field(asset: pystac.Asset, key: str) -> Any:
    """``key`` from where STAC 1.0 (raster:bands) and 1.1 (bands, or the asset itself) put it."""
    fields = asset.extra_fields
    lists = [fields.get(name) for name in ("raster:bands", "bands")]
    holders = [bands[0] for bands in lists if isinstance(bands, list) and bands]
    for holder in (*holders, fields):
        for name in (f"raster:{key}", key):
            if isinstance(holder, dict) and holder.get(name) is not None:
                return holder[name]
    return None


def _nodata(asset: pystac.Asset, default: float) -> float:
    value = _raster_field(asset, "nodata")
    if value in ("nan", "inf", "-inf"):
        return float(value)
    return float(value) if isinstance(value, (int, float)) else default


def _factor(asset: pystac.Asset, key: str) -> float | None:
    """The item's scale or offset, None where it tells none that can be used."""
    value = _raster_field(asset, key)
    if not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    return None if key == "scale" and value == 0 else float(value)


def _geobox(item: pystac.Item, asset: pystac.Asset) -> GeoBox | None:
    def value(key: str) -> Any:
        return asset.extra_fields.get(key, item.properties.get(key))

    shape, transform = value("proj:shape"), value("proj:transform")
    crs = value("proj:code") or value("proj:wkt2")
    if crs is None and value("proj:epsg"):
        crs = f"EPSG:{value('proj:epsg')}"
    try:
        height, width = (int(length) for length in shape)
        affine = Affine(*(float(number) for number in transform[:6]))
        if height < 1 or width < 1 or not 0 < abs(affine.determinant) < math.inf:
            return None
        return GeoBox((height, width), affine, CRS(crs))
    except (CRSError, TypeError, ValueError, OverflowError):
        # The item tells no grid, or none that makes sense: the file itself has one.
        return None
