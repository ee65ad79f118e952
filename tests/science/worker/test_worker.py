"""What a worker sends, by run_job and by hand, whatever its job does."""

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from fairweather.core.bridge.errors import (
    EnvironmentNotReadyError,
    NoScenesError,
    OutputError,
    WorkerError,
)
from fairweather.core.bridge.events import Message, Progress, WarningMessage
from fairweather.core.bridge.home import worker_log_file
from fairweather.core.science import worker as worker_module

posix_only = pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's")

WRITES = """
    reporter.progress(50, "Writing")
    with whole_file(Path(request.items), scratch) as path:
        path.write_text("whole: " + request.search.start)
    return {"SCENE_COUNT": 1}
"""


def test_a_job_reports_writes_and_returns(real_worker, request_, files_made):
    worker = real_worker('    reporter.message("čšž")\n    reporter.warning("Careful")' + WRITES)
    assert worker.run(request_) == {"SCENE_COUNT": 1}
    assert Message("čšž") in worker.events
    assert WarningMessage("Careful") in worker.events
    assert Progress(50.0, "Writing") in worker.events
    assert files_made() == ["items č.json"]


def test_a_request_rerun_by_hand_gives_the_same_file(real_worker, request_):
    worker = real_worker(WRITES)
    worker.run(request_)
    first = Path(request_.items).read_bytes()
    Path(request_.items).unlink()
    done = worker.by_hand(request_)
    assert done.returncode == 0
    assert Path(request_.items).read_bytes() == first
    last = json.loads(done.stdout.splitlines()[-1])
    assert last == {"event": "result", "values": {"SCENE_COUNT": 1}}


def test_prints_and_warnings_of_any_library_leave_the_stream_clean(real_worker, request_):
    worker = real_worker("""
        import ctypes, logging, subprocess, warnings
        print("from Python")
        sys.__stdout__.write("from the old stdout\\n")
        os.write(1, b"from C\\n")
        subprocess.run([sys.executable, "-c", "print('from a child')"], check=True)
        warnings.warn("a library's warning")
        logging.warning("a library's log")
        if os.name == "posix":
            libc = ctypes.CDLL(None)
            libc.puts(b"from libc")
            libc.fflush(None)
        return {"stdin": sys.stdin.read()}
    """)
    assert worker.run(request_) == {"stdin": ""}
    assert worker.events == []
    by_hand = worker.by_hand(request_, stdin=subprocess.DEVNULL)
    assert len(by_hand.stdout.splitlines()) == 1
    for words in ("from Python", "the old stdout", "from C", "from a child", "a library's log"):
        assert words in by_hand.stderr


def test_a_raster_without_a_place_is_nothing_to_warn_of(real_worker, request_):
    worker = real_worker("""
        import warnings
        import rasterio
        with rasterio.MemoryFile() as file:
            file.open(driver="GTiff", width=1, height=1, count=1, dtype="uint8").close()
            file.open().close()
        warnings.warn("another warning")
        return {}
    """)
    done = worker.by_hand(request_)
    assert done.returncode == 0
    assert "NotGeoreferencedWarning" not in done.stderr
    assert "another warning" in done.stderr


def test_events_of_many_threads_do_not_mix(real_worker, request_):
    worker = real_worker("""
        from concurrent.futures import ThreadPoolExecutor
        with ThreadPoolExecutor(16) as pool:
            list(pool.map(lambda n: reporter.message(f"{n} " + "x" * 9000), range(500)))
        return {}
    """)
    worker.run(request_)
    assert sorted(int(event.text.split()[0]) for event in worker.events) == list(range(500))


def test_progress_rises_and_is_not_sent_too_often(real_worker, request_):
    worker = real_worker("""
        end = time.monotonic() + 1
        while time.monotonic() < end:
            for percent in (30, 10, 20):
                reporter.progress(percent, "Working")
        reporter.progress(40, "The last")
        return {}
    """)
    worker.run(request_)
    assert 5 <= len(worker.events) <= 13
    assert worker.events[-1] == Progress(40, "The last")


def test_an_error_of_ours_is_one_event_and_code_1(real_worker, request_):
    worker = real_worker('raise errors.NoScenesError("No scene; relax MAX_CLOUD.")')
    with pytest.raises(NoScenesError, match=r"^No scene; relax MAX_CLOUD\.$"):
        worker.run(request_)
    by_hand = worker.by_hand(request_)
    assert by_hand.returncode == 1
    assert json.loads(by_hand.stdout)["kind"] == "NoScenesError"
    assert "Traceback" not in by_hand.stderr


@pytest.mark.parametrize(
    ("body", "kind", "words"),
    [
        ("raise TypeError('a\\nb')", WorkerError, r"unexpected error \(TypeError: a b\).*report"),
        ("return {'a': object()}", WorkerError, "unexpected error"),
        ("sys.exit(5)", WorkerError, "unexpected error"),
        ("raise MemoryError", WorkerError, "lower MEMORY"),
        ("raise OSError(28, 'No space left on device')", OutputError, "disk is full"),
        ("import no_such_package.part", EnvironmentNotReadyError, "'no_such_package'"),
        ("import fairweather.no_such_module", WorkerError, "incomplete"),
    ],
)
def test_what_goes_wrong_is_one_sentence(real_worker, request_, body, kind, words):
    worker = real_worker(body)
    with pytest.raises(kind, match=words) as caught:
        worker.run(request_)
    assert "\n" not in str(caught.value)


