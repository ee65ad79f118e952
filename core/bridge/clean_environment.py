"""The environment variables a child Python may see: QGIS's own must not reach it.

QGIS sets variables for its own Python, GDAL, PROJ and Qt; in another Python they lead to foreign
libraries (``PROJ_LIB``, say, makes rasterio fail). Proxies, certificates and the settings of pip
and uv are the user's and stay.
"""

from __future__ import annotations

import os
from typing import Dict

QGIS_PREFIXES = (
    "PYTHON",  # PYTHONEXECUTABLE is honoured even under -I
    "__PYVENV_LAUNCHER__",  # macOS: a venv's Python would take itself for another one
    "PROJ_",
    "GDAL_",
    "OGR_",
    "CPL_",
    "LD_LIBRARY",
    "LD_PRELOAD",
    "DYLD_",
    "QT_",
    "GISBASE",
    "GRASS",
    "VIRTUAL_ENV",
    "CONDA",
)


def clean_environment() -> Dict[str, str]:
    """This process's environment variables without those of QGIS, Python, GDAL, PROJ and conda."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.upper().startswith(QGIS_PREFIXES)
    }
