"""Pictures of the plugin for README and docs: toolbox, dialog, and the result in the project.

Run by ``make screenshots`` with QGIS's Python; they are written to ``docs/images/``, or to the
folder that is named. The desktop runs under Xvfb in a profile of its own, on the sample catalogue;
what came of each run is printed as JSON.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from qgis_profile import ROOT, enable_plugin, qgis_environment

IMAGES = ROOT / "docs" / "images"
TEST_PYTHON = ROOT / "build" / "test-environment" / "bin" / "python"
DESKTOP_SCRIPT = Path(__file__).with_name("screenshots_in_qgis.py")
PROTOCOL = "runs.json"
SCREEN = "1400x900x24"
SECONDS = 240


def main(images: Path) -> int:
    """Make the pictures in ``images``; 0 if all are there."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        environment = qgis_environment(Path(home))
        environment.setdefault("FAIRWEATHER_PYTHON", str(TEST_PYTHON))
        enable_plugin(environment)
        sample = Path(home) / "sample"
        command = ["qgis_process.bin", "run", "fairweather:samplecatalog", "--"]
        making = [*command, f"FOLDER={sample}"]
        subprocess.run(making, env=environment, check=True, stdout=subprocess.DEVNULL)
        images.mkdir(parents=True, exist_ok=True)
        pictures = take_pictures(sample, environment, images)
        protocol = Path(home) / PROTOCOL
        print(protocol.read_text(encoding="utf-8") if protocol.is_file() else "[]")
    missing = [path.name for path in pictures if not path.is_file()]
    for name in missing:
        print(f"{name} was not made.", file=sys.stderr)
    return 1 if missing else 0


def take_pictures(sample: Path, environment: dict[str, str], images: Path) -> list[Path]:
    """Run the desktop, which takes the pictures; their paths."""
    names = ("toolbox", "dialog", "running", "composite", "footprints", "ndvi")
    pictures = {name: images / f"{name}.png" for name in names}
    for path in pictures.values():
        path.unlink(missing_ok=True)
    task = {"sample": str(sample), **{name: str(path) for name, path in pictures.items()}}
    task["protocol"] = str(sample.parent / PROTOCOL)
    variables = {**os.environ, **environment, "FAIRWEATHER_SCREENSHOTS": json.dumps(task)}
    variables.pop("QT_QPA_PLATFORM", None)
    command = ["xvfb-run", "-a", "-s", f"-screen 0 {SCREEN}", "qgis.bin", "--noversioncheck"]
    command += ["--nologo", "--code", str(DESKTOP_SCRIPT)]
    with subprocess.Popen(command, env=variables, start_new_session=True) as desktop:
        try:
            desktop.wait(SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(desktop.pid, signal.SIGTERM)
    return list(pictures.values())


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else IMAGES))
