"""A run of several output files that is stopped while it makes the last has none of them there."""

import local_jobs
import pytest
from fairweather.core.science import whole_file
from fairweather.core.science.composite import job as composite_job
from fairweather.core.science.timeseries import chart_image


class StoppedError(Exception):
    """Stands for the end of the process."""


def stop(*_arguments):
    raise StoppedError


@pytest.fixture
def run(small_job, tmp_path):
    """Run a small job of an algorithm until it is stopped; the names of its outputs there."""
    outputs, scratch = tmp_path / "outputs", tmp_path / "job-1"
    outputs.mkdir()
    scratch.mkdir()

    def run(name):
        request = local_jobs.requests_by_name(small_job, outputs)[name]
        failure = local_jobs.run(request, scratch)
        assert "StoppedError" in failure.text
        return {path.name for path in outputs.iterdir()}

    return run


def test_no_table_or_chart_is_there_before_all_are_made(run, monkeypatch):
    monkeypatch.setattr(chart_image, "draw_chart", stop)
    assert run("timeseries") == set()


def test_no_report_is_there_before_the_composite_is_on_the_disk(run, monkeypatch):
    def flush(path):
        if "composite.tif" in path.name:
            raise StoppedError

    monkeypatch.setattr(whole_file, "flush_file", flush)
    monkeypatch.setattr(composite_job, "flush_file", flush)
    assert run("composite") == set()
