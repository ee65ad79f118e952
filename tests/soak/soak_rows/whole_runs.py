"""Random whole runs of the real worker: each equal to the oracle, or the right error."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from random import Random

import psutil
from fairweather.core.bridge import errors
from fairweather.core.bridge.home import fairweather_home, jobs_folder
from fairweather.core.bridge.request import CompositeRequest, SampleCatalogRequest, output_files
from fairweather.core.bridge.worker_process import run_job
from fairweather.core.science.reporter import RecordingReporter
from fairweather.core.science.sample_catalog.job import run_sample_catalog
from faulty_server import FaultyServer, running
from local_jobs import is_whole
from soak_row import Row, Trial
from soak_runs import Run, check_run, make_run
from soak_sample import MASK, wanted_scenes
from steady_time import Stopwatch

DAYS = 12
SHARE_THAT_FAILS = 0.1
MOST_SECONDS_TO_CANCEL = 2.0
SECONDS_OF_A_RUN = 3.0
FAILURES_SHOWN = 5
# How often each is tried, of a hundred.
KINDS = {
    "calm": 32, "shaky server": 18, "cancel": 14, "kill": 11, "mistake": 10, "lost file": 5,
    "lost days": 10,
}  # fmt: skip
# How a file is broken that no patience helps; nor is any wasted on it.
FOR_GOOD = ("404", "401", "damaged", "redirect")


class _Stage:
    """The sample catalogue, in a folder and behind a server, and what has been found."""

    def __init__(self, trial: Trial, server) -> None:
        self.random = trial.random
        self.folder = trial.folder
        self.sample = server.folder
        self.server = server
        self.compared = 0
        self.ends: Counter[str] = Counter()
        self.seconds: list[float] = []
        self.seconds_to_cancel: list[float] = [0.0]

    def try_one(self, number: int) -> None:
        kind = self.random.choices(list(KINDS), list(KINDS.values()))[0]
        seed = self.random.getrandbits(32)
        outputs = self.folder / f"outputs-{number}"
        outputs.mkdir()
        random = Random(seed)
        self.server.calm()
        self.server.rate = 0.0
        began = time.monotonic()
        try:
            TRIES[kind](self, random, outputs)
            self._check_nothing_left(outputs)
        except Exception as error:
            words = f"{kind}, seed {seed}: {type(error).__name__} {error}"
            raise AssertionError(words[:400]) from error
        self.seconds.append(time.monotonic() - began)

    def run(self, run: Run, is_cancelled=lambda: False) -> None:
        run_job(
            run.request, Path(sys.executable), on_event=lambda _: None, is_cancelled=is_cancelled
        )

    def finish(self, run: Run, kind: str) -> None:
        """The run has ended well: compare what it made."""
        self.compared += check_run(run, self.sample)
        self.ends[f"{kind}: equal to the oracle"] += 1

    def local(self) -> str:
        return str(self.sample / "catalog.json")

    def served(self) -> str:
        return f"{self.server.address}/catalog.json"

    def _check_nothing_left(self, outputs: Path) -> None:
        left = [child for child in psutil.Process().children() if child.status() != "zombie"]
        assert not left, f"processes are left: {[child.cmdline() for child in left]}"
        jobs = [path.name for path in jobs_folder().glob("job-*")]
        assert not jobs, f"scratch is left: {jobs}"
        known = {"composite.tif", "report.html", "series.csv", "observations.csv", "chart.html"}
        strange = {path.name for path in outputs.iterdir()} - known
        assert not strange, f"files are left: {strange}"


def _calm(stage: _Stage, random: Random, outputs: Path) -> None:
    run = make_run(random, stage.local(), outputs)
    _run_or_no_scenes(stage, run, "calm")


def _shaky(stage: _Stage, random: Random, outputs: Path) -> None:
    run = make_run(random, stage.served(), outputs)
    stage.server.rate, stage.server.chance = SHARE_THAT_FAILS, Random(random.random())
    _run_or_no_scenes(stage, run, "shaky server")


def _run_or_no_scenes(stage: _Stage, run: Run, kind: str) -> None:
    try:
        stage.run(run)
    except errors.NoScenesError:
        assert _expects_no_scenes(stage, run), "scenes were there, and none was found"
        stage.ends[f"{kind}: no scenes, rightly"] += 1
    else:
        stage.finish(run, kind)


def _expects_no_scenes(stage: _Stage, run: Run) -> bool:
    try:
        check_run(run, stage.sample)
    except LookupError:
        return True
    except OSError:
        return False
    return False


def _cancel(stage: _Stage, random: Random, outputs: Path) -> None:
    run = make_run(random, random.choice((stage.local(), stage.served())), outputs)
    if random.random() < 0.5:
        # Also on a server that stalls, from some request on.
        stage.server.script = {random.randint(1, 60): "all stall"}
    moment, stopwatch = random.uniform(0, SECONDS_OF_A_RUN), Stopwatch()
    try:
        stage.run(run, is_cancelled=lambda: stopwatch.seconds > moment)
    except errors.CancelledError:
        seconds = stopwatch.stop() - moment
        stage.seconds_to_cancel.append(seconds)
        assert seconds <= MOST_SECONDS_TO_CANCEL, f"it took {seconds:.2f} s to cancel"
        assert not list(outputs.iterdir()), "a cancelled run left an output"
        stage.ends["cancel: cancelled"] += 1
    except errors.NoScenesError:
        assert _expects_no_scenes(stage, run), "scenes were there, and none was found"
        stage.ends["cancel: no scenes, rightly"] += 1
    else:
        stage.finish(run, "cancel")
    finally:
        stopwatch.stop()


def _kill(stage: _Stage, random: Random, outputs: Path) -> None:
    run = make_run(random, stage.local(), outputs)
    wanted = set(output_files(run.request))
    with _killing_after(random.uniform(0.05, SECONDS_OF_A_RUN)):
        try:
            stage.run(run)
        except errors.WorkerError:
            stage.ends["kill: told"] += 1
            # They are renamed last, one after the other.
            there = set(outputs.iterdir()) & wanted
            parts = [path.name for path in there if not is_whole(path.name, path.read_bytes())]
            assert not parts, f"parts of files were left: {parts}"
            if there == wanted:
                stage.finish(run, "kill, too late")
        except errors.NoScenesError:
            assert _expects_no_scenes(stage, run), "scenes were there, and none was found"
            stage.ends["kill: no scenes, rightly"] += 1
        else:
            stage.finish(run, "kill")


@contextlib.contextmanager
def _killing_after(seconds: float) -> Iterator[None]:
    """Kill the worker that this process has started by then."""

    def kill() -> None:
        for child in psutil.Process().children():
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()

    timer = threading.Timer(seconds, kill)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()


def _mistake(stage: _Stage, random: Random, outputs: Path) -> None:
    run = make_run(random, stage.local(), outputs)
    request, search = run.request, run.request.search
    output = "output" if isinstance(request, CompositeRequest) else "series"
    nowhere = str(outputs / "no folder" / "it")
    bands = "bands" if isinstance(request, CompositeRequest) else "indices"
    closed = "http://127.0.0.1:9/catalog.json"
    changes, kind = random.choice(
        (
            ({"search": dataclasses.replace(search, start="2025-01-01")}, "InvalidRequestError"),
            (
                {"search": dataclasses.replace(search, start="2024-01-05", end="2024-01-08")},
                "NoScenesError",
            ),
            ({bands: ("purple",)}, "InvalidRequestError"),
            ({output: nowhere}, "OutputError"),
            ({"search": dataclasses.replace(search, catalog=closed)}, "CatalogError"),
            ({"mask_classes": (77,)}, "InvalidRequestError"),
            ({"on_error": "perhaps"}, "InvalidRequestError"),
        )
    )
    wrong = dataclasses.replace(run, request=dataclasses.replace(request, **changes))
    try:
        stage.run(wrong)
    except errors.FairweatherError as error:
        _check_error(error, kind, "")
        stage.ends[f"mistake: {kind}"] += 1
    else:
        raise AssertionError(f"no {kind}")
    assert not list(outputs.iterdir()), "a run that failed left an output"


def _check_error(error: Exception, kind: str, named: str) -> None:
    assert type(error).__name__ == kind, f"{type(error).__name__} instead of {kind}: {error}"
    assert "\n" not in str(error), "an error of several lines"
    assert named in str(error), f"{named} is not named: {error}"


def _lose_file(stage: _Stage, random: Random, outputs: Path) -> None:
    """One file is gone, and the run is to fail: by name, or it never needed the file."""
    run = make_run(random, stage.served(), outputs)
    run = dataclasses.replace(run, request=dataclasses.replace(run.request, on_error="fail"))
    needed = {name for band in run.bands for name in band.sources} | {"scl"}
    files = sorted(stage.sample.glob("fairweather-sample/*/*.tif"))
    name = random.choice([file for file in files if file.stem in needed])
    place = name.relative_to(stage.sample).as_posix()
    stage.server.lasting = {place: ("404", 0, 1_000_000_000)}
    try:
        stage.run(run)
    except errors.ReadError as error:
        _check_error(error, "ReadError", place)
        stage.ends["lost file: named"] += 1
        assert not list(outputs.iterdir()), "a run that failed left an output"
    except errors.NoScenesError:
        assert _expects_no_scenes(stage, run), "scenes were there, and none was found"
        stage.ends["lost file: no scenes, rightly"] += 1
    else:
        stage.finish(run, "lost file")


def _lose_days(stage: _Stage, random: Random, outputs: Path) -> None:
    """Files of some days are broken for good: the result is that without these days."""
    run = make_run(random, stage.served(), outputs)
    scenes = {day: list(group) for day, group in groupby(_scenes(stage, run), _day)}
    count = random.choice((1, 1, 2, 3, len(scenes)))
    days = random.sample(sorted(scenes), min(count, len(scenes)))
    name, fault = random.choice(run.needed), random.choice(FOR_GOOD)
    # Of all scenes of a day alike: in which blocks a day is lost is then no question.
    lost = [item for day in days for item in scenes[day]]
    for item in lost:
        place = item.with_name(f"{name}.tif").relative_to(stage.sample).as_posix()
        stage.server.lasting[place] = (fault, 0, 1_000_000_000)
    run = dataclasses.replace(run, lost=frozenset(item.stem for item in lost))
    try:
        stage.run(run)
    except errors.ReadError as error:
        _check_error(error, "ReadError", "Most of the imagery cannot be read")
        assert _may_be_most(scenes, days), f"{len(days)} of {len(scenes)} days are no most"
        assert not list(outputs.iterdir()), "a run that failed left an output"
        stage.ends["lost days: most are"] += 1
    except errors.NoScenesError:
        assert _expects_no_scenes(stage, run), "scenes were there, and none was found"
        stage.ends["lost days: no scenes, rightly"] += 1
    else:
        assert name != MASK or len(days) < len(scenes), "nothing could be read, and it ended well"
        stage.finish(run, "lost days")


def _scenes(stage: _Stage, run: Run) -> list[Path]:
    """The items that the run wants, by day."""
    wanted = wanted_scenes(stage.sample, run.wanted, (MASK,), None)
    items = {path.stem: path for path in stage.sample.glob("fairweather-sample/*/*.json")}
    return sorted((items[scene.id] for scene in wanted), key=_day)


def _day(item: Path) -> str:
    """``20240103`` of ``SAMPLE_S2A_T33VXC_20240103T100031_L2A``."""
    return item.stem.split("_")[3][:8]


def _may_be_most(scenes: dict[str, list[Path]], days: list[str]) -> bool:
    """Whether more than half of the days may be lost where few scenes lie."""
    tiles = Counter(item.stem.split("_")[2] for group in scenes.values() for item in group)
    # Two scenes of each tile cover a part of it only.
    return 2 * len(days) > min(tiles.values()) - 2


TRIES = {
    "calm": _calm,
    "shaky server": _shaky,
    "cancel": _cancel,
    "kill": _kill,
    "mistake": _mistake,
    "lost file": _lose_file,
    "lost days": _lose_days,
}


def run(trial: Trial) -> dict[str, object]:
    """Try so many runs, one after the other."""
    sample, scratch = trial.folder / "sample", trial.folder / "scratch"
    scratch.mkdir()
    run_sample_catalog(SampleCatalogRequest(str(sample), DAYS), RecordingReporter(), scratch)
    failures = []
    with running(FaultyServer(sample)) as server:
        stage = _Stage(trial, server)
        for number in range(trial.times):
            try:
                stage.try_one(number)
            except AssertionError as error:
                failures.append(str(error))
    assert not failures, f"{len(failures)} of {trial.times} runs: {failures[:FAILURES_SHOWN]}"
    in_home = sum(path.stat().st_size for path in fairweather_home().rglob("*") if path.is_file())
    return {
        "runs": trial.times,
        "ends": dict(sorted(stage.ends.items())),
        "numbers_compared": stage.compared,
        "most_seconds": round(max(stage.seconds), 1),
        "most_seconds_to_cancel": round(max(stage.seconds_to_cancel), 2),
        "bytes_left_in_the_home": in_home,
    }


ROW = Row(
    name="whole_runs",
    promise="Random whole runs, with cancels, kills, faults and lost days: the oracle's result, or "
    "the error",
    times=200,
    run=run,
)
