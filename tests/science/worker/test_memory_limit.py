"""Memory that ends, wherever it does: one sentence that says what to do, and no file."""

import json
import re
import sys
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import rasterio
import shapely
import tifffile
from fairweather.core.bridge.errors import ReadError, WorkerError
from fairweather.core.bridge.home import jobs_folder
from fairweather.core.bridge.request import (
    Area,
    CompositeRequest,
    SampleCatalogRequest,
    SceneSearch,
    Site,
    TimeSeriesRequest,
    output_files,
)
from fairweather.core.bridge.series_recipe import SeriesRecipe
from fairweather.core.bridge.worker_death import LIKELY_OUT_OF_MEMORY, NO_MORE_THREADS
from fairweather.core.bridge.worker_process import run_job
from fairweather.core.science import worker
from fairweather.core.science.imagery.files.raster_files import RasterFiles
from fairweather.core.science.reporter import RecordingReporter
from fairweather.core.science.sample_catalog.job import run_sample_catalog

# The real worker with so many bytes of addresses; it notes how many it had at most.
LAUNCH = """
import atexit, importlib, importlib.util, re, resource, sys
from pathlib import Path
spec = importlib.util.spec_from_file_location("launch", {launch!r})
launch = importlib.util.module_from_spec(spec)
spec.loader.exec_module(launch)
launch.load_package()
worker = importlib.import_module("fairweather.core.science.worker")
if {limit}:
    resource.setrlimit(resource.RLIMIT_AS, ({limit}, {limit}))
else:
    status = Path("/proc/self/status")
    peak = lambda: int(re.search("VmPeak:\\\\s+(\\\\d+) kB", status.read_text())[1]) * 1024
    atexit.register(lambda: Path(__file__ + ".peak").write_text(str(peak())))
sys.exit(worker.main(sys.argv[2:]))
"""
KINDS = ("composite", "series")
# Of the addresses that the same run takes where there is no limit.
SHARES = (0.06, 0.15, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 1.05)


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sample")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FAIRWEATHER_HOME", str(tmp_path_factory.mktemp("home")))
        scratch = tmp_path_factory.mktemp("scratch")
        request = SampleCatalogRequest(str(folder / "it"), 12)
        run_sample_catalog(request, RecordingReporter(), scratch)
    return folder / "it"


@pytest.fixture
def request_of(sample, tmp_path):
    """A function: a composite or a time series of the sample, with outputs in a folder ``out``."""
    out = tmp_path / "out"
    out.mkdir()
    content = json.loads((sample / "area.geojson").read_text(encoding="utf-8"))
    area = content["features"][0]["geometry"]
    search = SceneSearch(
        "fairweather-sample", Area("EPSG:4326", area), "2024-01-01", "2024-12-31",
        catalog=str(sample / "catalog.json"), max_cloud=100.0,
    )  # fmt: skip
    centre = shapely.geometry.shape(area).centroid
    site = Site(1, "one", shapely.geometry.mapping(centre.buffer(0.005)))

    def make(kind):
        if kind == "composite":
            bands, output = ("red", "NDVI"), str(out / "it.tif")
            return CompositeRequest(search, bands, output, resolution=5.0)
        return TimeSeriesRequest(
            search, (site,), "EPSG:4326", ("NDVI",), SeriesRecipe(), series=str(out / "series.csv"),
            observations=str(out / "observations.csv"), chart_image=str(out / "chart.png"),
        )  # fmt: skip

    return make


@pytest.fixture
def run_within(tmp_path, plugin_root, monkeypatch):
    """A function: run a request within so many bytes (0: any), and tell how many it took."""

    def run(request, limit=0):
        # What another run has finished would make this one smaller.
        monkeypatch.setenv("FAIRWEATHER_HOME", str(tmp_path / f"home-{limit}"))
        script = tmp_path / "launch.py"
        text = LAUNCH.format(launch=str(plugin_root / "core" / "launch.py"), limit=limit)
        script.write_text(text, encoding="utf-8")
        run_job(
            request, Path(sys.executable), on_event=lambda _: None, is_cancelled=lambda: False,
            launch_script=script,
        )  # fmt: skip
        return int(Path(f"{script}.peak").read_text())

    return run


