"""What a user waits for: the plugin in QGIS's start, and the time from Run to the first block.

Run with QGIS's Python after ``make demo``, which makes the sample catalogue and the environment:
``QT_QPA_PLATFORM=offscreen /usr/bin/python3 benchmarks/start_up.py``. Each figure stands beside
what it is compared with, measured in the same run.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SAMPLE = ROOT / "demo" / "sample catalogue"
RUNS = 3


def main() -> None:
    """Measure both and print them."""
    os.environ.setdefault("FAIRWEATHER_HOME", str(ROOT / "build" / "fairweather-home"))
    began = time.perf_counter()
    from qgis.core import QgsApplication

    application = QgsApplication([], False)
    application.initQgis()
    sys.path.append(str(Path(application.pkgDataPath()) / "python" / "plugins"))
    from processing.core.Processing import Processing

    Processing.initialize()
    qgis = time.perf_counter() - began

    began = time.perf_counter()
    package = load_package()
    plugin = package.classFactory(None)
    plugin.initProcessing()
    added = time.perf_counter() - began
    print(f"QGIS with Processing starts in {qgis:.2f} s; the plugin adds {added:.3f} s")

    for number in range(RUNS):
        measure_first_block(number)
    plugin.unload()
    application.exitQgis()


def load_package():
    spec = importlib.util.spec_from_file_location("launch", ROOT / "core" / "launch.py")
    launch = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(launch)
    return launch.load_package()


def measure_first_block(number: int) -> None:
    """Time the run's events, from run_job's call to the first finished block and to the end."""
    request_module = importlib.import_module("fairweather.core.bridge.request")
    environment = importlib.import_module("fairweather.core.bridge.environment")
    worker_process = importlib.import_module("fairweather.core.bridge.worker_process")
    area = json.loads((SAMPLE / "area.geojson").read_text(encoding="utf-8"))
    search = request_module.SceneSearch(
        collection="fairweather-sample",
        area=request_module.Area("EPSG:4326", area["features"][0]["geometry"]),
        start="2024-01-01",
        end="2024-12-31",
        catalog=str(SAMPLE / "catalog.json"),
        max_cloud=60.0,
    )
    output = ROOT / "build" / "start-up.tif"
    request = request_module.CompositeRequest(search, ("red", "green", "blue"), str(output))
    began = time.perf_counter()
    marks: dict[str, float] = {}

    def note(event) -> None:
        text = getattr(event, "message", "")
        elapsed = time.perf_counter() - began
        marks.setdefault("first word of the worker", elapsed)
        if text.startswith("Reading and reducing: 0"):
            marks["reading begins"] = elapsed
        elif text.startswith("Reading and reducing"):
            marks.setdefault("first block", elapsed)

    python = environment.find_worker_python()
    worker_process.run_job(request, python, on_event=note, is_cancelled=lambda: False)
    marks["whole run"] = time.perf_counter() - began
    output.unlink()
    print(f"run {number + 1}: " + ", ".join(f"{name} {s:.2f} s" for name, s in marks.items()))


if __name__ == "__main__":
    main()
