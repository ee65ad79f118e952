"""The lock: every package of the worker's environment by version and hash, for every platform."""

from __future__ import annotations

import hashlib
import platform
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, FrozenSet, List, Tuple

PLUGIN_FOLDER = Path(__file__).resolve().parents[3]
LOCK_FILE = PLUGIN_FOLDER / "requirements.txt"
DIRECT_FILE = PLUGIN_FOLDER / "requirements.in"

OLDEST_PYTHON = (3, 11)

_SIZE_LINE = re.compile(r"# size (\S+) download=(\d+) installed=(\d+)")
_PINNED = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s;\\]+)")
_DIRECT = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)(?:\[([^\]]*)\])?")


@dataclass(frozen=True)
class InstallSize:
    """Bytes to download, and bytes on disk afterwards (without byte code)."""

    download: int
    installed: int


@dataclass(frozen=True)
class Lock:
    """The lock file's content.

    ``requirements`` are its requirements, each with its marker and hashes, line ends included.
    ``versions`` are the versions pinned by package name: more than one where they depend on the
    Python. ``sizes`` are by platform (see ``platform_name``).
    """

    requirements: Tuple[str, ...]
    versions: Dict[str, FrozenSet[str]]
    sizes: Dict[str, InstallSize]

    @property
    def digest(self) -> str:
        """Twelve characters that name this set of packages, whatever the comments say."""
        content = "".join(self.requirements).encode("utf-8")
        return hashlib.sha256(content).hexdigest()[:12]

    @property
    def size(self) -> InstallSize:
        """The size on this platform; where it is not recorded, the largest that is."""
        here = self.sizes.get(platform_name(sys.platform, platform.machine()))
        return here or max(self.sizes.values(), key=lambda size: size.installed)

    def only(self, package: str) -> str:
        """The lock's lines of one package."""
        return "".join(text for text in self.requirements if _name(text) == package)

    def without(self, package: str) -> str:
        """The lock's lines of all other packages."""
        return "".join(text for text in self.requirements if _name(text) != package)


def read_lock(path: Path = LOCK_FILE) -> Lock:
    """The lock at ``path``."""
    requirements: List[str] = []
    sizes: Dict[str, InstallSize] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        size = _SIZE_LINE.match(line)
        if size:
            sizes[size[1]] = InstallSize(int(size[2]), int(size[3]))
        elif line.startswith(" ") and line.strip().startswith("--hash") and requirements:
            requirements[-1] += line + "\n"
        elif _PINNED.match(line):
            requirements.append(line + "\n")
    versions: Dict[str, FrozenSet[str]] = {}
    for text in requirements:
        pinned = _PINNED.match(text)
        if pinned:
            versions[pinned[1]] = versions.get(pinned[1], frozenset()) | {pinned[2]}
    return Lock(tuple(requirements), versions, sizes)


def read_direct_dependencies(path: Path = DIRECT_FILE) -> Tuple[str, ...]:
    """The names of the packages that Fairweather itself imports or runs, extras included."""
    names = []
    for line in path.read_text(encoding="utf-8").splitlines():
        match = _DIRECT.match(line)
        if match:
            names.append(match[1])
            names.extend(extra.strip() for extra in (match[2] or "").split(",") if extra.strip())
    return tuple(names)


def platform_name(system: str, machine: str) -> str:
    """How the lock names a platform, ``linux-x86_64`` say.

    ``system`` is ``sys.platform``, ``machine`` is ``platform.machine()``.
    """
    systems = {"win32": "windows", "darwin": "macos"}
    machines = {"amd64": "x86_64", "aarch64": "arm64"}
    return f"{systems.get(system, system)}-{machines.get(machine.lower(), machine.lower())}"


def _name(requirement: str) -> str:
    match = _PINNED.match(requirement)
    return match[1] if match else ""
