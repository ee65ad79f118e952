"""A pipe as an output is refused before a pixel is read; of a link, what it leads to is made."""

import dataclasses
import json
import os

import local_jobs
import pytest
from fairweather.core.bridge.request import OUTPUT_FIELDS, output_files, request_to_json
from fairweather.core.science import scenes_to_read, worker
from fairweather.core.science.reporter import RecordingReporter
from fairweather.core.science.worker_streams import CleanEnd
from small_job import SmallJob

pytestmark = pytest.mark.skipif(os.name != "posix", reason="pipes with names are POSIX's")


@pytest.fixture
def outputs(tmp_path):
    outputs = tmp_path / "outputs"
    outputs.mkdir()
    return outputs


@pytest.fixture
def requests(tmp_path, outputs):
    served = tmp_path / "served"
    served.mkdir()
    return local_jobs.requests_by_name(SmallJob(tmp_path, local_jobs.Served(served)), outputs)


@pytest.fixture
def run(tmp_path):
    """Run a request as the worker does, to its result or failure."""

    def run(request):
        file, scratch = tmp_path / "request.json", tmp_path / "job-1"
        scratch.mkdir(exist_ok=True)
        file.write_text(request_to_json(request), encoding="utf-8")
        end = CleanEnd(scratch, removes_scratch=False)
        return worker._outcome(file, "", RecordingReporter(), scratch, end)

    return run


def each_output(requests):
    for request in requests.values():
        for field in OUTPUT_FIELDS:
            if getattr(request, field, ""):
                yield request, field


def test_a_pipe_in_any_place(requests, run, outputs, monkeypatch):
    def read(*_, **__):
        pytest.fail("pixels were read")

    monkeypatch.setattr(scenes_to_read, "check_offsets", read)
    pipe = outputs / "pipe"
    os.mkfifo(pipe)
    tried = 0
    for request, field in each_output(requests):
        ended = run(dataclasses.replace(request, **{field: str(pipe)}))
        assert isinstance(ended, worker.Failure)
        assert ended.kind == "OutputError"
        assert ended.text == f"{pipe} is a device, a pipe or a socket; give the name of a file."
        assert pipe.is_fifo()
        assert [path.name for path in outputs.iterdir()] == ["pipe"]
        tried += 1
    assert tried == 10


@pytest.mark.parametrize("name", ["composite", "searchscenes", "timeseries"])
def test_of_links_what_they_lead_to_is_replaced(requests, run, outputs, tmp_path, name):
    disk = tmp_path / "another disk"
    disk.mkdir()
    expected = set()
    for link in output_files(requests[name]):
        real = disk / f"real {link.name}"
        real.write_bytes(b"former")
        link.symlink_to(real)
        expected.add(real)
    ended = run(requests[name])
    assert isinstance(ended, worker.Result), json.dumps(ended.text)
    assert set(disk.iterdir()) == expected
    assert set(outputs.iterdir()) == set(output_files(requests[name]))
    for link in output_files(requests[name]):
        assert link.is_symlink()
        assert link.read_bytes() != b"former"
