"""The plugin repository's scans of the uploaded package find nothing."""

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

# A finding of each scan, planted to see that it looks; put together here so that this file is none.
PLANTED = "planted.py"
PLANTED_CODE = "import pick" + "le\nkey = 'AKIA" + "Z7QW3RT8PL2MN5XD'\n"


@pytest.fixture(scope="module")
def package(tmp_path_factory, plugin_root):
    """The package as the repository unpacks it, with one planted file."""
    spec = importlib.util.spec_from_file_location(
        "make_package", plugin_root / "scripts" / "make_package.py"
    )
    make_package = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make_package)
    folder = tmp_path_factory.mktemp("package") / "fairweather"
    folder.mkdir()
    for name in make_package.SHIPPED_FOLDERS:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(plugin_root / name, folder / name, ignore=ignored)
    for name in make_package.SHIPPED_FILES:
        if (plugin_root / name).exists():
            (folder / name).parent.mkdir(exist_ok=True)
            shutil.copy(plugin_root / name, folder / name)
    (folder / PLANTED).write_text(PLANTED_CODE)
    return folder


def scan(module, *arguments, folder):
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return json.loads(done.stdout)


@pytest.mark.slow
def test_bandit_finds_nothing_of_any_severity(package):
    pytest.importorskip("bandit")
    report = scan("bandit", "-r", ".", "-f", "json", "--quiet", folder=package)
    found = {
        f"{Path(finding['filename']).as_posix()}:{finding['line_number']} {finding['test_id']}"
        for finding in report["results"]
    }
    assert found == {f"{PLANTED}:1 B403"}
    assert report["errors"] == []


def test_nothing_that_may_never_be_skipped_is_skipped(package):
    pytest.importorskip("bandit")
    never = "B102,B105,B106,B107,B301,B307,B602,B605"
    report = scan(
        "bandit", "-r", ".", "-f", "json", "--quiet", "--ignore-nosec", "-t", never, folder=package
    )
    assert report["results"] == []


def test_every_exception_names_its_rule_and_its_reason(package):
    for path in package.rglob("*.py"):
        for line in path.read_text(encoding="utf-8").splitlines():
            _, nosec, reason = line.partition("# nosec")
            assert not nosec or reason.startswith(" B"), f"{path}: {line}"
            assert not nosec or ":" in reason, f"{path}: {line}"


@pytest.mark.slow
def test_detect_secrets_finds_nothing(package):
    pytest.importorskip("detect_secrets")
    report = scan(
        "detect_secrets", "scan", "--all-files", "--exclude-files", r"metadata\.txt", ".",
        folder=package,
    )  # fmt: skip
    assert set(report["results"]) == {PLANTED}
