"""The layout's promises: imports go one way, and QGIS's Python gets by with its own library."""

import ast
import os
import re
import subprocess
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LINES_AT_MOST = 400

# What each part may import: parts of the package, and packages from outside.
STANDARD = frozenset(sys.stdlib_module_names)
QGIS = STANDARD | {"qgis"}
ALLOWED_PARTS = {
    "core/bridge": {"core/bridge"},
    "core/science": {"core/science", "core/bridge"},
    "core/launch.py": set(),
    "core/__init__.py": set(),
    "algorithms": {"algorithms", "core/bridge"},
    "plugin.py": {"algorithms", "core/bridge"},
    "__init__.py": {"plugin.py"},
}
ALLOWED_PACKAGES = {
    "core/bridge": STANDARD,
    "core/launch.py": STANDARD,
    "core/__init__.py": STANDARD,
    "algorithms": QGIS,
    "plugin.py": QGIS,
    "__init__.py": QGIS,
}
PARTS_INSIDE_QGIS = sorted(ALLOWED_PACKAGES)
# Which packages of the worker each of its packages may import.
ALLOWED_OF_SCIENCE = {
    "web": set(),
    "access": {"web"},
    "catalog": {"web", "access"},
    "imagery": {"web", "access"},
    "sample_catalog": set(),
    "cluster": {"access", "imagery"},
    "composite": {"web", "access", "catalog", "imagery", "cluster"},
    "timeseries": {"web", "access", "catalog", "imagery", "cluster"},
}


def part_of(path):
    """The part of the package, a key of ``ALLOWED_PARTS``, that a path belongs to."""
    name = path.relative_to(ROOT).as_posix()
    return next((part for part in ALLOWED_PARTS if f"{name}/".startswith(f"{part}/")), name)


def files_of(part):
    path = ROOT / part
    return sorted(path.rglob("*.py")) if path.is_dir() else [path]


def imports_of(path):
    """Each import of a file: the path in the package that it names, or a package's name."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module.partition(".")[0]
        elif isinstance(node, ast.ImportFrom):
            folder = path.parents[node.level - 1].joinpath(*(node.module or "").split("."))
            for alias in node.names:
                yield module_path(folder / alias.name) or module_path(folder)


def module_path(path):
    if path.is_dir():
        return path
    file = path.with_suffix(".py")
    return file if file.is_file() else None


SHIPPED = [(part, path) for part in ALLOWED_PARTS for path in files_of(part)]
IDS = [path.relative_to(ROOT).as_posix() for _, path in SHIPPED]


def test_every_python_file_of_the_package_has_a_place():
    outside = {"tests", "scripts", "benchmarks", "docs", "build", "demo"}
    found = {
        path
        for path in ROOT.rglob("*.py")
        if not any(name in outside or name.startswith(".") for name in path.relative_to(ROOT).parts)
    }
    assert found == {path for _, path in SHIPPED}


def test_every_module_has_its_line_in_the_architecture():
    named, folder = set(), ""
    for line in (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8").splitlines():
        if heading := re.match(r"### `([\w/]+)`", line):
            folder = heading[1]
        elif row := re.match(r"\| `(\w+\.py)` \| \S", line):
            named.add(f"{folder}/{row[1]}")
    modules = {name for name in IDS if "/" in name and not name.endswith("__init__.py")}
    assert named == modules


@pytest.mark.parametrize(("part", "path"), SHIPPED, ids=IDS)
def test_imports_go_one_way(part, path):
    for name in imports_of(path):
        assert name is not None, f"{path} imports something that is not there"
        if isinstance(name, Path):
            assert part_of(name) in ALLOWED_PARTS[part], f"{path} imports {name}"
        else:
            assert name != "fairweather", f"{path} imports the package by a name, not relatively"
            assert part != "core/science" or name not in {"qgis", "processing", "osgeo", "PyQt5"}
            assert name in ALLOWED_PACKAGES.get(part, {name}), f"{path} imports {name}"


def science_imports():
    """What each package of the worker, and each module beside them, imports of the others."""
    science = ROOT / "core" / "science"
    imports = {}
    for path in files_of("core/science"):
        inside = (name for name in imports_of(path) if isinstance(name, Path))
        found = {name.relative_to(science).parts[:1] for name in inside if science in name.parents}
        node = path.relative_to(science).parts[0]
        imports.setdefault(node, set()).update(one for (one,) in found if one != node)
    return imports


def test_imports_between_the_packages_of_the_worker_go_one_way():
    imports = science_imports()
    packages = {name for name in imports if not name.endswith(".py")}
    assert packages == set(ALLOWED_OF_SCIENCE)
    for name, allowed in ALLOWED_OF_SCIENCE.items():
        assert imports[name] & packages <= allowed, f"of {name}"
    assert not imports["web"]
    # The modules beside the packages count, too: no way through them leads back.
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        pytest.fail(f"these import each other: {' <- '.join(error.args[1])}")


@pytest.mark.parametrize(("part", "path"), SHIPPED, ids=IDS)
def test_what_runs_inside_qgis_is_python_3_9(part, path):
    text = path.read_text(encoding="utf-8")
    if part not in PARTS_INSIDE_QGIS:
        return
    tree = ast.parse(text, feature_version=(3, 9))
    annotated = any(
        isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr)
        for function in ast.walk(tree)
        for annotation in annotations_of(function)
        for node in ast.walk(annotation)
    )
    assert not annotated or "from __future__ import annotations" in text
    # zip(strict=), dataclass(slots=, kw_only=) came with 3.10, and are no syntax.
    newer = {"strict", "slots", "kw_only"}
    keywords = {node.arg for node in ast.walk(tree) if isinstance(node, ast.keyword)}
    assert not keywords & newer


def annotations_of(node):
    if isinstance(node, ast.AnnAssign) or (isinstance(node, ast.arg) and node.annotation):
        yield node.annotation
    elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and node.returns:
        yield node.returns


LOAD_ALL = """
import importlib, importlib.util, json, sys
root, *names = sys.argv[1:]
spec = importlib.util.spec_from_file_location("launch", root + "/core/launch.py")
launch = importlib.util.module_from_spec(spec)
spec.loader.exec_module(launch)
launch.load_package()
for name in names:
    importlib.import_module(name)
