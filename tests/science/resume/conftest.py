"""A small composite of many blocks that is stopped after some of them, and run again."""

import dataclasses
from pathlib import Path
from types import SimpleNamespace

import pytest
from fairweather.core.bridge.home import unfinished_folder
from fairweather.core.bridge.request import CompositeRequest
from fairweather.core.science.composite import plan as composite_plan
from fairweather.core.science.composite import run as composite_run
from fairweather.core.science.composite.job import run_composite
from fairweather.core.science.imagery.memory_budget import BlockPlan
from fairweather.core.science.reporter import RecordingReporter
from faulty_server import FaultyServer, running
from small_job import TILE, SmallJob, cut_into_tiles

BLOCKS = 6


class StopHere(BaseException):
    """Ends a run in the middle, as nothing of the package would."""


class Runs:
    """Runs of one request, each stopped when it is told to be."""

    def __init__(self, job, server, patch):
        self.job = job
        self.server = server
        self.folder = job.folder / "results"
        self.folder.mkdir()
        self.stop_after = None
        self.composed = 0
        self.requests = 0
        self.reporter = RecordingReporter()
        compose = composite_run.compose_block

        def counted(*arguments):
            if self.composed == self.stop_after:
                raise StopHere
            self.composed += 1
            return compose(*arguments)

        patch.setattr(composite_run, "compose_block", counted)

    def request(self, **fields):
        request = CompositeRequest(
            self.job.search(), ("red", "NDVI"), str(self.folder / "composite.tif"),
            memory_gb=1.0, count_band=True,
        )  # fmt: skip
        return dataclasses.replace(request, **fields)

    def run(self, stop_after=None, **fields):
        """The file's bytes; None where the run was stopped after so many blocks."""
        self.stop_after, self.composed, self.server.requests = stop_after, 0, 0
        self.reporter = RecordingReporter()
        request = self.request(**fields)
        scratch = self.job.folder / "scratch"
        scratch.mkdir(exist_ok=True)
        try:
            run_composite(request, self.reporter, scratch)
        except StopHere:
            assert list(self.folder.iterdir()) == []
            return None
        finally:
            self.requests = self.server.requests
        output = Path(request.output)
        content = output.read_bytes()
        output.unlink()
        return content

    def messages(self, word):
        return [text for text in self.reporter.messages if word in text]


@pytest.fixture
def server(tmp_path):
    folder = tmp_path / "served"
    folder.mkdir()
    with running(FaultyServer(folder)) as faulty:
        yield faulty


@pytest.fixture
def small_blocks(monkeypatch):
    cut_into_tiles(monkeypatch)
    # One after the other, so that "after two blocks" is always the same two.
    plan = BlockPlan(TILE, 1)
    monkeypatch.setattr(composite_plan, "plan_blocks", lambda *_, **__: plan)


@pytest.fixture
def runs(tmp_path, server, small_blocks, monkeypatch):
    return Runs(SmallJob(tmp_path, server, columns=BLOCKS), server, monkeypatch)


@pytest.fixture
def local_runs(tmp_path, small_blocks, monkeypatch):
    """The same of files on this computer, whose requests are not counted."""
    folder = tmp_path / "scenes"
    folder.mkdir()
    files = SimpleNamespace(folder=folder, address=str(folder), requests=0)
    return Runs(SmallJob(tmp_path, files, columns=BLOCKS), files, monkeypatch)


@pytest.fixture
def unfinished():
    """The names of the files in all folders of unfinished composites, without locks and titles."""

    def names():
        return sorted(path.name for path in unfinished_folder().glob("*/block-*"))

    return names
