"""Scenes: what the engine needs to know of a STAC item, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

import pystac
import shapely
from odc.geo.geobox import GeoBox
from shapely.geometry.base import BaseGeometry

from ...bridge.errors import InvalidRequestError
from ...bridge.profiles import CollectionProfile
from ..footprint import read_footprint
from ..scene_tile import TILE_PROPERTIES
from .item_encoding import asset_nodata, data_type, tell_encoding
from .item_grid import item_grid

# What reports tell of a scene, and when its files may have become others; all properties of
# thousands of scenes would take much memory.
KEPT = frozenset({"platform", "eo:cloud_cover", "created", "updated"}) | TILE_PROPERTIES


@dataclass(frozen=True)
class Fault:
    """Why a scene must not be used: a file of it, and in a few words what is wrong."""

    href: str
    reason: str


@dataclass(frozen=True)
class SourceBand:
    """One band of one scene, as a single-band raster file.

    reflectance = pixel * scale + offset. ``nodata`` None means that every pixel is one.
    ``geobox`` is the pixel grid that the item tells, or None where it tells none; ``data_type``
    the file's dtype by STAC's name, empty where the item does not tell. ``is_mask`` says that the
    pixels are classes or bits. ``is_bits`` is for a mask whose pixels are sets of bits; such a
    pixel is no data where it has all the bits of ``nodata``. A band with a ``fault`` counts as one
    that cannot be read.
    """

    href: str
    nodata: float | None
    scale: float
    offset: float
    geobox: GeoBox | None
    data_type: str = ""
    is_bits: bool = False
    is_mask: bool = False
    fault: Fault | None = None


@dataclass(frozen=True)
class Scene:
    """One scene; ``bands`` by the profile's names, ``mask`` the classification, if asked for.

    ``moment`` is in UTC, ``footprint`` in EPSG:4326. ``encoding`` says in words where scale and
    offset come from. ``properties`` are those of the item that reports tell.
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
    """The scenes of ``items``, and the ids of items that cannot be used.

    Such an item lacks an asset that is needed, a time, or every word on what its offset is.

    Raises:
        InvalidRequestError: no item can be used.
    """
    wanted = tuple(bands)
    scenes, incomplete = [], []
    first_missing = ""
    for item in items:
        missing = _missing(item, profile, wanted, with_mask)
        if missing:
            incomplete.append(item.id)
            first_missing = first_missing or missing
        else:
            scenes.append(_read_scene(item, profile, wanted, with_mask))
    if incomplete and not scenes:
        raise InvalidRequestError(
            f"None of the {len(incomplete)} scenes has {first_missing} of {profile.id}; choose the "
            "COLLECTION that these scenes belong to, or other BANDS."
        )
    return scenes, incomplete


def _missing(
    item: pystac.Item, profile: CollectionProfile, bands: tuple[str, ...], with_mask: bool
) -> str:
    """What the item lacks, empty where it has all that is needed."""
    needed = [profile.bands[band].asset for band in bands]
    needed += [profile.mask.asset] if with_mask else []
    for name in needed:
        if name not in item.assets:
            return f"the asset {name!r}"
    if _moment(item) is None:
        return "the time"
    assets = (item.assets[profile.bands[band].asset] for band in bands)
    if any(tell_encoding(item, asset, profile) is None for asset in assets):
        return "the offset or the processing baseline"
    return ""


def _moment(item: pystac.Item) -> datetime | None:
    """When it was taken, in UTC: ``datetime``, else the beginning of the interval."""
    moment = item.datetime or item.common_metadata.start_datetime
    if moment is None or moment.tzinfo is None:
        return moment and moment.replace(tzinfo=timezone.utc)
    return moment.astimezone(timezone.utc)


def _read_scene(
    item: pystac.Item, profile: CollectionProfile, bands: tuple[str, ...], with_mask: bool
) -> Scene:
    moment = _moment(item)
    assert moment is not None  # nosec B101: read_scenes leaves the others out
    footprint = _footprint(item)
    sources = {
        band: _read_band(item, item.assets[profile.bands[band].asset], profile, footprint)
        for band in bands
    }
    mask = _read_mask(item, profile, footprint) if with_mask else None
    return Scene(
        id=item.id,
        moment=moment,
        footprint=footprint,
        bands={band: source for band, (source, _) in sources.items()},
        mask=mask,
        encoding="; ".join(dict.fromkeys(words for _, words in sources.values())),
        properties={name: item.properties[name] for name in KEPT & item.properties.keys()},
    )


def _footprint(item: pystac.Item) -> BaseGeometry:
    """The item's geometry, split at 180 degrees; empty where it has none that can be read."""
    try:
        return read_footprint(item.geometry)
    except ValueError:
        return shapely.Polygon()


def _read_band(
    item: pystac.Item, asset: pystac.Asset, profile: CollectionProfile, footprint: BaseGeometry
) -> tuple[SourceBand, str]:
    """The band, and in words where its scale and offset come from."""
    encoding = tell_encoding(item, asset, profile)
    assert encoding is not None  # nosec B101: read_scenes leaves the others out
    band = SourceBand(
        href=asset.href,
        nodata=asset_nodata(asset, profile.nodata),
        scale=encoding.scale,
        offset=encoding.offset,
        geobox=item_grid(item, asset, footprint),
        data_type=data_type(asset),
    )
    return band, str(encoding)


def _read_mask(
    item: pystac.Item, profile: CollectionProfile, footprint: BaseGeometry
) -> SourceBand:
    asset = item.assets[profile.mask.asset]
    is_bits = profile.mask.kind == "bits"
    # What bits mean is the profile's knowledge, the fill bit included.
    nodata = profile.mask.nodata if is_bits else asset_nodata(asset, profile.mask.nodata)
    return SourceBand(
        href=asset.href,
        nodata=nodata,
        scale=1.0,
        offset=0.0,
        geobox=item_grid(item, asset, footprint),
        data_type=data_type(asset),
        is_bits=is_bits,
        is_mask=True,
    )
