"""Whether any package of the locks has a known vulnerability: ``python scripts/audit.py FOLDER``.

pip-audit asks PyPI's database, from an environment of its own in ``FOLDER``. The exit code is 0
where none is known, 1 where one is, and 2 where the database cannot be asked.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import venv
from itertools import zip_longest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCKS = (ROOT / "requirements.txt", ROOT / "requirements-dev.txt")
PIP_AUDIT = ROOT / "scripts" / "audit_requirements.txt"
PINNED = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s;\\]+)", re.MULTILINE)
# Its holes have been known since 2018: a database that does not tell of them tells nothing.
KNOWN_TO_BE_VULNERABLE = "requests==2.19.0"


def main(folder: Path) -> int:
    """Audit all locks."""
    command = make_environment(folder)
    if not ask(command, [KNOWN_TO_BE_VULNERABLE])[0]:
        print(
            "The database of known vulnerabilities cannot be asked from here (PyPI itself is "
            "needed, not only a package index): nothing is known of the packages.",
            file=sys.stderr,
        )
        return 2
    found, not_known = [], []
    for pins in pins_of_all_locks():
        vulnerable, unknown = ask(command, pins)
        found += vulnerable
        not_known += unknown
    for line in sorted(set(found)):
        print(line)
    for name in sorted(set(not_known)):
        print(f"{name}: the database does not know it", file=sys.stderr)
    print(f"{len(set(found))} known vulnerabilities")
    return 1 if found else 2 if not_known else 0


def make_environment(folder: Path) -> list[str]:
    """The command that runs pip-audit."""
    python = folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
    install = ["-m", "pip", "install", "--quiet", "--require-hashes", "-r", str(PIP_AUDIT)]
    subprocess.run([python, *install], check=True)  # nosec B603: made above
    return [str(python), "-m", "pip_audit"]


def pins_of_all_locks() -> list[list[str]]:
    """``name==version`` of every version in the locks, no package twice in one list."""
    versions: dict[str, list[str]] = {}
    for lock in LOCKS:
        for name, version in PINNED.findall(lock.read_text(encoding="utf-8")):
            known = versions.setdefault(name, [])
            known += [version] if version not in known else []
    rows = zip_longest(*([f"{name}=={one}" for one in own] for name, own in versions.items()))
    return [[pin for pin in row if pin] for row in rows]


def ask(command: list[str], pins: list[str]) -> tuple[list[str], list[str]]:
    """What is vulnerable, in a line each, and the packages of which nothing is known."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "requirements.txt"
        path.write_text("\n".join(pins), encoding="utf-8")
        options = ["--disable-pip", "--no-deps", "--format", "json", "--progress-spinner", "off"]
        done = subprocess.run(  # nosec B603: made above
            [*command, "--requirement", str(path), *options],
            capture_output=True,
            text=True,
            check=False,
        )
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except ValueError:
        return [], pins
    found = [
        f"{package['name']} {package['version']}: {hole['id']} (mended in {hole['fix_versions']})"
        for package in packages
        for hole in package.get("vulns", ())
    ]
    return found, [package["name"] for package in packages if "skip_reason" in package]


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
