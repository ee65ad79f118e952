"""Collection profiles: what is known of a collection before any of its items is read.

A profile is one JSON file in ``profiles/``; nothing about a collection is written in code.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Dict, Tuple

from .errors import InvalidRequestError

PROFILES_FOLDER = Path(__file__).parent / "profiles"
DEFAULT_COLLECTION = "sentinel-2-c1-l2a"


@dataclass(frozen=True)
class BandProfile:
    """One band: the asset that holds it, a title for people, and its pixel size in metres."""

    asset: str
    title: str
    resolution: float


@dataclass(frozen=True)
class MaskProfile:
    """The classification asset: what its classes mean and which are masked by default.

    ``resolution`` is its pixel size in metres.
    """

    asset: str
    resolution: float
    nodata: float
    classes: Dict[int, str]
    masked: Tuple[int, ...]


@dataclass(frozen=True)
class CollectionProfile:
    """One collection.

    ``nodata``, ``scale`` and ``offset`` serve where an item does not give its own:
    reflectance = pixel * scale + offset. ``offset_rule`` ``item`` believes the item;
    ``boa_offset_applied`` means that an item whose ``earthsearch:boa_offset_applied`` is true has
    pixels from which the offset was already taken. ``catalog`` is empty where the collection is
    only to be had as a local catalogue.
    """

    id: str
    title: str
    catalog: str
    collection: str
    first_date: str
    bands: Dict[str, BandProfile]
    nodata: float
    scale: float
    offset: float
    offset_rule: str
    mask: MaskProfile
    thumbnail: str
    attribution: str
    license: str


@cache
def load_profiles() -> Dict[str, CollectionProfile]:
    """All built-in profiles by id, the default first."""
    paths = sorted(
        PROFILES_FOLDER.glob("*.json"),
        key=lambda path: (path.stem != DEFAULT_COLLECTION, path.stem),
    )
    return {path.stem: _read_profile(path) for path in paths}


def find_profile(collection: str) -> CollectionProfile:
    """The profile with the id ``collection``.

    Raises:
        InvalidRequestError: there is none.
    """
    profiles = load_profiles()
    if collection not in profiles:
        known = ", ".join(profiles)
        raise InvalidRequestError(f"The collection {collection!r} is not known; known are {known}.")
    return profiles[collection]


def _read_profile(path: Path) -> CollectionProfile:
    content = json.loads(path.read_text(encoding="utf-8"))
    mask = content["mask"]
    content["bands"] = {name: BandProfile(**band) for name, band in content["bands"].items()}
    content["mask"] = MaskProfile(
        asset=mask["asset"],
        resolution=mask["resolution"],
        nodata=mask["nodata"],
        classes={int(number): words for number, words in mask["classes"].items()},
        masked=tuple(mask["masked"]),
    )
    return CollectionProfile(**content)
