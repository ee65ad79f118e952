"""Whole runs by the real worker on guarded servers: the same pixels, and no secret anywhere."""

import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
from fairweather.core.bridge.credentials import Headers, Login, StorageKeys, TokenGrant
from fairweather.core.bridge.errors import AccessError
from fairweather.core.bridge.home import fairweather_home
from fairweather.core.bridge.profiles import load_profiles
from fairweather.core.bridge.request import (
    Area,
    CompositeRequest,
    SceneSearch,
    SearchScenesRequest,
    Site,
    TimeSeriesRequest,
    request_to_json,
)
from fairweather.core.bridge.series_recipe import SeriesRecipe
from fairweather.core.bridge.worker_process import LAUNCH_SCRIPT, run_job

pytestmark = pytest.mark.slow

PLANTED = "plantedXsecretX4711"
EDGE = 512
WEST, NORTH = 500_000, 5_000_000


class Scenes:
    """Three scenes of 512 x 512 pixels, and catalogues that name them at any address."""

    def __init__(self, folder):
        self.folder = folder
        rng = np.random.default_rng(5)
        (folder / "pixels").mkdir()
        for day in range(3):
            self._write(f"red{day}.tif", rng.integers(1, 5000, (EDGE, EDGE)).astype(np.uint16))
            self._write(f"scl{day}.tif", rng.choice([4, 9], (EDGE, EDGE)).astype(np.uint8))

    def _write(self, name, pixels):
        with rasterio.open(
            self.folder / "pixels" / name,
            "w",
            driver="GTiff",
            width=EDGE,
            height=EDGE,
            count=1,
            dtype=pixels.dtype,
            crs="EPSG:32633",
            transform=rasterio.Affine(10, 0, WEST, 0, -10, NORTH),
            tiled=True,
            blockxsize=128,
            blockysize=128,
            compress="deflate",
        ) as dataset:
            dataset.write(pixels, 1)

    def catalog(self, base, name="items.json"):
        """An ItemCollection whose assets lie below ``base``; its path."""
        items = [self._item(day, base) for day in range(3)]
        path = self.folder / name
        path.write_text(json.dumps({"type": "FeatureCollection", "features": items}))
        return path

    def _item(self, day, base):
        ring = [[14.9, 45.0], [15.1, 45.0], [15.1, 45.2], [14.9, 45.2], [14.9, 45.0]]
        return {
            "type": "Feature",
            "stac_version": "1.0.0",
            "id": f"scene-{day}",
            "collection": "mine",
            "geometry": {"type": "Polygon", "coordinates": [ring]},
            "bbox": [14.9, 45.0, 15.1, 45.2],
            "properties": {"datetime": f"2024-05-0{day + 1}T10:00:00Z", "eo:cloud_cover": 5},
            "links": [],
            "assets": {
                band: {"href": f"{base}/{band}{day}.tif", "type": "image/tiff"}
                for band in ("red", "scl")
            },
        }

    def profile(self, **access):
        """The sample collection's profile with other access; its path."""
        sample = json.loads(json.dumps(dataclasses.asdict(load_profiles()["fairweather-sample"])))
        kept = {name: value for name, value in sample.items() if value is not None}
        content = {**kept, "id": "mine", "collection": "mine", "catalog": "", **access}
        path = self.folder / "profile.json"
        path.write_text(json.dumps(content))
        return path

    def request(self, catalog, profile, output):
        ring = [[15.0, 45.12], [15.05, 45.12], [15.05, 45.15], [15.0, 45.15], [15.0, 45.12]]
        area = Area("EPSG:4326", {"type": "Polygon", "coordinates": [ring]})
        search = SceneSearch(
            "custom",
            area,
            "2024-05-01",
            "2024-05-31",
            catalog=str(catalog),
            profile=str(profile),
            max_cloud=100.0,
        )
        report = str(Path(output).with_suffix(".html"))
        return CompositeRequest(search, ("red",), str(output), report=report)


@pytest.fixture
def scenes(tmp_path):
    folder = tmp_path / "scenes"
    folder.mkdir()
    return Scenes(folder)


