"""What BANDS asks for: bands of the collection, and indices computed from them."""

from __future__ import annotations

from dataclasses import dataclass

from ..bridge.indices import check_layers, load_indices
from ..bridge.profiles import CollectionProfile
from .formula import Formula, parse_formula


@dataclass(frozen=True)
class OutputBand:
    """One band of the composite: a source band itself, or an index by its formula."""

    name: str
    title: str
    source_bands: tuple[str, ...]
    formula: Formula | None


def choose_output_bands(names: tuple[str, ...], profile: CollectionProfile) -> list[OutputBand]:
    """The output bands that ``names`` ask for, in their order.

    Raises:
        InvalidRequestError: a name is neither a band nor an index of the collection.
    """
    check_layers(names, profile)
    return [_output_band(name, profile) for name in names]


def source_bands(bands: list[OutputBand]) -> tuple[str, ...]:
    """The source bands that are needed for ``bands``, each once."""
    return tuple(dict.fromkeys(name for band in bands for name in band.source_bands))


def _output_band(name: str, profile: CollectionProfile) -> OutputBand:
    if name in profile.bands:
        return OutputBand(name, profile.bands[name].title, (name,), None)
    index = load_indices()[name]
    formula = parse_formula(index.formula)
    return OutputBand(name, index.title, formula.bands, formula)
