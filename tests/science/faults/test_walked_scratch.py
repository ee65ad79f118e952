"""Every write into the scratch folder and FAIRWEATHER_HOME fails: the same result, or a sentence.

There, whole copies of files lie (of servers that send no ranges), tiles, days and kept blocks. What
a disk of this computer does is never told as the network's fault, and never costs a day.
"""

import local_jobs
import numpy as np
import pytest
import rasterio
from failing_disk import (
    BROKEN,
    FAULTS,
    FULL,
    REFUSED,
    SHORT,
    FailingDisk,
    every_step,
    failing,
)

pytestmark = pytest.mark.usefixtures("impatient")


def pixels_of(outputs):
    with rasterio.open(outputs / "composite.tif") as dataset:
        assert "FAIRWEATHER_SKIPPED" not in dataset.tags()
        return dataset.read()


def rows_of(outputs):
    return (outputs / "observations.csv").read_text(encoding="utf-8")


RESULTS = {"composite": pixels_of, "timeseries": rows_of}


class ScratchWalk:
    """Runs of one algorithm on a disk of which the folders of a run fail, and not the outputs'."""

    def __init__(self, job, patch, name):
        self._job, self._patch, self._name = job, patch, name
        self._number = 0
        disk, failure, self._calm = self._run("", 0, every_step)
        assert failure is None
        self.steps = disk.steps

    def fail(self, fault, at, counts=every_step):
        """Whether the fault came at step ``at`` of those that count, and whether it ended the run.

        What comes out of it is checked.
        """
        disk, failure, found = self._run(fault, at, counts)
        if failure is None:
            np.testing.assert_array_equal(found, self._calm)
        else:
            assert failure.kind == "OutputError", (at, disk.steps, failure)
            assert "; " in failure.text
            assert "connection" not in failure.text
            assert "Errno" not in failure.text
        return disk.struck, failure is not None

    def _run(self, fault, at, counts):
        self._number += 1
        folder = self._job.folder / f"run {self._number}"
        outputs, scratch, home = (folder / name for name in ("outputs", "job-1", "home"))
        for made in (outputs, scratch, home):
            made.mkdir(parents=True)
        self._patch.setenv("FAIRWEATHER_HOME", str(home))
        request = local_jobs.requests_by_name(self._job, outputs)[self._name]
        disk = FailingDisk((scratch, home), fault, at, scratch, counts)
        with failing(disk):
            failure = local_jobs.run(request, scratch)
        if failure is None:
            return disk, failure, RESULTS[self._name](outputs)
        assert not list(outputs.iterdir())
        return disk, failure, None


@pytest.fixture
def walk(small_job, monkeypatch):
    return lambda name: ScratchWalk(small_job, monkeypatch, name)


def begins_a_copy(what, path):
    return what == "open" and "copied-file" in path


def writes_a_copy(what, path):
    return what == "write" and "copied-file" in path


def copies(steps):
    """How many copies are begun; how many pieces each comes in varies."""
    return sum(begins_a_copy(*step) for step in steps)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_copy_of_a_file_that_cannot_be_written(server, walk, fault):
    server.has_ranges = False
    one = walk("composite")
    assert copies(one.steps) == 9
    counts = writes_a_copy if fault == SHORT else begins_a_copy
    for at in range(1 + FAULTS.index(fault), 10, 4):
        struck, ended = one.fail(fault, at, counts)
        assert struck
        # Of a folder that goes away, a part may stay: something new came into it meanwhile.
        if fault in (FULL, BROKEN, REFUSED, SHORT):
            assert ended is (fault != SHORT)


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("has_ranges", [False, True])
@pytest.mark.parametrize("name", RESULTS)
def test_every_write_fails(server, walk, name, has_ranges, fault):
    server.has_ranges = has_ranges
    one = walk(name)
    at = 1
    while one.fail(fault, at)[0]:
        at += 1
    assert at > copies(one.steps)
    assert bool(copies(one.steps)) is not has_ranges
