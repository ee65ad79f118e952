"""Every write fails once: the old file or the new one, one sentence, and nothing left behind.

All of the walk but that of the sample catalogue, which is long: of its steps each meets one of the
faults here. All faults at all steps of each algorithm are a row of the soak (writes.py).
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import local_jobs
import pytest
from failing_disk import FAULTS
from fairweather.core.bridge.request import request_to_json
from fairweather.core.science import whole_file as whole_file_module
from fairweather.core.science.whole_file import whole_file

ALGORITHMS = ("searchscenes", "composite", "timeseries", "samplecatalog")
# Each fault at each step, or at every so many that each step meets one of them.
EACH, IN_TURN = 1, len(FAULTS)


@pytest.fixture
def walk(tmp_path, monkeypatch):
    return local_jobs.Walk(tmp_path, monkeypatch)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(("name", "apart"), [("searchscenes", EACH), ("composite", IN_TURN)])
def test_a_write_that_fails(walk, name, apart, fault):
    steps = walk.steps(name)
    for at in range(1 + FAULTS.index(fault) % apart, len(steps) + 1, apart):
        tried = walk.fail(name, fault, at)
        assert not tried.faults, (at, steps[at - 1], tried.faults)


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(
    ("name", "apart"), [("composite", EACH), ("timeseries", EACH), ("samplecatalog", IN_TURN)]
)
def test_a_write_that_fails_in_longer_runs(walk, name, apart, fault):
    test_a_write_that_fails(walk, name, apart, fault)


@pytest.mark.parametrize("name", ALGORITHMS)
def test_a_file_is_flushed_before_it_gets_its_name_and_its_folder_after(walk, name):
    if sys.platform == "win32" and name != "samplecatalog":
        pytest.skip("Windows has no flush of a folder")
    steps = [(what, Path(path).name) for what, path in walk.steps(name)]
    named = [number for number, (what, _) in enumerate(steps) if what == "rename"]
    assert named
    for number in named:
        if name == "samplecatalog":
            continue
        target = steps[number][1]
        assert steps[number - 1][0] == "sync"
        assert steps[number - 1][1].startswith(f".{target}.")
        assert steps[number + 1][0] == "sync"
    if name == "samplecatalog":
        # Each file and each folder of it, then its name, then the folder that holds it.
        written = {file for what, file in steps[: named[0]] if what == "open"}
        flushed = {file for what, file in steps[: named[0]] if what == "sync"}
        made = {file for what, file in steps[: named[0]] if what == "mkdir"}
        assert written | made <= flushed
        assert steps[-1][0] == "sync"


def test_a_flush_that_fails_keeps_the_former(tmp_path, monkeypatch):
    target, scratch = tmp_path / "a.tif", tmp_path / "job-1"
    target.write_bytes(b"former")

    def fail(_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(whole_file_module.os, "fsync", fail)
    with (
        pytest.raises(whole_file_module.OutputError, match="disk or network drive fails"),
        whole_file(target, scratch) as part,
    ):
        part.write_bytes(b"new")
    assert target.read_bytes() == b"former"
    assert [path.name for path in tmp_path.iterdir()] == ["a.tif"]


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
@pytest.mark.parametrize("name", ALGORITHMS)
def test_the_system_itself_sees_the_same_order_and_no_other_writes(
    tmp_path, monkeypatch, plugin_root, name
):
    """What libraries in C do without Python: nothing, in the folder of the outputs."""
    walk = local_jobs.Walk(tmp_path, monkeypatch)
    outputs = tmp_path / "outputs"
    outputs.mkdir()
    request = local_jobs.requests_by_name(walk.job, outputs)[name]
    path = tmp_path / "request.json"
    path.write_text(request_to_json(request), encoding="utf-8")
    trace = tmp_path / "trace"
    calls = "trace=write,pwrite64,writev,pwritev,fsync,fdatasync,rename,renameat,renameat2"
    done = subprocess.run(
        ["strace", "-f", "-y", "-qq", "-e", calls, "-o", trace, sys.executable,
         plugin_root / "core" / "launch.py", "worker", path],
        capture_output=True, check=False, timeout=120,
    )  # fmt: skip
    if done.returncode == 1 and b"ptrace" in done.stderr:
        pytest.skip("strace may not trace here")
    assert done.returncode == 0, done.stdout[-500:]
    last_write, last_flush = {}, {}
    for number, line in enumerate(trace.read_text(errors="replace").splitlines()):
        found = re.search(r"(\w+)\((?:\d+<([^>]*)>|[^\"]*\"([^\"]*)\")", line)
        if not found or str(outputs) not in (found[2] or found[3] or ""):
            continue
        call, file = found[1], found[2] or found[3]
        if "write" in call:
            last_write[file] = number
        elif "sync" in call:
            last_flush[file] = number
        elif file in last_write:
            assert last_write[file] < last_flush[file] < number, line
    assert last_write
    assert all(number < last_flush[file] for file, number in last_write.items())
