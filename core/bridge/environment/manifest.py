"""What was installed: every file by name, size and time, so that a check need not read any.

``manifest.json`` lists the files and ``environment.json``, written last, says that the environment
is whole: without it nothing is used.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Tuple

from ..part_files import write_whole
from .layout import site_packages

MANIFEST_FILE = "manifest.json"
MARKER_FILE = "environment.json"
FORMAT = 1


@dataclass(frozen=True)
class Marker:
    """What the last file written says of an environment.

    ``base`` is the interpreter it was made from, without which it cannot start; ``size`` is in
    bytes.
    """

    lock: str
    python_version: str
    base: str
    packages: Dict[str, str]
    size: int


def write_manifest(folder: Path, lock: str, python_version: str, base: Path) -> Marker:
    """List what is in ``folder`` now, and mark it as whole."""
    owners, packages = _installed_packages(folder)
    files: Dict[str, Tuple[int, int, str]] = {}
    for name, status in _files(folder):
        files[name] = (status.st_size, status.st_mtime_ns, owners.get(_source_of(name), ""))
    _write_json(folder / MANIFEST_FILE, files)
    size = sum(entry[0] for entry in files.values())
    marker = Marker(lock, python_version, str(base), packages, size)
    _write_json(folder / MARKER_FILE, {"format": FORMAT, **asdict(marker)})
    return marker


def read_marker(folder: Path) -> Optional[Marker]:
    """What the environment in ``folder`` says of itself; None where it is not whole."""
    try:
        content = json.loads((folder / MARKER_FILE).read_text(encoding="utf-8"))
        return Marker(**content) if content.pop("format") == FORMAT else None
    except (OSError, ValueError, AttributeError, KeyError, TypeError):
        return None


def remove_marker(folder: Path) -> None:
    """Say that what is in ``folder`` is not to be used."""
    (folder / MARKER_FILE).unlink(missing_ok=True)


def damaged_packages(folder: Path) -> Tuple[str, ...]:
    """A sentence for each package with missing or altered files."""
    try:
        expected = json.loads((folder / MANIFEST_FILE).read_text(encoding="utf-8"))
        present = {name: (status.st_size, status.st_mtime_ns) for name, status in _files(folder)}
        missing: Counter = Counter()
        altered: Counter = Counter()
        for name, (size, time, owner) in expected.items():
            if name not in present:
                # Python does without byte code, and cleaning programs remove it
                missing[owner] += not name.endswith(".pyc")
            elif name.endswith(".pyc"):
                # … and Python writes it anew, the same but for its time
                altered[owner] += present[name][0] != size
            elif present[name] != (size, time):
                altered[owner] += 1
    except (OSError, ValueError, AttributeError, TypeError):
        return ("The list of installed files cannot be read.",)
    owners = sorted(owner for owner in {**missing, **altered} if missing[owner] or altered[owner])
    return tuple(_describe_damage(owner, missing[owner], altered[owner]) for owner in owners)


def _describe_damage(owner: str, missing: int, altered: int) -> str:
    parts = []
    if missing:
        parts.append(f"{missing} missing")
    if altered:
        parts.append(f"{altered} altered")
    plural = "file" if missing + altered == 1 else "files"
    return f"{owner or 'The environment itself'} has {' and '.join(parts)} {plural}."


def _installed_packages(folder: Path) -> Tuple[Dict[str, str], Dict[str, str]]:
    """The package that owns each file, by the file's name, and each package's version."""
    owners: Dict[str, str] = {}
    packages: Dict[str, str] = {}
    places = [str(place) for place in site_packages(folder)]
    for distribution in importlib.metadata.distributions(path=places):
        name = distribution.metadata["Name"]
        packages[name] = distribution.version
        for file in distribution.files or ():
            path = os.path.normpath(str(distribution.locate_file(file)))
            owners[Path(os.path.relpath(path, folder)).as_posix()] = name
    return owners, packages


def _files(folder: Path) -> Iterator[Tuple[str, os.stat_result]]:
    """Every file under ``folder`` but the manifest's own, by its name relative to it."""
    waiting: List[Tuple[str, str]] = [(str(folder), "")]
    while waiting:
        place, prefix = waiting.pop()
        with os.scandir(place) as entries:
            for entry in entries:
                name = prefix + entry.name
                if entry.is_dir(follow_symlinks=False):
                    waiting.append((entry.path, name + "/"))
                elif name not in (MANIFEST_FILE, MARKER_FILE):
                    yield name, entry.stat(follow_symlinks=False)


def _source_of(name: str) -> str:
    """The source file of a byte-code file, else ``name``."""
    folder, marker, file = name.rpartition("__pycache__/")
    return f"{folder}{file.split('.')[0]}.py" if marker and file.endswith(".pyc") else name


def _write_json(path: Path, content: Dict[str, Any]) -> None:
    write_whole(path, json.dumps(content).encode("ascii"))
