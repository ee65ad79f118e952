"""A worker without a folder to be in, without standard streams, or without threads."""

import errno
import json
import os
import subprocess
import threading
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from fairweather.core.bridge import worker_process
from fairweather.core.bridge.errors import InvalidRequestError, WorkerError
from fairweather.core.bridge.home import jobs_folder
from fairweather.core.bridge.request import CompositeRequest, SampleCatalogRequest
from fairweather.core.science.absolute_paths import with_absolute_paths

posix = pytest.mark.skipif(os.name != "posix", reason="needs a shell, and folders that can go")

TELLS = """
    with whole_file(Path(request.items), scratch) as path:
        path.write_text("whole")
    return {"items": request.items, "catalog": request.search.catalog, "here": os.getcwd(),
            "scratch": str(scratch), "home": os.environ["FAIRWEATHER_HOME"],
            "certificates": os.environ.get("REQUESTS_CA_BUNDLE", "")}
"""


@pytest.fixture
def gone(tmp_path, monkeypatch):
    """The current folder, which is not there any more."""
    folder = tmp_path / "gone"
    folder.mkdir()
    before = Path.cwd()
    os.chdir(folder)
    folder.rmdir()
    yield folder
    os.chdir(before)


@posix
@pytest.mark.parametrize("by_hand", [False, True])
def test_a_run_from_a_folder_that_is_gone(real_worker, request_, gone, by_hand):
    worker = real_worker(TELLS)
    if by_hand:
        values = json.loads(worker.by_hand(request_).stdout.splitlines()[-1])["values"]
    else:
        values = worker.run(request_)
    assert values["here"] == values["scratch"]
    assert Path(request_.items).read_text() == "whole"


@posix
@pytest.mark.parametrize("path", ["items", "catalog", "home"])
def test_what_begins_in_a_folder_that_is_gone(real_worker, request_, gone, path, monkeypatch):
    if path == "items":
        request_ = replace(request_, items="items.json")
    elif path == "catalog":
        request_ = replace(request_, search=replace(request_.search, catalog="catalog.json"))
    worker = real_worker(TELLS)
    if path == "home":
        with monkeypatch.context() as patch:
            patch.setenv("FAIRWEATHER_HOME", "home")
            done = worker.by_hand(request_)
        said = done.stderr
    else:
        done = worker.by_hand(request_)
        said = json.loads(done.stdout)["text"]
        with pytest.raises(InvalidRequestError, match="that is gone; give the whole path"):
            worker.run(request_)
    assert done.returncode == 1
    assert "begins in the folder that this run began in, and that is gone; give" in said
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("by_hand", [False, True])
def test_relative_paths_are_those_of_the_folder_that_a_run_began_in(
    real_worker, request_, tmp_path, monkeypatch, by_hand
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "bundle.pem")
    monkeypatch.setenv("FAIRWEATHER_HOME", "home")
    search = replace(request_.search, catalog="catalog.json")
    request_ = replace(request_, items="it.json", search=search)
    worker = real_worker(TELLS)
    if by_hand:
        values = json.loads(worker.by_hand(request_).stdout.splitlines()[-1])["values"]
    else:
        values = worker.run(request_)
    assert values["items"] == str(tmp_path / "it.json")
    assert values["catalog"] == str(tmp_path / "catalog.json")
    assert values["certificates"] == str(tmp_path / "bundle.pem")
    assert values["home"] == str(tmp_path / "home")
    assert Path(values["here"]).parent == tmp_path / "home" / "jobs"
    assert (tmp_path / "it.json").read_text() == "whole"
    assert list((tmp_path / "home" / "jobs").iterdir()) == []


def test_all_paths_of_a_request_become_absolute(request_, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    search = replace(
        request_.search, catalog="https://example.com/stac", scenes="file:scenes.json",
        profile="profile.json",
    )  # fmt: skip
    made = with_absolute_paths(CompositeRequest(search, ("red",), "o.tif", report="r.html"))
    assert made.output == str(tmp_path / "o.tif")
    assert made.report == str(tmp_path / "r.html")
    assert made.search.catalog == "https://example.com/stac"
    assert made.search.scenes == str(tmp_path / "scenes.json")
    assert made.search.profile == str(tmp_path / "profile.json")
    assert with_absolute_paths(made) == made
    empty = CompositeRequest(replace(request_.search, catalog=" "), ("red",), "", report="")
    assert with_absolute_paths(empty) == empty
    assert with_absolute_paths(SampleCatalogRequest("it")).folder == str(tmp_path / "it")


@posix
@pytest.mark.parametrize("closed", ["0<&-", "1>&-", "2>&-", "0<&- 1>&- 2>&-"])
def test_a_run_without_some_standard_streams(real_worker, request_, closed):
    worker = real_worker("""
        print("a word")
        print("another", file=sys.stderr)
        os.write(1, b"from C")
        with whole_file(Path(request.items), scratch) as path:
            path.write_text("whole")
        return {}
    """)
    command = ["sh", "-c", f'"$@" {closed}', "sh", *worker.command(request_)]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    assert Path(request_.items).read_text() == "whole"
    assert "Traceback" not in done.stderr
    assert list(jobs_folder().iterdir()) == []
    if "1>" not in closed:
        assert json.loads(done.stdout.splitlines()[-1])["event"] == "result"


@pytest.mark.parametrize("place", [1, 2, 3, 4])
def test_a_worker_that_may_start_no_thread(real_worker, request_, place):
    """The end's limit, the signals', standard input's, and the one that looks for leftovers."""
    worker = real_worker("return {}")
    text = worker.script.read_text(encoding="utf-8")
    refusing = f"""
import threading
started = []
start = threading.Thread.start
def refuse(thread):
    started.append(thread)
    if len(started) == {place}:
        raise RuntimeError("can't start new thread")
    start(thread)
threading.Thread.start = refuse
sys.exit(worker"""
    worker.script.write_text(text.replace("sys.exit(worker", refusing), encoding="utf-8")
    with pytest.raises(WorkerError, match=r"could be started.*lower MEMORY.*ulimit -u"):
        worker.run(request_)
    if place == 1:
        done = worker.by_hand(request_)
        assert done.returncode == 1
        assert "could be started" in json.loads(done.stdout)["text"]


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.ENOMEM])
def test_a_process_that_the_system_does_not_start(real_worker, request_, monkeypatch, number):
    def refuse(*_, **__):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(worker_process.subprocess, "Popen", refuse)
    with pytest.raises(WorkerError, match=r"could be started.*lower MEMORY.*ulimit -u"):
        real_worker("return {}").run(request_)


@pytest.mark.parametrize("place", [1, 2])
def test_a_thread_that_the_system_does_not_start(real_worker, request_, monkeypatch, place):
    """The worker, which is there already, is ended."""
    start, started = threading.Thread.start, []

    def refuse(thread):
        started.append(thread)
        if len(started) == place:
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    worker = real_worker("time.sleep(60)")
    with pytest.raises(WorkerError, match=r"could be started.*lower MEMORY.*ulimit -u"):
        worker.run(request_)
    assert psutil.Process().children() == []
