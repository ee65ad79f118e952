"""What is measured: the pieces of work, who does each, how often, and over which transport."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from contestants.case import Case
from made_up_tile import CRS, NORTH, PIXEL, WEST, Tile, item_collection
from measuring import FAR, HTTP, LOCAL, SLOW, Transport

OURS = "fairweather"
NOTEBOOK, NOTEBOOK_SERIES = "notebook", "notebook_series"
LOOP, FLOOR = "rasterio_loop", "floor"
PEERS = (
    "chosen_chunks",
    "odc_algo_quantile",
    "stackstac_median",
    "lazycogs_median",
    "s2mosaic_median",
)


@dataclass(frozen=True)
class Workload:
    """One piece of work on the tile: a composite, or with ``points`` a series.

    ``corner`` is the area's first row and column and ``size`` its height and width, in pixels.
    """

    name: str
    corner: int
    size: int
    days: int
    points: int = 0
    first_point_only: bool = False

    @cached_property
    def bounds(self) -> tuple[float, float, float, float]:
        """West, south, east and north in metres."""
        west, north = WEST + self.corner * PIXEL, NORTH - self.corner * PIXEL
        return west, north - self.size * PIXEL, west + self.size * PIXEL, north

    def places(self) -> tuple[tuple[float, float], ...]:
        """The series' points, x and y in metres."""
        west, south, east, north = self.bounds
        random = np.random.default_rng(self.points)
        x, y = random.uniform(west, east, self.points), random.uniform(south, north, self.points)
        return tuple(zip(x.tolist(), y.tolist(), strict=True))


@dataclass(frozen=True)
class Run:
    """One cell of the report, which may take ``limit`` seconds."""

    workload: Workload
    contestant: str
    transport: Transport
    limit: float = 600.0


CITY = Workload("composite, 40 km x 40 km, 24 days", corner=3000, size=4000, days=24)
TOWN = Workload("composite, 10 km x 10 km, 24 days", corner=3000, size=1000, days=24)
TILE_WIDE = Workload("composite, 110 km x 110 km, 24 days", corner=0, size=10_980, days=24)
MANY_DAYS = Workload("composite, 20 km x 20 km, 240 days", corner=3000, size=2000, days=240)
POINT = Workload("series, 1 point, a year", corner=0, size=10_980, days=24, points=1)
POINTS = Workload("series, 100 points, a year", corner=0, size=10_980, days=24, points=100)
FIRST_OF_POINTS = Workload(
    "series, 1 of 100 points, as a loop over them takes it",
    corner=0,
    size=10_980,
    days=24,
    points=100,
    first_point_only=True,
)
QUICK_TOWN = Workload("composite, 10 km x 10 km, 4 days", corner=500, size=1000, days=4)
QUICK_POINTS = Workload("series, 5 points, 4 days", corner=0, size=2048, days=4, points=5)


def full_runs() -> Iterator[Run]:
    """Everything, what matters most first: a run that is ended early has a report all the same.

    The first of each workload is what the others' results are compared with. Peers that take
    minutes are measured on the small area.
    """
    for contestant in (LOOP, FLOOR, OURS, NOTEBOOK):
        yield Run(CITY, contestant, LOCAL)
    for transport in (LOCAL, FAR):
        for contestant in (LOOP, FLOOR, NOTEBOOK, OURS):
            yield Run(TOWN, contestant, transport)
        yield Run(POINT, NOTEBOOK_SERIES, transport)
        yield Run(POINT, OURS, transport)
    for transport in (HTTP, FAR):
        yield Run(CITY, FLOOR, transport)
        yield Run(CITY, OURS, transport)
    yield Run(CITY, NOTEBOOK, FAR)
    yield Run(POINTS, NOTEBOOK_SERIES, FAR)
    yield Run(POINTS, OURS, FAR)
    yield Run(MANY_DAYS, OURS, LOCAL)
    yield Run(TILE_WIDE, OURS, LOCAL)
    for peer in PEERS:
        yield Run(TOWN, peer, FAR, limit=200.0)
    yield Run(FIRST_OF_POINTS, NOTEBOOK_SERIES, FAR)
    for transport in (HTTP, FAR):
        yield Run(CITY, LOOP, transport)
    for contestant in (OURS, FLOOR, LOOP):
        yield Run(CITY, contestant, SLOW)


def quick_runs() -> Iterator[Run]:
    """Enough to see that all agree; the seconds mean nothing."""
    for contestant in (LOOP, FLOOR, NOTEBOOK, OURS):
        yield Run(QUICK_TOWN, contestant, LOCAL, limit=120.0)
    for contestant in (FLOOR, OURS):
        yield Run(QUICK_TOWN, contestant, HTTP, limit=120.0)
    for contestant in (NOTEBOOK_SERIES, OURS):
        yield Run(QUICK_POINTS, contestant, LOCAL, limit=120.0)


def prepare_case(
    tile: Tile, workload: Workload, address: str, folder: Path, output: Path
) -> tuple[Case, Path]:
    """The case's files in ``folder``, and what it searches beside the tile's own files."""
    catalog = tile.folder / "items.json"
    items = item_collection(tile, workload.days, address)
    catalog.write_text(json.dumps(items), encoding="utf-8")
    area = folder / "area.geojson"
    west, south, east, north = workload.bounds
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    _write_features(area, [("area", {"type": "Polygon", "coordinates": [ring]})])
    points = workload.places()
    _write_features(
        folder / "points.geojson",
        [(str(n), {"type": "Point", "coordinates": place}) for n, place in enumerate(points)],
    )
    notes = folder / "notes.json"
    notes.unlink(missing_ok=True)
    case = Case(
        items=f"{address}/{catalog.name}",
        area=str(area),
        crs=CRS,
        bounds=workload.bounds,
        bands=("red", "green", "blue", "nir") if points else ("red", "green", "blue"),
        output=str(output),
        notes=str(notes),
        points=points,
        first_point_only=workload.first_point_only,
    )
    path = folder / "case.json"
    case.write(path)
    return case, path


def _write_features(path: Path, geometries: list[tuple[str, dict]]) -> None:
    """A GeoJSON file in the tile's CRS, which GDAL reads from its ``crs`` member."""
    crs = {"type": "name", "properties": {"name": CRS.replace("EPSG:", "urn:ogc:def:crs:EPSG::")}}
    features = [
        {"type": "Feature", "properties": {"name": name}, "geometry": geometry}
        for name, geometry in geometries
    ]
    content = {"type": "FeatureCollection", "crs": crs, "features": features}
    path.write_text(json.dumps(content), encoding="utf-8")
