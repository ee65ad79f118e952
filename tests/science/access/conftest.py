"""Guarded servers, and readers that have the keys for them or have not."""

import contextlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
from fairweather.core.bridge.worker_process import run_job
from fairweather.core.science.imagery.files import patience
from fairweather.core.science.imagery.files.byte_ranges import RangeReader
from guarded_server import GuardedServer, Reply, running
from private_places import NameServer
from watched_runs import CLUSTER, Scenes, Watched


@pytest.fixture
def needs_signing():
    """S3 signatures are made by a package that an environment of before does not have."""
    pytest.importorskip(
        "requests_aws4auth", reason="the environment has no requests-aws4auth for S3 signatures yet"
    )


@pytest.fixture
def serve(tmp_path):
    """Serve a folder behind a guard; its files are those that the test writes there."""
    with contextlib.ExitStack() as stack:

        def start(guard=lambda _: None, folder=None, **options):
            server = GuardedServer(folder or tmp_path, guard, **options)
            return stack.enter_context(running(server))

        yield start


@pytest.fixture
def names(monkeypatch):
    """A name server of the test's own."""
    return NameServer(monkeypatch)


@pytest.fixture
def canary(serve):
    """A server on loopback that answers as a catalogue would, and the same by ranges."""
    server = serve()
    page = Reply.of_json({"features": [], "links": []})

    def answer(seen):
        if "range" not in seen.headers:
            return page
        start, last = (int(n) for n in seen.headers["range"].removeprefix("bytes=").split("-"))
        part = page.body[start : last + 1]
        place = f"bytes {start}-{start + len(part) - 1}/{len(page.body)}"
        return Reply(206, part, {"Content-Range": place})

    server.answer = answer
    return server


@pytest.fixture
def file(tmp_path):
    """A file of 100,000 bytes, ``it.bin``, in the served folder."""
    content = bytes(number % 251 for number in range(100_000))
    (tmp_path / "it.bin").write_bytes(content)
    return content


@pytest.fixture
def reader(tmp_path, monkeypatch):
    """Make a ``RangeReader`` with an ``Access``; pauses between attempts are left out."""
    monkeypatch.setattr(patience.RetryPolicy, "pause", lambda *_, **__: 0)
    with contextlib.ExitStack() as stack:

        def make(access=None):
            made = RangeReader(4, tmp_path, access)
            stack.callback(made.close)
            return made

        yield make


@pytest.fixture
def scenes(tmp_path):
    folder = tmp_path / "scenes"
    folder.mkdir()
    return Scenes(folder)


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