loaded = {name.partition(".")[0] for name in sys.modules}
print(json.dumps(sorted(loaded - sys.stdlib_module_names - {"__main__", "__mp_main__"})))
print(json.dumps([name for name in sys.modules if name.startswith("fairweather.core.science")]))
"""


def test_the_package_and_the_bridge_load_nothing_of_the_environment():
    names = [
        "fairweather." + ".".join(path.relative_to(ROOT).with_suffix("").parts)
        for path in files_of("core/bridge")
    ]
    names = [name.removesuffix(".__init__") for name in names]
    command = [sys.executable, "-I", "-c", LOAD_ALL, str(ROOT), *names]
    loaded = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    outside, science = loaded.splitlines()
    # A site's own .pth files may load a module or two before anything of ours.
    bare = subprocess.run(
        [sys.executable, "-I", "-c", LOAD_ALL, str(ROOT)],
        check=True, capture_output=True, text=True,
    ).stdout.splitlines()[0]  # fmt: skip
    assert science == "[]"
    assert outside == bare


def text_files():
    """The files that are the project, whether git has them yet or not."""
    skipped = {"build", "demo", "__pycache__"}
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [name for name in folders if name not in skipped and name[0] != "."]
        for name in names:
            path = Path(folder, name)
            if path.suffix not in {".png", ".tif", ".zip", ".jpg", ".pyc"}:
                yield path


def test_no_python_file_is_too_long():
    lengths = {
        path.relative_to(ROOT).as_posix(): len(path.read_text(encoding="utf-8").splitlines())
        for path in text_files()
        if path.suffix == ".py"
    }
    assert not {name: count for name, count in lengths.items() if count > LINES_AT_MOST}


FOREIGN = re.compile(
    r"(?<![\w.])/(work|home|root|Users)/\w"  # a machine's own folders
    r"|[A-Z]:\\Users\\"
    r"|(pypi|pythonhosted|anaconda)\.(org|com)"  # registries are the user's choice
)


@pytest.mark.parametrize("path", sorted(text_files()), ids=lambda path: path.name)
def test_no_file_names_a_machine_or_a_registry(path):
    found = FOREIGN.search(path.read_text(encoding="utf-8", errors="replace"))
    assert found is None, f"{path} holds {found.group()!r}"


def test_the_plugins_folder_may_have_any_name(tmp_path):
    link = tmp_path / "clone-1.0 č"
    link.symlink_to(ROOT, target_is_directory=True)
    command = [sys.executable, "-I", "-c", LOAD_ALL, str(link), "fairweather.core.bridge.request"]
    subprocess.run(command, check=True)
