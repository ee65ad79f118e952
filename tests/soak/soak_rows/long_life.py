"""500 runs in one QGIS: composites, searches and series, of which some fail or are cancelled."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from fairweather.core.bridge.home import fairweather_home, jobs_folder
from fairweather.core.bridge.request import SampleCatalogRequest
from soak_row import Row, Trial
from soak_worker import MEGABYTE, run_worker

RUNS = 500
# A QGIS that has run each kind of job a few times has loaded what it needs.
WARM_UP = 20
MOST_GROWTH = 20 * MEGABYTE
MOST_SECONDS = 3000
PROGRAM = Path(__file__).resolve().parents[1] / "qgis_long_life.py"
SYSTEM_PYTHON = "/usr/bin/python3"
# QGIS takes its Python from the first one on PATH.
SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


def run(trial: Trial) -> Mapping[str, object]:
    """Run them; threads, handles and children stay as many, and memory grows by 20 MB at most."""
    if not _has_qgis():
        return {"not tried": "no QGIS"}
    sample = trial.folder / "sample"
    made = run_worker(SampleCatalogRequest(str(sample)), 120)
    assert not made.failure, made.failure
    answer = _in_qgis(sample, trial)
    samples, faults = answer["samples"], list(answer["faults"])
    warm = samples[min(WARM_UP, len(samples) // 2)]
    last = samples[-1]
    for name in ("threads", "python_threads", "handles", "children", "layers"):
        if last[name] > warm[name]:
            faults.append(f"{warm[name]} {name} became {last[name]}")
    growth = last["bytes"] - warm["bytes"]
    if growth > MOST_GROWTH:
        faults.append(f"QGIS grew by {growth / MEGABYTE:.0f} MB")
    left = [path.name for path in jobs_folder().iterdir()] if jobs_folder().exists() else []
    if left:
        faults.append(f"in {jobs_folder()} are left {left[:5]}")
    figures = {
        "runs": trial.times,
        "seconds_a_run": round((last["seconds"] - samples[0]["seconds"]) / trial.times, 2),
        "threads": [warm["threads"], last["threads"]],
        "handles": [warm["handles"], last["handles"]],
        "children": [warm["children"], last["children"]],
        "layers": last["layers"],
        "growth_mb": round(growth / MEGABYTE, 1),
        "qgis_mb": round(last["bytes"] / MEGABYTE),
    }
    assert not faults, f"{'; '.join(faults)} ({figures})"
    return figures


def _has_qgis() -> bool:
    """Whether this system's own Python has QGIS's bindings."""
    if not Path(SYSTEM_PYTHON).exists():
        return False
    asked = [SYSTEM_PYTHON, "-c", "import qgis.core"]
    environment = {**os.environ, "PATH": SYSTEM_PATH}
    done = subprocess.run(asked, env=environment, capture_output=True, check=False)
    return done.returncode == 0


def _in_qgis(sample: Path, trial: Trial) -> dict:
    home = trial.folder / "home"
    home.mkdir(mode=0o700)
    environment = {
        **{name: os.environ[name] for name in ("LANG", "TMPDIR") if name in os.environ},
        **dict.fromkeys(("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR"), str(home)),
        "PATH": SYSTEM_PATH,
        "QT_QPA_PLATFORM": "offscreen",
        "FAIRWEATHER_HOME": str(fairweather_home()),
        "FAIRWEATHER_PYTHON": sys.executable,
    }
    seed = trial.random.getrandbits(32)
    done = subprocess.run(
        [SYSTEM_PYTHON, str(PROGRAM), str(sample), str(trial.times), str(seed)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=MOST_SECONDS,
        check=False,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith('{"samples"')]
    assert lines, f"QGIS ended with {done.returncode}: {done.stderr[-1500:]}"
    assert done.returncode == 0, f"QGIS ended with {done.returncode} after its last run"
    return json.loads(lines[-1])


ROW = Row(
    "long_life",
    "500 runs in one QGIS leave no thread, handle, child, layer or file, and at most 20 MB",
    RUNS,
    run,
)
