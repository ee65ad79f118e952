"""Whole runs through qgis_process, as a user's shell does them."""

import os
import resource
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

# QGIS takes its Python from the first python3 on PATH: the system's it must be.
SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
PLUGINS = Path(".local/share/QGIS/QGIS3/profiles/default/python/plugins")
PROGRAM = "qgis_process.bin"


@dataclass(frozen=True)
class Run:
    """What a run of qgis_process left: its exit code, both streams, and its processor time."""

    code: int
    output: str
    errors: str
    seconds: float


def processor_seconds():
    """What all children that have ended used: unlike the clock, the same on a busy machine."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


class QgisProcess:
    """qgis_process in a profile of its own, with the plugin and this interpreter as worker."""

    def __init__(self, home, environment):
        self.home = home
        self.plugins = home / PLUGINS
        self.environment = environment

    def __call__(self, *arguments, without=(), folder=None, **variables):
        environment = {**self.environment, **variables}
        for name in without:
            environment.pop(name, None)
        began = processor_seconds()
        done = subprocess.run(
            [PROGRAM, *map(str, arguments)],
            env=environment,
            cwd=folder or self.home,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        return Run(done.returncode, done.stdout, done.stderr, processor_seconds() - began)

    def run(self, algorithm, *, without=(), folder=None, **parameters):
        """Run one of Fairweather's algorithms."""
        given = [f"{name}={value}" for name, value in parameters.items()]
        return self("run", f"fairweather:{algorithm}", "--", *given, without=without, folder=folder)


@pytest.fixture(scope="session")
def qgis_process(tmp_path_factory, plugin_root):
    """qgis_process with the plugin enabled; where QGIS is not installed, a visible skip."""
    if shutil.which(PROGRAM, path=SYSTEM_PATH) is None:
        pytest.skip(f"{PROGRAM} is not installed")
    home = tmp_path_factory.mktemp("qgis home č")
    (home / PLUGINS).mkdir(parents=True)
    (home / PLUGINS / "fairweather").symlink_to(plugin_root)
    system = ("LANG", "LC_ALL", "TMPDIR")
    environment = {
        **{name: os.environ[name] for name in system if name in os.environ},
        "HOME": str(home),
        "PATH": SYSTEM_PATH,
        "QT_QPA_PLATFORM": "offscreen",
        "FAIRWEATHER_HOME": str(home / "fairweather"),
        "FAIRWEATHER_PYTHON": sys.executable,
    }
    process = QgisProcess(home, environment)
    enabled = process("plugins", "enable", "fairweather")
    assert enabled.code == 0, enabled.errors
    return process


@pytest.fixture(scope="session")
def sample_catalog(qgis_process, tmp_path_factory):
    """The sample catalogue, made by its algorithm; parameters that use all of it."""
    folder = tmp_path_factory.mktemp("sample") / "catalogue of samples"
    made = qgis_process.run("samplecatalog", FOLDER=folder, DAYS=12)
    assert made.code == 0, made.errors
    return {
        "COLLECTION": "fairweather-sample",
        "CATALOG": folder / "catalog.json",
        "AOI": folder / "area.geojson",
        "START": "2024-01-01",
        "END": "2024-12-31",
        "MAX_CLOUD": 60,
    }
