"""Whole runs by the real worker: no socket listens, nothing secret shows, no other format opens."""

import csv
import dataclasses
import itertools
import json
import os
import re
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import rasterio
from fairweather.core.bridge.errors import FairweatherError
from fairweather.core.bridge.request import SearchScenesRequest, Site, TimeSeriesRequest
from fairweather.core.bridge.series_recipe import SeriesRecipe
from fairweather.core.bridge.worker_process import run_job
from guarded_server import Reply

pytestmark = pytest.mark.slow

PLANTED = "plantedXquery4711"
POINT = {"type": "Point", "coordinates": [15.02, 45.13]}


def series_of(request, folder):
    return TimeSeriesRequest(
        request.search,
        (Site(1, "one", POINT),),
        "EPSG:4326",
        ("red",),
        SeriesRecipe(),
        series=str(folder / "series.csv"),
        observations=str(folder / "observations.csv"),
        chart=str(folder / "chart.html"),
        chart_image=str(folder / "chart.png"),
    )


def search_of(request, folder):
    return SearchScenesRequest(request.search, "", str(folder / "footprints.json"))


def run(request, on_event=lambda _: None):
    return run_job(request, Path(sys.executable), on_event=on_event, is_cancelled=lambda: False)


class Sockets:
    """Looks, all the time, for sockets of descendants of this process that listen."""

    def __init__(self):
        self.listening = set()
        self.processes = set()
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._done.set()
        self._thread.join()

    def _watch(self):
        while not self._done.is_set():
            for process in self._descendants():
                self.processes.add(process)
                self.listening |= self._sockets_of(process) & self._that_listen()
            time.sleep(0.005)

    def _descendants(self):
        parents = {}
        for status in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = status.read_text().rpartition(")")[2].split()
            except OSError:
                continue
            parents.setdefault(int(fields[1]), []).append(int(status.parent.name))
        waiting, found = [os.getpid()], []
        while waiting:
            children = parents.get(waiting.pop(), [])
            waiting += children
            found += children
        return found

    def _sockets_of(self, process):
        found = set()
        for place in Path(f"/proc/{process}/fd").glob("*"):
            try:
                match = re.fullmatch(r"socket:\[(\d+)\]", str(place.readlink()))
            except OSError:
                continue
            found |= {match[1]} if match else set()
        return found

    def _that_listen(self):
        """TCP that listens (0A), and any UDP."""
        found = set()
        for name in ("tcp", "tcp6", "udp", "udp6"):
            table = Path("/proc/net") / name
            for line in table.read_text().splitlines()[1:] if table.exists() else ():
                fields = line.split()
                if fields[3] == "0A" or name.startswith("udp"):
                    found.add(fields[9])
        return found


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="there is no /proc to look into")
@pytest.mark.parametrize("kind", ["composite", "series", "search"])
def test_no_socket_listens_during_a_run(scenes, serve, tmp_path, kind):
    server = serve(folder=scenes.folder)
    scenes.catalog(f"{server.address}/pixels")
    request = scenes.request(f"{server.address}/items.json", scenes.profile(), tmp_path / "it.tif")
    kinds = {"composite": lambda *_: request, "series": series_of, "search": search_of}
    with Sockets() as sockets:
        run(kinds[kind](request, tmp_path))
    assert sockets.processes
    assert sockets.listening == set()


def signing(server):
    """Redirects each file to one with a signature, which is wrong for the last day."""

    def answer(seen):
        if seen.path.endswith("2.tif") and "moved" in seen.query:
            return Reply(404, f"no such file: {seen.target}".encode())
        if seen.path.endswith(".tif") and "moved" not in seen.query:
            place = f"{server.address}{seen.path}?moved=1&sig={PLANTED}"
            return Reply(302, b"", {"Location": place})
        return None

    return answer


def test_a_signature_in_an_address_is_shown_nowhere(scenes, serve, watched):
    """In hrefs, in redirects, and in CATALOG; files are lost, so that there is much to tell."""
    server = serve(folder=scenes.folder)
    server.answer = signing(server)
    path = scenes.catalog(f"{server.address}/pixels")
    content = json.loads(path.read_text())
    for item in content["features"]:
        for asset in item["assets"].values():
            asset["href"] += f"?sig={PLANTED}"
    path.write_text(json.dumps(content))
    request = scenes.request(path, scenes.profile(), watched.folder / "it.tif")
    watched.run(request)
    watched.run(series_of(request, watched.folder))
    with pytest.raises(FairweatherError, match=r"2\.tif"):
        watched.run(dataclasses.replace(request, on_error="fail"))
    assert PLANTED in str([seen.target for seen in server.seen])
    assert b"2.tif" in b"".join(watched.seen)
    watched.assert_shows_no(PLANTED)


@pytest.mark.parametrize("status", [200, 404, 500])
def test_a_token_in_the_catalogues_address(scenes, serve, watched, status):
    """It is in the request itself, which the worker reads; in nothing that is kept or shown."""
    server = serve(folder=scenes.folder)
    scenes.catalog(f"{server.address}/pixels")
    if status != 200:
        server.answer = lambda seen: Reply(status, seen.target.encode())
    request = scenes.request(
        f"{server.address}/items.json?token={PLANTED}", scenes.profile(), watched.folder / "it.tif"
    )
    shown = []
    try:
        run(request, shown.append)
    except FairweatherError as error:
        shown.append(error)
        assert status != 200
    kept = [path.read_bytes() for path in watched.folder.rglob("*") if path.is_file()]
    home = Path(os.environ["FAIRWEATHER_HOME"])
    kept += [path.read_bytes() for path in home.rglob("*") if path.is_file()]
    assert PLANTED in server.seen[0].target
    assert PLANTED not in repr(shown)
    assert PLANTED.encode() not in b"".join(kept)


