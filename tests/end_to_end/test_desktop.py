"""QGIS's desktop under Xvfb: dialog, run, and the layer in the project, in its style."""

import json
import shutil
import subprocess

import pytest

pytestmark = pytest.mark.slow

LONGEST_PAUSE = 0.3  # seconds, without those in which others have the processors


@pytest.fixture(scope="module")
def pictures_and_runs(plugin_root, tmp_path_factory):
    """The pictures that were taken, and what came of each run from its dialog."""
    if shutil.which("xvfb-run", path="/usr/bin:/bin") is None:
        pytest.skip("xvfb-run is not installed")
    images = tmp_path_factory.mktemp("images")
    script = plugin_root / "scripts" / "take_screenshots.py"
    done = subprocess.run(
        ["/usr/bin/python3", script, images], stdout=subprocess.PIPE, text=True, check=True
    )
    return images, json.loads(done.stdout.splitlines()[-1])


def test_every_window_was_seen(pictures_and_runs):
    images, _ = pictures_and_runs
    names = {path.stem for path in images.glob("*.png")}
    assert names == {"toolbox", "dialog", "running", "composite", "footprints", "ndvi"}
    assert min(path.stat().st_size for path in images.glob("*.png")) > 20_000


def test_the_layers_arrive_named_and_styled(pictures_and_runs):
    _, runs = pictures_and_runs
    assert [(run["algorithm"], run["layer"], run["renderer"]) for run in runs] == [
        ("searchscenes", "Fairweather sample scenes 2024", "graduatedSymbol"),
        ("composite", "Fairweather sample median 2024 (red, green, blue)", "multibandcolor"),
        ("composite", "Fairweather sample median 2024 (NDVI)", "singlebandpseudocolor"),
    ]
    assert all(run["valid"] for run in runs)


def test_the_window_stays_alive(pictures_and_runs):
    _, runs = pictures_and_runs
    # Other tests share the processors: what holds for a run in peace holds for one of these.
    assert min(run["longest_pause"] for run in runs if run["algorithm"] == "composite") < (
        LONGEST_PAUSE
    )
