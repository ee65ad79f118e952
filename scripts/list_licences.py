"""List the licence of each package in the lock: ``python scripts/list_licences.py``.

It writes the table in docs/dependencies.md, of what each package says of itself, and fails where a
licence is not known to go with GPL-2.0-or-later. Run it in an environment that holds the lock's
packages, such as ``make test-environment`` makes (``make licences`` does both).
"""

from __future__ import annotations

import importlib.metadata
import re
import sys
from importlib.metadata import Distribution
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.txt"
PAGE = ROOT / "docs" / "dependencies.md"
BEGIN, END = "<!-- licences: made by scripts/list_licences.py -->", "<!-- end of licences -->"
PINNED = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s;\\]+)", re.MULTILINE)

# By SPDX's names, and as the FSF judges them. Apache-2.0 goes with version 3 of the GPL, which "or
# later" allows.
COMPATIBLE = frozenset(
    {"0BSD", "Apache-2.0", "BSD", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "MIT", "MIT-CMU"}
    | {"MPL-2.0", "PSF-2.0", "PSF-based", "Zlib"}
)
# What packages write that do not use SPDX's names yet.
SPDX = {
    "apache": "Apache-2.0",
    "apache 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "bsd license": "BSD",
    "mit license": "MIT",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "new bsd": "BSD-3-Clause",
    "python software foundation license": "PSF-based",
}
# The heading of a licence that is told by its text only.
HEADINGS = {"Apache License": "Apache-2.0", "MIT License": "MIT", "BSD 3-Clause": "BSD-3-Clause"}
# A licence's name; longer ones are its text.
MOST_CHARACTERS = 40


def main() -> int:
    """Write the table; 1 where a package lacks a licence, or has one that may not go with ours."""
    rows, unknown = [], []
    for name, versions in sorted(locked_versions().items()):
        licence = licence_of(importlib.metadata.distribution(name))
        rows.append(f"| `{name}` | {', '.join(versions)} | {licence} |")
        if not is_compatible(licence):
            unknown.append(f"{name}: {licence or 'no licence is told'}")
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    table = "\n".join(["| package | version | licence |", "|---|---|---|", *rows])
    PAGE.write_text(f"{before}{BEGIN}\n{table}\n{END}{after}", encoding="utf-8")
    for line in unknown:
        print(f"It is not known that this goes with GPL-2.0-or-later: {line}", file=sys.stderr)
    return 1 if unknown else 0


def locked_versions() -> dict[str, list[str]]:
    """The versions in the lock by package: several where they depend on the Python."""
    versions: dict[str, list[str]] = {}
    for name, version in PINNED.findall(LOCK.read_text(encoding="utf-8")):
        versions.setdefault(name, []).append(version)
    return versions


def licence_of(package: Distribution) -> str:
    """What the installed package says of its licence, by SPDX's names; empty where it is silent."""
    expression = package.metadata.get("License-Expression")
    if expression:
        return expression
    told = (package.metadata.get("License") or "").strip()
    if 0 < len(told) <= MOST_CHARACTERS:
        return SPDX.get(told.lower(), told)
    classifiers = package.metadata.get_all("Classifier") or []
    names = [one.rpartition(" :: ")[2] for one in classifiers if one.startswith("License")]
    if names:
        return " OR ".join(SPDX.get(name.lower(), name) for name in names)
    texts = [package.read_text(f"licenses/{name}") for name in ("LICENSE", "LICENSE.txt")]
    texts += [package.read_text("LICENSE"), told]
    heads = [text[:500] for text in texts if text]
    return next((spdx for key, spdx in HEADINGS.items() if any(key in head for head in heads)), "")


def is_compatible(licence: str) -> bool:
    """Whether everything under this licence may be used together with GPL-2.0-or-later."""
    return bool(licence) and all(
        any(part.strip("() ") in COMPATIBLE for part in choice.split(" OR "))
        for choice in licence.split(" AND ")
    )


if __name__ == "__main__":
    sys.exit(main())
