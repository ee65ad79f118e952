"""The spectral indices known by name: a title and a formula over band names each.

The formulas are data (``indices.json``); they are parsed and evaluated in the science half.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Dict, Tuple

from .errors import InvalidRequestError
from .profiles import CollectionProfile

INDICES_FILE = Path(__file__).parent / "indices.json"


@dataclass(frozen=True)
class SpectralIndex:
    """An index: ``formula`` is over reflectances; ``bands`` are the band names in it."""

    name: str
    title: str
    formula: str
    bands: Tuple[str, ...]


@lru_cache(maxsize=None)
def load_indices() -> Dict[str, SpectralIndex]:
    """All known indices by name."""
    content = json.loads(INDICES_FILE.read_text(encoding="utf-8"))
    return {
        name: SpectralIndex(name, entry["title"], entry["formula"], _band_names(entry["formula"]))
        for name, entry in content.items()
    }


def check_layers(names: Tuple[str, ...], profile: CollectionProfile) -> None:
    """Check that every name is a band of the collection or an index that its bands allow.

    Raises:
        InvalidRequestError: no name at all, a name given twice, or one that is unknown.
    """
    if not names:
        raise InvalidRequestError("BANDS is empty; give bands or indices, such as red,green,blue or NDVI.")
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise InvalidRequestError(f"BANDS names {repeated[0]!r} twice; give each name once.")
    indices = {
        name: index
        for name, index in load_indices().items()
        if all(band in profile.bands for band in index.bands)
    }
    for name in names:
        if name not in profile.bands and name not in indices:
            raise InvalidRequestError(
                f"BANDS: {name!r} is neither a band nor an index of {profile.id}; its bands are "
                f"{', '.join(profile.bands)} and its indices {', '.join(indices)}."
            )


def _band_names(formula: str) -> Tuple[str, ...]:
    return tuple(dict.fromkeys(re.findall(r"[a-z]\w*", formula)))
