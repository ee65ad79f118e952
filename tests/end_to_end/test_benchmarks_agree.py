"""The benchmarks on a small tile: not how fast anyone is, but that all say the same."""

import json
import os
import shutil
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

SYSTEM_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
NOT_HERE = "ModuleNotFoundError"  # some contestants need the benchmarks' own environment


@pytest.fixture(scope="module")
def quick_run(plugin_root, tmp_path_factory):
    """The rows of ``bench.py --quick``, and the report's text."""
    if shutil.which("qgis_process.bin", path=SYSTEM_PATH) is None:
        pytest.skip("qgis_process.bin is not installed")
    folder = tmp_path_factory.mktemp("benchmarks")
    command = [sys.executable, plugin_root / "benchmarks" / "bench.py", "--quick"]
    ran = subprocess.run(
        [*command, "--folder", folder, "--report", folder / "report"],
        env={
            **os.environ,
            "FAIRWEATHER_PYTHON": sys.executable,
            "FAIRWEATHER_HOME": str(folder / "fairweather"),
        },
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    rows = json.loads((folder / "report" / "results.json").read_text(encoding="utf-8"))["rows"]
    return rows, (folder / "report" / "REPORT.md").read_text(encoding="utf-8")


def test_all_results_are_the_same(quick_run):
    rows, _ = quick_run
    compared = [row for row in rows if row["agreement"]]
    assert {row["contestant"] for row in compared} >= {"notebook", "fairweather"}
    for row in compared:
        agreement = row["agreement"]
        assert agreement["only_one"] == 0, row
        assert agreement["largest_difference"] < 1e-6, row
        assert agreement["values"] > 0, row


def test_nobody_fails_but_for_a_package_that_is_not_here(quick_run):
    rows, _ = quick_run
    failures = {
        row["contestant"]: row["measurement"]["failure"]
        for row in rows
        if row["measurement"]["failure"]
    }
    print(failures)
    assert all(NOT_HERE in failure for failure in failures.values())
    assert not {"notebook", "notebook_series", "rasterio_loop", "fairweather"} & set(failures)


def test_the_server_counts_what_is_read(quick_run):
    rows, _ = quick_run
    (ours,) = (
        row["measurement"]
        for row in rows
        if (row["contestant"], row["transport"]) == ("fairweather", "HTTP")
    )
    # Of 4 days and 3 bands, 4 tiles each of at most 2 MB; and the masks, headers and items.
    assert 0 < ours["bytes_read"] < 4 * 3 * 4 * 2**21
    assert ours["requests"] >= 4 * 3


def test_the_report_has_its_parts(quick_run):
    _, report = quick_run
    for part in ("## Goals", "## Measurements", "## Where our own time goes"):
        assert part in report
