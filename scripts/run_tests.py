"""Run one half of the tests, ``fast`` or ``slow``, in both Pythons.

What runs inside QGIS is tested in QGIS's Python (tests/algorithms), everything else in the test
environment. Run by ``make test``.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from qgis_profile import ROOT, SYSTEM_PATH

TEST_PYTHON = ROOT / "build" / "test-environment" / "bin" / "python"
QGIS_TESTS = Path("tests") / "algorithms"
NO_TESTS_COLLECTED = 5


def main(half: str) -> int:
    """Run the half; 0 if everything passed."""
    marker = "slow" if half == "slow" else "not slow"
    selection = ["-q", "-m", marker]
    # QGIS's own Python has no worker packages: its tests borrow the test environment's.
    variables = {**os.environ, "FAIRWEATHER_PYTHON": str(TEST_PYTHON), "PATH": SYSTEM_PATH}
    print(f"== {half.capitalize()} tests inside QGIS", flush=True)
    inside = [sys.executable, "-m", "pytest", *selection, "-p", "no:cacheprovider", QGIS_TESTS]
    codes = [_run(inside, {**variables, "QT_QPA_PLATFORM": "offscreen"})]
    print(f"== {half.capitalize()} tests of the core and of whole runs", flush=True)
    outside = [TEST_PYTHON, "-m", "pytest", *selection, "--numprocesses=auto"]
    outside += [f"--ignore={QGIS_TESTS}", "tests"]
    codes.append(_run(outside, variables))
    return max(0 if code == NO_TESTS_COLLECTED else code for code in codes)


def _run(command: list, variables: dict[str, str]) -> int:
    return subprocess.run(command, cwd=ROOT, env=variables, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
