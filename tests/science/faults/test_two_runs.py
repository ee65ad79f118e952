"""Two runs into the same file at the same time: it is one of the two whole results."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import rasterio
from fairweather.core.bridge.errors import OutputError
from fairweather.core.bridge.request import (
    CompositeRequest,
    SampleCatalogRequest,
    SearchScenesRequest,
)
from fairweather.core.science.catalog.job import run_search
from fairweather.core.science.composite.job import run_composite
from fairweather.core.science.reporter import RecordingReporter
from fairweather.core.science.sample_catalog import job as sample_catalog_job
from fairweather.core.science.sample_catalog import own_files
from fairweather.core.science.whole_file import whole_file
from small_job import assert_same_pixels


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def run_both(tmp_path):
    """Run a job with each of two requests, at once; what they answered or raised."""

    def run(job, *requests):
        together = threading.Barrier(len(requests))

        def one(number):
            scratch = tmp_path / f"job-{number}"
            scratch.mkdir()
            together.wait()
            try:
                return job(requests[number], RecordingReporter(), scratch)
            except OutputError as error:
                return error

        with ThreadPoolExecutor(len(requests)) as threads:
            return list(threads.map(one, range(len(requests))))

    return run


@pytest.mark.parametrize("first_to_end", [0, 1])
def test_whoever_ends_last_has_the_name(tmp_path, first_to_end):
    target = tmp_path / "out" / "a.tif"
    target.parent.mkdir()
    writers = [whole_file(target, tmp_path / f"job-{number}") for number in range(2)]
    for number, writer in enumerate(writers):
        writer.__enter__().write_bytes(f"result {number}".encode())
    writers[first_to_end].__exit__(None, None, None)
    assert target.read_bytes() == f"result {first_to_end}".encode()
    writers[1 - first_to_end].__exit__(None, None, None)
    assert target.read_bytes() == f"result {1 - first_to_end}".encode()
    assert names(target.parent) == ["a.tif"]


def test_one_that_fails_takes_nothing_of_the_other(tmp_path):
    target = tmp_path / "out" / "a.tif"
    target.parent.mkdir()
    first, second = (whole_file(target, tmp_path / f"job-{number}") for number in range(2))
    first.__enter__().write_bytes(b"first")
    second.__enter__().write_bytes(b"second")
    assert not first.__exit__(ZeroDivisionError, ZeroDivisionError(), None)
    second.__exit__(None, None, None)
    assert target.read_bytes() == b"second"
    assert names(target.parent) == ["a.tif"]


def test_two_composites(small_job, run_both, tmp_path):
    outputs = tmp_path / "outputs"
    outputs.mkdir()
    red = CompositeRequest(
        small_job.search(), ("red",), str(outputs / "c.tif"),
        report=str(outputs / "r.html"), memory_gb=1.0,
    )  # fmt: skip
    both = replace(red, bands=("red", "nir"))
    for requests in ((red, both), (both, both)):
        for answer in run_both(run_composite, *requests):
            assert answer["OUTPUT"] == str(outputs / "c.tif")
        with rasterio.open(outputs / "c.tif") as dataset:
            assert dataset.count in {len(request.bands) for request in requests}
            assert_same_pixels(dataset.read(), small_job.oracle()[: dataset.count])
        assert (outputs / "r.html").read_text("utf-8").rstrip().endswith("</html>")
        assert names(outputs) == ["c.tif", "r.html"]
        for scratch in tmp_path.glob("job-*"):
            scratch.rmdir()


def test_two_searches(small_job, run_both, tmp_path):
    outputs = tmp_path / "outputs"
    outputs.mkdir()
    request = SearchScenesRequest(
        small_job.search(), str(outputs / "i.json"), str(outputs / "f.geojson")
    )
    two = tmp_path / "two.json"
    two.write_text(json.dumps({"type": "FeatureCollection", "features": small_job.items[:2]}))
    few = replace(request, search=replace(request.search, catalog=str(two), scenes=str(two)))
    alone = {}
    for number, one in enumerate((request, few)):
        scratch = tmp_path / f"alone-{number}"
        scratch.mkdir()
        run_search(one, RecordingReporter(), scratch)
        alone[number] = (outputs / "i.json").read_bytes()
    assert alone[0] != alone[1]
    assert [answer["SCENE_COUNT"] for answer in run_both(run_search, request, few)] == [3, 2]
    assert (outputs / "i.json").read_bytes() in alone.values()
    assert names(outputs) == ["f.geojson", "i.json"]


def test_two_sample_catalogues(run_both, tmp_path, monkeypatch):
    def write(folder, days, reporter):
        for name in ("catalog.json", "area.geojson"):
            (folder / name).write_text(f'{{"id": "fairweather-sample", "days": {days}}}')

    monkeypatch.setattr(sample_catalog_job, "write_catalog", write)
    outputs = tmp_path / "outputs"
    outputs.mkdir()
    for _ in range(20):
        requests = [SampleCatalogRequest(str(outputs / "c"), days) for days in (12, 13)]
        answers = run_both(sample_catalog_job.run_sample_catalog, *requests)
        assert any(isinstance(answer, dict) for answer in answers)
        assert len({path.read_text() for path in (outputs / "c").iterdir()}) == 1
        assert names(outputs / "c") == ["area.geojson", "catalog.json"]
        assert names(outputs) == ["c"]
        for scratch in tmp_path.glob("job-*"):
            scratch.rmdir()


@pytest.mark.parametrize("moment", ["_find_foreign_file", "_is_sample_catalog"])
def test_another_run_replaces_the_catalogue_while_it_is_looked_at(tmp_path, monkeypatch, moment):
    """Found by chance in CI: the catalogue.json of a folder that was just away was no sample's."""
    folder, new, former = tmp_path / "c", tmp_path / "new", tmp_path / "former"
    for place in (folder, new):
        place.mkdir()
        for name in ("catalog.json", "area.geojson"):
            (place / name).write_text('{"id": "fairweather-sample"}')
    look = getattr(own_files, moment)

    def look_meanwhile(path):
        if former.exists():
            return look(path)
        folder.rename(former)
        try:
            return look(path)
        finally:
            new.rename(folder)

    monkeypatch.setattr(own_files, moment, look_meanwhile)
    assert own_files.find_other_file(folder) is None
    assert former.exists()
