"""What BANDS asks for: bands of the collection, and indices or formulas computed from them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ...bridge.indices import read_layers
from ...bridge.profiles import CollectionProfile
from .formula import Formula, parse_formula


@dataclass(frozen=True)
class OutputBand:
    """One band of the result: a source band itself, or a formula over source bands."""

    name: str
    title: str
    source_bands: tuple[str, ...]
    formula: Formula | None


def choose_output_bands(
    entries: tuple[str, ...], profile: CollectionProfile, parameter: str = "BANDS"
) -> list[OutputBand]:
    """The output bands that ``entries`` ask for, in their order.

    Raises:
        InvalidRequestError: an entry is neither a band, an index nor a formula over the
            collection's bands.
    """
    return [
        OutputBand(
            layer.name,
            layer.title,
            layer.bands,
            parse_formula(layer.formula) if layer.formula else None,
        )
        for layer in read_layers(entries, profile, parameter)
    ]


def source_bands(bands: Iterable[OutputBand]) -> tuple[str, ...]:
    """The source bands that are needed for ``bands``, each once."""
    return tuple(dict.fromkeys(name for band in bands for name in band.source_bands))
