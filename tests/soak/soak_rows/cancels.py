"""200 cancels at random moments: of every kind of run, by the button and by signals."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from unittest import mock

import psutil
from fairweather.core.bridge.environment.environments import create_environment
from fairweather.core.bridge.errors import CancelledError, FairweatherError
from fairweather.core.bridge.request import (
    Area,
    CompositeRequest,
    Request,
    SampleCatalogRequest,
    SceneSearch,
    SearchScenesRequest,
    Site,
    TimeSeriesRequest,
    output_files,
    request_to_json,
)
from fairweather.core.bridge.series_recipe import SeriesRecipe
from fairweather.core.bridge.worker_process import run_job
from local_jobs import Served
from run_stages import make_holding_python
from silent_server import HEAD, PAGE, silent_server
from small_job import SmallJob
from soak_row import Row, Trial
from steady_time import Stopwatch

TIMES = 200
MOST_SECONDS = 2.0
# Where a server says nothing, a run would last for minutes.
SECONDS_OF_A_STALLED_RUN = 3.0
HERE = Path(__file__).resolve().parent.parent
LAUNCH = HERE.parents[1] / "core" / "launch.py"
NAMES = "socket:getaddrinfo"
BUTTON, SIGINT, SIGTERM, GROUP = "button", "SIGINT", "SIGTERM", "Ctrl-C of the group"
WAYS = (BUTTON, SIGINT, SIGTERM, GROUP) if os.name == "posix" else (BUTTON,)
# The last word of a run that fails where it was to be cancelled: none of these would fail.
FAILED, STOPPED = "failed before", "The worker was stopped."
ENVIRONMENT, LOOK_UP = "environment", "search, no name"


@dataclass(frozen=True)
class Runs:
    """What is cancelled: requests by kind, and how many seconds each takes if it is not."""

    requests: Mapping[str, Request]
    seconds: Mapping[str, float]
    index: str
    # An interpreter in which the look-up of a name takes minutes.
    python_without_names: Path
    folder: Path

    @property
    def kinds(self) -> list[str]:
        return [*self.requests, ENVIRONMENT]


@dataclass(frozen=True)
class Cancelled:
    """How it went: the seconds from the cancel to the end, and the last that was said."""

    seconds: float
    word: str


def run(trial: Trial) -> Mapping[str, object]:
    """Cancel; all must be gone within 2 s, and the folder of outputs and TMPDIR be clean."""
    with _runs(trial) as runs:
        slowest, ways, words, faults = dict.fromkeys(runs.kinds, 0.0), Counter(), Counter(), []
        for number in range(trial.times):
            seed = trial.random.getrandbits(32)
            chance = random.Random(seed)
            kind, way = chance.choice(runs.kinds), chance.choice(WAYS)
            moment = chance.uniform(0, runs.seconds[kind])
            what = f"{kind} by {way} after {moment:.3f} s (seed {seed})"
            cancelled = _cancel(runs, kind, way, moment, number)
            faults += [f"{what}: {fault}" for fault in _faults(runs, kind, cancelled, number)]
            slowest[kind] = max(slowest[kind], round(cancelled.seconds, 2))
            ways[way] += 1
            words[cancelled.word] += 1
    figures = {
        "most_seconds": max(slowest.values()),
        "most_seconds_by_kind": slowest,
        "ways": dict(ways),
        "words": dict(words),
    }
    assert not faults, f"{len(faults)} of {trial.times}: {'; '.join(faults[:5])} ({figures})"
    return figures


@contextmanager
def _runs(trial: Trial) -> Iterator[Runs]:
    temporary = trial.folder / "tmp"
    temporary.mkdir()
    settings = {"TMPDIR": str(temporary), "TEMP": str(temporary), "TMP": str(temporary)}
    with ExitStack() as stack:
        # Before TMPDIR is this row's: the children's is.
        tempfile.gettempdir()
        stack.enter_context(mock.patch.dict(os.environ, settings))
        never = stack.enter_context(silent_server())
        half = stack.enter_context(silent_server(HEAD + PAGE))
        requests, seconds = _finite(trial.folder)
        stalled = _stalled(trial.folder, never, half)
        seconds |= dict.fromkeys([*stalled, ENVIRONMENT], SECONDS_OF_A_STALLED_RUN)
        python = make_holding_python(trial.folder / "python", Path(sys.executable))
        held = {"FAIRWEATHER_TEST_HELD": str(trial.folder / "held")}
        stack.enter_context(mock.patch.dict(os.environ, held))
        yield Runs({**requests, **stalled}, seconds, f"{never}/simple", python, trial.folder)


def _finite(folder: Path) -> tuple[dict[str, Request], dict[str, float]]:
    """Runs on the sample catalogue, each tried once to its end."""
    sample = folder / "sample"
    run_job(SampleCatalogRequest(str(sample), 12), Path(sys.executable),
            on_event=lambda _: None, is_cancelled=lambda: False)  # fmt: skip
    [area] = json.loads((sample / "area.geojson").read_text("utf-8"))["features"]
    search = SceneSearch(
        "fairweather-sample", Area("EPSG:4326", area["geometry"]), "2020-01-01", "2030-12-31",
        catalog=str(sample / "catalog.json"), max_cloud=100.0,
    )  # fmt: skip
    sites = tuple(Site(number, f"site {number}", area["geometry"]) for number in range(3))
    requests: dict[str, Request] = {
        "sample catalogue": SampleCatalogRequest("catalogue", 12),
        "search": SearchScenesRequest(search, "items.json", "footprints.geojson"),
        "composite": CompositeRequest(
            search, ("red", "NDVI"), "composite.tif", report="report.html", resolution=4.0
        ),
        "time series": TimeSeriesRequest(
            search, sites, "EPSG:4326", ("NDVI",), SeriesRecipe(), observations="observations.csv",
            series="series.csv", chart="chart.html", chart_image="chart.png",
        ),
    }  # fmt: skip
    seconds = {}
    for number, (kind, request) in enumerate(requests.items()):
        began = time.monotonic()
        run_job(_into(request, _outputs(folder, -1 - number)), Path(sys.executable),
                on_event=lambda _: None, is_cancelled=lambda: False)  # fmt: skip
        seconds[kind] = time.monotonic() - began
    return requests, seconds


def _stalled(folder: Path, never: str, half: str) -> dict[str, Request]:
    """Runs that wait for a server: for its catalogue, for a page of it, and for pixels."""
    served = folder / "served"
    served.mkdir()
    job = SmallJob(folder, Served(served))
    at_server = json.loads(json.dumps(job.items).replace(str(served), never))
    job.items = at_server
    search = job.search()
    asked = replace(search, catalog=never, scenes="")
    return {
        "search, no answer": SearchScenesRequest(asked, "items.json", "footprints.geojson"),
        "search, half a page": SearchScenesRequest(
            replace(asked, catalog=half), "items.json", "footprints.geojson"
        ),
        LOOK_UP: SearchScenesRequest(
            replace(asked, catalog="https://catalogue.invalid"), "items.json", "footprints.geojson"
        ),
        "reading, no answer": CompositeRequest(search, ("red",), "composite.tif", memory_gb=1.0),
    }


def _outputs(folder: Path, number: int) -> Path:
    outputs = folder / f"outputs {number}"
    outputs.mkdir()
    return outputs


def _into(request: Request, folder: Path) -> Request:
    """The request with its outputs in ``folder``."""
    names = ("folder", "items", "footprints", "output", "report", "observations", "series",
             "chart", "chart_image")  # fmt: skip
    given = {name: getattr(request, name, "") for name in names}
    return replace(request, **{name: str(folder / file) for name, file in given.items() if file})


def _cancel(runs: Runs, kind: str, way: str, moment: float, number: int) -> Cancelled:
    outputs = _outputs(runs.folder, number)
    if kind == ENVIRONMENT:
        index = {"PIP_INDEX_URL": runs.index, "UV_DEFAULT_INDEX": runs.index}
        with mock.patch.dict(os.environ, index):
            os.environ.pop("FAIRWEATHER_PYTHON", None)
            if way == BUTTON:
                return _by_button(
                    lambda is_over: create_environment(lambda *_: None, is_over), moment
                )
            return _by_signal([LAUNCH, "environment", "create"], way, moment)
    request = _into(runs.requests[kind], outputs)
    python, settings = Path(sys.executable), {}
    if kind == LOOK_UP:
        python, settings = runs.python_without_names, {"FAIRWEATHER_TEST_HOLD": NAMES}
    with mock.patch.dict(os.environ, settings):
        if way == BUTTON:
            return _by_button(
                lambda is_over: run_job(
                    request, python, on_event=lambda _: None, is_cancelled=is_over
                ),
                moment,
            )
        path = runs.folder / f"request {number}.json"
        path.write_text(request_to_json(request), encoding="utf-8")
        return _by_signal([LAUNCH, "worker", path], way, moment, python)


def _by_button(work, moment: float) -> Cancelled:
    stopwatch = Stopwatch()
    try:
        work(lambda: stopwatch.seconds > moment)
        word = "done before"
    except CancelledError as error:
        word = str(error)
    except FairweatherError as error:
        word = f"{FAILED}: {type(error).__name__}: {error}"
    return Cancelled(max(0.0, stopwatch.stop() - moment), word)


def _by_signal(
    arguments: list[object], way: str, moment: float, python: Path = Path(sys.executable)
) -> Cancelled:
    command = [str(python), *map(str, arguments)]
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as wrong:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=said, stderr=wrong, start_new_session=True
        )
        try:
            process.wait(moment)
            is_early = True
        except subprocess.TimeoutExpired:
            is_early = False
        stopwatch = Stopwatch()
        if way == GROUP:
            _signal_group(process, signal.SIGINT)
        else:
            process.send_signal(signal.SIGINT if way == SIGINT else signal.SIGTERM)
        try:
            process.wait(30)
        finally:
            seconds = stopwatch.stop()
            if process.poll() is None:
                process.kill()
        said.seek(0)
        wrong.seek(0)
        word = _last_word(said.read().decode("utf-8"), wrong.read().decode("utf-8"))
    return Cancelled(0.0 if is_early else seconds, "done before" if is_early else word)


def _signal_group(process: subprocess.Popen, number: int) -> None:
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        return


def _last_word(said: str, wrong: str) -> str:
    """The sentence of the worker's last event, or the last line on stderr."""
    lines = said.splitlines()
    if lines and lines[-1].startswith("{"):
        event = json.loads(lines[-1])
        if event["event"] in ("error", "result"):
            is_stopped = event["event"] == "result" or event["text"] == STOPPED
            return event.get("text", "done") if is_stopped else f"{FAILED}: {event['text']}"
    # Of one that comes before the first line of the program, Python itself tells.
    if "Traceback" in wrong and "in main" in wrong:
        return "a traceback: " + wrong.splitlines()[-1]
    last = wrong.splitlines()[-1] if wrong else "nothing"
    is_stopped = "Traceback" in wrong or last.startswith(("Cancelled; ", "Fatal Python", "nothing"))
    return last if is_stopped else f"{FAILED}: {last}"


