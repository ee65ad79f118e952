"""The page on dependencies names every package of the lock, its version and its licence."""

import importlib.metadata
import importlib.util
import re
import sys

import pytest
from fairweather.core.bridge.environment.lock import read_lock

ROW = re.compile(r"^\| `([^`]+)` \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)


@pytest.fixture(scope="module")
def licences(plugin_root):
    """The script that makes the table."""
    path = plugin_root / "scripts" / "list_licences.py"
    spec = importlib.util.spec_from_file_location("list_licences", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def rows(licences):
    """The table: name, versions, licence."""
    page = licences.PAGE.read_text(encoding="utf-8")
    return ROW.findall(page.partition(licences.BEGIN)[2].partition(licences.END)[0])


def test_the_table_has_every_package_of_the_lock(rows):
    told = {name: frozenset(versions.split(", ")) for name, versions, _ in rows}
    assert told == read_lock().versions, "run make licences"


def test_every_licence_goes_with_the_gpl(rows, licences):
    assert [row for row in rows if not licences.is_compatible(row[2])] == []


def test_the_table_says_what_the_packages_say(rows, licences):
    checked = 0
    for name, versions, licence in rows:
        try:
            package = importlib.metadata.distribution(name)
        except importlib.metadata.PackageNotFoundError:
            continue
        if package.version in versions.split(", "):
            assert licences.licence_of(package) == licence, name
            checked += 1
    if not checked:
        pytest.skip("no package of the lock is installed here")


@pytest.mark.parametrize(
    ("licence", "is_compatible"),
    [
        ("MIT", True),
        ("MIT OR Apache-2.0", True),
        ("BSD-3-Clause AND MIT AND Zlib", True),
        ("SSPL-1.0 OR MIT", True),
        ("SSPL-1.0 AND MIT", False),
        ("BSD-4-Clause", False),
        ("", False),
    ],
)
def test_what_goes_with_the_gpl(licences, licence, is_compatible):
    assert licences.is_compatible(licence) == is_compatible
