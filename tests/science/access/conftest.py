"""Guarded servers, and readers that have the keys for them or have not."""

import contextlib
import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import rasterio
from fairweather.core.bridge.worker_process import run_job
from fairweather.core.science.imagery.files import patience
from fairweather.core.science.imagery.files.byte_ranges import RangeReader


def _load(path):
    spec = importlib.util.spec_from_file_location(f"fairweather_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


HERE = Path(__file__).resolve().parent
_guarded_server = _load(HERE.parents[1] / "guarded_server.py")
_private_places = _load(HERE.parents[1] / "private_places.py")
_watched_runs = _load(HERE / "watched_runs.py")


@pytest.fixture(scope="session")
def guarded():
    """The module with the servers."""
    return _guarded_server


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
            server = _guarded_server.GuardedServer(folder or tmp_path, guard, **options)
            return stack.enter_context(_guarded_server.running(server))

        yield start


@pytest.fixture
def names(monkeypatch):
    """A name server of the test's own."""
    return _private_places.NameServer(monkeypatch)


@pytest.fixture
def canary(serve, guarded):
    """A server on loopback that answers as a catalogue would."""
    server = serve()
    server.answer = lambda _: guarded.Reply.of_json({"features": [], "links": []})
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
    return _watched_runs.Scenes(folder)


@pytest.fixture
def watched(tmp_path):
    (tmp_path / "out").mkdir()
    return _watched_runs.Watched(tmp_path / "out")


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
        [sys.executable, "-c", _watched_runs.CLUSTER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
    ) as process:
        yield process.stdout.readline().strip()
        process.communicate("\n")
