"""An output that is an input, or another output, is refused before a pixel is read."""

import dataclasses
import json
import os
from pathlib import Path

import local_jobs
import pytest
from fairweather.core.bridge.errors import InvalidRequestError
from fairweather.core.bridge.file_identity import file_identity
from fairweather.core.bridge.request import output_files, request_to_json
from fairweather.core.science import scenes_to_read, worker
from fairweather.core.science.catalog.output_checks import check_outputs
from fairweather.core.science.reporter import RecordingReporter
from fairweather.core.science.worker_streams import CleanEnd
from small_job import SmallJob

OUTPUT_OF = {"composite": "report", "searchscenes": "items", "timeseries": "chart"}


@pytest.fixture
def job(tmp_path):
    served = tmp_path / "served"
    served.mkdir()
    return SmallJob(tmp_path, local_jobs.Served(served))


@pytest.fixture
def requests(job, tmp_path):
    outputs = tmp_path / "outputs"
    outputs.mkdir()
    return local_jobs.requests_by_name(job, outputs)


@pytest.fixture
def refused(tmp_path, monkeypatch):
    """Run a request as the worker does; the sentence with which it is refused."""

    def read(*_, **__):
        pytest.fail("pixels were read")

    monkeypatch.setattr(scenes_to_read, "check_offsets", read)
    file = tmp_path / "request.json"
    scratch = tmp_path / "job-1"
    scratch.mkdir()
    end = CleanEnd(scratch, removes_scratch=False)

    def run(request):
        file.write_text(request_to_json(request), encoding="utf-8")
        before = local_jobs.contents(tmp_path)
        ended = worker._outcome(file, "", RecordingReporter(), scratch, end)
        assert isinstance(ended, worker.Failure)
        assert ended.kind == "InvalidRequestError", ended.text
        assert local_jobs.contents(tmp_path) == before
        assert "; " in ended.text
        return ended.text

    return run


def with_output(request, path):
    return dataclasses.replace(request, **{OUTPUT_OF[request.job]: str(path)})


@pytest.mark.parametrize("name", OUTPUT_OF)
def test_a_file_of_a_scene(refused, requests, job, name):
    source = job.server.folder / "red-1.tif"
    assert "scene-1" in refused(with_output(requests[name], source))


@pytest.mark.parametrize("name", OUTPUT_OF)
def test_a_file_of_a_scene_that_the_run_would_not_read(refused, requests, job, name):
    other = job.server.folder / "blue.tif"
    other.write_bytes(b"precious")
    job.items[2]["assets"]["blue"] = {"href": str(other)}
    request = dataclasses.replace(requests[name], search=job.search())
    assert "scene-2" in refused(with_output(request, other))


@pytest.mark.parametrize("name", OUTPUT_OF)
def test_the_document_of_a_scene(refused, requests, job, tmp_path, name):
    document = tmp_path / "scene-0.json"
    document.write_text(json.dumps(job.items[0]))
    job.items[0]["links"] = [{"rel": "self", "href": str(document)}]
    request = dataclasses.replace(requests[name], search=job.search())
    assert "scene-0" in refused(with_output(request, document))


@pytest.mark.parametrize("name", OUTPUT_OF)
@pytest.mark.parametrize("field", ["catalog", "scenes", "profile"])
def test_a_file_that_the_request_names(refused, requests, tmp_path, name, field):
    path = tmp_path / "given.json"
    path.write_text("{}")
    search = dataclasses.replace(requests[name].search, **{field: str(path)})
    request = dataclasses.replace(requests[name], search=search)
    assert field.upper() in refused(with_output(request, path))


@pytest.mark.parametrize("name", OUTPUT_OF)
def test_the_catalogue_by_its_address(refused, requests, tmp_path, name):
    path = tmp_path / "the catalogue.json"
    path.write_text("{}")
    search = dataclasses.replace(requests[name].search, catalog=path.as_uri(), scenes="")
    request = dataclasses.replace(requests[name], search=search)
    assert "CATALOG" in refused(with_output(request, path))


