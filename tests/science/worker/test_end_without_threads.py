"""A worker that is to end, where no thread can be started and what it does for that fails."""

import json
import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(os.name != "posix", reason="pipes and signals are POSIX's")

SCRIPT = """
import importlib.util, os, shutil, sys, threading
from pathlib import Path
spec = importlib.util.spec_from_file_location("launch", sys.argv[1])
launch = importlib.util.module_from_spec(spec)
spec.loader.exec_module(launch)
launch.load_package()
from fairweather.core.bridge.events import Failure
from fairweather.core.bridge.part_files import part_path
from fairweather.core.science import worker_streams
folder = Path(sys.argv[2])
target, scratch = folder / "it.tif", folder / "job-1"
scratch.mkdir()
end = worker_streams.CleanEnd(scratch, removes_scratch=True)
stream = worker_streams.EventStream(on_closed=end)
end.keep_to_time()
end.watch([target])
part_path(target, scratch).write_text("half")
def refuse(*_, **__):
    raise RuntimeError("can't start new thread")
threading.Thread.start = refuse
def fail(*_, **__):
    raise MemoryError
{happens}
{end}(lambda: stream.send_last_word(Failure("WorkerError", "It hangs.")))
os._exit(0)
"""
PIPE = "reading, writing = os.pipe(); os.dup2(writing, stream._descriptor)\n"
NOBODY_IS_THERE = PIPE + "os.close(reading)"
NOBODY_READS = f"""{PIPE}
os.set_blocking(writing, False)
try:
    while True:
        os.write(writing, b"x")
except BlockingIOError:
    os.set_blocking(writing, True)
"""
REMOVES_AT_THE_SECOND_TIME = """
remove, failed = worker_streams.remove_parts, []
def remove_then(*arguments):
    if not failed:
        failed.append(1)
        raise MemoryError
    remove(*arguments)
worker_streams.remove_parts = remove_then
"""
# The limit of the whole end is not what ends it.
A_PART_THAT_STAYS = """
worker_streams.SECONDS_TO_FINISH = 1000
worker_streams.remove_parts = lambda *_: None
"""


@pytest.fixture
def ends(plugin_root, tmp_path):
    """End a worker to which something ``happens``; the events it sent, and what it left."""

    def run(end, happens):
        script = SCRIPT.format(end=end, happens=happens)
        launch = plugin_root / "core" / "launch.py"
        done = subprocess.run(
            [sys.executable, "-c", script, launch, tmp_path],
            stdout=subprocess.PIPE, timeout=30, check=False,
        )  # fmt: skip
        assert done.returncode == 1
        left = sorted(path.name for path in tmp_path.iterdir())
        return [json.loads(line)["text"] for line in done.stdout.splitlines()], left

    return run


@pytest.mark.parametrize("end", ["end", "end.at_once"])
@pytest.mark.parametrize(
    ("happens", "said"),
    [
        ("", ["It hangs."]),
        (NOBODY_IS_THERE, []),
        ("stream._write = fail", []),
        (REMOVES_AT_THE_SECOND_TIME, ["It hangs."]),
    ],
    ids=["nothing", "nobody is there", "no memory to say it", "no memory to remove at first"],
)
def test_it_ends_and_leaves_nothing(ends, end, happens, said):
    assert ends(end, happens) == (said, [])


def test_it_ends_though_another_thread_names_an_output_for_ever(ends):
    assert ends("end.at_once", "worker_streams.NAMING.acquire()") == (["It hangs."], [])


def test_it_ends_though_memory_ends_at_the_scratch_folder(ends):
    assert ends("end.at_once", "shutil.rmtree = fail") == (["It hangs."], ["job-1"])


def test_it_ends_though_a_part_stays(ends):
    assert ends("end.at_once", A_PART_THAT_STAYS) == (["It hangs."], [".it.tif.job-1.part"])


@pytest.mark.parametrize("end", ["end", "end.at_once"])
def test_it_ends_though_nobody_reads_what_it_says(ends, end):
    assert ends(end, NOBODY_READS)[0] == []
