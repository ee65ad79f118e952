"""Eight runs at once, half of them into one file, while four environments are being made."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import rasterio
from fairweather.core.bridge.environment import check_environment
from fairweather.core.bridge.errors import FairweatherError
from fairweather.core.bridge.home import environments_folder, fairweather_home, jobs_folder
from fairweather.core.bridge.request import (
    Area,
    CompositeRequest,
    SampleCatalogRequest,
    SceneSearch,
)
from fairweather.core.bridge.worker_process import run_job
from soak_row import Row, Trial

RUNS = 8
BUILDS = 4
BANDS = ("red", "nir", "NDVI", "green")
MOST_SECONDS = 1500
ROOT = Path(__file__).resolve().parents[3]
NO_INDEX = "cannot be reached"


def run(trial: Trial) -> Mapping[str, object]:
    """Run them; every result is that of a calm run, and there is one whole environment."""
    sample = trial.folder / "sample"
    _run(SampleCatalogRequest(str(sample)))
    shared = trial.folder / "shared.tif"
    places = [
        shared if number % 2 else trial.folder / f"own-{number}.tif"
        for number in range(max(2, trial.times))
    ]
    bands = [BANDS[number // 2 % len(BANDS)] for number in range(len(places))]
    calm = {band: _composite(sample, band, trial.folder / f"calm-{band}.tif") for band in {*bands}}
    # A hundredth of the soak makes no environment: that is too long for it.
    builds = [_start_build() for _ in range(BUILDS if trial.times == RUNS else 0)]
    try:
        with ThreadPoolExecutor(len(places)) as pool:
            works = [
                pool.submit(_composite, sample, *work) for work in zip(bands, places, strict=True)
            ]
    finally:
        answers = [_end_build(build) for build in builds]
    faults = [f"{bands[n]}: {work.exception()}" for n, work in enumerate(works) if work.exception()]
    for band, place in zip(bands, places, strict=True):
        if place != shared and not _is_same(place, calm[band]):
            faults.append(f"{place.name} is not what a calm run makes")
    if not any(_is_same(shared, calm[band]) for band in bands[1::2]):
        faults.append("the file of several runs is none of theirs")
    faults += [f"a file is left: {path.name}" for path in trial.folder.glob("*.part*")]
    if jobs_folder().exists():
        faults += [f"a job is left: {path.name}" for path in jobs_folder().iterdir()]
    environments, fault = _environments(answers)
    shutil.rmtree(environments_folder(), ignore_errors=True)
    faults += [fault] if fault else []
    figures = {"runs": len(places), "into_one_file": len(places) // 2, **environments}
    assert not faults, f"{'; '.join(faults)} ({figures})"
    return figures


def _composite(sample: Path, band: str, output: Path) -> Path:
    area = json.loads((sample / "area.geojson").read_text(encoding="utf-8"))
    search = SceneSearch(
        "fairweather-sample",
        Area("EPSG:4326", area["features"][0]["geometry"]),
        "2024-01-01",
        "2024-12-31",
        str(sample / "catalog.json"),
        max_cloud=100.0,
    )
    _run(CompositeRequest(search, (band,), str(output)))
    return output


def _run(request: CompositeRequest | SampleCatalogRequest) -> None:
    run_job(request, Path(sys.executable), on_event=lambda _: None, is_cancelled=lambda: False)


def _is_same(one: Path, other: Path) -> bool:
    with rasterio.open(one) as first, rasterio.open(other) as second:
        is_alike = first.descriptions == second.descriptions
        return is_alike and np.array_equal(first.read(), second.read(), equal_nan=True)


def _start_build() -> subprocess.Popen:
    environment = {**os.environ, "FAIRWEATHER_HOME": str(fairweather_home())}
    environment.pop("FAIRWEATHER_PYTHON", None)
    command = [sys.executable, str(ROOT / "core" / "launch.py"), "environment", "create"]
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def _end_build(build: subprocess.Popen) -> tuple[int, str]:
    """The exit code, and all that it said."""
    try:
        said, _ = build.communicate(timeout=MOST_SECONDS)
    except subprocess.TimeoutExpired:
        build.kill()
        said, _ = build.communicate()
    return build.returncode, said


def _environments(answers: list[tuple[int, str]]) -> tuple[dict[str, object], str]:
    """What came of the environments, and what is wrong with it."""
    if not answers:
        return {"environments": "not tried"}, ""
    if any(NO_INDEX in said for _, said in answers):
        return {"environments": "not tried: no package index can be reached"}, ""
    made = [path.name for path in environments_folder().iterdir() if path.is_dir()]
    figures: dict[str, object] = {"builds": len(answers), "environments": len(made)}
    failed = [said[-300:] for code, said in answers if code != 0]
    if failed:
        return figures, f"a build failed: {failed[0]}"
    try:
        report = check_environment()
    except FairweatherError as error:
        return figures, f"the environment cannot be used: {error}"
    if not report.ready or len(made) != 1:
        return figures, f"{made} are there, and the problems are {report.problems}"
    return figures, ""


ROW = Row(
    "at_once",
    "8 runs at once and 4 environments made at once: one environment, every run right",
    RUNS,
    run,
)
