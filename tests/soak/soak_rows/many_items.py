"""100,000 items searched over pages: in an API, in a static catalogue and in GeoParquet."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import arro3.core
import arro3.io
import shapely
from fairweather.core.bridge.request import Area, SceneSearch, SearchScenesRequest
from loopback import PLACE, serving
from soak_published_items import COLLECTION, item_id, made_up_item, moment_of
from soak_row import Row, Trial
from soak_worker import MEGABYTE, run_worker

ITEMS = 100_000
MOST_BYTES = 300 * MEGABYTE
ITEMS_PER_PAGE = 100
ITEMS_PER_CATALOG = 1000
SECONDS_APART = 3000
MOST_SECONDS = 3000
MAX_CLOUD = 90
BOX = shapely.box(15.4, 45.4, 15.6, 45.5)
RING = [[15.0, 45.0], [16.4, 45.0], [16.4, 46.0], [15.0, 46.0], [15.0, 45.0]]
GRID = {"proj:shape": [10980, 10980], "proj:transform": [10, 0, 499980, 0, -10, 5100000]}


@dataclass(frozen=True)
class Catalogue:
    """``count`` items, of which one in ten is too cloudy; no two in one place of memory."""

    count: int

    def item(self, number: int) -> dict:
        """The item of that number, as it is published."""
        moment = moment_of(number, SECONDS_APART)
        cloud = float(number * 37 % 100)
        return made_up_item(number, moment, cloud=cloud, ring=RING, hrefs={}, grid=GRID)

    def clear_ids(self) -> list[str]:
        """The ids that are to be found, in order of time."""
        numbers = (number for number in range(self.count) if number * 37 % 100 < MAX_CLOUD)
        return [item_id(number, moment_of(number, SECONDS_APART)) for number in numbers]

    def page(self, start: int, address: str) -> dict:
        """A page of the API's answer."""
        stop = min(start + ITEMS_PER_PAGE, self.count)
        links = [{"rel": "next", "method": "POST", "href": f"{address}/search", "merge": True}]
        links[0]["body"] = {"token": str(stop)}
        return {
            "type": "FeatureCollection",
            "numberMatched": self.count,
            "features": [self.item(number) for number in range(start, stop)],
            "links": links if stop < self.count else [],
        }

    def landing_page(self, address: str) -> dict:
        """Of the API."""
        search = {"rel": "search", "href": f"{address}/search", "method": "POST"}
        return {
            "type": "Catalog",
            "id": "many",
            "stac_version": "1.0.0",
            "conformsTo": ["https://api.stacspec.org/v1.0.0/item-search"],
            "links": [search],
        }

    def static_document(self, path: str) -> dict | None:
        """The document of the static catalogue at ``path``: root, parts and items."""
        if path == "/catalog.json":
            parts = range(0, self.count, ITEMS_PER_CATALOG)
            links = [{"rel": "child", "href": f"./part-{part}.json"} for part in parts]
            return {"type": "Catalog", "id": "root", "stac_version": "1.0.0", "links": links}
        match = re.fullmatch(r"/(part|item)-([0-9]+)\.json", path)
        if match is None:
            return None
        kind, number = match.groups()
        if kind == "item":
            return self.item(int(number))
        numbers = range(int(number), min(int(number) + ITEMS_PER_CATALOG, self.count))
        links = [{"rel": "item", "href": f"./item-{number}.json"} for number in numbers]
        return {"type": "Catalog", "id": path, "stac_version": "1.0.0", "links": links}


def run(trial: Trial) -> Mapping[str, object]:
    """Search all three; each finds the same scenes, in order, inside the promised memory."""
    catalogue = Catalogue(trial.times)
    figures: dict[str, object] = {"items": trial.times}
    faults = []
    with _served(catalogue) as address:
        places: dict[str, Callable[[], str]] = {
            "api": lambda: address,
            "static": lambda: f"{address}/catalog.json",
            "geoparquet": lambda: _write_geoparquet(catalogue, trial.folder),
        }
        for name, place in places.items():
            own, fault = _search(place(), catalogue, trial.folder)
            figures[name] = own
            print(name, own, flush=True)
            faults += [f"{name}: {fault}"] if fault else []
    assert not faults, f"{'; '.join(faults)} ({figures})"
    return figures


