"""Check the types of core with mypy, under the package's own name whatever the folder's is."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    """Run mypy; its exit code."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "fairweather").symlink_to(ROOT, target_is_directory=True)
        cache = f"--cache-dir={ROOT / '.mypy_cache'}"
        config = f"--config-file={ROOT / 'pyproject.toml'}"
        command = [sys.executable, "-m", "mypy", config, cache, "-p", "fairweather.core"]
        return subprocess.run(
            command, cwd=folder, env={**os.environ, "MYPYPATH": folder}, check=False
        ).returncode


if __name__ == "__main__":
    sys.exit(main())
