"""However a worker is stopped, it is gone soon and leaves nothing behind."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import steady_time
from fairweather.core.bridge import worker_process
from fairweather.core.bridge.errors import CancelledError, WorkerError
from fairweather.core.bridge.home import jobs_folder
from fairweather.core.bridge.part_files import former_path, part_path, remove_parts
from fairweather.core.bridge.request import SampleCatalogRequest, request_to_json

posix_only = pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's")


HALF_WRITTEN = """
    with whole_file(Path(request.items), scratch) as path:
        path.write_text("half")
        (scratch / "tile").write_text("temporary")
        note("ready", "yes")
        {wait}
    return {{}}
"""
# sum() stays in C and keeps the interpreter's lock; sleep gives it away.
WAITS = ["time.sleep(60)", "while True: time.sleep(0.01)", "sum(range(10**11))"]


@posix_only
@pytest.mark.parametrize("wait", WAITS)
def test_cancel_leaves_nothing_within_2_s(real_worker, request_, files_made, wait):
    worker = real_worker(HALF_WRITTEN.format(wait=wait))
    ready = Path(f"{worker.script}.ready")
    seen = []

    def is_cancelled():
        if ready.exists() and not seen:
            seen.append(steady_time.Stopwatch())
        return bool(seen)

    with pytest.raises(CancelledError):
        worker.run(request_, is_cancelled)
    assert seen[0].stop() < 2
    assert files_made() == []


@pytest.fixture
def hangup():
    """A function that lets the processes started from now on ignore SIGHUP, or not."""
    before = signal.getsignal(signal.SIGHUP)
    yield lambda action: signal.signal(signal.SIGHUP, action)
    signal.signal(signal.SIGHUP, before)


@posix_only
@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP"])
def test_a_worker_stopped_by_hand_cleans_up_quickly(
    real_worker, request_, files_made, hangup, name
):
    number = getattr(signal, name)
    worker = real_worker(HALF_WRITTEN.format(wait="time.sleep(60)"))
    scratch = worker.script.with_name("my own folder")
    command = worker.command(request_, "--scratch", scratch)
    hangup(signal.SIG_DFL)
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    worker.wait_for("ready")
    stopwatch = steady_time.Stopwatch()
    process.send_signal(number)
    out, _ = process.communicate()
    assert stopwatch.stop() < 1
    assert json.loads(out.splitlines()[-1])["text"] == "The worker was stopped."
    assert process.returncode == 1
    assert files_made() == []
    assert (scratch / "tile").exists()  # a folder that a person named is not removed


@posix_only
def test_a_worker_that_is_to_survive_its_terminal_does(real_worker, request_, hangup):
    """Started by nohup."""
    worker = real_worker("""
        note("ready", "yes")
        while not Path(__file__ + ".hung up").exists():
            time.sleep(0.01)
        return {"SCENE_COUNT": 7}
    """)
    hangup(signal.SIG_IGN)
    with subprocess.Popen(worker.command(request_), stdout=subprocess.PIPE) as process:
        worker.wait_for("ready")
        process.send_signal(signal.SIGHUP)
        Path(f"{worker.script}.hung up").touch()
        said = process.stdout.read().splitlines()
    assert process.returncode == 0
    assert json.loads(said[-1]) == {"event": "result", "values": {"SCENE_COUNT": 7}}


LOOKING_UP_A_NAME = """
    import socket
    from dataclasses import replace
    from fairweather.core.bridge.request import Area
    from fairweather.core.science.catalog.job import run_search
    def look_up_for_a_minute(*arguments, **options):
        note("ready", "yes")
        time.sleep(60)
    socket.getaddrinfo = look_up_for_a_minute
    ring = [[16, 45], [17, 45], [17, 46], [16, 46], [16, 45]]
    area = Area("EPSG:4326", {"type": "Polygon", "coordinates": [ring]})
    search = replace(request.search, area=area, catalog="https://catalogue.invalid/stac")
    return run_search(replace(request, search=search), reporter, scratch)
