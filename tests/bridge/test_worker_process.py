"""Fake workers that do every wrong thing; what the caller sees is one clear error each time."""

import os
import threading
from pathlib import Path

import pytest
from fairweather.core.bridge import worker_process
from fairweather.core.bridge.errors import (
    EnvironmentNotReadyError,
    NoScenesError,
    OutputError,
    WorkerError,
)
from fairweather.core.bridge.events import MAX_LINE_BYTES, Message, Progress, WarningMessage
from fairweather.core.bridge.home import jobs_folder, worker_log_file
from fairweather.core.bridge.part_files import part_path
from fairweather.core.bridge.request import (
    Area,
    SampleCatalogRequest,
    SceneSearch,
    SearchScenesRequest,
)

posix_only = pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's")


def search_request(folder):
    area = Area("EPSG:4326", {"type": "Polygon", "coordinates": []})
    search = SceneSearch("sentinel-2-c1-l2a", area, "2023-01-01", "2023-12-31")
    return SearchScenesRequest(search, str(folder / "items.json"), str(folder / "prints.geojson"))


def test_events_reach_the_caller_in_order_and_the_values_are_returned(fake_worker):
    worker = fake_worker("""
        send("progress", percent=10, message="Looking")
        send("message", text="čšž")
        send("warning", text="Careful")
        send("result", values={"SCENE_COUNT": 3})
    """)
    assert worker.run() == {"SCENE_COUNT": 3}
    assert worker.events == [
        Progress(10, "Looking"),
        Message("čšž"),
        WarningMessage("Careful"),
    ]


def test_progress_never_falls_and_ends_at_100(fake_worker):
    worker = fake_worker("""
        for percent in (10, 50, 40, 60, 250):
            send("progress", percent=percent, message="")
        send("result", values={})
    """)
    worker.run()
    assert [event.percent for event in worker.events] == [10, 50, 50, 60, 100]


def test_the_worker_is_started_isolated_with_its_request_and_a_clean_environment(
    fake_worker, monkeypatch, tmp_path
):
    for name in ("PYTHONPATH", "PYTHONHOME", "PROJ_LIB", "GDAL_DATA", "PYTHONEXECUTABLE"):
        monkeypatch.setenv(name, str(tmp_path / "nowhere"))
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.invalid:1")
    worker = fake_worker("""
        with open(sys.argv[2], encoding="utf-8") as file:
            request = json.load(file)
        send("result", values={
            "request": request, "arguments": sys.argv[1:], "environment": dict(os.environ),
            "isolated": sys.flags.isolated, "utf8": sys.flags.utf8_mode,
            "leader": os.getsid(0) == os.getpid() if os.name == "posix" else True,
        })
    """)
    values = worker.run(SampleCatalogRequest("Žumberak \udc80", 12))
    assert values["request"]["folder"] == "Žumberak \udc80"
    assert values["arguments"][0] == "worker"
    assert values["arguments"][2] == "--scratch"
    assert values["arguments"][4] == "--watch-stdin"
    assert values["isolated"] == values["utf8"] == 1
    assert values["leader"]
    environment = values["environment"]
    assert environment["FAIRWEATHER_HOME"] == str(jobs_folder().parent)
    assert environment["HTTPS_PROXY"] == "http://proxy.invalid:1"
    assert not {"PYTHONPATH", "PYTHONHOME", "PROJ_LIB", "GDAL_DATA"} & set(environment)


def test_a_failure_becomes_the_error_of_its_kind(fake_worker):
    worker = fake_worker('send("error", kind="NoScenesError", text="No scene; relax MAX_CLOUD.")')
    with pytest.raises(NoScenesError, match=r"^No scene; relax MAX_CLOUD\.$"):
        worker.run()


@pytest.mark.parametrize("kind", ["KeyError", "annotations", "", "os"])
def test_a_failure_of_no_known_kind_is_the_workers(fake_worker, kind):
    worker = fake_worker(f'send("error", kind={kind!r}, text="Something.")')
    with pytest.raises(WorkerError, match="Something"):
        worker.run()


@posix_only
def test_a_killed_worker_reads_as_out_of_memory(fake_worker):
    worker = fake_worker("os.kill(os.getpid(), signal.SIGKILL)")
    with pytest.raises(WorkerError, match=r"ran out of memory.*lower MEMORY.*area"):
        worker.run()


def test_a_memory_error_without_an_event_reads_as_out_of_memory(fake_worker):
    worker = fake_worker("raise MemoryError")
    with pytest.raises(WorkerError, match="lower MEMORY"):
        worker.run()


@posix_only
def test_a_crash_is_named(fake_worker):
    worker = fake_worker("os.kill(os.getpid(), signal.SIGSEGV)")
    with pytest.raises(WorkerError, match="crashed with SIGSEGV"):
        worker.run()


def test_an_end_without_a_result_tells_the_last_line_but_no_traceback(fake_worker):
    worker = fake_worker("""
        def inner():
            raise KeyError("blue")
        inner()
    """)
    with pytest.raises(WorkerError) as caught:
        worker.run()
    text = str(caught.value)
    assert "KeyError: 'blue'" in text
    assert "ended with code 1" in text
    assert "Traceback" not in text
    assert "\n" not in text
    assert "in inner" in worker_log_file().read_text(encoding="utf-8")
    assert str(worker_log_file()) in worker.events[-1].text


