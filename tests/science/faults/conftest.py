"""A small composite and a small series of files on a server that fails as told."""

import importlib.util
import sys
from pathlib import Path

import pytest


def _load(name):
    path = Path(__file__).resolve().parent / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"fairweather_{name}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


_faulty_server = _load("faulty_server")
_small_job = _load("small_job")


@pytest.fixture
def server(tmp_path):
    folder = tmp_path / "served"
    folder.mkdir()
    with _faulty_server.running(_faulty_server.FaultyServer(folder)) as faulty:
        yield faulty


@pytest.fixture
def impatient(monkeypatch):
    """As many attempts as ever, but short pauses and timeouts."""
    _small_job.make_impatient(monkeypatch)


@pytest.fixture
def small_job(tmp_path, server, monkeypatch):
    _small_job.cut_into_tiles(monkeypatch)
    return _small_job.SmallJob(tmp_path, server)


@pytest.fixture(scope="session")
def same_pixels():
    """Assert that two composites have the same pixels, as float32 holds them."""
    return _small_job.assert_same_pixels


@pytest.fixture(scope="session")
def only_the_named_is_lost():
    """Assert that a composite is whole but for the one file that it names, if it names one."""
    return _small_job.assert_only_the_named_is_lost