"""
WAYS = {
    "stdin": lambda process: process.stdin.close(),
    "SIGINT": lambda process: process.send_signal(signal.SIGINT),
    "SIGTERM": lambda process: process.terminate(),
}


@posix_only
@pytest.mark.parametrize("way", WAYS)
def test_a_name_that_takes_a_minute_to_look_up_keeps_nobody(real_worker, request_, files_made, way):
    worker = real_worker(LOOKING_UP_A_NAME)
    scratch = worker.script.with_name("scratch")
    command = worker.command(request_, "--scratch", scratch, "--watch-stdin")
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        worker.wait_for("ready")
        stopwatch = steady_time.Stopwatch()
        WAYS[way](process)
        process.wait()
        assert stopwatch.stop() < 2
    assert files_made() == []
    assert not scratch.exists()


# Removing the blocks that were kept, say, once the composite has its name.
NAMED = """
    with whole_file(Path(request.items), scratch) as path:
        path.write_text("whole")
    note("ready", "yes")
    time.sleep({seconds})
    return {{"SCENE_COUNT": 7}}
"""

# As long as the moment may take on a machine that stands still in between.
MUCH_TIME_TO_FINISH = """
    from fairweather.core.science import worker_streams
    worker_streams.SECONDS_TO_FINISH = 50
"""


@posix_only
def test_a_cancel_that_comes_when_all_is_written_is_too_late(real_worker, request_, monkeypatch):
    monkeypatch.setattr(worker_process, "SECONDS_TO_STOP", 60)
    worker = real_worker(MUCH_TIME_TO_FINISH + NAMED.format(seconds=0.2))
    ready = Path(f"{worker.script}.ready")
    assert worker.run(request_, ready.exists) == {"SCENE_COUNT": 7}
    assert Path(request_.items).read_text() == "whole"


@posix_only
@pytest.mark.parametrize("way", WAYS)
def test_a_signal_that_comes_when_all_is_written_is_too_late(real_worker, request_, way):
    worker = real_worker(MUCH_TIME_TO_FINISH + NAMED.format(seconds=0.2))
    command = worker.command(request_, "--watch-stdin")
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        worker.wait_for("ready")
        WAYS[way](process)
        said = process.stdout.read().splitlines()
    assert process.returncode == 0
    assert json.loads(said[-1]) == {"event": "result", "values": {"SCENE_COUNT": 7}}


STANDS_STILL = """
    import threading
    wait, waits = threading.Event.wait, []
    def stand_still_at_first(event, timeout=None):
        if threading.current_thread().name == "signals" and timeout:
            waits.append(timeout)
            if len(waits) == 1:
                return False
        return wait(event, timeout)
    threading.Event.wait = stand_still_at_first
