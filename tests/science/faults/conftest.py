"""A small composite and a small series of files on a server that fails as told."""

import pytest
from faulty_server import FaultyServer, running
from small_job import SmallJob, cut_into_tiles, make_impatient


@pytest.fixture
def server(tmp_path):
    folder = tmp_path / "served"
    folder.mkdir()
    with running(FaultyServer(folder)) as faulty:
        yield faulty


@pytest.fixture
def impatient(monkeypatch):
    """As many attempts as ever, but short pauses and timeouts."""
    make_impatient(monkeypatch)


@pytest.fixture
def small_job(tmp_path, server, monkeypatch):
    cut_into_tiles(monkeypatch)
    return SmallJob(tmp_path, server)
