"""QGIS without a window, with Processing and the plugin, once for all tests in this folder."""

import gc
import json
import os
import struct
import sys
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def qgis(tmp_path_factory):
    """The running application; QGIS's own settings are those of an empty home."""
    home = tmp_path_factory.mktemp("qgis-home")
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR"):
        os.environ[name] = str(home)
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    from qgis.core import QgsApplication, QgsProject

    application = QgsApplication([], False, str(home))
    application.initQgis()
    sys.path.append(str(Path(QgsApplication.pkgDataPath()) / "python" / "plugins"))
    from processing.core.Processing import Processing

    Processing.initialize()
    yield application
    QgsProject.instance().clear()
    gc.collect()
    application.exitQgis()


@pytest.fixture(scope="session")
def provider(qgis):
    """The plugin's provider, registered as the plugin does it."""
    from fairweather.plugin import FairweatherPlugin
    from qgis.core import QgsApplication

    plugin = FairweatherPlugin(None)
    plugin.initProcessing()
    yield plugin.provider
    plugin.unload()
    assert QgsApplication.processingRegistry().providerById("fairweather") is None


@pytest.fixture(autouse=True)
def _clean_project(provider):
    """No test sees another's layers; a layer alive when QGIS ends would crash it."""
    yield
    from qgis.core import QgsProject

    QgsProject.instance().clear()
    gc.collect()


@pytest.fixture
def worker_python(monkeypatch):
    """The interpreter with the worker's packages; without one the test is skipped, visibly."""
    from fairweather.core.bridge.environment import find_worker_python
    from fairweather.core.bridge.errors import EnvironmentNotReadyError

    try:
        return find_worker_python()
    except EnvironmentNotReadyError as error:
        pytest.skip(str(error))


@pytest.fixture
def square():
    """A GeoJSON polygon from 16 to 16.1 degrees east, 45.9 to 46 north."""
    ring = [[16, 45.9], [16.1, 45.9], [16.1, 46], [16, 46], [16, 45.9]]
    return {"type": "Polygon", "coordinates": [ring]}


@pytest.fixture
def polygons(tmp_path):
    """Write geometries as a GeoJSON file; its path as text."""

    def write(*geometries, name="area.geojson"):
        features = [
            {"type": "Feature", "properties": {"n": number}, "geometry": geometry}
            for number, geometry in enumerate(geometries)
        ]
        path = tmp_path / name
        path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
        return str(path)

    return write


@pytest.fixture
def item():
    """A minimal STAC item as its text in a footprint."""

    def make(name, cloud_cover=10.0):
        return {
            "type": "Feature",
            "stac_version": "1.0.0",
            "id": name,
            "geometry": {
                "type": "Polygon",
                "coordinates": [[[16, 45], [17, 45], [17, 46], [16, 46], [16, 45]]],
            },
            "bbox": [16, 45, 17, 46],
            "properties": {"datetime": "2024-05-01T10:00:31.123Z", "eo:cloud_cover": cloud_cover},
            "links": [],
            "assets": {},
        }

    return make


@pytest.fixture
def write_composite():
    """Write a small GeoTIFF like a composite: band names, 8 x 6 pixels in UTM zone 33 north."""

    def write(path, names, values=None, scale=None):
        from osgeo import gdal, osr

        dataset = gdal.GetDriverByName("GTiff").Create(
            str(path), 8, 6, len(names), gdal.GDT_Float32
        )
        dataset.SetGeoTransform((500000, 10, 0, 5080000, 0, -10))
        crs = osr.SpatialReference()
        crs.ImportFromEPSG(32633)
        dataset.SetProjection(crs.ExportToWkt())
        for number, name in enumerate(names, start=1):
            band = dataset.GetRasterBand(number)
            band.SetDescription(name)
            band.SetNoDataValue(float("nan"))
            numbers = [number * 0.01 + index * 0.001 for index in range(48)]
            band.WriteRaster(0, 0, 8, 6, struct.pack("48f", *(values or numbers)))
        dataset.FlushCache()
        return str(path)

    return write


def _item_of(feature):
    """The item that a footprint carries as a text, or that a feature is."""
    return json.loads(feature["properties"]["item"]) if "assets" not in feature else feature


