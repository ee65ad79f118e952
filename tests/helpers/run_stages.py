"""The stages in which a run may be stopped, and runs that stay in one until they are.

Standard library only: tests/end_to_end stops them by signals, tests/algorithms by the button. A
run waits for a server that says nothing, has much to do, or its worker is held: its interpreter
is one that sleeps in a function.
"""

from __future__ import annotations

import json
import subprocess
import threading
import uuid
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Dict, List, Tuple

from silent_server import silent_server

SECONDS_TO_REACH = 60
# After a cancel nothing may be left but QGIS itself, which ends by itself.
SECONDS_TO_CANCEL = 2
RUN = "FAIRWEATHER_TEST_RUN"

# Imported by a .pth file when the interpreter starts. A worker's variables name the function in
# which it sleeps: of one of Python's modules, or of the package's, whose name differs each time.
HOLDING = """
import importlib, os, time
from importlib.machinery import SourceFileLoader
from pathlib import Path

def hold(module, names):
    *owners, name = names.split(".")
    for owner in owners:
        module = getattr(module, owner)
    setattr(module, name, sleep)

def sleep(*arguments, **options):
    Path(os.environ["FAIRWEATHER_TEST_HELD"]).touch()
    time.sleep(600)

def hold_when_loaded(module_end, names):
    execute = SourceFileLoader.exec_module
    def execute_and_hold(self, module):
        execute(self, module)
        if module.__name__.endswith(module_end):
            hold(module, names)
    SourceFileLoader.exec_module = execute_and_hold

if "FAIRWEATHER_TEST_HOLD" in os.environ:
    module, names = os.environ["FAIRWEATHER_TEST_HOLD"].split(":")
    if module.startswith("."):
        hold_when_loaded(module, names)
    else:
        hold(importlib.import_module(module), names)
"""


def make_holding_python(folder: Path, python: Path) -> Path:
    """An interpreter with the packages of ``python``, for runs that are held."""
    subprocess.run([python, "-m", "venv", "--without-pip", folder], check=True)
    python_of = [(python, "purelib"), (folder / "bin" / "python", "purelib")]
    theirs, own = (_path_of(each, name) for each, name in python_of)
    (own / "fairweather_holding.py").write_text(HOLDING, encoding="utf-8")
    lines = f"import site; site.addsitedir({str(theirs)!r})\nimport fairweather_holding\n"
    (own / "fairweather_holding.pth").write_text(lines, encoding="utf-8")
    return folder / "bin" / "python"


def _path_of(python: Path, name: str) -> Path:
    code = f"import sysconfig; print(sysconfig.get_path({name!r}))"
    said = subprocess.run([python, "-c", code], check=True, capture_output=True, text=True)
    return Path(said.stdout.strip())


@dataclass(frozen=True)
class Stage:
    """A run that comes to a stage and stays there: ``is_reached`` says whether it has come.

    ``variables`` belong into its environment; where one is None, it must not be there.
    """

    algorithm: str
    parameters: Dict[str, Any]
    variables: Dict[str, Any]
    is_reached: Callable[[], bool]
    folder: Path

    @property
    def outputs(self) -> Path:
        """The folder in which all its outputs shall lie."""
        return self.folder / "outputs"

    def processes(self) -> List[int]:
        """The ids of all processes of the run, however they descend from it."""
        sign = f"{RUN}={self.variables[RUN]}".encode()
        found = []
        for place in Path("/proc").glob("[0-9]*"):
            try:
                if sign in (place / "environ").read_bytes().split(b"\0"):
                    found.append(int(place.name))
            except OSError:
                continue
        return found

    def files_left(self) -> List[str]:
        """What lies among its outputs and where temporary files are."""
        places = (self.outputs, self.folder / "tmp")
        return sorted(path.name for place in places for path in place.rglob("*"))


