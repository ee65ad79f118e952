"""Scenes to search for: made-up STAC items, a loopback API, and the real ones where they are."""

import contextlib
import json
import socketserver

import pytest
import shapely
from fairweather.core.bridge.profiles import find_profile
from fairweather.core.bridge.request import Area, SceneSearch
from fairweather.core.science.area import read_area
from fairweather.core.science.catalog.find import find_scenes
from fairweather.core.science.reporter import RecordingReporter
from loopback import PLACE, serving
from stac_server import StacServer, running

COLLECTION = "sentinel-2-l2a"


@pytest.fixture
def serve_stac():
    """A function that starts a loopback STAC API; see StacServer for what it can be told."""
    with contextlib.ExitStack() as stack:

        def serve(items, **behaviour):
            return stack.enter_context(running(StacServer(items, **behaviour)))

        yield serve


@pytest.fixture
def answer_with():
    """A function that serves whatever ``write`` writes, to everyone; the address."""
    with contextlib.ExitStack() as stack:

        def start(write):
            class Handler(socketserver.StreamRequestHandler):
                def handle(self):
                    while self.rfile.readline().strip():
                        pass
                    with contextlib.suppress(OSError):
                        write(self.wfile)

            server = socketserver.ThreadingTCPServer(PLACE, Handler)
            server.daemon_threads = True
            return f"{stack.enter_context(serving(server))}/catalog.json"

        yield start


@pytest.fixture(scope="session")
def make_item():
    """A function that makes a complete STAC item with a rectangular footprint."""

    def make(name, when="2023-08-10T10:00:00Z", box=(15, 45, 16, 46), cloud=10.0, **others):
        properties = {"datetime": when, "eo:cloud_cover": cloud, **others.pop("properties", {})}
        return {
            "type": "Feature",
            "stac_version": "1.0.0",
            "id": name,
            "collection": others.pop("collection", COLLECTION),
            "geometry": shapely.geometry.mapping(shapely.box(*box)),
            "bbox": list(box),
            "properties": {name: value for name, value in properties.items() if value is not None},
            "assets": others.pop("assets", {"red": {"href": f"https://example.com/{name}.tif"}}),
            "links": others.pop("links", []),
            "stac_extensions": [],
        }

    return make


@pytest.fixture
def write_items(tmp_path):
    """A function that writes items as an ItemCollection file and returns its path."""

    def write(items, name="items.json"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        content = {"type": "FeatureCollection", "features": items}
        path.write_text(json.dumps(content), encoding="utf-8")
        return str(path)

    return write


@pytest.fixture(scope="session")
def area_of():
    """A function that makes a request's area of a shapely geometry or four bounds."""

    def make(geometry, crs="EPSG:4326", is_extent=False):
        if isinstance(geometry, tuple):
            geometry = shapely.box(*geometry)
        return Area(crs, shapely.geometry.mapping(geometry), is_extent)

    return make


@pytest.fixture(scope="session")
def find(area_of):
    """A function that searches and returns the scenes found and the reporter."""

    def search(catalog, area=(15.1, 45.1, 15.9, 45.9), collection=COLLECTION, **others):
        period = {"start": "2023-08-01", "end": "2023-08-31"}
        area = area if isinstance(area, Area) else area_of(area)
        asked = SceneSearch(collection, area, **{**period, "catalog": catalog, **others})
        reporter = RecordingReporter()
        interest = read_area(asked.area, reporter)
        return find_scenes(asked, find_profile(collection), interest, reporter), reporter

    return search


@pytest.fixture
def zagreb_catalog(shared_data):
    """The path of the real static catalogue of ten scenes."""
    return str(shared_data / "zagreb" / "catalog.json")


@pytest.fixture
def zagreb_items(shared_data):
    """The ten real items as they were published."""
    paths = sorted((shared_data / "zagreb" / COLLECTION).glob("*/*.json"))
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths]
