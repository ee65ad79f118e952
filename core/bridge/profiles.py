"""Collection profiles: what is known of a collection before any of its items is read.

A profile is one JSON file in ``profiles/``, or a user's own; nothing about a collection is written
in code. docs/collections.md is made of the built-in ones.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Dict, Optional, Tuple

from .errors import InvalidRequestError
from .profile_checks import check_profile
from .text_length import shortened
from .typed_json import build, parse_json

PROFILES_FOLDER = Path(__file__).parent / "profiles"
DEFAULT_COLLECTION = "sentinel-2-c1-l2a"
CUSTOM_COLLECTION = "custom"


@dataclass(frozen=True)
class BandProfile:
    """One band: the asset that holds it, a title for people, and its pixel size in metres."""

    asset: str
    title: str
    resolution: float


@dataclass(frozen=True)
class MaskProfile:
    """The mask asset: what its pixels mean and what of it is masked by default.

    With ``kind`` ``classes`` a pixel is one class number; with ``bits`` it is a set of bits, and
    it has no value where all the bits of ``nodata`` are set. ``classes`` says in words what each
    class or bit number means. ``words`` are names for one or several of them, which MASK_CLASSES
    takes beside the numbers. ``resolution`` is the pixel size in metres.
    """

    asset: str
    resolution: float
    nodata: float
    classes: Dict[int, str]
    masked: Tuple[int, ...]
    kind: str = "classes"
    words: Dict[str, Tuple[int, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Hole:
    """Dates (ISO, both inclusive) between which scenes are known to be missing, and where."""

    start: str
    end: str
    note: str


@dataclass(frozen=True)
class Signing:
    """Where everybody is given a token for reading the files of a container, for some time.

    ``address`` holds ``{account}`` and ``{container}``; ``host`` is what a storage account's host
    name ends in, from the dot on: ``https://<account><host>/<container>/…``.
    """

    address: str
    host: str


@dataclass(frozen=True)
class Storage:
    """S3 storage that takes the user's keys, for the addresses ``s3://<bucket>/…`` of ``buckets``.

    ``endpoint`` may hold ``{region}``; an empty region is that of the keys. With
    ``requester_pays`` whoever reads pays for it.
    """

    buckets: Tuple[str, ...]
    endpoint: str = "https://s3.{region}.amazonaws.com"
    region: str = ""
    requester_pays: bool = False


@dataclass(frozen=True)
class CollectionProfile:
    """One collection.

    ``nodata``, ``scale`` and ``offset`` serve where an item does not give its own:
    reflectance = pixel * scale + offset. ``offset_rule`` says when an item's word on its offset
    is not the last one (``profile_checks.OFFSET_RULES``), and ``access`` how its files are read
    (``profile_checks.ACCESS``): ``signing`` says where signatures are to be had, ``storage`` and
    ``key_hosts`` which storage and which hosts take the user's keys. ``catalog`` is empty where
    the collection is only to be had as a local catalogue, ``first_date`` where it is not known,
    ``thumbnail`` where items have none. ``attribution`` may hold ``{years}``, for the years of the
    scenes used.
    """

    id: str
    title: str
    collection: str
    bands: Dict[str, BandProfile]
    nodata: float
    scale: float
    offset: float
    mask: MaskProfile
    attribution: str
    license: str
    catalog: str = ""
    first_date: str = ""
    offset_rule: str = "item"
    thumbnail: str = ""
    holes: Tuple[Hole, ...] = ()
    access: str = "open"
    signing: Optional[Signing] = None
    storage: Optional[Storage] = None
    key_hosts: Tuple[str, ...] = ()

    @property
    def resolution(self) -> float:
        """The native resolution in metres: that of the finest band."""
        return min(band.resolution for band in self.bands.values())


@cache
def load_profiles() -> Dict[str, CollectionProfile]:
    """All built-in profiles by id, the default first."""
    paths = sorted(
        PROFILES_FOLDER.glob("*.json"),
        key=lambda path: (path.stem != DEFAULT_COLLECTION, path.stem),
    )
    return {path.stem: read_profile(path) for path in paths}


def find_profile(collection: str, file: str = "") -> CollectionProfile:
    """The profile with the id ``collection``, or for ``custom`` the one in ``file``.

    Raises:
        InvalidRequestError: there is none, or ``file`` is given for another collection or holds
            no profile.
    """
    if collection == CUSTOM_COLLECTION:
        if not file:
            raise InvalidRequestError(
                f"COLLECTION is {CUSTOM_COLLECTION}; give its profile, a JSON file, as PROFILE."
            )
        return read_profile(Path(file))
    if file:
        raise InvalidRequestError(
            f"PROFILE is given, but COLLECTION is {collection}; choose the COLLECTION "
            f"{CUSTOM_COLLECTION}, or leave PROFILE empty."
        )
    profiles = load_profiles()
    if collection not in profiles:
        known = ", ".join([*profiles, CUSTOM_COLLECTION])
        raise InvalidRequestError(
            f"The collection {shortened(collection)} is not known; known are {known}."
        )
    return profiles[collection]


def read_profile(path: Path) -> CollectionProfile:
    """The profile in the JSON file at ``path``.

    Raises:
        InvalidRequestError: the file cannot be read, is no JSON object, or says something that no
            profile says; the sentence names the file and the field.
    """
    subject = f"The profile {path}"
    try:
        content = parse_json(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InvalidRequestError(f"{subject} cannot be read ({error.strerror}).") from error
    except UnicodeDecodeError as error:
        raise InvalidRequestError(f"{subject} is not UTF-8 text.") from error
    except (ValueError, RecursionError) as error:
        raise InvalidRequestError(f"{subject} is not JSON ({error}).") from error
    if not isinstance(content, dict):
        raise InvalidRequestError(f"{subject} must be a JSON object.")
    profile: CollectionProfile = build(CollectionProfile, content, subject)
    check_profile(profile, subject)
    return profile