class Watched:
    """Runs a job, and collects all that can be seen of it from outside, while it runs and after."""

    def __init__(self, folder):
        self.folder = folder
        self.seen = []

    def run(self, request, credentials=None):
        try:
            return run_job(
                request,
                Path(sys.executable),
                on_event=self._look,
                is_cancelled=lambda: False,
                credentials=credentials,
            )
        except Exception as error:
            self.seen.append(str(error).encode())
            raise
        finally:
            self._look_at_files()

    def _look(self, event):
        self.seen.append(repr(event).encode())
        self._look_at_files()
        for process in Path("/proc").glob("[0-9]*"):
            try:
                arguments = (process / "cmdline").read_bytes()
                if str(fairweather_home()).encode() in arguments:
                    assert b"--read-credentials" in arguments
                    self.seen += [arguments, (process / "environ").read_bytes()]
            except OSError:
                continue

    def _look_at_files(self):
        for folder in (fairweather_home(), self.folder):
            for path in folder.rglob("*"):
                try:
                    if path.is_file():
                        self.seen += [str(path).encode(), path.read_bytes()]
                except OSError:
                    continue

    def assert_shows_no(self, *secrets):
        everything = b"\n".join(self.seen)
        assert b"request.json" in everything
        assert b"--watch-stdin" in everything or not Path("/proc/self").exists()
        for secret in secrets:
            assert secret.encode() not in everything


@pytest.fixture
def watched(tmp_path):
    (tmp_path / "out").mkdir()
    return Watched(tmp_path / "out")


@pytest.fixture
def expected(scenes, tmp_path):
    """The composite of the same scenes from the disk."""
    catalog = scenes.catalog(scenes.folder / "pixels", "local.json")
    output = tmp_path / "expected.tif"
    request = scenes.request(catalog, scenes.profile(), output)
    run_job(request, Path(sys.executable), on_event=lambda _: None, is_cancelled=lambda: False)
    with rasterio.open(output) as dataset:
        pixels = dataset.read()
    assert np.isfinite(pixels).any()
    return pixels


def check_pixels(request, expected):
    with rasterio.open(request.output) as dataset:
        np.testing.assert_array_equal(dataset.read(), expected)


@pytest.mark.usefixtures("needs_signing")
def test_storage_with_keys_where_the_reader_pays(guarded, serve, scenes, watched, expected):
    guard = guarded.S3Guard("AKPLANTED", PLANTED, requester_pays=True)
    server = serve(
        guard, scenes.folder / "pixels", place=lambda path: "/".join(path.split("/")[3:])
    )
    storage = {
        "buckets": ["mine"],
        "endpoint": f"{server.address}/{{region}}",
        "region": "us-west-2",
        "requester_pays": True,
    }
    profile = scenes.profile(access="own-keys", storage=storage)
    request = scenes.request(scenes.catalog("s3://mine"), profile, watched.folder / "it.tif")
    watched.run(request, StorageKeys("AKPLANTED", PLANTED))
    check_pixels(request, expected)
    assert len(server.seen) >= 6
    watched.assert_shows_no(PLANTED, "AKPLANTED", *signatures(server))

    with pytest.raises(AccessError, match="the secret key is wrong"):
        watched.run(request, Login("AKPLANTED", "anotherXsecret"))
    watched.assert_shows_no(PLANTED, "anotherXsecret")
    with pytest.raises(AccessError, match="keys of your own; choose a configuration"):
        run_job(request, Path(sys.executable), on_event=print, is_cancelled=lambda: False)


def signatures(server):
    headers = [seen.headers.get("authorization", "") for seen in server.seen]
    return {text.rpartition("Signature=")[2] for text in headers if "Signature=" in text}


@pytest.mark.parametrize("limits", [{"uses": 5}, {"seconds": 0.3}])
def test_signatures_that_end_in_mid_run(guarded, serve, scenes, watched, expected, limits):
    guard = guarded.ContainerGuard(guarded.Tokens(**limits))
    server = serve(guard, scenes.folder)
    server.answer = guard.answer
    signing = {
        "address": f"{server.address}/sas/{{account}}/{{container}}",
        "host": server.host[server.host.index(".") :],
    }
    profile = scenes.profile(access="planetary-computer", signing=signing)
    catalog = scenes.catalog(f"{server.address}/pixels")
    request = scenes.request(catalog, profile, watched.folder / "it.tif")
    run_job(request, Path(sys.executable), on_event=watched.seen.append, is_cancelled=lambda: False)
    check_pixels(request, expected)
    assert len(guard.tokens.given) >= (2 if "uses" in limits else 1)
    shown = [str(watched.seen), Path(request.report).read_text(encoding="utf-8")]
    shown.append(Path(request.output).read_bytes().decode("latin-1"))
    assert "secretsignature" not in "".join(shown)