def contents(request):
    """What the outputs hold; of a raster, its pixels."""
    found = {}
    for path in output_files(request):
        if path.suffix == ".tif":
            with rasterio.open(path) as dataset:
                found[path.name] = dataset.read().tobytes()
        elif path.suffix == ".csv":
            found[path.name] = path.read_bytes()
        assert path.stat().st_size
    return found


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits what addresses there are")
@pytest.mark.parametrize("kind", KINDS)
def test_a_real_run_within_a_limit(request_of, run_within, kind):
    """Whatever there is too little for: threads, libraries, tiles, blocks, the chart."""
    request = request_of(kind)
    need = run_within(request)
    whole = contents(request)
    assert whole
    ends = []
    for share in SHARES:
        for path in output_files(request):
            path.unlink(missing_ok=True)
        try:
            run_within(request, int(share * need))
        except WorkerError as error:
            ends.append((share, str(error)))
            assert list(output_files(request)[0].parent.iterdir()) == []
        else:
            assert contents(request) == whole
            ends.append((share, ""))
        assert list(jobs_folder().glob("job-*")) == []
    endings = "|".join(map(re.escape, (f", {LIKELY_OUT_OF_MEMORY}", NO_MORE_THREADS)))
    told = re.compile(f"ran out of memory(;|, or was killed)|{endings}")
    assert not [end for end in ends if end[1] and not told.search(end[1])]
    assert [bool(text) for share, text in ends if share <= 0.8] == [True] * 7


def test_errors_that_are_memorys(monkeypatch):
    unloaded = ImportError("libx.so: failed to map segment from shared object", name="x")
    without_words = ImportError("numpy could not be imported", name="numpy")
    without_words.__cause__ = unloaded
    for error in (
        OSError(12, "Cannot allocate memory"),
        unloaded,
        without_words,
        ValueError("proj_create: SQLite error on SELECT: out of memory"),
    ):
        assert worker.failure_of(error).text == worker.OUT_OF_MEMORY, error
    threads = RuntimeError("can't start new thread")
    assert worker.failure_of(threads).text == NO_MORE_THREADS
    # Pillow's words, among others, for memory that it did not get.
    drawing = OSError("codec configuration error when writing image file")
    assert "please report it" in worker.failure_of(drawing).text
    monkeypatch.setattr(worker, "memory_limit", lambda: 1 << 30)
    assert worker.failure_of(drawing).text.endswith(f", {LIKELY_OUT_OF_MEMORY}")
    missing = worker.failure_of(ImportError("No module named 'x'", name="x"))
    assert missing.kind == "EnvironmentNotReadyError"


@pytest.mark.parametrize(
    ("compress", "kind"),
    [*((one, MemoryError) for one in ("DEFLATE", "LZW", "ZSTD", "NONE")), ("LERC", ReadError)],
)
def test_memory_that_ends_at_a_tile_loses_no_day(tmp_path, monkeypatch, compress, kind):
    """It ends the run; but of a stream that tells a size of its own, the size may be a lie."""
    path = tmp_path / "it.tif"
    options = {"compress": compress, "tiled": True, "blockxsize": 64, "blockysize": 64}
    with rasterio.open(
        path, "w", driver="GTiff", width=64, height=64, count=1, dtype="uint16", crs="EPSG:32633",
        transform=rasterio.Affine(10, 0, 500_000, 0, -10, 5_000_000), **options,
    ) as dataset:  # fmt: skip
        dataset.write(np.ones((64, 64), np.uint16), 1)

    def fail(*_):
        raise MemoryError

    files, window = RasterFiles(2, tmp_path, 0), (slice(0, 64), slice(0, 64))
    assert files.open(str(path)).read(0, window, window).all()
    monkeypatch.setattr(tifffile.TiffPage, "decode", fail)
    monkeypatch.setattr(imagecodecs, "lerc_decode", fail)
    files.close()
    files = RasterFiles(2, tmp_path, 0)
    with pytest.raises(kind):
        files.open(str(path)).read(0, window, window)
    files.close()
