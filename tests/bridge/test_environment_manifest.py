"""A missing or altered package is noticed by the manifest alone."""

import json
import os
import time

import pytest
from fairweather.core.bridge import part_files
from fairweather.core.bridge.environment.manifest import (
    MANIFEST_FILE,
    MARKER_FILE,
    damaged_packages,
    read_marker,
    write_manifest,
)
from fairweather.core.bridge.part_files import write_whole

PACKAGE_COUNT, MODULE_COUNT = 3, 4


@pytest.fixture
def environment(tmp_path):
    """A made-up environment of three packages with source and byte code."""
    folder = tmp_path / "environment"
    site = folder / "lib" / "python3.11" / "site-packages"
    for number in range(PACKAGE_COUNT):
        package = site / f"package{number}"
        (package / "__pycache__").mkdir(parents=True)
        names = []
        for module in range(MODULE_COUNT):
            (package / f"module{module}.py").write_text(f"VALUE = {module}\n")
            (package / "__pycache__" / f"module{module}.cpython-311.pyc").write_bytes(b"code")
            names.append(f"package{number}/module{module}.py,,")
        info = site / f"package{number}-1.{number}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Name: package{number}\nVersion: 1.{number}\n")
        (info / "RECORD").write_text("\n".join(names))
    (folder / "pyvenv.cfg").write_text("home = /usr/bin\n")
    write_manifest(folder, "abc", "3.11.2", folder / "python")
    return folder


def site_packages(environment):
    return environment / "lib" / "python3.11" / "site-packages"


def test_an_untouched_environment_is_whole(environment):
    assert damaged_packages(environment) == ()
    marker = read_marker(environment)
    assert marker.lock == "abc"
    assert marker.python_version == "3.11.2"
    assert marker.packages == {"package0": "1.0", "package1": "1.1", "package2": "1.2"}
    files = [path for path in environment.rglob("*") if path.is_file()]
    counted = [path for path in files if path.name not in (MANIFEST_FILE, MARKER_FILE)]
    assert marker.size == sum(path.stat().st_size for path in counted)


def test_a_missing_file_names_its_package(environment):
    (site_packages(environment) / "package1" / "module2.py").unlink()
    assert damaged_packages(environment) == ("package1 has 1 missing file.",)


def test_a_missing_package_is_named(environment):
    for path in (site_packages(environment) / "package2").glob("*.py"):
        path.unlink()
    assert damaged_packages(environment) == ("package2 has 4 missing files.",)


def test_another_size_is_noticed_even_with_the_same_time(environment):
    path = site_packages(environment) / "package0" / "module0.py"
    before = path.stat()
    path.write_text("VALUE = 1000\n")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert damaged_packages(environment) == ("package0 has 1 altered file.",)


def test_another_time_is_noticed_even_with_the_same_size(environment):
    path = site_packages(environment) / "package0" / "module0.py"
    os.utime(path, ns=(1, 1))
    assert damaged_packages(environment) == ("package0 has 1 altered file.",)


def test_byte_code_may_be_missing_but_not_altered(environment):
    cache = site_packages(environment) / "package0" / "__pycache__"
    (cache / "module0.cpython-311.pyc").unlink()
    assert damaged_packages(environment) == ()
    (cache / "module1.cpython-311.pyc").write_bytes(b"")
    assert damaged_packages(environment) == ("package0 has 1 altered file.",)


def test_byte_code_that_python_wrote_anew_is_not_damage(environment):
    cache = site_packages(environment) / "package0" / "__pycache__"
    os.utime(cache / "module0.cpython-311.pyc", ns=(1, 1))
    assert damaged_packages(environment) == ()


def test_new_byte_code_does_no_harm(environment):
    (site_packages(environment) / "package0" / "__pycache__" / "x.cpython-311.pyc").touch()
    assert damaged_packages(environment) == ()


def test_what_no_package_owns_counts_too(environment):
    (environment / "pyvenv.cfg").unlink()
    assert damaged_packages(environment) == ("The environment itself has 1 missing file.",)


@pytest.mark.parametrize("content", ["", "[]", '{"a": 1}', "{"])
def test_a_broken_manifest_is_damage(environment, content):
    (environment / MANIFEST_FILE).write_text(content)
    assert damaged_packages(environment) == ("The list of installed files cannot be read.",)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": 1}', '{"format": 99}'])
def test_a_broken_marker_means_that_it_is_not_whole(environment, content):
    (environment / MARKER_FILE).write_text(content)
    assert read_marker(environment) is None


def test_the_marker_of_another_format_is_not_believed(environment):
    content = json.loads((environment / MARKER_FILE).read_text())
    (environment / MARKER_FILE).write_text(json.dumps({**content, "format": 2}))
    assert read_marker(environment) is None


@pytest.mark.slow
def test_a_check_of_twenty_thousand_files_takes_less_than_two_seconds(tmp_path):
    for number in range(200):
        (tmp_path / f"folder{number}").mkdir()
        for file in range(100):
            (tmp_path / f"folder{number}" / f"file{file}.py").touch()
    write_manifest(tmp_path, "abc", "3.11.2", tmp_path)
    started = time.process_time()  # whatever else the machine does
    assert damaged_packages(tmp_path) == ()
    assert time.process_time() - started < 2


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_file_that_cannot_be_written_leaves_the_former(tmp_path, monkeypatch, failing):
    path = tmp_path / "report.html"
    write_whole(path, b"former")

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(part_files.os, failing, fail)
    with pytest.raises(OSError, match="No space"):
        write_whole(path, b"new")
    assert path.read_bytes() == b"former"
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.html"]