class Stages:
    """Makes each stage by name, in a folder of its own.

    Args:
        sample: what an algorithm needs to find the sample catalogue's scenes.
        python: the worker's interpreter.
        holding: the same for runs that are held, as ``make_holding_python`` makes it.
        stack: ends the servers.
    """

    def __init__(
        self, folder: Path, sample: Dict[str, Any], python: Path, holding: Path, stack: ExitStack
    ) -> None:
        self._folder = folder
        self._sample = sample
        self._holding = holding
        self._stack = stack
        self._variables = {
            "FAIRWEATHER_HOME": str(folder / "home"),
            "FAIRWEATHER_PYTHON": str(python),
            "TMPDIR": str(folder / "tmp"),
            "XDG_RUNTIME_DIR": str(folder / "runtime"),
            RUN: uuid.uuid4().hex,
        }
        for name in ("outputs", "tmp", "runtime"):
            (folder / name).mkdir(mode=0o700)

    def make(self, name: str) -> Stage:
        """The stage ``name``, one of ``STAGES``."""
        return STAGES[name](self)

    def _stage(
        self,
        algorithm: str,
        parameters: Dict[str, Any],
        is_reached: Callable[[], bool],
        **variables: Any,
    ) -> Stage:
        variables = {**self._variables, **variables}
        return Stage(algorithm, parameters, variables, is_reached, self._folder)

    def _output(self, name: str) -> str:
        return str(self._folder / "outputs" / name)

    def _silent_server(self) -> Tuple[str, threading.Event]:
        """A server's address, and what tells that it was asked."""
        asked = threading.Event()
        return self._stack.enter_context(silent_server(on_asked=asked.set)), asked

    def _outputs_of(self, algorithm: str) -> Dict[str, str]:
        files = {
            "composite": {"OUTPUT": "composite.tif", "OUTPUT_REPORT": "report.html"},
            "searchscenes": {"OUTPUT": "footprints.gpkg", "OUTPUT_ITEMS": "items.json"},
            "timeseries": {
                "OUTPUT": "series.gpkg",
                "OUTPUT_OBSERVATIONS": "observations.csv",
                "OUTPUT_CHART": "chart.html",
                "OUTPUT_CHART_IMAGE": "chart.png",
            },
        }[algorithm]
        outputs = {name: self._output(file) for name, file in files.items()}
        if algorithm != "timeseries":
            return outputs
        area = {"AOI": None, "SITES": str(self._sample["AOI"]), "INDEX": "NDVI"}
        return {**outputs, **area}

    def search(self) -> Stage:
        """A catalogue that never answers."""
        address, asked = self._silent_server()
        given = {**self._sample, "CATALOG": address, **self._outputs_of("searchscenes")}
        return self._stage("searchscenes", given, asked.is_set)

    def reading(self, algorithm: str) -> Stage:
        """Scenes of a local file, whose pixels are on a server that never answers."""
        address, asked = self._silent_server()
        folder = Path(self._sample["CATALOG"]).parent
        items = []
        for path in folder.glob("*/*/*_L2A.json"):
            item = json.loads(path.read_text("utf-8"))
            for asset in item["assets"].values():
                asset["href"] = f"{address}/{path.parent.name}/{Path(asset['href']).name}"
            items.append(item)
        scenes = self._folder / "scenes.json"
        collection = {"type": "FeatureCollection", "features": items}
        scenes.write_text(json.dumps(collection), encoding="utf-8")
        given = {**self._sample, "SCENES": str(scenes), **self._outputs_of(algorithm)}
        return self._stage(algorithm, given, asked.is_set)

    def computing(self) -> Stage:
        """Many blocks, of which the first is finished."""
        blocks = self._folder / "home" / "unfinished"
        given = {**self._sample, "RESOLUTION": 1, **self._outputs_of("composite")}
        return self._stage("composite", given, lambda: any(blocks.rglob("block*")))

    def writing_a_catalogue(self) -> Stage:
        """The sample catalogue, of which the first scene is there."""
        folder = self._folder / "outputs"
        given = {"FOLDER": str(folder / "sample"), "DAYS": 146}
        return self._stage("samplecatalog", given, lambda: any(folder.rglob("*/red.tif")))

    def writing_layers(self) -> Stage:
        """Many rows, which QGIS itself writes for seconds when the worker is done."""
        west, south, east, north = _bounds(self._sample["AOI"])
        sites = self._folder / "sites.geojson"
        features = []
        for number in range(400):
            x = west + (east - west) * (number % 20 + 0.5) / 20
            y = south + (north - south) * (number // 20 + 0.5) / 20
            point = {"type": "Point", "coordinates": [x, y]}
            features.append({"type": "Feature", "properties": {}, "geometry": point})
        sites.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
        output = Path(self._output("series.gpkg"))
        rows = {"SITES": str(sites), "INDEX": "NDVI,a=red", "STEP": 1}
        given = {**self._sample, **rows, "OUTPUT": str(output)}
        del given["AOI"]
        parts = ".OUTPUT-series-*.part/series.gpkg"
        return self._stage("timeseries", given, lambda: any(output.parent.glob(parts)))

    def environment(self) -> Stage:
        """A package index that never answers."""
        address, asked = self._silent_server()
        index = dict.fromkeys(("PIP_INDEX_URL", "UV_DEFAULT_INDEX"), f"{address}/simple")
        given = {"ACTION": "create", "REPORT": self._output("environment.html")}
        return self._stage("environment", given, asked.is_set, FAIRWEATHER_PYTHON=None, **index)

    def held(self, algorithm: str, function: str, **parameters: Any) -> Stage:
        """A worker that sleeps in ``function``: its module (``.`` is the package), colon, name."""
        held = self._folder / "held"
        given = {**self._sample, **self._outputs_of(algorithm), **parameters}
        variables = {
            "FAIRWEATHER_PYTHON": str(self._holding),
            "FAIRWEATHER_TEST_HOLD": function,
            "FAIRWEATHER_TEST_HELD": str(held),
        }
        return self._stage(algorithm, given, held.exists, **variables)


def _held(algorithm: str, function: str, **parameters: Any) -> Callable[[Stages], Stage]:
    return lambda stages: stages.held(algorithm, function, **parameters)


STAGES: Dict[str, Callable[[Stages], Stage]] = {
    "looking up a name": _held(
        "searchscenes", "socket:getaddrinfo", CATALOG="https://catalogue.invalid/stac"
    ),
    "search": Stages.search,
    "reading": lambda stages: stages.reading("composite"),
    "computing": Stages.computing,
    "overviews": _held("composite", ".composite.cog.pyramid:halve"),
    "writing": _held("composite", ".composite.cog.tile_store:TileStore.read"),
    "flushing": _held("composite", "os:fsync"),
    "reading of a series": lambda stages: stages.reading("timeseries"),
    "charts": _held("timeseries", ".timeseries.chart_image:draw_chart"),
    "layers": Stages.writing_layers,
    "sample catalogue": Stages.writing_a_catalogue,
    "environment": Stages.environment,
}


def _bounds(geojson: Any) -> Tuple[float, float, float, float]:
    """West, south, east and north of a file of one polygon."""
    [feature] = json.loads(Path(geojson).read_text("utf-8"))["features"]
    xs, ys = zip(*feature["geometry"]["coordinates"][0])
    return min(xs), min(ys), max(xs), max(ys)
