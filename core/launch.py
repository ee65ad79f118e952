"""Load the plugin's package whatever its folder is called, and run its programs.

``python core/launch.py worker request.json`` runs one job by hand, without QGIS, and ``python
core/launch.py environment check|create|remove`` takes care of the worker's environment. Tests
import this file by its path and call ``load_package``.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

PACKAGE = "fairweather"
PROGRAMS = {
    "worker": "core.science.worker",
    "environment": "core.bridge.environment.command_line",
}


def load_package(name: str = PACKAGE) -> ModuleType:
    """The plugin's package, from the folder that holds ``core``."""
    if name in sys.modules:
        return sys.modules[name]
    root = Path(__file__).resolve().parent.parent
    spec = importlib.util.spec_from_file_location(
        name, root / "__init__.py", submodule_search_locations=[str(root)]
    )
    if spec is None or spec.loader is None:
        raise ImportError(f"{root} does not hold the plugin")
    package = importlib.util.module_from_spec(spec)
    sys.modules[name] = package
    spec.loader.exec_module(package)
    return package


def main(arguments: list[str]) -> int:
    """Run the program named by the first argument; its exit code is returned."""
    if not arguments or arguments[0] not in PROGRAMS:
        print(f"usage: launch.py {'|'.join(PROGRAMS)} ...", file=sys.stderr)
        return 2
    # A name of its own: on a Dask cluster, code of other runs must not be taken for this one's.
    name = f"{PACKAGE}_{os.urandom(4).hex()}"
    load_package(name)
    program = importlib.import_module(f"{name}.{PROGRAMS[arguments[0]]}")
    return int(program.main(arguments[1:]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