def test_a_missing_package_says_to_make_the_environment(fake_worker):
    worker = fake_worker("import there_is_no_such_package")
    with pytest.raises(EnvironmentNotReadyError, match=r"there_is_no_such_package.*environment"):
        worker.run()


@pytest.mark.parametrize(
    "garbage",
    [
        "print('hello')",
        "sys.stdout.buffer.write(bytes(range(256)) + b'\\n')",
        "print('[1, 2]')",
        'print(\'{"event": "progress", "percent": "high"}\')',
        'print(\'{"event": "progress", "percent": NaN}\')',
        'print(\'{"event": "result", "values": [1]}\')',
        "print('[' * 100000)",
        "print()",
    ],
)
def test_garbage_on_the_stream_is_one_sentence(fake_worker, garbage):
    worker = fake_worker(f"{garbage}; sys.stdout.flush(); time.sleep(60)")
    with pytest.raises(WorkerError, match="no event") as caught:
        worker.run()
    assert "\n" not in str(caught.value)
    assert worker.seconds < 5


def test_a_line_that_never_ends_is_cut_off(fake_worker):
    worker = fake_worker("""
        while True:
            sys.stdout.write("x" * 65536)
    """)
    with pytest.raises(WorkerError, match="never ends"):
        worker.run()
    assert worker.seconds < 5


def test_the_longest_line_allowed_passes(fake_worker):
    worker = fake_worker(f"""
        empty = len(json.dumps({{"event": "message", "text": ""}})) + 1
        send("message", text="x" * ({MAX_LINE_BYTES} - empty))
        send("result", values={{}})
    """)
    worker.run()
    assert len(worker.events[0].text) > MAX_LINE_BYTES - 100


def test_a_flood_on_stderr_blocks_nothing_and_is_not_kept(fake_worker):
    worker = fake_worker("""
        for _ in range(160):
            sys.stderr.write("w" * 65535 + "\\n")
        print("the last words", file=sys.stderr, flush=True)
        sys.exit(3)
    """)
    with pytest.raises(WorkerError, match=r"code 3.*the last words"):
        worker.run()
    assert worker_log_file().stat().st_size <= worker_process.STDERR_TAIL_BYTES


def test_a_closed_stream_is_an_end(fake_worker):
    worker = fake_worker("""
        os.close(1)
        time.sleep(60)
    """)
    with pytest.raises(WorkerError, match="closed its stream"):
        worker.run()
    assert worker.seconds < 5


@posix_only
def test_a_child_that_outlives_the_result_is_ended(fake_worker):
    worker = fake_worker("""
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        note("child.pid", child.pid)
        send("result", values={"OK": 1})
        time.sleep(60)
    """)
    assert worker.run() == {"OK": 1}
    assert worker.seconds < 3


@posix_only
def test_a_death_is_noticed_though_a_child_holds_the_pipe_open(fake_worker):
    worker = fake_worker("""
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
        note("child.pid", child.pid)
        os._exit(7)
    """)
    with pytest.raises(WorkerError, match="code 7"):
        worker.run()
    assert worker.seconds < 5


def test_part_files_of_a_killed_worker_are_removed_and_nothing_else(fake_worker, tmp_path):
    folder = tmp_path / "results č š"
    folder.mkdir()
    request = search_request(folder)
    (folder / ".items.json.job-other.part").write_text("another run's")
    (folder / "items.json").write_text("a former result")
    worker = fake_worker("""
        request = json.load(open(sys.argv[2], encoding="utf-8"))
        for target in (request["items"], request["footprints"]):
            folder, name = os.path.split(target)
            part = os.path.join(folder, "." + name + "." + os.path.basename(sys.argv[4]) + ".part")
            for path in (part, part + ".aux.xml"):
                open(path, "w").close()
        os._exit(9)
    """)
    with pytest.raises(WorkerError):
        worker.run(request)
    assert sorted(path.name for path in folder.iterdir()) == [
        ".items.json.job-other.part",
        "items.json",
    ]


def test_the_part_path_is_what_the_worker_uses():
    part = part_path(Path("folder") / "a b.tif", Path("jobs") / "job-1")
    assert part == Path("folder").absolute() / ".a b.tif.job-1.part"


@pytest.mark.parametrize("python", ["there/is/no/python", "."])
def test_a_python_that_cannot_start_says_to_make_the_environment(fake_worker, python):
    with pytest.raises(EnvironmentNotReadyError, match=r"cannot be started.*environment"):
        fake_worker("").run(python=python)


def test_a_home_that_cannot_be_written_is_one_sentence(fake_worker, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("FAIRWEATHER_HOME", str(tmp_path / "file" / "home"))
    with pytest.raises(OutputError, match="set FAIRWEATHER_HOME"):
        fake_worker("").run()


def test_an_error_of_the_caller_ends_the_worker(fake_worker):
    worker = fake_worker('send("message", text=""); time.sleep(60)')

    class Refuses:
        def append(self, _):
            raise ZeroDivisionError

    worker.events = Refuses()
    with pytest.raises(ZeroDivisionError):
        worker.run()
    assert worker.seconds < 5


@posix_only
def test_many_runs_leave_no_thread_and_no_open_file(fake_worker):
    worker = fake_worker('send("result", values={})')
    worker.run()
    threads = threading.active_count()
    files = len(list(Path("/dev/fd").iterdir()))
    for _ in range(5):
        worker.run()
    assert threading.active_count() == threads
    assert len(list(Path("/dev/fd").iterdir())) == files
