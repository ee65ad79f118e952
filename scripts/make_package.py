"""Make the zip that is installed in QGIS: what git tracks and a user needs, in one folder."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SHIPPED_FILES = (
    "__init__.py",
    "plugin.py",
    "metadata.txt",
    "icon.svg",
    "LICENSE",
    "README.md",
    "CHANGELOG.md",
    "docs/indices.md",
    "requirements.in",
    "requirements.txt",
)
SHIPPED_FOLDERS = ("algorithms/", "core/")


def shipped_files() -> list[str]:
    """The paths of the files in the zip, relative to the plugin's folder."""
    listing = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    tracked = listing.stdout.splitlines()
    return [name for name in tracked if name in SHIPPED_FILES or name.startswith(SHIPPED_FOLDERS)]


def main(target: Path) -> int:
    """Write the zip to ``target``."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as package:
        for name in shipped_files():
            package.write(ROOT / name, f"fairweather/{name}")
    print(f"{target} ({target.stat().st_size / 1024:.0f} KB)")
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
