"""What a contestant is asked to do: one JSON file, the only argument of its program."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pystac

MASKED_CLASSES = (3, 8, 9, 10)
SCALE, OFFSET = 0.0001, -0.1
MASK_BAND = "scl"


@dataclass(frozen=True)
class Case:
    """One piece of work.

    ``items`` is the path or URL of an ItemCollection and ``area`` of a GeoJSON file with one
    polygon in ``crs``, whose ``bounds`` are west, south, east, north. ``output`` is the file to
    write: a raster for a composite, a table for a series. ``points`` are x, y in ``crs``; a
    composite has none. ``first_point_only`` computes one of the points, as a loop over them would.
    ``notes`` is a file for what a contestant can tell of itself, as JSON.
    """

    items: str
    area: str
    crs: str
    bounds: tuple[float, float, float, float]
    bands: tuple[str, ...]
    output: str
    notes: str
    points: tuple[tuple[float, float], ...] = ()
    first_point_only: bool = False

    @property
    def epsg(self) -> int:
        return int(self.crs.removeprefix("EPSG:"))

    def write(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")

    def write_notes(self, notes: dict[str, object]) -> None:
        Path(self.notes).write_text(json.dumps(notes), encoding="utf-8")


def read_case() -> Case:
    """The case whose file is named on the command line."""
    content = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    content["points"] = tuple(tuple(point) for point in content["points"])
    return Case(**content)


def read_items(case: Case) -> list[pystac.Item]:
    """The case's items, in one request, as a search would give them."""
    import pystac

    return list(pystac.ItemCollection.from_file(case.items))
