"""What BANDS and INDEX may name: bands, spectral indices known by name, and formulas of one's own.

The known indices are data (``indices.json``, made by ``scripts/make_indices.py`` from the
catalogue Awesome Spectral Indices); formulas are evaluated in the science half.
"""

from __future__ import annotations

import difflib
import json
import re
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Dict, List, Tuple

from .errors import InvalidRequestError
from .formula import parse_formula
from .profiles import CollectionProfile
from .text_length import check_length, shortened

INDICES_FILE = Path(__file__).parent / "indices.json"
OFTEN_USED = (
    "NDVI", "EVI", "EVI2", "SAVI", "GNDVI", "NDWI", "MNDWI", "NDMI", "NBR", "NDSI", "NDBI",
)  # fmt: skip

_NAMED_FORMULA = re.compile(r"([^=<>!()]*)=(?!=)(.*)", re.DOTALL)
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}")


@dataclass(frozen=True)
class SpectralIndex:
    """An index: ``formula`` is over reflectances; ``bands`` are the band names in it."""

    name: str
    title: str
    formula: str
    bands: Tuple[str, ...]


@dataclass(frozen=True)
class Layer:
    """What one entry asks for: a band as it is (``formula`` is empty), or a formula over bands."""

    name: str
    title: str
    formula: str
    bands: Tuple[str, ...]


@cache
def load_indices() -> Dict[str, SpectralIndex]:
    """All known indices by name."""
    content = json.loads(INDICES_FILE.read_text(encoding="utf-8"))
    return {
        name: SpectralIndex(name, entry["title"], entry["formula"], tuple(entry["bands"]))
        for name, entry in content["indices"].items()
    }


def split_entries(text: str) -> Tuple[str, ...]:
    """The entries of BANDS or INDEX; a comma inside parentheses separates nothing.

    Raises:
        InvalidRequestError: it is too long.
    """
    check_length(text, "The list of bands or indices")
    entries = []
    start = depth = 0
    for mark in re.finditer("[(),]", text):
        depth = max(0, depth + {"(": 1, ")": -1}.get(mark[0], 0))
        if mark[0] == "," and depth == 0:
            entries.append(text[start : mark.start()])
            start = mark.end()
    entries.append(text[start:])
    return tuple(entry.strip() for entry in entries if entry.strip())


def read_layers(
    entries: Tuple[str, ...], profile: CollectionProfile, parameter: str = "BANDS"
) -> Tuple[Layer, ...]:
    """What the entries ask for: each is a band, an index's name, or ``name=formula``.

    ``parameter`` is the parameter's name for messages.

    Raises:
        InvalidRequestError: no entry at all, a name given twice, one that is unknown, or a
            formula that cannot be read or names something else than the collection's bands.
    """
    if not entries:
        raise InvalidRequestError(
            f"{parameter} is empty; give bands or indices, such as red,green,blue or NDVI."
        )
    layers = tuple(_read_layer(entry, profile, parameter) for entry in entries)
    counts = Counter(layer.name for layer in layers)
    repeated = sorted(name for name, count in counts.items() if count > 1)
    if repeated:
        raise InvalidRequestError(f"{parameter} names {repeated[0]!r} twice; give each name once.")
    return layers


def check_layers(
    names: Tuple[str, ...], profile: CollectionProfile, parameter: str = "BANDS"
) -> None:
    """Check that every entry can be computed from the collection's bands.

    Raises:
        InvalidRequestError: as ``read_layers``.
    """
    read_layers(names, profile, parameter)


def _read_layer(entry: str, profile: CollectionProfile, parameter: str) -> Layer:
    if entry in profile.bands:
        return Layer(entry, profile.bands[entry].title, "", (entry,))
    index = load_indices().get(entry)
    if index is not None:
        return _layer_of_index(index, profile, parameter)
    match = _NAMED_FORMULA.fullmatch(entry)
    if match is not None:
        return _layer_of_formula(match[1].strip(), match[2].strip(), profile, parameter)
    if not _NAME.fullmatch(entry):
        raise InvalidRequestError(
            f"{parameter}: {shortened(entry)} is no name; a formula needs one before it, "
            "such as ratio=nir/red."
        )
    raise InvalidRequestError(
        f"{parameter}: {entry!r} is neither a band nor an index of {profile.id}"
        f"{_did_you_mean(entry, _possible_names(profile))}; its bands are "
        f"{', '.join(profile.bands)}, and its indices {_indices_in_short(profile)}."
    )


def _layer_of_index(index: SpectralIndex, profile: CollectionProfile, parameter: str) -> Layer:
    lacking = [band for band in index.bands if band not in profile.bands]
    if lacking:
        raise InvalidRequestError(
            f"{parameter}: {index.name} needs {' and '.join(lacking)}, which {profile.id} does "
            f"not have; choose an index of its bands {', '.join(profile.bands)}."
        )
    return Layer(index.name, index.title, index.formula, index.bands)


def _layer_of_formula(name: str, formula: str, profile: CollectionProfile, parameter: str) -> Layer:
    if not _NAME.fullmatch(name) or name in profile.bands:
        raise InvalidRequestError(
            f"{parameter}: {shortened(name)} cannot name a formula; take up to 40 letters without "
            "accents, digits and _, a letter first, and no band's name."
        )
    parsed = parse_formula(formula)
    if not parsed.bands:
        raise InvalidRequestError(
            f"{parameter}: the formula of {name} names no band; its bands are "
            f"{', '.join(profile.bands)}."
        )
    for band in parsed.bands:
        if band not in profile.bands:
            raise _unknown_band(name, band, profile, parameter)
    return Layer(name, formula, formula, parsed.bands)


def _unknown_band(
    name: str, band: str, profile: CollectionProfile, parameter: str
) -> InvalidRequestError:
    index = load_indices().get(band)
    if index is not None:
        hint = f" (write the index out: {index.formula})"
    else:
        hint = _did_you_mean(band, list(profile.bands))
    return InvalidRequestError(
        f"{parameter}: the formula of {name} names {shortened(band)}, which is no band of "
        f"{profile.id}{hint}; its bands are {', '.join(profile.bands)}."
    )


def _possible_names(profile: CollectionProfile) -> List[str]:
    indices = load_indices().values()
    allowed = [index.name for index in indices if set(index.bands) <= set(profile.bands)]
    return [*profile.bands, *allowed]


def _indices_in_short(profile: CollectionProfile) -> str:
    possible = _possible_names(profile)
    shown = [name for name in OFTEN_USED if name in possible]
    others = len(possible) - len(profile.bands) - len(shown)
    return f"{', '.join(shown)} and {others} others (docs/indices.md lists all)"


def _did_you_mean(name: str, known: List[str]) -> str:
    """A hint at the nearest known names, empty where none is near; case does not matter."""
    by_lower: Dict[str, List[str]] = {}
    for candidate in known:
        by_lower.setdefault(candidate.lower(), []).append(candidate)
    lower_name = name.lower()
    near = (
        [lower_name] if lower_name in by_lower else difflib.get_close_matches(lower_name, by_lower)
    )
    nearest = [candidate for lower in near for candidate in by_lower[lower]]
    return f" (did you mean {' or '.join(nearest)}?)" if nearest else ""