"""


@posix_only
def test_a_signal_is_too_late_though_the_machine_stands_still(real_worker, request_):
    worker = real_worker(STANDS_STILL + NAMED.format(seconds=0.1))
    with subprocess.Popen(worker.command(request_), stdout=subprocess.PIPE) as process:
        worker.wait_for("ready")
        process.terminate()
        said = process.stdout.read().splitlines()
    assert json.loads(said[-1]) == {"event": "result", "values": {"SCENE_COUNT": 7}}


@posix_only
def test_a_job_that_ends_while_the_last_word_is_said_ends_too(real_worker, request_):
    worker = real_worker("""
        from fairweather.core.science.worker_streams import EventStream
        send = EventStream.send_last_word
        def say_slowly(stream, event):
            send(stream, event)
            note("said", "yes")
            time.sleep(0.3)
        EventStream.send_last_word = say_slowly
        note("ready", "yes")
        while not Path(__file__ + ".said").exists():
            time.sleep(0.01)
        return {}
    """)
    with subprocess.Popen(worker.command(request_), stdout=subprocess.PIPE) as process:
        worker.wait_for("ready")
        process.terminate()
        try:
            process.wait(5)
        finally:
            process.kill()
    assert process.returncode != 0


@posix_only
def test_a_job_that_goes_on_after_its_first_file_is_cancelled(real_worker, request_):
    worker = real_worker(NAMED.format(seconds=60))
    ready = Path(f"{worker.script}.ready")
    seen = []

    def is_cancelled():
        if ready.exists() and not seen:
            seen.append(steady_time.Stopwatch())
        return bool(seen)

    with pytest.raises(CancelledError):
        worker.run(request_, is_cancelled)
    assert seen[0].stop() < 2


@posix_only
def test_a_worker_stopped_from_outside_is_not_taken_for_out_of_memory(real_worker, request_):
    worker = real_worker("os.kill(os.getpid(), signal.SIGTERM); time.sleep(60)")
    with pytest.raises(WorkerError, match="was stopped"):
        worker.run(request_)


@posix_only
def test_a_reader_that_goes_away_ends_the_worker(real_worker, request_):
    worker = real_worker("""
        while True:
            reporter.message("Is anybody there?")
    """)
    process = subprocess.Popen(worker.command(request_), stdout=subprocess.PIPE)
    process.stdout.readline()
    stopwatch = steady_time.Stopwatch()
    process.stdout.close()
    assert process.wait() == 1
    assert stopwatch.stop() < 2


@posix_only
def test_killing_the_parent_leaves_no_process_no_part_file_and_no_scratch(
    real_worker, request_, start_parent, files_made, is_alive, wait_until
):
    child = "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])"
    worker = real_worker(
        f"    import subprocess\n    {child}\n    note('child.pid', child.pid)"
        + HALF_WRITTEN.format(wait="time.sleep(60)")
    )
    parent = start_parent(worker.script, worker.command(request_)[-1])
    worker.wait_for("ready")
    assert len(files_made()) == 1
    parent.kill()
    pids = [int(worker.wait_for(name)) for name in ("pid", "child.pid")]
    wait_until(lambda: not any(is_alive(pid) for pid in pids), 2)
    assert files_made() == []


@pytest.mark.slow
@posix_only
def test_a_killed_sample_catalog_leaves_nothing_and_a_rerun_by_hand_is_the_same(
    plugin_root, tmp_path, start_parent, wait_until
):
    launch = plugin_root / "core" / "launch.py"
    request = SampleCatalogRequest(str(tmp_path / "sample catalog"), 12)
    path = tmp_path / "request.json"
    path.write_text(request_to_json(request), encoding="utf-8")
    parent = start_parent(launch, path)
    wait_until(lambda: list(tmp_path.glob(".sample catalog.*.part/*/*/*.tif")), 30)
    parent.kill()
    wait_until(lambda: list(tmp_path.iterdir()) == [path], 2)
    wait_until(lambda: list(jobs_folder().iterdir()) == [], 2)

    contents = []
    for _ in range(2):
        command = [sys.executable, launch, "worker", path]
        subprocess.run(command, check=True, capture_output=True)
        files = sorted(Path(request.folder).rglob("*"))
        contents.append({file: file.read_bytes() for file in files if file.is_file()})
    assert contents[0] == contents[1]
    assert len(contents[0]) > 12


@posix_only
def test_ctrl_c_while_it_starts_is_one_sentence(real_worker, request_, plugin_root, tmp_path):
    """Loading takes a moment, in which the worker does not listen yet."""
    script = tmp_path / "interrupted.py"
    script.write_text(
        "import importlib.util, os, signal, sys\n"
        # A shell's background jobs ignore it.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "spec = importlib.util.spec_from_file_location('launch', sys.argv[1])\n"
        "launch = importlib.util.module_from_spec(spec)\n"
        "spec.loader.exec_module(launch)\n"
        "read = launch._read_files\n"
        "launch._read_files = lambda root: os.kill(os.getpid(), signal.SIGINT) or read(root)\n"
        "sys.exit(launch.main(['worker', 'request.json']))\n"
    )
    done = subprocess.run(
        [sys.executable, script, plugin_root / "core" / "launch.py"],
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 130
    assert done.stderr == "Cancelled; nothing was done yet.\n"


@posix_only
def test_a_file_begun_while_the_scratch_folder_is_removed_goes_too(
    real_worker, request_, files_made
):
    worker = real_worker("""
        import shutil
        from fairweather.core.bridge.part_files import part_path
        remove = shutil.rmtree
        def remove_slowly(*arguments, **options):
            part_path(Path(request.items), scratch).write_text("begun too late")
            remove(*arguments, **options)
        shutil.rmtree = remove_slowly
        note("ready", "yes")
        time.sleep(60)
    """)
    process = subprocess.Popen(worker.command(request_), stdout=subprocess.PIPE)
    worker.wait_for("ready")
    stopwatch = steady_time.Stopwatch()
    process.terminate()
    process.communicate()
    assert stopwatch.stop() < 2
    assert files_made() == []


def test_a_former_catalogue_is_put_back_where_no_new_one_came(tmp_path):
    target, scratch = tmp_path / "catalogue", tmp_path / "job-1"
    former = former_path(target, scratch)
    former.mkdir()
    (former / "catalog.json").write_text("former")
    part_path(target, scratch).mkdir()
    remove_parts(target, scratch)
    assert (target / "catalog.json").read_text() == "former"
    assert [path.name for path in tmp_path.iterdir()] == ["catalogue"]
    target.rename(former)
    target.mkdir()
    (target / "catalog.json").write_text("new")
    remove_parts(target, scratch)
    assert (target / "catalog.json").read_text() == "new"
    assert [path.name for path in tmp_path.iterdir()] == ["catalogue"]
