"""SIGKILL of the worker, of QGIS and of both at random moments, and the run after it.

Of composites and of time series, by ``run_job`` and by ``qgis_process``.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import psutil
import rasterio
from fairweather.core.bridge.request import CompositeRequest, output_files, request_to_json
from local_jobs import is_whole, requests_by_name
from small_job import BANDS, SmallJob, assert_same_pixels
from soak_row import Row, Trial

PROGRAM = Path(__file__).resolve().parent.parent / "soak_job_to_kill.py"
COLUMNS = 24
COMPOSITE = "composite.tif"
ROOT = PROGRAM.parents[2]
QGIS_PROCESS = "qgis_process.bin"
# QGIS takes its Python from the first python3 on PATH: the system's it must be.
SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
PLUGINS = ".local/share/QGIS/QGIS3/profiles/default/python/plugins"
# As many as kill the worker alone kill QGIS: one half of these together with the worker.
KINDS = ("worker", "qgis", "worker", "both")
TIMES = 400
CHANCE_TO_LIVE = 0.2
SECONDS_OF_A_HANG = 60.0
SECONDS_OF_AN_ORPHAN = 5.0
FAILURES_SHOWN = 5


def run(trial: Trial) -> dict[str, object]:
    """Kill runs until one lives, and again, as often as the times say; check after each."""
    jobs = _jobs(trial.folder)
    kinds: dict[_JobToKill, list[str]] = {job: [] for job in jobs}
    for number in range(trial.times):
        kinds[jobs[number // len(KINDS) % len(jobs)]].append(KINDS[number % len(KINDS)])
    campaigns = []
    for job, its_kinds in kinds.items():
        job.measure()
        trial.random.shuffle(its_kinds)
        while its_kinds:
            campaigns.append(_Campaign(job, trial.random, its_kinds))
            campaigns[-1].kill_until_one_lives()
    failures = [
        f"{one.job.name} after {one.history}: {text}" for one in campaigns for text in one.failures
    ]
    again = sum(one.composed_again for one in campaigns)
    finished = sum(one.finished_before_kills for one in campaigns)
    killed = Counter(f"{kind}, {one.job.name}" for one in campaigns for kind in one.killed)
    assert not failures, f"{len(failures)}: {failures[:FAILURES_SHOWN]}"
    assert 10 * again <= finished, f"{again} of {finished} finished blocks were read again"
    return {
        "kills": killed.total(),
        "kills_by_kind": dict(sorted(killed.items())),
        "runs_that_lived": len(campaigns),
        "blocks_finished_before_kills": finished,
        "of_these_read_again": again,
        "seconds_of_a_whole_run": {job.name: round(job.seconds, 2) for job in kinds},
    }


def _jobs(folder: Path) -> list[_JobToKill]:
    """Of five kills in a row, whose each is: two of composites by QGIS, if it is here."""
    composite = _JobToKill("composite by run_job", folder / "composite", "composite", COLUMNS)
    series = _JobToKill("time series by run_job", folder / "series", "timeseries", columns=2)
    by_qgis = composite
    if qgis_is_here():
        by_qgis = _QgisJobToKill("composite by QGIS", folder / "qgis", "composite", COLUMNS)
    return [composite, by_qgis, series, composite, by_qgis]


class _JobToKill:
    """A job of local files, its request, and what it makes when nobody disturbs it."""

    def __init__(self, name: str, folder: Path, algorithm: str, columns: int) -> None:
        self.name = name
        self.folder = folder
        scenes = folder / "scenes"
        scenes.mkdir(parents=True)
        self.job = SmallJob(
            folder, SimpleNamespace(folder=scenes, address=str(scenes)), columns=columns
        )
        self.results = folder / "results"
        self.results.mkdir()
        self.log = folder / "log"
        self.path = folder / "request.json"
        request = requests_by_name(self.job, self.results)[algorithm]
        if isinstance(request, CompositeRequest):
            request = dataclasses.replace(request, bands=BANDS, count_band=True)
        self.request = request
        self.outputs = [path.name for path in output_files(request)]
        self.path.write_text(request_to_json(request), encoding="utf-8")

    def start(self) -> subprocess.Popen:
        """A process that runs the job by a worker of its own."""
        return self.popen([sys.executable, PROGRAM, "qgis", self.path], os.environ)

    def popen(self, command: list[object], environment: Mapping[str, str]) -> subprocess.Popen:
        """Start ``command``, with a new log of what it comes to."""
        self.log.write_text("")
        with (self.folder / "errors").open("wb") as errors:
            return subprocess.Popen(
                command,
                env={**environment, "SOAK_LOG": str(self.log)},
                stdout=subprocess.DEVNULL,
                stderr=errors,
            )

    def last_words(self) -> str:
        """The end of what the last run wrote to stderr."""
        return (self.folder / "errors").read_text(errors="replace")[-300:]

    def measure(self) -> None:
        """An undisturbed run: its time, and the files that every run makes to the byte."""
        began = time.monotonic()
        assert self.start().wait(SECONDS_OF_A_HANG) == 0, "the job does not run at all"
        self.seconds = time.monotonic() - began
        made = self.found()
        assert sorted(made) == sorted(self.outputs)
        # Pages name the time at which they were made.
        self.same = {name: made[name] for name in made if name.endswith((".tif", ".csv"))}
        if COMPOSITE in made:
            assert len(self.noted("composed")) == COLUMNS
            with rasterio.open(self.results / COMPOSITE) as dataset:
                pixels = dataset.read().astype(np.float64)[:-1]
            assert_same_pixels(pixels, self.job.oracle())

    def found(self) -> dict[str, bytes]:
        """The outputs that are there."""
        paths = [self.results / name for name in self.outputs]
        return {path.name: path.read_bytes() for path in paths if path.exists()}

    def is_whole(self, name: str, content: bytes | None) -> bool:
        """Whether an output is there, and what an undisturbed run makes."""
        if content is None or name in self.same:
            return content == self.same.get(name, b"")
        return is_whole(name, content)

    def noted(self, word: str) -> set[str]:
        """The blocks of the last run of which the log says ``word``."""
        lines = [line.split() for line in self.log.read_text().splitlines()]
        return {line[1] for line in lines if line[0] == word}

    def steps(self) -> int:
        """How far the last run has come, up to ``most_steps``: blocks, or files begun."""
        if COMPOSITE in self.outputs:
            return len(self.noted("composed"))
        return sum(path.name not in self.outputs for path in self.results.iterdir())

    @property
    def most_steps(self) -> int:
        return COLUMNS if COMPOSITE in self.outputs else len(self.outputs)


class _QgisJobToKill(_JobToKill):
    """The same composite by ``qgis_process``, whose worker is the slow one too."""

    def __init__(self, *of_the_job: Any) -> None:
        super().__init__(*of_the_job)
        home = self.folder / "home"
        (home / PLUGINS).mkdir(parents=True)
        (home / PLUGINS / "fairweather").symlink_to(ROOT)
        python = self.folder / "python"
        # An interpreter like any other, but for the worker's entry.
        python.write_text(
            f"""#!/bin/sh
            case "$*" in
                *launch.py\\ worker*) shift 4; exec "{sys.executable}" "{PROGRAM}" "$@";;
            esac
            exec "{sys.executable}" "$@"
            """
        )
        python.chmod(0o755)
        self.environment = {
            "HOME": str(home), "PATH": SYSTEM_PATH, "QT_QPA_PLATFORM": "offscreen",
            "FAIRWEATHER_HOME": os.environ["FAIRWEATHER_HOME"], "FAIRWEATHER_PYTHON": str(python),
            "TMPDIR": tempfile.gettempdir(), "LC_ALL": "C.UTF-8",
        }  # fmt: skip
        enable = [QGIS_PROCESS, "plugins", "enable", "fairweather"]
        assert self.popen(enable, self.environment).wait(SECONDS_OF_A_HANG) == 0

    def start(self) -> subprocess.Popen:
        search = self.job.search()
        left, bottom, right, top = self.job.box().bounds
        given = {
            "COLLECTION": search.collection, "CATALOG": search.catalog, "SCENES": search.scenes,
            "EXTENT": f"{left},{right},{bottom},{top} [EPSG:32633]",
            "START": search.start, "END": search.end, "BANDS": "red,nir", "MEMORY": 1,
            "COUNT_BAND": "true", "OUTPUT": self.request.output,
            "OUTPUT_REPORT": self.request.report,
        }  # fmt: skip
        parameters = [f"{name}={value}" for name, value in given.items()]
        command = [QGIS_PROCESS, "run", "fairweather:composite", "--", *parameters]
        return self.popen(command, self.environment)


@dataclasses.dataclass
class _Campaign:
    """Runs of one request, each killed but the last; ``kinds`` are those still to come."""

    job: _JobToKill
    random: random.Random
    kinds: list[str]
    killed: list[str] = dataclasses.field(default_factory=list)
    composed_again: int = 0
    finished_before_kills: int = 0
    history: list[str] = dataclasses.field(default_factory=list)
    failures: list[str] = dataclasses.field(default_factory=list)

    def kill_until_one_lives(self) -> None:
        """Kill some runs, then let one live, and check all that is promised."""
        for path in self.job.results.iterdir():
            path.unlink()
        if self.random.random() < 0.3:
            for name in self.job.outputs:
                (self.job.results / name).write_bytes(b"the old file")
        was = self.job.found()
        finished: set[str] = set()
        while True:
            lives = self.killed and self.random.random() < CHANCE_TO_LIVE
            done = self._run(lives or not self.kinds)
            again = finished & self.job.noted("composed")
            self.composed_again += len(again)
            self._check(not again or done, f"{len(again)} finished blocks composed again")
            now = self.job.found()
            if done:
                break
            for name in self.job.outputs:
                is_kept = now.get(name) == was.get(name) or self.job.is_whole(name, now.get(name))
                self._check(is_kept, f"a part of a file is called {name}")
            if COMPOSITE in now and now[COMPOSITE] == self.job.same[COMPOSITE]:
                # What was finished is not needed any more, and is gone or soon will be.
                finished = set()
            else:
                finished |= self.job.noted("finished")
                self.finished_before_kills += len(self.job.noted("finished"))
            was = now
        for name in self.job.outputs:
            is_right = self.job.is_whole(name, now.get(name))
            self._check(is_right, f"the run after the kills made another {name}")
        self._check_that_nothing_is_left()

    def _run(self, lives: bool) -> bool:
        """Whether the run came to its end; else it was killed."""
        process = self.job.start()
        if lives:
            self.history.append("lived")
            code = process.wait(SECONDS_OF_A_HANG)
            self._check(code == 0, f"the run left alone ended with {self.job.last_words()}")
            return True
        kind = self.kinds[-1]
        if kind != "qgis":
            _wait(process, lambda: worker_of(process.pid) is not None)
        self._wait_for_a_moment(process)
        if process.poll():
            # Counted, so that this comes to an end.
            self.kinds.pop()
            self._check(False, f"a run ended by itself with {self.job.last_words()}")
            return False
        worker = worker_of(process.pid)
        if kind != "worker":
            process.kill()
        if kind != "qgis" and worker is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker, signal.SIGKILL)
        code = process.wait(SECONDS_OF_A_HANG)
        if code == 0 or (kind != "qgis" and worker is None):
            self.history.append("came too late")
            return False
        self.killed.append(self.kinds.pop())
        self.history.append(f"{kind} killed at {len(self.job.noted('finished'))} blocks")
        self._check(worker is None or ends_soon(worker), "an orphan works on")
        return False

    def _wait_for_a_moment(self, process: subprocess.Popen) -> None:
        """Half of the moments are anywhere, half among the blocks, or the files."""
        if self.random.random() < 0.5:
            end = time.monotonic() + self.random.uniform(0, self.job.seconds)
            _wait(process, lambda: time.monotonic() > end)
            return
        steps = self.random.randint(1, self.job.most_steps)
        _wait(process, lambda: self.job.steps() >= steps)
        time.sleep(self.random.uniform(0, 0.03))

    def _check_that_nothing_is_left(self) -> None:
        names = sorted(path.name for path in self.job.results.iterdir())
        self._check(names == sorted(self.job.outputs), f"beside the output: {names}")
        home = Path(os.environ["FAIRWEATHER_HOME"])
        left = [
            str(path.relative_to(home))
            for name in ("jobs", "unfinished")
            for path in (home / name).rglob("*")
        ]
        self._check(not left, f"in FAIRWEATHER_HOME: {left}")

    def _check(self, is_kept: bool, text: str) -> None:
        if not is_kept:
            self.failures.append(text)


def _wait(process: subprocess.Popen, is_true: Callable[[], bool]) -> None:
    """Wait until something is true, or the process has ended."""
    end = time.monotonic() + SECONDS_OF_A_HANG
    while process.poll() is None and not is_true() and time.monotonic() < end:
        time.sleep(0.005)


def qgis_is_here() -> bool:
    """Whether ``qgis_process`` can be run."""
    return shutil.which(QGIS_PROCESS, path=SYSTEM_PATH) is not None


def worker_of(parent: int) -> int | None:
    """The id of the worker that a thread of ``parent`` has started; None where there is none."""
    with contextlib.suppress(psutil.Error):
        for child in psutil.Process(parent).children():
            with contextlib.suppress(psutil.Error):
                if "worker" in child.cmdline():
                    return child.pid
    return None


def ends_soon(orphan: int) -> bool:
    """Whether it ends before it has had the processors for some seconds."""
    end = time.monotonic() + SECONDS_OF_A_HANG
    with contextlib.suppress(psutil.Error):
        process = psutil.Process(orphan)
        used = sum(process.cpu_times()[:2])
        while is_alive(orphan) and time.monotonic() < end:
            if sum(process.cpu_times()[:2]) - used > SECONDS_OF_AN_ORPHAN:
                break
            time.sleep(0.02)
    return not is_alive(orphan)


def is_alive(process: int) -> bool:
    """Whether it still runs: one that nobody buries does not."""
    with contextlib.suppress(OSError):
        return "State:\tZ" not in Path(f"/proc/{process}/status").read_text()
    return False


ROW = Row(
    "kills",
    "SIGKILL of the worker or of QGIS at a random moment: each output is absent, the old one or "
    "whole, the next run goes on where it was, and nothing is left after it.",
    TIMES,
    run,
)
