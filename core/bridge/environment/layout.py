"""Where things are in a virtual environment, on every platform."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import List


def environment_python(folder: Path) -> Path:
    """The interpreter of the virtual environment in ``folder``."""
    return folder / "Scripts" / "python.exe" if sys.platform == "win32" else folder / "bin/python"


def environment_program(folder: Path, name: str) -> Path:
    """A program that a package put into the virtual environment in ``folder``."""
    suffix = ".exe" if sys.platform == "win32" else ""
    return environment_python(folder).parent / (name + suffix)


def site_packages(folder: Path) -> List[Path]:
    """The folders that packages are in."""
    pattern = "Lib/site-packages" if sys.platform == "win32" else "lib/python*/site-packages"
    return list(folder.glob(pattern))