class FakeWorker:
    """Stands for ``run_job``: keeps the requests and writes what the job would."""

    def __init__(self, write_composite, item):
        self.requests = []
        self.scenes = []
        self.failure = None
        self._write_composite = write_composite
        self._items = [item("first", 5.0), item("second", None)]

    def __call__(self, request, python, *, on_event, is_cancelled, credentials=None):
        self.credentials = credentials
        from fairweather.core.bridge.events import Message, Progress, WarningMessage

        self.requests.append(request)
        if request.search.scenes:
            features = json.loads(Path(request.search.scenes).read_text())["features"]
            items = [_item_of(feature) for feature in features]
            ids = request.search.scene_ids or [item["id"] for item in items]
            self.scenes.append([item["id"] for item in items if item["id"] in ids])
        on_event(Progress(40.0, "working"))
        on_event(Message("a message"))
        on_event(WarningMessage("a warning"))
        assert is_cancelled() in (True, False)
        if self.failure is not None:
            raise self.failure
        if getattr(request, "dry_run", False):
            return {"SCENE_COUNT": 2, "DAY_COUNT": 1, "SITE_COUNT": 1}
        if request.job == "composite":
            names = [*request.bands, *(["clear_days"] if request.count_band else [])]
            self._write_composite(request.output, names)
            if request.report:
                Path(request.report).write_text("<p>report</p>")
            return {
                "OUTPUT": request.output,
                "SCENE_COUNT": 2,
                "DAY_COUNT": 1,
                "CLEAR_PERCENT": 99.5,
            }
        if request.job == "timeseries":
            return write_time_series(request)
        self._write_search(request)
        return {"SCENE_COUNT": 2, "DAY_COUNT": 1}

    def _write_search(self, request):
        from fairweather.core.bridge.plain_text import plain_cell, plain_json

        collection = {"type": "FeatureCollection", "features": self._items}
        if request.items:
            Path(request.items).parent.mkdir(exist_ok=True)
            Path(request.items).write_text(json.dumps(collection))
        features = [
            {
                "type": "Feature",
                "geometry": item["geometry"],
                "properties": {
                    "item_id": plain_cell(item["id"]),
                    "datetime": item["properties"]["datetime"],
                    "solar_day": "2024-05-01",
                    "collection": "sentinel-2-c1-l2a",
                    "cloud_cover": item["properties"]["eo:cloud_cover"],
                    "grid": "MGRS-33TWL",
                    "platform": "sentinel-2a",
                    "thumbnail": "https://example.org/thumbnail.jpg",
                    "href": None,
                    "item": plain_json(json.dumps(item)),
                },
            }
            for item in self._items
        ]
        lines = ",\n".join(map(json.dumps, features))
        content = f'{{"type": "FeatureCollection", "features": [\n{lines}\n]}}\n'
        Path(request.footprints).write_text(content)


OBSERVED = "2024-02-29T10:07:53Z"
CLOUDY = "2024-12-31T23:59:59Z"


def write_time_series(request):
    """The tables of sites with one clear and one cloudy day; site 99 lies under no scene."""
    values = {site.id: 0.1 * number for number, site in enumerate(request.sites, start=1)}
    names = [entry.split("=")[0] for entry in request.indices]
    pairs = [(site, name) for site in request.sites for name in names]
    series = ["site_id,site,index,time,value,interpolated,smoothed"]
    observations = ["site_id,site,index,time,value,clear_pixels,all_pixels,item_ids"]
    summary = ["site_id,index,count,mean,maximum,maximum_date"]
    for site, name in pairs:
        start, value = f'{site.id},"{site.name}",{name}', repr(values[site.id])
        if site.id == 99:
            series.append(f"{start},,,,")
            observations.append(f"{start},,,0,0,")
            summary.append(f"{site.id},{name},0,,,")
            continue
        series.append(f"{start},2024-02-29T00:00:00Z,{value},{value},{value}")
        series.append(f"{start},2024-03-05T00:00:00Z,,{value},{value}")
        observations.append(f"{start},{OBSERVED},{value},3,4,first second")
        observations.append(f"{start},{CLOUDY},,0,4,third")
        summary.append(f"{site.id},{name},1,{value},{value},2024-02-29")
    paths = (request.series, request.observations, request.site_summary)
    for path, lines in zip(paths, (series, observations, summary)):
        if path:
            Path(path).write_text("\n".join(lines), encoding="utf-8")
    for path in filter(None, (request.chart, request.chart_image)):
        Path(path).parent.mkdir()
        Path(path).write_text("a chart")
    return {"SITE_COUNT": len(request.sites), "OBSERVATION_COUNT": len(pairs)}


@pytest.fixture
def fake_worker(monkeypatch, write_composite, item):
    """Algorithms run without an environment: a fake takes the worker's place."""
    from fairweather.algorithms import base

    worker = FakeWorker(write_composite, item)
    monkeypatch.setattr(base, "run_job", worker)
    for name in ("find_worker_python", "check_worker_python"):
        monkeypatch.setattr(base, name, lambda _chosen="": Path("python"))
    return worker


@pytest.fixture
def run(provider):
    """Run an algorithm as a script does, with its results; errors raise."""
    import processing

    def run_algorithm(name, feedback=None, **parameters):
        return processing.run(f"fairweather:{name}", parameters, feedback=feedback)

    return run_algorithm


@pytest.fixture(scope="session")
def sample(provider, tmp_path_factory):
    """The sample catalogue, made by the real worker; skipped, visibly, without one."""
    import processing
    from fairweather.core.bridge.environment import find_worker_python
    from fairweather.core.bridge.errors import EnvironmentNotReadyError

    try:
        find_worker_python()
    except EnvironmentNotReadyError as error:
        pytest.skip(str(error))
    folder = tmp_path_factory.mktemp("sample")
    processing.run("fairweather:samplecatalog", {"FOLDER": str(folder), "DAYS": 12})
    return {
        "COLLECTION": "fairweather-sample",
        "CATALOG": str(folder / "catalog.json"),
        "AOI": str(folder / "area.geojson"),
        "START": "2024-01-01",
        "END": "2024-12-31",
        "MAX_CLOUD": 60,
    }