@pytest.mark.parametrize("name", [*OUTPUT_OF, "samplecatalog"])
def test_the_request_itself(refused, requests, tmp_path, name):
    path = tmp_path / "request.json"
    request = requests[name]
    if name == "samplecatalog":
        request = dataclasses.replace(request, folder=str(path))
    else:
        request = with_output(request, path)
    assert "the request itself" in refused(request)


@pytest.mark.parametrize("name", ["searchscenes", "timeseries"])
def test_a_destination_of_what_is_written(refused, requests, job, tmp_path, name):
    """QGIS lets a layer take its place when the worker is done."""
    for source, words in {
        job.server.folder / "red-1.tif": "a file of the scene scene-1",
        tmp_path / "request.json": "the request itself",
    }.items():
        destinations = (str(tmp_path / "other.gpkg"), str(source))
        request = dataclasses.replace(requests[name], destinations=destinations)
        assert f"The output {source} is {words}" in refused(request)


@pytest.mark.parametrize("name", OUTPUT_OF)
def test_two_outputs(refused, requests, name):
    request = requests[name]
    first, second, *_ = output_files(request)
    if request.job == "timeseries":
        request = dataclasses.replace(request, chart_image=request.chart)
    else:
        request = with_output(request, first if OUTPUT_OF[name] != "items" else second)
    assert "Two outputs" in refused(request)


def hard_link(name, path):
    os.link(path, name)


WAYS = {
    "relative": lambda path, _: Path(os.path.relpath(path)),
    "round about": lambda path, folder: folder / ".." / path.parent.name / path.name,
    "symlink": lambda path, folder: linked(Path.symlink_to, path, folder / "link"),
    "hard link": lambda path, folder: linked(hard_link, path, folder / "link"),
    "linked folder": lambda path, folder: (
        linked(Path.symlink_to, path.parent, folder / "link") / path.name
    ),
}


def linked(make, path, link):
    try:
        make(link, path)
    except OSError as error:
        pytest.skip(f"this disk has no such links ({error})")
    return link


@pytest.mark.parametrize("way", WAYS)
def test_another_name_of_the_same_file(refused, requests, job, tmp_path, way):
    source = job.server.folder / "nir-0.tif"
    other = tmp_path / "other"
    other.mkdir()
    name = WAYS[way](source, other)
    assert "scene-0" in refused(dataclasses.replace(requests["composite"], output=str(name)))
    search = dataclasses.replace(requests["composite"].search, catalog=str(name))
    request = dataclasses.replace(requests["composite"], search=search, report=str(source))
    assert "CATALOG" in refused(request)


@pytest.mark.parametrize(("first", "second"), [("A.tif", "a.tif"), ("Žito.tif", "Z\u030cITO.tif")])
def test_names_that_some_disks_take_for_one(requests, tmp_path, first, second):
    request = dataclasses.replace(
        requests["composite"], output=str(tmp_path / first), report=str(tmp_path / second)
    )
    with pytest.raises(InvalidRequestError, match="Two outputs"):
        check_outputs(request, tmp_path / "request.json")


def test_a_disk_that_does_not_number_its_files(tmp_path, monkeypatch):
    first, second, link = (tmp_path / name for name in ("first", "second", "link"))
    first.touch()
    second.touch()
    link.symlink_to(first)
    stat = os.stat

    def without_number(path, **options):
        return os.stat_result((stat(path, **options).st_mode, 0, *[0] * 8))

    monkeypatch.setattr(os, "stat", without_number)
    assert file_identity(first) == file_identity(link) != file_identity(second)


@pytest.mark.parametrize("name", ["composite", "searchscenes"])
def test_outputs_that_are_there_already_are_replaced(requests, tmp_path, name):
    """What is nobody's input may be replaced, beside the scenes' files too."""
    request = with_output(requests[name], tmp_path / "served" / "mine")
    scratch = tmp_path / "job-1"
    scratch.mkdir()
    (tmp_path / "served" / "mine").write_bytes(b"old")
    check_outputs(request, tmp_path / "request.json")
    assert local_jobs.run(request, scratch) is None
    assert (tmp_path / "served" / "mine").read_bytes() != b"old"
