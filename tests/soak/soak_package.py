"""The package, and the tests' helpers, for processes that pytest has not started; also QGIS's."""

import importlib.util
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def load_package() -> None:
    """Let this process import ``fairweather`` and the modules of tests/helpers."""
    sys.path.append(str(ROOT / "tests" / "helpers"))
    spec = importlib.util.spec_from_file_location("soak_launch", str(ROOT / "core" / "launch.py"))
    launch = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(launch)
    launch.load_package()
