"""What a profile may say: each field's value checked, in one sentence for whoever wrote it."""

from __future__ import annotations

import datetime
import re
from typing import TYPE_CHECKING, Dict, Iterable, Iterator, Tuple

from .errors import InvalidRequestError
from .text_length import shortened

if TYPE_CHECKING:
    from .profiles import CollectionProfile, MaskProfile

OFFSET_RULES = {
    "item": "What the item says; where it says nothing, the collection's.",
    "boa_offset_applied": "None where `earthsearch:boa_offset_applied` is true (the pixels already "
    "have it) and none before processing baseline 04.00; else what the item says; where it says "
    "nothing, the collection's.",
    "processing_baseline": "None before processing baseline 04.00; else what the item says; where "
    "it says nothing, the collection's. A scene whose item tells neither offset nor baseline is "
    "left out.",
}
ACCESS = {
    "open": "Files are read without an account.",
    "planetary-computer": "Files are read with a signature that Planetary Computer gives to "
    "everybody, without an account.",
    "own-keys": "Files are read with keys of your own.",
}
MASK_KINDS = ("classes", "bits")
LAST_BIT = 15

_ADDRESS = re.compile(r"https?://[^/]", re.IGNORECASE)
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_BAND_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}")


def check_profile(profile: CollectionProfile, subject: str) -> None:
    """Check what the types of the fields do not say; ``subject`` begins the sentence.

    Raises:
        InvalidRequestError: the first thing that is wrong.
    """
    for field, fault in _faults(profile):
        raise InvalidRequestError(f"{subject}: {shortened(field)} {fault}.")


def _faults(profile: CollectionProfile) -> Iterator[Tuple[str, str]]:
    """What is wrong: the field, and the rest of the sentence."""
    if not _ID.fullmatch(profile.id):
        yield "id", "must be letters, digits, '.', '_' and '-'"
    for name in ("title", "collection", "attribution", "license"):
        if not getattr(profile, name).strip():
            yield name, "must not be empty"
    yield from _choice("offset_rule", profile.offset_rule, OFFSET_RULES)
    yield from _choice("access", profile.access, ACCESS)
    if profile.scale == 0:
        yield "scale", "must not be 0"
    if re.search(r"[{}]", profile.attribution.replace("{years}", "")):
        yield "attribution", "may have no braces but those of {years}"
    if profile.first_date:
        yield from _date("first_date", profile.first_date)
    for number, hole in enumerate(profile.holes):
        yield from _date(f"holes[{number}].start", hole.start)
        yield from _date(f"holes[{number}].end", hole.end)
        if hole.start > hole.end:
            yield f"holes[{number}]", "ends before it starts"
    yield from _access_faults(profile)
    yield from _band_faults(profile)
    yield from _mask_faults(profile.mask)


def _access_faults(profile: CollectionProfile) -> Iterator[Tuple[str, str]]:
    signing, storage = profile.signing, profile.storage
    if (profile.access == "planetary-computer") != (signing is not None):
        yield "signing", "belongs to the access 'planetary-computer', which needs it"
    if signing is not None:
        if not ("{account}" in signing.address and "{container}" in signing.address):
            yield "signing.address", "must hold {account} and {container}"
        if not re.fullmatch(r"(\.[A-Za-z0-9-]+){2,}(:\d{1,5})?", signing.host):
            yield "signing.host", "must be what the hosts end in, such as .blob.core.windows.net"
    if (profile.access == "own-keys") != (storage is not None or bool(profile.key_hosts)):
        yield "storage", "or 'key_hosts' belongs to the access 'own-keys', which needs one"
    if storage is not None and not _ADDRESS.match(storage.endpoint):
        yield "storage.endpoint", "must be an address that begins with https://"
    if storage is not None and not storage.buckets:
        yield "storage.buckets", "must name at least one bucket"


def _band_faults(profile: CollectionProfile) -> Iterator[Tuple[str, str]]:
    if not profile.bands:
        yield "bands", "must name at least one band"
    for name, band in profile.bands.items():
        if not _BAND_NAME.fullmatch(name):
            yield (
                f"bands.{name[:40]}",
                "must have a name of letters, digits and '_', a letter first",
            )
        if not band.asset:
            yield f"bands.{name}.asset", "must not be empty"
        if band.resolution <= 0:
            yield f"bands.{name}.resolution", "must be above 0, in metres"


def _mask_faults(mask: MaskProfile) -> Iterator[Tuple[str, str]]:
    yield from _choice("mask.kind", mask.kind, MASK_KINDS)
    if not mask.asset:
        yield "mask.asset", "must not be empty"
    if mask.resolution <= 0:
        yield "mask.resolution", "must be above 0, in metres"
    if mask.kind == "bits":
        for number in mask.classes:
            if number > LAST_BIT:
                yield "mask.classes", f"has the bit {number}, but bits go from 0 to {LAST_BIT}"
        if mask.nodata != int(mask.nodata) or mask.nodata < 0:
            yield "mask.nodata", "must be a whole number from 0 on, because the mask has bits"
    lists: Dict[str, Tuple[int, ...]] = {"mask.masked": mask.masked}
    lists.update({f"mask.words.{word}": numbers for word, numbers in mask.words.items()})
    for where, numbers in lists.items():
        for number in numbers:
            if number not in mask.classes:
                yield where, f"has {number}, which 'mask.classes' does not explain"


def _choice(field: str, value: str, known: Iterable[str]) -> Iterator[Tuple[str, str]]:
    if value not in known:
        yield field, f"is {shortened(value)}; known are {', '.join(known)}"


def _date(field: str, text: str) -> Iterator[Tuple[str, str]]:
    try:
        if len(text) == len("2024-05-31"):
            datetime.date.fromisoformat(text)
            return
    except ValueError:
        pass
    yield field, f"is {shortened(text)}, which is no date such as 2024-05-31"
