"""Guarded servers, and readers that have the keys for them or have not."""

import contextlib
import importlib.util
import sys
from pathlib import Path

import pytest
from fairweather.core.science.imagery.files import patience
from fairweather.core.science.imagery.files.byte_ranges import RangeReader


def _load_guarded_server():
    path = Path(__file__).resolve().parents[2] / "guarded_server.py"
    spec = importlib.util.spec_from_file_location("fairweather_guarded_server", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


_guarded_server = _load_guarded_server()


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
def file(tmp_path):
    """A file of 100,000 bytes, ``it.bin``, in the served folder."""
    content = bytes(number % 251 for number in range(100_000))
    (tmp_path / "it.bin").write_bytes(content)
    return content


@pytest.fixture
def reader(tmp_path, monkeypatch):
    """Make a ``RangeReader`` with an ``Access``; pauses between attempts are left out."""
    monkeypatch.setattr(patience.Retry, "get_backoff_time", lambda _: 0)
    with contextlib.ExitStack() as stack:

        def make(access=None):
            made = RangeReader(4, tmp_path, access)
            stack.callback(made.close)
            return made

        yield make
