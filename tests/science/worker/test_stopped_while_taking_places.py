"""A worker that is stopped while its outputs take their places leaves the former or the new ones.

The signal comes at each step of that, and who ends the process is slow at removing what is left.
"""

import json
import os
import subprocess
from pathlib import Path

import pytest
from fairweather.core.bridge.request import SampleCatalogRequest

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's")

# From the signal on, the job's thread is at rest until the other one has taken the right to name
# files, or waits for it; that one removes one file of a folder, and then it rests.
STOPPED_AT = """
    import shutil, threading
    from fairweather.core.bridge import part_files
    from fairweather.core.science import whole_file as writing, worker_streams
    from fairweather.core.science.sample_catalog import job
    worker_streams.SECONDS_TO_FINISH = 10
    steps, is_heard = [], threading.Event()
    class Naming:
        def acquire(self):
            is_free = writing.NAMING.acquire(blocking=False)
            is_heard.set()
            return is_free or writing.NAMING.acquire()
        def release(self):
            writing.NAMING.release()
    worker_streams.NAMING = Naming()
    def is_job():
        return threading.current_thread() is threading.main_thread()
    def stopped(function):
        def call(*arguments, **options):
            if is_job():
                steps.append(function.__name__)
                if len(steps) == {at}:
                    note("step", steps[-1])
                    os.kill(os.getpid(), signal.SIGTERM)
                    is_heard.wait(10)
            return function(*arguments, **options)
        return call
    def remove_slowly(path, remove=shutil.rmtree, **options):
        if not is_job():
            for file in sorted(Path(path).glob("*"))[:1]:
                file.unlink()
            time.sleep(0.3)
        remove(path, **options)
    shutil.rmtree = remove_slowly
    Path.rename, Path.replace = stopped(Path.rename), stopped(Path.replace)
    for module in (job, writing):
        module.flush_folder = stopped(part_files.flush_folder)
        module.remove_parts = stopped(part_files.remove_parts)
"""

CATALOGUE = """
    def write(folder, days, reporter):
        for name in ("area.geojson", "catalog.json"):
            (folder / name).write_text('{{"id": "fairweather-sample", "is": "new"}}')
    job.write_catalog = write
    return job.run_sample_catalog(request, reporter, scratch)
"""
CATALOGUE_STEPS = ["flush_folder", "rename", "rename", "flush_folder", "remove_parts"]


def run(worker, request):
    """Run a request to its end; its last event, and at which step it was stopped."""
    done = subprocess.run(worker.command(request), capture_output=True, check=False, timeout=20)
    return json.loads(done.stdout.splitlines()[-1]), worker.wait_for("step")


@pytest.mark.parametrize("at", range(1, 1 + len(CATALOGUE_STEPS)))
def test_the_former_catalogue_or_the_new_one(real_worker, tmp_path, at):
    place = tmp_path / "place"
    folder = place / "catalogue"
    folder.mkdir(parents=True)
    for name in ("area.geojson", "catalog.json"):
        (folder / name).write_text('{"id": "fairweather-sample", "is": "former"}')
    worker = real_worker(STOPPED_AT.format(at=at) + CATALOGUE.format())
    said, step = run(worker, SampleCatalogRequest(str(folder), 12))
    assert step == CATALOGUE_STEPS[at - 1]
    assert [path.name for path in place.iterdir()] == ["catalogue"]
    which = [json.loads(path.read_text())["is"] for path in sorted(folder.iterdir())]
    if at == 1:
        assert said["text"] == "The worker was stopped."
        assert which == ["former", "former"]
    else:
        assert said["event"] == "result"
        assert which == ["new", "new"]


FILE = """
    remove = part_files.remove_parts
    def remove_parts_slowly(*arguments):
        time.sleep(0.3)
        remove(*arguments)
    worker_streams.remove_parts = remove_parts_slowly
    with whole_file(Path(request.items), scratch) as path:
        path.write_text("new")
    return {{"SCENE_COUNT": 7}}
"""


@pytest.mark.parametrize("at", [1, 2])
def test_a_file_that_has_its_name_is_told(real_worker, request_, files_made, at):
    items = Path(request_.items)
    items.write_text("former")
    worker = real_worker(STOPPED_AT.format(at=at) + FILE.format())
    said, step = run(worker, request_)
    assert step == ["replace", "flush_folder"][at - 1]
    assert said == {"event": "result", "values": {"SCENE_COUNT": 7}}
    assert items.read_text() == "new"
    assert files_made() == [items.name]


STOPPED_BEFORE = """
    flush = writing.flush_file
    def flush_late(path):
        flush(path)
        os.kill(os.getpid(), signal.SIGTERM)
        is_heard.wait(10)
    writing.flush_file = flush_late
    note("step", "flush_file")
"""


def test_a_file_that_has_no_name_yet_gets_none(real_worker, request_, files_made):
    items = Path(request_.items)
    items.write_text("former")
    worker = real_worker(STOPPED_AT.format(at=0) + STOPPED_BEFORE + FILE.format())
    said, _ = run(worker, request_)
    assert said["text"] == "The worker was stopped."
    assert items.read_text() == "former"
    assert files_made() == [items.name]