def _faults(runs: Runs, kind: str, cancelled: Cancelled, number: int) -> Iterator[str]:
    if cancelled.seconds > MOST_SECONDS:
        yield f"it took {cancelled.seconds:.2f} s"
    if "traceback" in cancelled.word or cancelled.word.startswith(FAILED):
        yield cancelled.word
    left = [" ".join(process.cmdline())[:200] for process in _processes_of(runs.folder)]
    if left:
        yield f"left are the processes {left}"
    outputs = runs.folder / f"outputs {number}"
    allowed = set()
    if kind != ENVIRONMENT:
        allowed = {path.name for path in output_files(_into(runs.requests[kind], outputs))}
    files = sorted(path.name for path in outputs.iterdir() if path.name not in allowed)
    temporary = sorted(path.name for path in (runs.folder / "tmp").iterdir())
    if files or temporary:
        yield f"left are the files {files} and, where temporary ones are, {temporary}"


def _processes_of(folder: Path) -> list[psutil.Process]:
    """The descendants of this process, and whatever names one of its folders, a moment later."""
    own = psutil.Process()
    places = (str(folder), os.environ["FAIRWEATHER_HOME"])
    found = {process.pid: process for process in own.children(recursive=True)}
    for process in psutil.process_iter(["cmdline"]):
        words = " ".join(process.info["cmdline"] or ())
        if process.pid != own.pid and any(place in words for place in places):
            found[process.pid] = process
    gone, alive = psutil.wait_procs(list(found.values()), timeout=0.2)
    del gone
    return [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]


ROW = Row(
    "cancels",
    "200 cancels at random moments: all gone within 2 s, nothing left outside FAIRWEATHER_HOME",
    TIMES,
    run,
)
