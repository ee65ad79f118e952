"""Load the plugin's package whatever its folder is called, and run its programs.

``python core/launch.py worker request.json`` runs one job by hand, without QGIS, and ``python
core/launch.py environment check|create|remove|clean`` takes care of the worker's environment.
Tests import this file by its path and call ``load_package``.

All files of ``core`` are read at once, and modules are made of what was read: an update may
replace the plugin's folder while a job runs, which imports more of it until its end.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any, Dict, List, NamedTuple, Optional

PACKAGE = "fairweather"
PROGRAMS = {
    "worker": "core.science.worker",
    "environment": "core.bridge.environment.command_line",
}


class FileRead(NamedTuple):
    """A file's content, and when it was changed (seconds, as ``os.stat`` says)."""

    content: bytes
    changed: float


class PackageInMemory(MetaPathFinder):
    """Finds the modules of the package ``name`` among the files read of the folder ``root``."""

    def __init__(self, name: str, root: Path) -> None:
        self._prefix = f"{name}."
        self._root = root
        self.files = _read_files(root)

    def find_spec(
        self,
        fullname: str,
        path: object = None,  # noqa: ARG002
        target: Optional[ModuleType] = None,  # noqa: ARG002
    ) -> Optional[ModuleSpec]:
        """Where a module of this package is; None for any other."""
        if not fullname.startswith(self._prefix):
            return None
        place = self._root.joinpath(*fullname[len(self._prefix) :].split("."))
        if str(place / "__init__.py") in self.files:
            return self.spec_of(fullname, place / "__init__.py", place)
        if f"{place}.py" in self.files:
            return self.spec_of(fullname, Path(f"{place}.py"))
        return None

    def spec_of(self, name: str, file: Path, folder: Optional[Path] = None) -> Optional[ModuleSpec]:
        """The module ``name`` in ``file``; a package has a folder."""
        return importlib.util.spec_from_file_location(
            name,
            file,
            loader=LoaderFromMemory(name, str(file), self.files),
            submodule_search_locations=[str(folder)] if folder else None,
        )


class LoaderFromMemory(SourceFileLoader):
    """Python's own loader of source and byte code, of files that were read before."""

    def __init__(self, name: str, path: str, files: Dict[str, FileRead]) -> None:
        super().__init__(name, path)
        self._files = files

    def get_data(self, path: str) -> bytes:
        """A file's content; ``pkgutil.get_data`` asks here."""
        read = self._files.get(os.path.normpath(path))
        return super().get_data(path) if read is None else read.content

    def path_stats(self, path: str) -> Dict[str, float]:
        """What byte code is checked against."""
        read = self._files.get(path)
        if read is None:
            return dict(super().path_stats(path))
        return {"mtime": read.changed, "size": len(read.content)}

    def set_data(self, path: str, data: Any, *, _mode: int = 0o666) -> None:
        """Keep byte code for the next start, but make no folder anew that is gone."""
        if Path(path).parent.parent.is_dir():
            super().set_data(path, data, _mode=_mode)


def load_package(name: str = PACKAGE) -> ModuleType:
    """The plugin's package, from the folder that holds ``core``."""
    if name in sys.modules:
        return sys.modules[name]
    root = Path(__file__).resolve().parent.parent
    finder = PackageInMemory(name, root)
    spec = finder.spec_of(name, root / "__init__.py", root)
    if spec is None or spec.loader is None:
        raise ImportError(f"{root} does not hold the plugin")
    package = importlib.util.module_from_spec(spec)
    sys.meta_path.insert(0, finder)
    sys.modules[name] = package
    spec.loader.exec_module(package)
    return package


def _read_files(root: Path) -> Dict[str, FileRead]:
    """The package's own files and all of ``core``, by path."""
    places: List[str] = [str(root / "__init__.py"), str(root / "metadata.txt")]
    waiting = [str(root / "core")]
    while waiting:
        with os.scandir(waiting.pop()) as entries:
            for entry in entries:
                (waiting if entry.is_dir() else places).append(entry.path)
    files = {}
    for place in places:
        # Of byte code, another process may just be writing some under a passing name.
        with contextlib.suppress(FileNotFoundError), Path(place).open("rb") as file:
            files[place] = FileRead(file.read(), os.fstat(file.fileno()).st_mtime)
    return files


def main(arguments: list[str]) -> int:
    """Run the program named by the first argument; its exit code is returned."""
    if not arguments or arguments[0] not in PROGRAMS:
        print(f"usage: launch.py {'|'.join(PROGRAMS)} ...", file=sys.stderr)
        return 2
    # A name of its own: on a Dask cluster, code of other runs must not be taken for this one's.
    name = f"{PACKAGE}_{os.urandom(4).hex()}"
    try:
        load_package(name)
        program = importlib.import_module(f"{name}.{PROGRAMS[arguments[0]]}")
        return int(program.main(arguments[1:]))
    except KeyboardInterrupt:
        # Before the program itself listens.
        print("Cancelled; nothing was done yet.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
