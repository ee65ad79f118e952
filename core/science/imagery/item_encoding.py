"""How the numbers of an item's asset become reflectance: what the item says, and where it errs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import pystac

from ...bridge.profiles import CollectionProfile

# Sentinel-2 has an offset from this processing baseline on, and never before.
BASELINE_WITH_OFFSET = (4, 0)

# Of STAC's, those that are numbers of one part.
DATA_TYPES = frozenset(
    {f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)}
    | {f"float{bits}" for bits in (16, 32, 64)}
)

# No sensor's numbers need larger scales or offsets, or scales smaller than its inverse.
LARGEST_FACTOR = 1e12

_BASELINE = re.compile(r"([0-9]{1,2})\.([0-9]{1,2})")
# As in S2A_MSIL2A_20150704T101006_N0212_R022_T35XQA_20210411T133707 and GS2B_..._N05.11
_BASELINE_IN_NAME = re.compile(r"_N([0-9]{2})\.?([0-9]{2})(?:[_.]|$)")


@dataclass(frozen=True)
class ToldEncoding:
    """reflectance = pixel * scale + offset; ``source`` says in words where that comes from."""

    scale: float
    offset: float
    source: str

    def __str__(self) -> str:
        return f"scale {self.scale:g}, offset {self.offset:g} ({self.source})"


def tell_encoding(
    item: pystac.Item, asset: pystac.Asset, profile: CollectionProfile
) -> ToldEncoding | None:
    """Scale and offset of one band by the item's word and the profile's rule.

    None where the rule needs the processing baseline and the item tells neither it nor an offset.
    """
    scale, offset = _factor(asset, "scale"), _factor(asset, "offset")
    known_scale = profile.scale if scale is None else scale
    if profile.offset_rule == "boa_offset_applied" and _offset_was_applied(item):
        source = "the pixels already have it: earthsearch:boa_offset_applied"
        return ToldEncoding(known_scale, 0.0, source)
    baseline = None if profile.offset_rule == "item" else processing_baseline(item)
    if baseline is not None and baseline < BASELINE_WITH_OFFSET:
        return ToldEncoding(known_scale, 0.0, "there is none before processing baseline 04.00")
    if offset is not None:
        return ToldEncoding(known_scale, offset, "as the item says")
    if baseline is not None:
        source = "of processing baseline 04.00 and later; the item says no offset"
        return ToldEncoding(known_scale, profile.offset, source)
    if profile.offset_rule == "processing_baseline":
        return None
    nothing = "nothing" if scale is None else "no offset"
    source = f"the collection's; the item says {nothing}"
    return ToldEncoding(known_scale, profile.offset, source)


def processing_baseline(item: pystac.Item) -> tuple[int, int] | None:
    """The baseline that the item tells, or that its names hold, as ``(5, 11)``; None without."""
    properties = item.properties
    for name in ("s2:processing_baseline", "processing:version"):
        match = _BASELINE.fullmatch(str(properties.get(name)))
        if match:
            return int(match[1]), int(match[2])
    for text in (properties.get("s2:product_uri"), properties.get("s2:datatake_id"), item.id):
        match = _BASELINE_IN_NAME.search(str(text))
        if match:
            return int(match[1]), int(match[2])
    return None


def asset_nodata(asset: pystac.Asset, default: float) -> float:
    """The item's nodata value, else ``default``."""
    value = _raster_field(asset, "nodata")
    if value in ("nan", "inf", "-inf"):
        return float(value)
    number = _number(value)
    return default if number is None else number


def data_type(asset: pystac.Asset) -> str:
    """The file's dtype by STAC's name, empty where the item does not tell one that numpy has."""
    told = _raster_field(asset, "data_type")
    return told if isinstance(told, str) and told in DATA_TYPES else ""


def _offset_was_applied(item: pystac.Item) -> bool:
    return item.properties.get("earthsearch:boa_offset_applied") is True


def _factor(asset: pystac.Asset, key: str) -> float | None:
    """The item's scale or offset, None where it tells none that can be used."""
    number = _number(_raster_field(asset, key))
    if number is None or not abs(number) < LARGEST_FACTOR:
        return None
    if key == "scale" and abs(number) < 1 / LARGEST_FACTOR:
        return None
    return number


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        return float(value)
    except OverflowError:
        return None


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