def _search(place: str, catalogue: Catalogue, folder: Path) -> tuple[dict[str, object], str]:
    """What a search took, and what is wrong with it."""
    items, footprints = folder / "items.json", folder / "footprints.geojson"
    area = Area("EPSG:4326", shapely.geometry.mapping(BOX))
    search = SceneSearch(
        COLLECTION, area, "2016-01-01", "2025-12-31", place, max_cloud=MAX_CLOUD, limit=10**6
    )
    done = run_worker(SearchScenesRequest(search, str(items), str(footprints)), MOST_SECONDS)
    if done.failure:
        return done.figures, done.failure
    ids = catalogue.clear_ids()
    figures = {**done.figures, "written_mb": round(items.stat().st_size / MEGABYTE)}
    if _ids_in(items, '"id": ') != ids or _ids_in(footprints, '"id": ') != ids:
        return figures, "it wrote other scenes than there are"
    if done.values["SCENE_COUNT"] != len(ids):
        return figures, f"it says {done.values['SCENE_COUNT']} scenes of {len(ids)}"
    if done.peak_bytes > MOST_BYTES:
        return figures, f"it took {done.peak_bytes / MEGABYTE:.0f} MB"
    items.unlink()
    footprints.unlink()
    return figures, ""


def _ids_in(path: Path, mark: str) -> list[str]:
    """The ids of the features, one a line; the first and last line must be whole JSON."""
    ids = []
    with path.open(encoding="utf-8") as file:
        for line in file:
            if mark in line:
                ids.append(json.loads(line.rstrip().rstrip(","))["id"])
    return ids


@contextmanager
def _served(catalogue: Catalogue) -> Iterator[str]:
    """The address of both kinds of catalogue, while this lasts."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1

        def do_GET(self) -> None:
            is_root = self.path in ("", "/")
            self._send(
                catalogue.landing_page(address) if is_root else catalogue.static_document(self.path)
            )

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            self._send(catalogue.page(int(asked.get("token", 0)), address))

        def _send(self, content: dict | None) -> None:
            text = json.dumps(content).encode()
            self.send_response(404 if content is None else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *arguments: object) -> None:
            pass

    with serving(ThreadingHTTPServer(PLACE, Handler)) as address:
        yield address


class _Rows(io.RawIOBase):
    """The rows of a GeoParquet file as lines of JSON, made as they are read."""

    def __init__(self, catalogue: Catalogue, count: int) -> None:
        self._lines = (_row(catalogue.item(number)) for number in range(count))
        self._left = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:
        while len(self._left) < len(buffer) and (line := next(self._lines, None)):
            self._left += line
        taken, self._left = self._left[: len(buffer)], self._left[len(buffer) :]
        buffer[: len(taken)] = taken
        return len(taken)


def _row(item: dict) -> bytes:
    """An item as stac-geoparquet lays it out."""
    row = {name: value for name, value in item.items() if name not in ("properties", "bbox")}
    row["geometry"] = shapely.to_wkb(shapely.geometry.shape(item["geometry"]), hex=True)
    row["bbox"] = dict(zip(("xmin", "ymin", "xmax", "ymax"), item["bbox"], strict=True))
    return json.dumps({**row, **item["properties"]}).encode() + b"\n"


def _write_geoparquet(catalogue: Catalogue, folder: Path) -> str:
    schema = arro3.core.Schema(arro3.io.infer_json_schema(io.BufferedReader(_Rows(catalogue, 50))))
    wkb = arro3.core.Field("geometry", arro3.core.DataType.binary(), nullable=True)
    schema = schema.set(schema.names.index("geometry"), wkb)
    rows = io.BufferedReader(_Rows(catalogue, catalogue.count), 2**20)
    path = folder / "items.parquet"
    arro3.io.write_parquet(
        arro3.io.read_json(rows, schema),
        str(path),
        compression="zstd(3)",
        max_row_group_size=10_000,
    )
    return str(path)


ROW = Row(
    "many_items",
    "100,000 items are searched over pages, in a static catalogue and in GeoParquet, in 300 MB",
    ITEMS,
    run,
)
