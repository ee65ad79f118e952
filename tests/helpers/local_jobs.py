"""Small jobs of each algorithm on local files, as the worker runs them, and what they leave."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import shapely
from failing_disk import GONE, FailingDisk, failing
from fairweather.core.bridge.part_files import remove_parts
from fairweather.core.bridge.request import (
    CompositeRequest,
    SampleCatalogRequest,
    SearchScenesRequest,
    Site,
    TimeSeriesRequest,
    output_files,
)
from fairweather.core.bridge.series_recipe import SeriesRecipe
from fairweather.core.science import worker
from fairweather.core.science.reporter import RecordingReporter
from fairweather.core.science.sample_catalog import job as sample_catalog_job
from rasterio.io import MemoryFile
from small_job import SmallJob, cut_into_tiles


@dataclass(frozen=True)
class Served:
    """Files on the disk in the place of a server's: for ``SmallJob``."""

    folder: Path

    @property
    def address(self):
        return str(self.folder)


def requests_by_name(small_job, folder):
    """A request of each algorithm, with all its outputs in ``folder``."""
    search = small_job.search()
    sites = tuple(
        Site(number, f"site {number}", shapely.geometry.mapping(small_job.site(number)))
        for number in range(2)
    )
    to = {name: str(folder / name) for name in (
        "composite.tif", "report.html", "items.json", "footprints.geojson", "observations.csv",
        "series.csv", "sites.csv", "chart.html", "chart.png",
    )}  # fmt: skip
    return {
        "composite": CompositeRequest(
            search, ("red", "NDVI"), to["composite.tif"], report=to["report.html"], memory_gb=1.0
        ),
        "searchscenes": SearchScenesRequest(search, to["items.json"], to["footprints.geojson"]),
        "timeseries": TimeSeriesRequest(
            search, sites, "EPSG:32633", ("red", "NDVI"), SeriesRecipe(), memory_gb=1.0,
            observations=to["observations.csv"], series=to["series.csv"],
            site_summary=to["sites.csv"], chart=to["chart.html"], chart_image=to["chart.png"],
        ),
        "samplecatalog": SampleCatalogRequest(str(folder / "catalogue"), 12),
    }  # fmt: skip


def run(request, scratch):
    """Run a request as the worker does; None, or the event of its failure."""
    try:
        worker._find_job(request)(request, RecordingReporter(), scratch)
    except Exception as error:
        return worker.failure_of(error)
    return None


def write_old(request):
    """Give the request's outputs something to replace."""
    for path in output_files(request):
        if isinstance(request, SampleCatalogRequest):
            path.mkdir()
            (path / "catalog.json").write_text(json.dumps({"id": "fairweather-sample"}))
        else:
            path.write_bytes(b"old")


def contents(folder):
    """Every file below a folder by its relative name, with its bytes; folders end in a slash."""
    return {
        path.relative_to(folder).as_posix() + "/" * path.is_dir(): b""
        if path.is_dir()
        else path.read_bytes()
        for path in sorted(folder.rglob("*"))
    }


@dataclass(frozen=True)
class Tried:
    """What a fault at one step did: the sentence, empty where the run ended well, and what is bad.

    ``steps`` are what was done to the disk, as in ``FailingDisk``.
    """

    sentence: str
    faults: tuple
    steps: tuple


class Walk:
    """Each algorithm on a disk that fails at one step after the other; ``patch`` is pytest's."""

    def __init__(self, folder, patch):
        self._folder = folder
        self._patch = patch
        self._number = 0
        served = folder / "served"
        served.mkdir()
        cut_into_tiles(patch)
        # One day of the sample catalogue is enough to write files of each kind.
        choose = sample_catalog_job.choose_passes
        patch.setattr(sample_catalog_job, "choose_passes", lambda days: choose(days)[:1])
        self.job = SmallJob(folder, Served(served))
        self._whole = {}

    def steps(self, name):
        """What an untouched run does to the disk."""
        tried = self.fail(name, "", 0)
        assert not tried.sentence, tried.sentence
        return tried.steps

    def fail(self, name, fault, at):
        """Run the algorithm ``name`` with a fault at step ``at``."""
        self._number += 1
        outputs = self._folder / f"outputs {self._number}"
        scratch = self._folder / f"job-{self._number}"
        outputs.mkdir()
        scratch.mkdir()
        self._patch.setenv("FAIRWEATHER_HOME", str(self._folder / f"home {self._number}"))
        request = requests_by_name(self.job, outputs)[name]
        write_old(request)
        former = contents(outputs)
        disk = FailingDisk((outputs, scratch), fault, at, outputs)
        with failing(disk):
            failure = run(request, scratch)
        for path in output_files(request):
            # As at the next start: who loses the right to name files can put nothing back.
            remove_parts(path, scratch)
        now = contents(outputs) if outputs.exists() else {}
        # Paths are in provenance, so that each run has a whole of its own to be compared with.
        if failure is None:
            self._whole.setdefault(name, set(now))
        faults = tuple(self._faults(name, former, now, fault, failure))
        shutil.rmtree(outputs, ignore_errors=True)
        shutil.rmtree(scratch)
        return Tried(failure.text if failure else "", faults, tuple(disk.steps))

    def _faults(self, name, former, now, fault, failure):
        if failure is not None:
            yield from _faults_of_sentence(failure)
        if fault == GONE and not now:
            return
        whole = self._whole.get(name, set())
        if name == "samplecatalog":
            if now != former and set(now) != whole:
                yield f"the catalogue is a part: {sorted(whole ^ set(now))[:5]}"
            return
        yield from (f"{path} was left" for path in now if path not in whole | set(former))
        for path, content in now.items():
            if content != former.get(path) and not is_whole(path, content):
                yield f"{path} is neither the old file nor a whole one"


def _faults_of_sentence(failure):
    text = failure.text
    if failure.kind != "OutputError" or "report" in text.replace("report.html", ""):
        yield f"{failure.kind}: {text}"
    if "\n" in text or "; " not in text or "Errno" in text:
        yield f"no sentence that says what to do: {text}"


def is_whole(name, content):
    """Whether a file can be read to its end."""
    if name.endswith(".tif"):
        with MemoryFile(content) as memory, memory.open() as dataset:
            return dataset.read().size > 0
    if name.endswith(".png"):
        return content.endswith(b"IEND\xaeB`\x82")
    if name.endswith("json"):
        return bool(json.loads(content))
    return content.endswith((b"</html>\n", b"</html>", b"\r\n"))
