"""Of several disks one is full: the sentence names what lies there, and advice to be followed.

Each output has a disk of its own, and the job's scratch folder another.
"""

import dataclasses
import errno
from pathlib import Path

import local_jobs
import pytest
from failing_disk import FULL, FailingDisk, failing
from fairweather.core.bridge.request import OUTPUT_FIELDS
from fairweather.core.science import worker
from fairweather.core.science.catalog import item_store
from fairweather.core.science.catalog import job as search_job
from fairweather.core.science.whole_file import ELSEWHERE

CHOOSE = "make room or choose another folder."
FIELDS = {
    "searchscenes": ("items", "footprints"),
    "composite": ("output", "report"),
    "timeseries": ("observations", "series", "site_summary", "chart", "chart_image"),
    "samplecatalog": ("folder",),
}
# Of a catalogue's many files, some are enough.
EVERY = {"samplecatalog": 40}
OUTPUTS = [
    pytest.param(name, field, marks=() if name == "searchscenes" else pytest.mark.slow)
    for name, fields in FIELDS.items()
    for field in fields
]


@pytest.fixture
def disks(tmp_path, monkeypatch):
    return Disks(tmp_path, monkeypatch)


class Disks:
    """Runs small jobs whose outputs lie in a folder each, of which one takes nothing any more."""

    def __init__(self, folder, monkeypatch):
        self._folder = folder
        self._walk = local_jobs.Walk(folder, monkeypatch)
        self.home = folder / "home"
        self._number = 0
        monkeypatch.setenv("FAIRWEATHER_HOME", str(self.home))
        # Longer than what a file holds back: each item is written while both files are open.
        content = search_job._item_content
        long = {"words": "x" * 20_000}
        monkeypatch.setattr(search_job, "_item_content", lambda item: {**content(item), **long})

    def run(self, name, full, at, *, in_home=()):
        """Run ``name`` where the disk ``full`` is from its step ``at`` on.

        ``full`` is one of the outputs' fields, or "scratch". Those of ``in_home`` are in the folder
        of another running job, as QGIS has it.

        Returns:
            Whether the disk was struck, the sentence, and the paths by field.
        """
        self._number += 1
        trial = self._folder / f"trial {self._number}"
        scratch = self.home / "jobs" / f"job-{self._number}"
        scratch.mkdir(parents=True)
        request = local_jobs.requests_by_name(self._walk.job, trial)[name]
        paths = {}
        for field in set(OUTPUT_FIELDS) & set(FIELDS[name]):
            parent = self.home / "jobs" / f"series-{self._number}" if field in in_home else trial
            disk = parent / f"{field} disk"
            disk.mkdir(parents=True)
            paths[field] = disk / Path(getattr(request, field)).name
        request = dataclasses.replace(request, **{key: str(path) for key, path in paths.items()})
        folder = scratch if full == "scratch" else paths[full].parent
        disk = FailingDisk((folder,), FULL, at)
        with failing(disk):
            failure = local_jobs.run(request, scratch)
        return disk.struck, failure and failure.text, paths


def check_all(disks, name, field, advice, **given):
    """Walk, and check which output each sentence names."""
    told = 0
    for at in range(1, 1000, EVERY.get(name, 1)):
        struck, text, paths = disks.run(name, field, at, **given)
        if not struck:
            break
        if text is None:  # the file has its name
            continue
        told += 1
        named = str(paths[field])
        if text.startswith("The composite in "):
            named = str(paths[field].parent)
        assert named in text, text
        assert not any(str(path) in text for key, path in paths.items() if key != field), text
        assert "the disk is full" in text
        assert text.endswith(advice), text
    assert told > 1


@pytest.mark.parametrize(("name", "field"), OUTPUTS)
def test_the_output_whose_disk_is_full_is_named(disks, name, field):
    check_all(disks, name, field, CHOOSE)


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("searchscenes", "footprints"),
        *(
            pytest.param("timeseries", field, marks=pytest.mark.slow)
            for field in ("series", "observations", "site_summary")
        ),
    ],
)
def test_of_what_qgis_reads_from_the_home_no_other_folder_can_be_chosen(disks, name, field):
    check_all(disks, name, field, f"{ELSEWHERE}.", in_home=(field,))


@pytest.mark.slow
def test_the_disk_of_the_scratch_file_is_not_taken_for_the_output_s(disks):
    told = 0
    for at in range(1, 1000):
        struck, text, paths = disks.run("composite", "scratch", at)
        if not struck:
            break
        if text is not None:
            told += 1
            assert str(disks.home / "jobs") in text
            assert not any(str(path.parent) in text for path in paths.values())
            assert text.endswith(f"the disk is full; {ELSEWHERE}.")
    assert told


def full(*_, **__):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_tiles_that_wait_for_their_last_pixel_are_of_the_scratch_disk(disks, monkeypatch):
    monkeypatch.setattr("fairweather.core.science.composite.cog.pyramid.TilePyramid.complete", full)
    _, text, paths = disks.run("composite", "output", 0)
    assert text.startswith(f"The composite's scratch file in {disks.home / 'jobs'}")
    assert text.endswith(f"{ELSEWHERE}.")
    assert str(paths["output"].parent) not in text


@pytest.mark.parametrize("function", ["write", "seek"])
def test_what_a_search_keeps_on_the_disk(disks, monkeypatch, function):
    class Full:
        """It writes when it is filled, or when it is read again."""

        def __init__(self, *_, **__):
            setattr(self, function, full)

        def write(self, _):
            pass

    monkeypatch.setattr(item_store.tempfile, "SpooledTemporaryFile", Full)
    _, text, paths = disks.run("searchscenes", "items", 0)
    assert text == (
        f"What is found, kept in {disks.home / 'jobs'}, cannot be written: the disk is full; "
        f"{ELSEWHERE}."
    )
    assert not any(str(path) in text for path in paths.values())


def test_what_nobody_tells_of_is_in_the_home():
    text = worker.failure_of(OSError(errno.ENOSPC, "No space left on device")).text
    assert "set FAIRWEATHER_HOME to a folder on another one" in text
