"""The plugin in qgis_process: listed and explained without environment and network."""

import subprocess

import pytest

pytestmark = pytest.mark.slow

ALGORITHMS = ("composite", "environment", "samplecatalog", "searchscenes", "timeseries")


def test_the_algorithms_are_listed_without_an_environment(qgis_process):
    listed = qgis_process("list", without=["FAIRWEATHER_PYTHON"])
    assert listed.code == 0
    for name in ALGORITHMS:
        assert f"fairweather:{name}\t" in listed.output
    assert "Traceback" not in listed.output + listed.errors


@pytest.mark.parametrize("name", ALGORITHMS)
def test_help(qgis_process, name):
    shown = qgis_process("help", f"fairweather:{name}")
    assert shown.code == 0
    assert "Arguments" in shown.output
    assert "Traceback" not in shown.output + shown.errors


def test_without_environment_a_run_says_how_to_make_one(qgis_process, tmp_path):
    run = qgis_process.run(
        "composite",
        without=["FAIRWEATHER_PYTHON"],
        EXTENT="16,16.1,45.9,46",
        OUTPUT=tmp_path / "composite.tif",
    )
    assert run.code == 1
    assert "qgis_process run fairweather:environment -- ACTION=create" in run.errors
    assert "Traceback" not in run.output + run.errors
    assert list(tmp_path.iterdir()) == []


def test_starting_is_cheap(qgis_process, plugin_root, tmp_path):
    """Importing the plugin takes less than 0.2 s, and nothing heavy comes with it."""
    script = f"""
import sys, time
from qgis.core import QgsApplication
application = QgsApplication([], False)
application.initQgis()
sys.path.insert(0, {str(tmp_path)!r})
before = set(sys.modules)
began = time.process_time()
import fairweather
plugin = fairweather.classFactory(None)
plugin.initProcessing()
seconds = time.process_time() - began
heavy = {{"numpy", "dask", "xarray", "rasterio", "pandas"}} & (set(sys.modules) - before)
plugin.unload()
application.exitQgis()
print(seconds, *heavy)
"""
    (tmp_path / "fairweather").symlink_to(plugin_root)
    answers = [
        subprocess.run(
            ["/usr/bin/python3", "-c", script],
            env=qgis_process.environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        for _ in range(5)
    ]
    assert all(len(answer) == 1 for answer in answers), answers
    assert min(float(answer[0]) for answer in answers) < 0.2
