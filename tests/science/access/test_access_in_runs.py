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
from fairweather.core.bridge.request import (
    SearchScenesRequest,
    Site,
    TimeSeriesRequest,
    request_to_json,
)
from fairweather.core.bridge.series_recipe import SeriesRecipe
from fairweather.core.bridge.worker_process import LAUNCH_SCRIPT, run_job
from guarded_server import BearerGuard, ContainerGuard, Reply, S3Guard, Tokens

pytestmark = pytest.mark.slow

PLANTED = "plantedXsecretX4711"
EDGE = 512
WEST, NORTH = 500_000, 5_000_000


def check_pixels(request, expected):
    with rasterio.open(request.output) as dataset:
        np.testing.assert_array_equal(dataset.read(), expected)


@pytest.mark.usefixtures("needs_signing")
def test_storage_with_keys_where_the_reader_pays(serve, scenes, watched, expected):
    guard = S3Guard("AKPLANTED", PLANTED, requester_pays=True)
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


def signing_server(serve, scenes, guard):
    """A server that sends files for the signatures of ``guard`` only, and the profile for it."""
    server = serve(guard, scenes.folder)
    server.answer = guard.answer
    signing = {
        "address": f"{server.address}/sas/{{account}}/{{container}}",
        "host": server.host[server.host.index(".") :],
    }
    return server, scenes.profile(access="planetary-computer", signing=signing)


@pytest.mark.parametrize("limits", [{"uses": 5}, {"seconds": 0.3}])
def test_signatures_that_end_in_mid_run(serve, scenes, watched, expected, limits):
    guard = ContainerGuard(Tokens(**limits))
    server, profile = signing_server(serve, scenes, guard)
    catalog = scenes.catalog(f"{server.address}/pixels")
    request = scenes.request(catalog, profile, watched.folder / "it.tif")
    run_job(request, Path(sys.executable), on_event=watched.seen.append, is_cancelled=lambda: False)
    check_pixels(request, expected)
    assert len(guard.tokens.given) >= (2 if "uses" in limits else 1)
    shown = [str(watched.seen), Path(request.report).read_text(encoding="utf-8")]
    shown.append(Path(request.output).read_bytes().decode("latin-1"))
    assert "secretsignature" not in "".join(shown)


def test_a_signature_of_ours_is_in_no_output(serve, scenes, watched, expected):
    """From the search, by its files of scenes, to a composite and a time series of these."""
    guard = ContainerGuard()
    server, profile = signing_server(serve, scenes, guard)
    catalog = scenes.catalog(f"{server.address}/pixels")
    request = scenes.request(catalog, profile, watched.folder / "it.tif")
    files = {"items": watched.folder / "items.json", "footprints": watched.folder / "feet.json"}
    watched.run(SearchScenesRequest(request.search, *map(str, files.values())))
    assert guard.tokens.given == []
    content = {name: json.loads(path.read_text(encoding="utf-8")) for name, path in files.items()}
    found = [
        content["items"]["features"],
        [json.loads(one["properties"]["item"]) for one in content["footprints"]["features"]],
    ]
    published = json.loads(catalog.read_text(encoding="utf-8"))["features"]
    for items in found:
        assert hrefs_of(items) == hrefs_of(published)

    for path in files.values():
        given = dataclasses.replace(request.search, scenes=str(path))
        watched.run(dataclasses.replace(request, search=given))
        check_pixels(request, expected)
    watched.run(
        TimeSeriesRequest(
            request.search,
            (Site(1, "one", {"type": "Point", "coordinates": [15.02, 45.13]}),),
            "EPSG:4326",
            ("red",),
            SeriesRecipe(),
            series=str(watched.folder / "series.csv"),
            observations=str(watched.folder / "observations.csv"),
            chart=str(watched.folder / "chart.html"),
        )
    )
    assert len(guard.tokens.given) == 3
    assert "secretsignature" in str([seen.target for seen in server.seen])
    watched.assert_shows_no("secretsignature")


def hrefs_of(items):
    return {
        (item["id"], name): asset["href"]
        for item in items
        for name, asset in item["assets"].items()
    }


def test_a_cluster_asks_for_its_own_signatures_and_is_sent_no_keys(
    serve, scenes, watched, expected, cluster
):
    guard = ContainerGuard()
    server, profile = signing_server(serve, scenes, guard)
    catalog = scenes.catalog(f"{server.address}/pixels")
    request = scenes.request(catalog, profile, watched.folder / "it.tif")
    request = dataclasses.replace(request, cluster=cluster)
    run_job(request, Path(sys.executable), on_event=print, is_cancelled=lambda: False)
    check_pixels(request, expected)
    assert len(guard.tokens.given) == 2  # this computer's and the worker's

    scenes.profile(access="own-keys", key_hosts=[server.host])
    with pytest.raises(AccessError, match="AUTH's keys are not sent to a cluster"):
        watched.run(request, Login("ana", PLANTED))
    watched.assert_shows_no(PLANTED)


def test_one_token_for_catalogue_and_files(serve, scenes, watched, expected):
    form = {"grant_type": "client_credentials", "client_id": "me", "client_secret": PLANTED}
    guard = BearerGuard(form, Tokens(uses=7))
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


def test_a_catalogue_that_wants_a_header_and_repeats_it(serve, scenes, watched):
    server = serve(folder=scenes.folder)
    server.answer = lambda seen: Reply(400, str(seen.headers).encode())
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
