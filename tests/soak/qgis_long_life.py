"""Runs algorithms again and again in one QGIS, and tells what that costs; run by QGIS's Python.

``python3 qgis_long_life.py FOLDER RUNS SEED``: ``FOLDER`` holds the sample catalogue. The last line
printed is JSON: the samples, and what went wrong.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import random
import sys
import threading
import time
from pathlib import Path
from typing import Any, Callable, Dict, List

from qgis.core import QgsApplication, QgsProcessingException, QgsProcessingFeedback, QgsProject
from soak_package import load_package

KINDS = ("composite", "search", "series", "wrong", "missing", "cancelled")


def main(folder: Path, runs: int, seed: int, run: Callable[..., Any]) -> Dict[str, Any]:
    """Run ``runs`` jobs of all kinds, one after the other."""
    numbers = random.Random(seed)
    jobs = Jobs(folder, numbers, run)
    samples = [sample()]
    faults: List[str] = []
    for number in range(runs):
        kind = KINDS[number % len(KINDS)]
        try:
            fault = jobs.run(kind, number)
        except Exception as error:
            fault = f"{type(error).__name__}: {error}"
        if fault:
            faults.append(f"run {number} ({kind}): {fault}"[:500])
        samples.append({**sample(), "kind": kind})
    return {"samples": samples, "faults": faults}


class Jobs:
    """The jobs that are run; each leaves no layer and no file behind."""

    def __init__(self, folder: Path, numbers: random.Random, run: Callable[..., Any]) -> None:
        self._run = run
        self._folder = folder
        self._numbers = numbers
        with (folder / "area.geojson").open(encoding="utf-8") as file:
            ring = json.load(file)["features"][0]["geometry"]["coordinates"][0]
        longitudes, latitudes = zip(*ring)
        west, south = min(longitudes), min(latitudes)
        self._extent = f"{west},{west + 0.004},{south},{south + 0.004} [EPSG:4326]"
        self._point = f"{west + 0.002},{south + 0.002} [EPSG:4326]"

    def run(self, kind: str, number: int) -> str:
        """Run one; what is wrong with how it ended."""
        common = {
            "COLLECTION": "fairweather-sample",
            "CATALOG": str(self._folder / "catalog.json"),
            "START": "2024-01-01",
            "END": "2024-02-28",
            "MAX_CLOUD": 100,
        }
        if kind == "search":
            return self._succeed("searchscenes", {**common, "EXTENT": self._extent}, number)
        if kind == "series":
            wanted = {**common, "POINT": self._point, "INDEX": "NDVI"}
            return self._succeed("timeseries", wanted, number)
        wanted = {**common, "EXTENT": self._extent, "BANDS": "red"}
        if kind == "composite":
            return self._succeed("composite", wanted, number)
        if kind == "wrong":
            return self._fail({**wanted, "BANDS": "infrablack"}, "infrablack", number)
        if kind == "missing":
            return self._fail({**wanted, "CATALOG": "/nowhere/catalog.json"}, "/nowhere", number)
        return self._cancel(wanted, number)

    def _succeed(self, algorithm: str, parameters: Dict[str, Any], number: int) -> str:
        output = self._output(number, ".tif" if algorithm == "composite" else ".gpkg")
        results = self._run(
            "fairweather:" + algorithm,
            {**parameters, "OUTPUT": str(output)},
            feedback=QgsProcessingFeedback(),
        )
        made = output.exists() and output.stat().st_size > 0
        del results
        self._remove(output)
        return "" if made else "it made nothing"

    def _fail(self, parameters: Dict[str, Any], word: str, number: int) -> str:
        output = self._output(number, ".tif")
        try:
            self._run(
                "fairweather:composite",
                {**parameters, "OUTPUT": str(output)},
                feedback=QgsProcessingFeedback(),
            )
        except QgsProcessingException as error:
            return "" if word in str(error) else f"it says {error}"
        return "it did not fail"

    def _cancel(self, parameters: Dict[str, Any], number: int) -> str:
        output = self._output(number, ".tif")
        feedback = QgsProcessingFeedback()
        timer = threading.Timer(self._numbers.uniform(0.05, 0.6), feedback.cancel)
        timer.start()
        fault = ""
        try:
            self._run(
                "fairweather:composite", {**parameters, "OUTPUT": str(output)}, feedback=feedback
            )
        except QgsProcessingException as error:
            fault = "" if feedback.isCanceled() else f"it failed before the cancel: {error}"
            if output.exists():
                fault = "it was cancelled and left a file"
        timer.join()
        self._remove(output)
        return fault

    def _output(self, number: int, ending: str) -> Path:
        return self._folder / f"out-{number}{ending}"

    def _remove(self, output: Path) -> None:
        for path in output.parent.glob(output.stem + "*"):
            path.unlink()


def sample() -> Dict[str, Any]:
    """What this process has now."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return {
        "threads": len(list(Path("/proc/self/task").iterdir())),
        "python_threads": threading.active_count(),
        "handles": len(list(Path("/proc/self/fd").iterdir())),
        "children": len(_children()),
        "layers": len(QgsProject.instance().mapLayers()),
        "bytes": pages * os.sysconf("SC_PAGE_SIZE"),
        "seconds": round(time.monotonic(), 2),
    }


def _children() -> List[str]:
    found: List[str] = []
    for task in Path("/proc/self/task").iterdir():
        found += (task / "children").read_text().split()
    return found


def start() -> Any:
    """QGIS with Processing and the plugin; also how an algorithm is run."""
    load_package()
    application = QgsApplication([], False, os.environ["HOME"])
    application.initQgis()
    sys.path.append(str(Path(QgsApplication.pkgDataPath()) / "python" / "plugins"))
    importlib.import_module("processing.core.Processing").Processing.initialize()
    plugin = importlib.import_module("fairweather.plugin").FairweatherPlugin(None)
    plugin.initProcessing()
    return application, plugin, importlib.import_module("processing").run


if __name__ == "__main__":
    application, plugin, run = start()
    answer = main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), run)
    print(json.dumps(answer), flush=True)
    plugin.unload()
    gc.collect()
    application.exitQgis()