def test_the_traceback_of_an_unexpected_error_is_in_the_log(real_worker, request_):
    with pytest.raises(WorkerError):
        real_worker("raise TypeError('inside')").run(request_)
    text = worker_log_file().read_text(encoding="utf-8")
    assert "Traceback" in text
    assert "TypeError: inside" in text


@posix_only
def test_running_out_of_memory_gives_advice(real_worker, request_):
    worker = real_worker("""
        import resource
        resource.setrlimit(resource.RLIMIT_AS, (600 << 20, 600 << 20))
        import numpy
        return {"sum": float(numpy.ones((1 << 30,)).sum())}
    """)
    with pytest.raises(WorkerError, match="lower MEMORY"):
        worker.run(request_)


def test_a_bad_request_file_is_an_event(plugin_root, tmp_path):
    path = tmp_path / "request.json"
    path.write_text("{")
    command = [sys.executable, str(plugin_root / "core" / "launch.py"), "worker", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert json.loads(done.stdout)["kind"] == "InvalidRequestError"


MEASURES = """
    import pyproj, rasterio, rasterio.warp
    x, y = rasterio.warp.transform("EPSG:4326", "EPSG:32633", [16.0], [45.8])
    to_utm = pyproj.Transformer.from_crs("EPSG:4326", "EPSG:32633", always_xy=True)
    px, py = to_utm.transform(16.0, 45.8)
    return {"x": x[0], "y": y[0], "px": px, "py": py, "name": pyproj.CRS("EPSG:32633").name}
"""


@pytest.mark.parametrize("by_hand", [False, True])
def test_a_hostile_environment_does_not_matter(
    real_worker, request_, monkeypatch, tmp_path, by_hand
):
    worker = real_worker(MEASURES)
    expected = worker.run(request_)
    wrong = tmp_path / "wrong"
    wrong.mkdir()
    (wrong / "proj.db").write_text("no database")
    (wrong / "gcs.csv").write_text("no table")
    for name in ("PROJ_LIB", "PROJ_DATA", "GDAL_DATA", "GDAL_DRIVER_PATH"):
        monkeypatch.setenv(name, str(wrong))
    if by_hand:
        done = worker.by_hand(request_)
        assert json.loads(done.stdout.splitlines()[-1])["values"] == expected
        return
    for name in ("numpy.py", "json.py", "sitecustomize.py", "rasterio.py"):
        (wrong / name).write_text("raise RuntimeError('a foreign module')")
    for name in ("PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP", "LD_LIBRARY_PATH", "VIRTUAL_ENV"):
        monkeypatch.setenv(name, str(wrong))
    assert worker.run(request_) == expected


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="needs Linux's /proc")
def test_a_run_listens_on_no_socket(real_worker, request_):
    worker = real_worker("""
        import dask
        total = dask.delayed(sum)([dask.delayed(n) for n in range(100)]).compute()
        listening = [
            line.split()[9]
            for table in ("tcp", "tcp6", "udp", "udp6")
            for line in Path("/proc/net", table).read_text().splitlines()[1:]
        ]
        links = [os.readlink(entry) for entry in Path("/proc/self/fd").iterdir() if entry.exists()]
        ours = [link for link in links if link.startswith("socket:") and link[8:-1] in listening]
        return {"total": total, "sockets": ours}
    """)
    assert worker.run(request_) == {"total": 4950, "sockets": []}


def test_a_job_loads_only_what_it_needs(real_worker, request_):
    worker = real_worker(
        'return {name: name in sys.modules for name in ("numpy", "dask", "rasterio", "pystac")}'
    )
    assert not any(worker.run(request_).values())


def test_every_job_of_the_table_exists():
    for module, function in worker_module.JOBS.values():
        job = importlib.import_module(module, worker_module.__package__)
        assert callable(getattr(job, function))


def test_temporary_files_of_libraries_are_in_the_jobs_own_folder(real_worker, request_):
    worker = real_worker("""
        import tempfile
        import dask
        return {"folders": [tempfile.gettempdir(), os.environ["TMPDIR"],
                            dask.config.get("temporary-directory")], "own": str(scratch)}
    """)
    values = worker.run(request_)
    assert values["folders"] == [values["own"]] * 3


def test_a_home_that_cannot_be_used_is_told_by_hand(real_worker, request_, monkeypatch):
    monkeypatch.setenv("FAIRWEATHER_HOME", "~nobody-of-that-name/x")
    done = real_worker("return {}").by_hand(request_)
    assert done.returncode == 1
    assert done.stderr.startswith("FAIRWEATHER_HOME, ~nobody-of-that-name/x, names the folder")
    assert len(done.stderr.splitlines()) == 1
    monkeypatch.delenv("FAIRWEATHER_HOME")
