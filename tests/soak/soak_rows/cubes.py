"""Random cubes against plain numpy: 0 pixels differ."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import rasterio
from fairweather.core.bridge.errors import NoScenesError
from fairweather.core.science.composite import job as composite_job
from fairweather.core.science.composite import plan as composite_plan
from fairweather.core.science.composite.job import run_composite
from fairweather.core.science.imagery.memory_budget import BlockPlan
from fairweather.core.science.reporter import RecordingReporter
from soak_compare import check_band, check_count
from soak_cubes import Cube, make_cube
from soak_oracle import Composite, compose
from soak_package import load_package
from soak_row import Row, Trial

FAILURES_SHOWN = 5
# Each thread makes its own transformers, which takes longer than so small a cube.
THREADS = 2


def run(trial: Trial) -> dict[str, object]:
    """Make a cube of each seed, and compare every pixel, in a process for each processor."""
    seeds = [trial.random.getrandbits(32) for _ in range(trial.times)]
    began = time.monotonic()
    with ProcessPoolExecutor(
        os.cpu_count(), multiprocessing.get_context("spawn"), initializer=load_package
    ) as processes:
        found = list(processes.map(partial(_try, trial.folder), seeds, chunksize=10))
    failures = [one.failure for one in found if one.failure]
    assert not failures, f"{len(failures)} of {trial.times} cubes: {failures[:FAILURES_SHOWN]}"
    return {
        "cubes": trial.times,
        "pixels_compared": sum(one.pixels for one in found),
        "pixels_that_differ": 0,
        "cubes_a_second": round(trial.times / (time.monotonic() - began), 1),
        "of_each_kind": dict(sorted(Counter(kind for one in found for kind in one.kinds).items())),
    }


@dataclass(frozen=True)
class _Tried:
    """One cube: what is in it, how many pixels were compared, and why not all are the same."""

    kinds: tuple[str, ...] = ()
    pixels: int = 0
    failure: str = ""


def _try(parent: Path, seed: int) -> _Tried:
    folder = parent / str(seed)
    folder.mkdir()
    try:
        with pytest.MonkeyPatch.context() as patch:
            cube = make_cube(seed, folder)
            return _Tried(_kinds(cube), _check(cube, folder, patch))
    except Exception as error:
        return _Tried(failure=f"seed {seed}: {type(error).__name__} {error}"[:300])
    finally:
        shutil.rmtree(folder)


def _kinds(cube: Cube) -> tuple[str, ...]:
    request, first = cube.request, cube.scenes[0]
    encodings = {(one.scale, one.offset) for scene in cube.scenes for one in scene.bands.values()}
    days = Counter(scene.moment.date() for scene in cube.scenes)
    named = {
        "several zones": len({scene.bands["red"].grid.crs for scene in cube.scenes}) > 1,
        "other offsets": len(encodings) > 1,
        "several scenes a day": max(days.values()) > 1,
        "bits": cube.asked.are_bits,
        "no mask": cube.asked.masked is None,
        "buffer": cube.asked.buffer > 0,
        "polygon": not cube.asked.is_extent,
        "other CRS": bool(request.crs),
        "RESOLUTION": request.resolution is not None,
        "ALIGN": request.align is not None,
        "index": any(band.index for band in cube.asked.bands),
    }
    words = [word for word, is_so in named.items() if is_so]
    return (*words, str(first.bands["red"].pixels.dtype), f"to {request.dtype}")


def _check(cube: Cube, folder: Path, patch: pytest.MonkeyPatch) -> int:
    """Compare; how many pixels were."""
    plan = BlockPlan(cube.block_edge, 2)
    patch.setattr(composite_job, "READS_IN_FLIGHT", THREADS)
    patch.setattr(composite_plan, "plan_blocks", lambda *_, **__: plan)
    scratch = folder / "scratch"
    scratch.mkdir()
    try:
        run_composite(cube.request, RecordingReporter(), scratch)
    except NoScenesError:
        with pytest.raises(LookupError):
            compose(cube.scenes, cube.asked)
        return 0
    expected = compose(cube.scenes, cube.asked)
    with rasterio.open(cube.request.output) as dataset:
        found = dict(zip(dataset.descriptions, dataset.read(), strict=True))
        _check_grid(dataset, expected)
    for name, values in expected.values.items():
        check_band(found[name], name, values, expected, cube.request.dtype)
    if cube.request.count_band:
        check_count(found["clear_days"], expected)
    return expected.inside.size * len(found)


def _check_grid(dataset: rasterio.DatasetReader, expected: Composite) -> None:
    grid, affine = expected.grid, dataset.transform
    assert dataset.shape == grid.shape, f"{dataset.shape} pixels instead of {grid.shape}"
    assert dataset.crs.to_string() == grid.crs, f"{dataset.crs} instead of {grid.crs}"
    told = (affine.c, affine.f, affine.a, -affine.e)
    wanted = (grid.left, grid.top, grid.width, grid.height)
    assert np.allclose(told, wanted, rtol=1e-12), f"the grid {told} instead of {wanted}"


ROW = Row(
    name="cubes",
    promise="Random cubes: not one pixel differs from plain numpy",
    times=10_000,
    run=run,
)
