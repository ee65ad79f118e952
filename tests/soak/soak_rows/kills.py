"""SIGKILL of the worker, of QGIS and of both at random moments, and the run after it."""

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
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import psutil
import rasterio
from fairweather.core.bridge.request import CompositeRequest, request_to_json
from small_job import BANDS, SmallJob, assert_same_pixels
from soak_row import Row, Trial

PROGRAM = Path(__file__).resolve().parent.parent / "soak_job_to_kill.py"
COLUMNS = 24
ROOT = PROGRAM.parents[2]
QGIS_PROCESS = "qgis_process.bin"
# QGIS takes its Python from the first python3 on PATH: the system's it must be.
SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
PLUGINS = ".local/share/QGIS/QGIS3/profiles/default/python/plugins"
SHARE_BY_QGIS = 10
KINDS = ("worker", "qgis", "both")
CHANCE_TO_LIVE = 0.2
SECONDS_OF_A_HANG = 60.0
SECONDS_OF_AN_ORPHAN = 5.0
FAILURES_SHOWN = 5


def run(trial: Trial) -> dict[str, object]:
    """Kill runs until one lives, and again, as often as the times say; check after each."""
    by_qgis = max(1, trial.times // SHARE_BY_QGIS) if qgis_is_here() else 0
    jobs = [(_SmallJobToKill(trial.folder / "run_job"), trial.times - by_qgis)]
    if by_qgis:
        jobs.append((_QgisJobToKill(trial.folder / "qgis"), by_qgis))
    failures, kills, lived, again, finished = [], {}, 0, 0, 0
    for job, times in jobs:
        whole = job.measure()
        killed = 0
        while killed < times:
            campaign = _Campaign(job, trial.random)
            campaign.kill_until_one_lives(whole, times - killed)
            killed += campaign.kills
            lived += 1
            again += campaign.composed_again
            finished += campaign.finished_before_kills
            failures += [f"after {campaign.history}: {text}" for text in campaign.failures]
        kills[job.starter] = killed
    assert not failures, f"{len(failures)}: {failures[:FAILURES_SHOWN]}"
    assert 10 * again <= finished, f"{again} of {finished} finished blocks were read again"
    return {
        "kills": sum(kills.values()),
        "kills_by_starter": kills,
        "runs_that_lived": lived,
        "blocks_finished_before_kills": finished,
        "of_these_read_again": again,
        "seconds_of_a_whole_run": round(jobs[0][0].seconds, 2),
    }


class _SmallJobToKill:
    """A composite of local files, its request, and what it is when nobody disturbs it."""

    starter = "run_job"

    def __init__(self, folder: Path) -> None:
        scenes = folder / "scenes"
        scenes.mkdir(parents=True)
        files = SimpleNamespace(folder=scenes, address=str(scenes))
        self.job = SmallJob(folder, files, columns=COLUMNS)
        self.results = folder / "results"
        self.results.mkdir()
        self.output = self.results / "composite.tif"
        self.report = self.results / "report.html"
        self.folder = folder
        self.log = folder / "log"
        self.request = folder / "request.json"
        request = CompositeRequest(
            self.job.search(), BANDS, str(self.output), report=str(self.report),
            memory_gb=1.0, count_band=True,
        )  # fmt: skip
        self.request.write_text(request_to_json(request), encoding="utf-8")

    def start(self) -> subprocess.Popen:
        """A process that runs the job by a worker of its own."""
        self.log.write_text("")
        return self.popen([sys.executable, PROGRAM, "qgis", self.request], os.environ)

    def popen(self, command, environment) -> subprocess.Popen:
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

    def measure(self) -> bytes:
        """An undisturbed run: the file's bytes, which are the oracle's pixels, and its time."""
        began = time.monotonic()
        assert self.start().wait(SECONDS_OF_A_HANG) == 0, "the job does not run at all"
        self.seconds = time.monotonic() - began
        with rasterio.open(self.output) as dataset:
            pixels = dataset.read().astype(np.float64)[:-1]
        assert_same_pixels(pixels, self.job.oracle())
        assert len(self.noted("composed")) == COLUMNS
        return self.output.read_bytes()

    def noted(self, word: str) -> set[str]:
        """The blocks of the last run of which the log says ``word``."""
        lines = [line.split() for line in self.log.read_text().splitlines()]
        return {line[1] for line in lines if line[0] == word}


class _QgisJobToKill(_SmallJobToKill):
    """The same by ``qgis_process``, whose worker is the slow one too."""

    starter = QGIS_PROCESS

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        home = folder / "home"
        (home / PLUGINS).mkdir(parents=True)
        (home / PLUGINS / "fairweather").symlink_to(ROOT)
        python = folder / "python"
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
        self.log.write_text("")
        search = self.job.search()
        left, bottom, right, top = self.job.box().bounds
        given = {
            "COLLECTION": search.collection, "CATALOG": search.catalog, "SCENES": search.scenes,
            "EXTENT": f"{left},{right},{bottom},{top} [EPSG:32633]",
            "START": search.start, "END": search.end, "BANDS": "red,nir", "MEMORY": 1,
            "COUNT_BAND": "true", "OUTPUT": self.output, "OUTPUT_REPORT": self.report,
        }  # fmt: skip
        parameters = [f"{name}={value}" for name, value in given.items()]
        command = [QGIS_PROCESS, "run", "fairweather:composite", "--", *parameters]
        return self.popen(command, self.environment)


@dataclasses.dataclass
class _Campaign:
    """Runs of one request, each killed but the last."""

    job: _SmallJobToKill
    random: random.Random
    kills: int = 0
    composed_again: int = 0
    finished_before_kills: int = 0
    history: list[str] = dataclasses.field(default_factory=list)
    failures: list[str] = dataclasses.field(default_factory=list)

    def kill_until_one_lives(self, whole: bytes, most: int) -> None:
        """Kill at most ``most`` runs, then let one live, and check all that is promised."""
        for path in self.job.results.iterdir():
            path.unlink()
        if self.random.random() < 0.3:
            self.job.output.write_bytes(b"the old file")
        was = self._output()
        finished: set[str] = set()
        while True:
            lives = self.kills == most or (self.kills and self.random.random() < CHANCE_TO_LIVE)
            done = self._run(lives)
            again = finished & self.job.noted("composed")
            self.composed_again += len(again)
            self._check(not again or done, f"{len(again)} finished blocks composed again")
            if done:
                break
            self._check(self._output() in (was, whole), "a part of a file has the output's name")
            if self._output() == whole:
                # What was finished is not needed any more, and is gone or soon will be.
                was, finished = whole, set()
            else:
                finished |= self.job.noted("finished")
                self.finished_before_kills += len(self.job.noted("finished"))
        self._check(self._output() == whole, "the run after the kills made another file")
        self._check_that_nothing_is_left()

    def _run(self, lives: bool) -> bool:
        """Whether the run came to its end; else it was killed."""
        process = self.job.start()
        if lives:
            self.history.append("lived")
            code = process.wait(SECONDS_OF_A_HANG)
            self._check(code == 0, f"the run left alone ended with {self.job.last_words()}")
            return True
        kind = self.random.choice(KINDS)
        self._wait_for_a_moment(process)
        if process.poll():
            # Counted, so that this comes to an end.
            self.kills += 1
            self._check(False, f"a run ended by itself with {self.job.last_words()}")
            return False
        worker = worker_of(process.pid)
        if kind != "worker":
            process.kill()
        if kind != "qgis" and worker is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker, signal.SIGKILL)
        code = process.wait(SECONDS_OF_A_HANG)
        if code == 0:
            self.history.append("came too late")
            return False
        self.kills += 1
        self.history.append(f"{kind} killed at {len(self.job.noted('finished'))} blocks")
        self._check(worker is None or ends_soon(worker), "an orphan works on")
        return False

    def _wait_for_a_moment(self, process: subprocess.Popen) -> None:
        """Half of the moments are anywhere, half among the blocks."""
        end = time.monotonic() + self.random.uniform(0, self.job.seconds)
        blocks = self.random.randint(1, COLUMNS) if self.random.random() < 0.5 else None
        while process.poll() is None:
            if blocks is None and time.monotonic() > end:
                return
            if blocks is not None and len(self.job.noted("composed")) >= blocks:
                time.sleep(self.random.uniform(0, 0.03))
                return
            time.sleep(0.005)
            if time.monotonic() > end + SECONDS_OF_A_HANG:
                return

    def _output(self) -> bytes | None:
        return self.job.output.read_bytes() if self.job.output.exists() else None

    def _check_that_nothing_is_left(self) -> None:
        names = sorted(path.name for path in self.job.results.iterdir())
        self._check(names == ["composite.tif", "report.html"], f"beside the output: {names}")
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


def qgis_is_here() -> bool:
    """Whether ``qgis_process`` can be run."""
    return shutil.which(QGIS_PROCESS, path=SYSTEM_PATH) is not None


def worker_of(parent: int) -> int | None:
    """The id of the process that a thread of ``parent`` has started; None where there is none."""
    for children in Path(f"/proc/{parent}/task").glob("*/children"):
        with contextlib.suppress(OSError, IndexError):
            return int(children.read_text().split()[0])
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
    "SIGKILL of the worker or of QGIS at a random moment: the output is absent or whole, the next "
    "run goes on where it was, and nothing is left after it.",
    200,
    run,
)
