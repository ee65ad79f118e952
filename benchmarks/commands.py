"""How each contestant is started: its command and its environment variables."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from contestants.case import Case
from made_up_tile import COLLECTION
from workloads import OURS

ROOT = Path(__file__).resolve().parent.parent
sys.path += [str(ROOT / "scripts"), str(ROOT / "core")]

CONTESTANTS = Path(__file__).with_name("contestants")
PROFILER = Path(__file__).with_name("stage_profile.py")
START, END = "2023-01-01", "2023-12-31"


class Commands:
    """Commands by contestant; made once, as QGIS wants a profile with the plugin in it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._peers = {**os.environ, "NUMBA_CACHE_DIR": str(folder / "compiled")}
        self._qgis: dict[str, str] | None = None

    def of(self, contestant: str, case: Case, path: Path) -> tuple[list[str], dict[str, str]]:
        """Command and variables for the case, which is written at ``path``.

        Raises:
            RuntimeError: QGIS or the plugin's environment cannot be used.
        """
        if contestant != OURS:
            program = CONTESTANTS / f"{contestant}.py"
            return [sys.executable, "-W", "ignore", str(program), str(path)], self._peers
        parameters = self._series(case) if case.points else self._composite(case)
        algorithm = "timeseries" if case.points else "composite"
        given = [f"{name}={value}" for name, value in parameters.items()]
        return ["qgis_process.bin", "run", f"fairweather:{algorithm}", "--", *given], self.qgis()

    def qgis(self) -> dict[str, str]:
        """The variables of a QGIS with the plugin and its environment.

        Raises:
            RuntimeError: there is none.
        """
        if self._qgis is None:
            self._qgis = self._prepare_qgis()
        return self._qgis

    def profile(self, case: Case, result: Path) -> list[str]:
        """The command that runs our worker on the case under the profiler."""
        _load_package()
        from fairweather.core.bridge.request import (
            Area,
            CompositeRequest,
            SceneSearch,
            request_to_json,
        )

        geometry = json.loads(Path(case.area).read_text(encoding="utf-8"))["features"][0]
        search = SceneSearch(
            collection=COLLECTION,
            area=Area(case.crs, geometry["geometry"]),
            start=START,
            end=END,
            catalog=case.items,
            max_cloud=100.0,
        )
        path = self._folder / "request.json"
        request = CompositeRequest(search, case.bands, case.output)
        path.write_text(request_to_json(request), encoding="utf-8")
        return [str(self.worker_python()), str(PROFILER), str(path), str(result)]

    @staticmethod
    def worker_python() -> Path:
        """The interpreter that runs our worker."""
        _load_package()
        from fairweather.core.bridge.environment import find_worker_python

        return Path(find_worker_python())

    def _composite(self, case: Case) -> dict[str, str]:
        bands = ",".join(case.bands)
        return {"AOI": case.area, "BANDS": bands, **self._shared(case)}

    def _series(self, case: Case) -> dict[str, str]:
        sites = str(Path(case.area).with_name("points.geojson"))
        return {"SITES": sites, "NAME_FIELD": "name", "INDEX": "NDVI", **self._shared(case)}

    @staticmethod
    def _shared(case: Case) -> dict[str, str]:
        return {
            "COLLECTION": COLLECTION,
            "CATALOG": case.items,
            "START": START,
            "END": END,
            "MAX_CLOUD": "100",
            "OUTPUT": case.output,
        }

    def _prepare_qgis(self) -> dict[str, str]:
        from qgis_profile import enable_plugin, qgis_environment

        os.environ.setdefault("FAIRWEATHER_HOME", str(ROOT / "build" / "fairweather-home"))
        variables = qgis_environment(self._folder / "qgis-home")
        try:
            enable_plugin(variables)
        except FileNotFoundError as error:
            raise RuntimeError("qgis_process.bin is not installed") from error
        if "FAIRWEATHER_PYTHON" not in variables:
            command = ["qgis_process.bin", "run", "fairweather:environment", "--", "ACTION=create"]
            made = subprocess.run(command, env=variables, check=False, capture_output=True)
            if made.returncode != 0:
                raise RuntimeError(made.stderr.decode(errors="replace")[-300:])
        return variables


def _load_package() -> None:
    from launch import load_package

    load_package()
