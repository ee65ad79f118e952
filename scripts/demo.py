"""The demo: sample catalogue, composite by qgis_process, and a picture of it.

Run by ``make demo`` with QGIS's Python. What it makes lies in ``demo/``.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from osgeo import gdal
from qgis_profile import ROOT, enable_plugin, qgis_environment

DEMO = ROOT / "demo"
PICTURE_WIDTH = 900
BRIGHTEST_REFLECTANCE = 0.3


def main() -> int:
    """Run the steps; the exit code of the first that fails."""
    environment = qgis_environment(ROOT / "build" / "home")
    enable_plugin(environment)
    DEMO.mkdir(exist_ok=True)
    sample = DEMO / "sample catalogue"
    composite = DEMO / "composite.tif"
    report = DEMO / "composite.html"
    steps = {
        "Making the Python environment (once)": ["environment", "ACTION=create"],
        "Making the sample catalogue": ["samplecatalog", f"FOLDER={sample}"],
        "Making the cloud-free composite": [
            "composite",
            "COLLECTION=fairweather-sample",
            f"CATALOG={sample / 'catalog.json'}",
            f"AOI={sample / 'area.geojson'}",
            "START=2024-01-01",
            "END=2024-12-31",
            "MAX_CLOUD=60",
            "BANDS=red,green,blue",
            f"OUTPUT={composite}",
            f"OUTPUT_REPORT={report}",
        ],
    }
    for title, (algorithm, *parameters) in steps.items():
        print(f"\n== {title}", flush=True)
        began = time.monotonic()
        command = ["qgis_process.bin", "run", f"fairweather:{algorithm}", "--", *parameters]
        code = subprocess.run(command, env=environment, check=False).returncode
        if code != 0:
            print(f"{title} failed: see above.", file=sys.stderr)
            return code
        print(f"   {time.monotonic() - began:.0f} s")
    picture = draw_picture(composite)
    print("\nThe demo made:")
    for path in (composite, report, picture):
        print(f"  {path}")
    return 0


def draw_picture(composite: Path) -> Path:
    """A PNG of the composite in natural colour, with the brightness eyes expect."""
    gdal.UseExceptions()
    picture = composite.with_suffix(".png")
    source = gdal.Open(str(composite))
    gdal.Translate(
        str(picture),
        source,
        format="PNG",
        bandList=[1, 2, 3, "mask"],
        width=PICTURE_WIDTH,
        outputType=gdal.GDT_Byte,
        scaleParams=[[0, BRIGHTEST_REFLECTANCE, 0, 255]] * 3 + [[0, 255, 0, 255]],
        noData="none",
    )
    picture.with_name(picture.name + ".aux.xml").unlink(missing_ok=True)
    return picture


if __name__ == "__main__":
    sys.exit(main())
