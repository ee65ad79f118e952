"""Make the catalogue of spectral indices: ``python scripts/make_indices.py [--docs]``.

``core/bridge/indices.json`` is made from the data of the installed package spyndex (Awesome
Spectral Indices), with its notice; ``docs/indices.md`` is made from that. ``--docs`` makes only
the latter, for which spyndex is not needed.
"""

from __future__ import annotations

import argparse
import ast
import importlib.metadata
import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
CATALOGUE = ROOT / "core" / "bridge" / "indices.json"
DOCUMENT = ROOT / "docs" / "indices.md"

PLATFORM = "Sentinel-2"
DOMAINS = ("vegetation", "water", "burn", "snow", "soil", "urban")
BANDS = {
    "A": "coastal",
    "B": "blue",
    "G": "green",
    "R": "red",
    "RE1": "rededge1",
    "RE2": "rededge2",
    "RE3": "rededge3",
    "N": "nir",
    "N2": "nir08",
    "WV": "nir09",
    "S1": "swir16",
    "S2": "swir22",
}
# Other values than spyndex's defaults, and why
CONSTANTS = {
    "SAVI": {"L": 0.5},  # Huete 1988; the default of 1 is EVI's
    "WCI1": {"epsilon": 1e-10},  # as the constant's own description says
    "WCI2": {"epsilon": 1e-10},
}
FORMULAS = {
    # Martín 2006: one over the sum; spyndex 0.12 closes the parenthesis too early.
    "BAIM": "1.0 / ((0.05 - N) ** 2.0 + (0.2 - S2) ** 2.0)",
}

INTRODUCTION = """\
# Spectral indices

Made by `scripts/make_indices.py`; do not edit.

These {count} names can be given to BANDS and INDEX, beside the bands themselves and formulas of \
your own (`ratio=nir/red`). A collection that lacks a band of an index does not offer it. Names \
are case-sensitive: `BAI` is not `BaI`.

Constants are written into the formulas with the values shown. Some of them suit one place or \
one paper only (a soil line of slope 1 and intercept 0, say): for other values write the formula \
yourself, `mine=(nir-red)/(nir+red+0.25)*1.25`. Wavelengths are those of Sentinel-2A, in nm.

A formula of your own holds numbers, band names, `+ - * / ^`, parentheses, comparisons \
(1 where they hold, else 0), and `min`, `max`, `abs`, `sqrt`, `log` (natural), `exp` and \
`where(condition, a, b)`.

Source: {source}. It is under the MIT licence; its notice is in `core/bridge/indices.json`.
"""


def main() -> None:
    """Make the catalogue and the document, or the document only."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--docs", action="store_true", help="make only docs/indices.md")
    if not parser.parse_args().docs:
        CATALOGUE.write_text(_to_json(make_catalogue()), encoding="utf-8", newline="\n")
    catalogue = json.loads(CATALOGUE.read_text(encoding="utf-8"))
    DOCUMENT.write_text(make_document(catalogue), encoding="utf-8", newline="\n")


def make_catalogue() -> dict[str, Any]:
    """The catalogue as it is stored: source, notice, and the indices by name."""
    spec = importlib.util.find_spec("spyndex")
    if spec is None or not spec.submodule_search_locations:
        sys.exit("spyndex is not installed; make an environment with it and run this there.")
    data = Path(spec.submodule_search_locations[0], "data")
    listed = _read(data / "spectral-indices-dict.json")["SpectralIndices"]
    constants = _default_constants(_read(data / "constants.json"), _read(data / "bands.json"))
    distribution = importlib.metadata.distribution("spyndex")
    licence = next(path for path in distribution.files or () if path.name.startswith("LICENSE"))
    return {
        "source": f"Awesome Spectral Indices, from spyndex {distribution.version} "
        "(https://github.com/awesome-spectral-indices)",
        "license": licence.read_text().split("\n"),
        "indices": {
            name: entry
            for name in sorted(listed, key=str.lower)
            if (entry := _entry(listed[name], constants)) is not None
        },
    }


def make_document(catalogue: dict[str, Any]) -> str:
    """The catalogue as a page for people."""
    indices = catalogue["indices"]
    parts = [INTRODUCTION.format(count=len(indices), source=catalogue["source"])]
    for domain in DOMAINS:
        parts.append(f"\n## {domain.capitalize()}\n\n| name | index | formula |\n|---|---|---|\n")
        for name, entry in indices.items():
            if entry["domain"] == domain:
                title = entry["title"].replace("|", "\\|")
                values = ", ".join(f"{key} = {value}" for key, value in entry["constants"].items())
                note = f"<br>with {values}" if values else ""
                link = f"[{title}]({entry['reference']})"
                parts.append(f"| {name} | {link} | `{entry['formula']}`{note} |\n")
    return "".join(parts)


def _entry(listed: dict[str, Any], constants: dict[str, float]) -> dict[str, Any] | None:
    """One index in our band names; None where it is not for us or a constant has no value."""
    name = listed["short_name"]
    if PLATFORM not in listed["platforms"] or listed["application_domain"] not in DOMAINS:
        return None
    values = {**constants, **CONSTANTS.get(name, {})}
    used = [letter for letter in listed["bands"] if letter not in BANDS]
    if any(letter not in values for letter in used):
        return None
    tree = ast.parse(FORMULAS.get(name, listed["formula"]), mode="eval")
    names = _Names({letter: values[letter] for letter in used})
    formula = ast.unparse(names.visit(tree)).replace("**", "^")
    return {
        "title": listed["long_name"],
        "domain": listed["application_domain"],
        "formula": formula,
        "bands": list(names.bands),
        "constants": {letter: _short_number(values[letter]) for letter in used},
        "reference": listed["reference"],
    }


class _Names(ast.NodeTransformer):
    """Puts band names for letters, and values for constants."""

    def __init__(self, constants: dict[str, float]) -> None:
        self.constants = constants
        self.bands: dict[str, None] = {}

    def visit_Name(self, node: ast.Name) -> ast.expr:
        if node.id in self.constants:
            return ast.Constant(_short_number(self.constants[node.id]))
        self.bands[BANDS[node.id]] = None
        return ast.Name(BANDS[node.id])

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        return ast.Constant(_short_number(node.value))


def _to_json(catalogue: dict[str, Any]) -> str:
    """JSON with a line for each index, so that a new version's changes can be read."""
    lines = [f" {json.dumps(key)}: {json.dumps(catalogue[key])}," for key in ("source", "license")]
    entries = [
        f"  {json.dumps(name)}: {json.dumps(entry, ensure_ascii=False)}"
        for name, entry in catalogue["indices"].items()
    ]
    return "\n".join(["{", *lines, ' "indices": {', ",\n".join(entries), " }", "}", ""])


def _default_constants(constants: dict[str, Any], bands: dict[str, Any]) -> dict[str, float]:
    """The constants that have a value; ``lambdaN`` and its like are central wavelengths, in nm."""
    values = {
        name: entry["default"] for name, entry in constants.items() if entry["default"] is not None
    }
    for letter in BANDS:
        values[f"lambda{letter}"] = bands[letter]["platforms"]["sentinel2a"]["wavelength"]
    return values


def _short_number(value: float) -> float:
    return int(value) if value == int(value) else value


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