CLUSTER = """
import asyncio, sys
from distributed import Scheduler, Worker
async def main():
    places = {"dashboard_address": "127.0.0.1:0"}
    async with Scheduler(host="127.0.0.1", port=0, **places) as scheduler:
        async with Worker(scheduler.address, nthreads=2, host="127.0.0.1", **places):
            print(scheduler.address, flush=True)
            await asyncio.to_thread(sys.stdin.readline)
asyncio.run(main())
"""


@pytest.fixture
def cluster(tmp_path):
    """The address of a Dask cluster in a process of its own."""
    with subprocess.Popen(
        [sys.executable, "-c", CLUSTER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
    ) as process:
        yield process.stdout.readline().strip()
        process.communicate("\n")


def test_a_cluster_asks_for_its_own_signatures_and_is_sent_no_keys(
    guarded, serve, scenes, watched, expected, cluster
):
    guard = guarded.ContainerGuard()
    server = serve(guard, scenes.folder)
    server.answer = guard.answer
    signing = {
        "address": f"{server.address}/sas/{{account}}/{{container}}",
        "host": server.host[server.host.index(".") :],
    }
    catalog = scenes.catalog(f"{server.address}/pixels")
    profile = scenes.profile(access="planetary-computer", signing=signing)
    request = scenes.request(catalog, profile, watched.folder / "it.tif")
    request = dataclasses.replace(request, cluster=cluster)
    run_job(request, Path(sys.executable), on_event=print, is_cancelled=lambda: False)
    check_pixels(request, expected)
    assert len(guard.tokens.given) == 2  # this computer's and the worker's

    scenes.profile(access="own-keys", key_hosts=[server.host])
    with pytest.raises(AccessError, match="AUTH's keys are not sent to a cluster"):
        watched.run(request, Login("ana", PLANTED))
    watched.assert_shows_no(PLANTED)


def test_one_token_for_catalogue_and_files(guarded, serve, scenes, watched, expected):
    form = {"grant_type": "client_credentials", "client_id": "me", "client_secret": PLANTED}
    guard = guarded.BearerGuard(form, guarded.Tokens(uses=7))
    server = serve(guard, scenes.folder)
    server.answer = guard.answer
    files = serve(guard, scenes.folder)
    profile = scenes.profile(access="own-keys", key_hosts=[files.host])
    scenes.catalog(f"{files.address}/pixels")
    request = scenes.request(f"{server.address}/items.json", profile, watched.folder / "it.tif")
    credentials = TokenGrant(f"{server.address}/token", "me", PLANTED)
    watched.run(request, credentials)
    check_pixels(request, expected)
    assert len(guard.tokens.given) >= 2
    watched.assert_shows_no(PLANTED, *guard.tokens.given)

    series = TimeSeriesRequest(
        request.search,
        (Site(1, "one", {"type": "Point", "coordinates": [15.02, 45.13]}),),
        "EPSG:4326",
        ("red",),
        SeriesRecipe(),
        series=str(watched.folder / "series.csv"),
        chart=str(watched.folder / "chart.html"),
        chart_image=str(watched.folder / "chart.png"),
    )
    watched.run(series, credentials)
    found = SearchScenesRequest(request.search, str(watched.folder / "items.json"), "")
    assert watched.run(found, credentials)["SCENE_COUNT"] == 3
    watched.assert_shows_no(PLANTED, *guard.tokens.given)


def test_a_catalogue_that_wants_a_header_and_repeats_it(guarded, serve, scenes, watched):
    server = serve(folder=scenes.folder)
    server.answer = lambda seen: guarded.Reply(400, str(seen.headers).encode())
    request = scenes.request(
        f"{server.address}/items.json", scenes.profile(), watched.folder / "a.tif"
    )
    with pytest.raises(Exception, match="error 400"):
        watched.run(request, Headers({"X-API-Key": PLANTED}))
    assert PLANTED in str(server.seen)
    watched.assert_shows_no(PLANTED)


@pytest.mark.parametrize("line", ["", "{", "[]", '{"kind": "other"}', '{"kind": "login"}'])
def test_a_line_that_is_no_credentials(scenes, tmp_path, line):
    request = scenes.request(tmp_path / "none.json", scenes.profile(), tmp_path / "it.tif")
    file = tmp_path / "request.json"
    file.write_text(request_to_json(request))
    done = subprocess.run(
        [sys.executable, "-I", str(LAUNCH_SCRIPT), "worker", str(file), "--read-credentials"],
        input=f"{line}\n",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert ("What came as credentials" in done.stdout) == bool(line)