def test_the_password_of_a_proxy_is_shown_nowhere(scenes, serve, watched, monkeypatch):
    proxy = serve()
    proxy.answer = lambda _: Reply(407, b"who are you?")
    address = proxy.address.replace("http://", f"http://me:{PLANTED}@")
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, address)
    monkeypatch.delenv("no_proxy", raising=False)
    path = scenes.catalog("http://files.example/pixels")
    request = scenes.request(path, scenes.profile(), watched.folder / "it.tif")
    for one in (request, scenes.request("http://stac.example/", scenes.profile(), "a.tif")):
        shown = []
        with pytest.raises(FairweatherError) as caught:
            run(one, shown.append)
        assert PLANTED not in f"{shown!r} {caught.value}"
    kept = [path.read_bytes() for path in Path(os.environ["FAIRWEATHER_HOME"]).rglob("*.*")]
    assert PLANTED.encode() not in b"".join(kept)


ODD = "=cmd|'/C calc'!A0\x1b[31m\r\nINFO: fine <script>alert(1)</script>'; DROP TABLE x; --\u202e"


def test_what_a_catalogue_writes_is_harmless_wherever_it_is_shown(scenes, watched):
    path = scenes.catalog(scenes.folder / "pixels")
    content = json.loads(path.read_text())
    for number, item in enumerate(content["features"]):
        item["id"] = f"{ODD}{number}"
        item["properties"].update({"platform": ODD, "grid:code": ODD})
    content["features"][0]["assets"]["red"]["href"] = "nowhere.tif"
    path.write_text(json.dumps(content))
    request = scenes.request(path, scenes.profile(), watched.folder / "it.tif")
    events = []
    run(request, events.append)
    run(series_of(request, watched.folder), events.append)
    run(search_of(request, watched.folder), events.append)
    texts = [text for event in events for text in vars(event).values() if isinstance(text, str)]
    assert any("INFO: fine" in text for text in texts)
    assert not [text for text in texts if re.search("[\x00-\x1f\x7f-\x9f\u202e]", text)]
    for page in watched.folder.glob("*.html"):
        assert "<script>alert" not in page.read_text(encoding="utf-8")
    with (watched.folder / "observations.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert any("INFO: fine" in row["item_ids"] for row in rows)
    footprints = json.loads((watched.folder / "footprints.json").read_text(encoding="utf-8"))
    cells = [cell for row in rows for cell in row.values()]
    cells += [cell for one in footprints["features"] for cell in one["properties"].values()]
    texts = [cell for cell in cells if isinstance(cell, str)]
    assert not [text for text in texts if re.match(r"\s*[=+@-]\D", text)]
    item = json.loads(footprints["features"][0]["properties"]["item"])
    assert item["id"] == f"{ODD}0"  # which SCENES of this table needs


OTHER_FORMATS = {
    "VRT": """<VRTDataset rasterXSize="512" rasterYSize="512"><SRS>EPSG:32633</SRS>
    <GeoTransform>500000, 10, 0, 5000000, 0, -10</GeoTransform>
    <VRTRasterBand dataType="UInt16" band="1"><SimpleSource>
    <SourceFilename relativeToVRT="0">{place}</SourceFilename><SourceBand>1</SourceBand>
    </SimpleSource></VRTRasterBand></VRTDataset>""",
    "GTI": "<GDALTileIndexDataset><IndexDataset>{place}</IndexDataset></GDALTileIndexDataset>",
    "MRF": "<MRF_META><CachedSource><Source>{place}</Source></CachedSource><Raster>"
    "<Size x='512' y='512'/></Raster></MRF_META>",
    "PDS": 'PDS_VERSION_ID = PDS3\n^IMAGE = "{place}"\nEND\n',
    "href": "vrt://{place}?bands=1",
}


@pytest.mark.parametrize(
    ("name", "where"),
    [
        *itertools.product(OTHER_FORMATS, ["disk", "server"]),
        ("VRT", "cluster"),
        ("href", "cluster"),
    ],
)
def test_another_format_named_tif_opens_nothing(scenes, serve, tmp_path, request, where, name):
    """A file that it names, which would be the only bright one, does not get into the result."""
    secret = tmp_path / "secret.tif"
    bright = np.full((512, 512), 60_000, np.uint16)
    with rasterio.open(scenes.folder / "pixels" / "red1.tif") as dataset:
        profile = {**dataset.profile, "driver": "GTiff"}
    with rasterio.open(secret, "w", **profile) as dataset:
        dataset.write(bright, 1)
    content = OTHER_FORMATS[name].format(place=secret)
    base = serve(folder=scenes.folder).address if where != "disk" else scenes.folder
    path = scenes.catalog(f"{base}/pixels")
    for day in (1, 2):
        if name == "href":
            items = json.loads(path.read_text())
            items["features"][day]["assets"]["red"]["href"] = content
            path.write_text(json.dumps(items))
        else:
            (scenes.folder / "pixels" / f"red{day}.tif").write_text(content)
    composite = scenes.request(path, scenes.profile(), tmp_path / "it.tif")
    if where == "cluster":
        composite = dataclasses.replace(composite, cluster=request.getfixturevalue("cluster"))
    with suppress(FairweatherError):  # where two of three days are lost
        run(composite)
        with rasterio.open(composite.output) as dataset:
            assert np.nanmax(dataset.read(1)) < 1
