"""Make the environment in which the benchmarks run: the packages of ``requirements.txt`` here.

``python make_environment.py FOLDER [PYTHON]`` does nothing where it is already there and the lock
is unchanged. PYTHON is an interpreter, 3.11 or newer; without it, the newest on PATH (lazycogs
wants 3.12). uv comes with the test environment. Run by ``make bench``.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = Path(__file__).with_name("requirements.txt")
UV = ROOT / "build" / "test-environment" / "bin" / "uv"
NAMES = ("python3.14", "python3.13", "python3.12", "python3")


def main(folder: Path, given: str) -> int:
    """Make the environment in ``folder``; the exit code of what failed."""
    made_from = folder / "made-from.txt"
    digest = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    if made_from.is_file() and made_from.read_text(encoding="utf-8") == digest:
        return 0
    print("== Making the benchmarks' environment (once, 1 GB)", flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    python = given or newest_python()
    for command in (
        [UV, "venv", "--quiet", "--python", python, folder],
        [UV, "pip", "sync", "--quiet", "--python", folder, "--require-hashes", LOCK],
    ):
        code = subprocess.run(command, check=False).returncode
        if code != 0:
            return code
    made_from.write_text(digest, encoding="utf-8")
    return 0


def newest_python() -> str:
    """The newest interpreter on PATH that starts: a version manager's name may lead nowhere."""
    for name in NAMES:
        path = shutil.which(name)
        if (
            path
            and subprocess.run([path, "--version"], check=False, capture_output=True).returncode
            == 0
        ):
            return path
    return sys.executable


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2] if len(sys.argv) > 2 else ""))
