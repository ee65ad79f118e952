"""Make the environment in which the tests run: the lock's packages and the test tools.

Does nothing where it is already there and both locks are unchanged. Run by ``make test``.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCKS = (ROOT / "requirements.txt", ROOT / "requirements-dev.txt")


def main(folder: Path) -> int:
    """Make the environment in ``folder``."""
    made_from = folder / "made-from.txt"
    digest = hashlib.sha256(b"".join(lock.read_bytes() for lock in LOCKS)).hexdigest()
    if made_from.is_file() and made_from.read_text(encoding="utf-8") == digest:
        return 0
    print("== Making the test environment (once, about a minute)", flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    venv.create(folder, with_pip=True)
    install = [folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--require-hashes"]
    for lock in LOCKS:
        install += ["-r", lock]
    code = subprocess.run(install, check=False).returncode
    if code == 0:
        made_from.write_text(digest, encoding="utf-8")
    return code


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
