"""A local run listens nowhere; Dask's dashboard listens on loopback only."""

import importlib.util
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from fairweather.core.bridge.events import Message
from fairweather.core.bridge.request import request_to_json

pytestmark = pytest.mark.slow

# Runs a request, and looks all the while for sockets that listen.
WATCHED_RUN = """
import importlib, importlib.util, json, sys, threading, urllib.request
from pathlib import Path
import psutil
launch_file, request_file, scratch = sys.argv[1:]
spec = importlib.util.spec_from_file_location("launch", launch_file)
launch = importlib.util.module_from_spec(spec)
spec.loader.exec_module(launch)
launch.load_package()
from fairweather.core.bridge.request import read_request
from fairweather.core.science.reporter import RecordingReporter
listening, looks, done, pages = set(), 0, threading.Event(), []

def watch():
    global looks
    while not done.is_set():
        found = psutil.Process().net_connections("all")
        listening.update(one.laddr[0] for one in found if one.status == psutil.CONN_LISTEN)
        looks += 1

class Reporter(RecordingReporter):
    def message(self, text):
        super().message(text)
        if "dashboard" in text:
            with urllib.request.urlopen(text.split(": ")[1]) as page:
                pages.append(page.read().decode())

watcher = threading.Thread(target=watch)
watcher.start()
reporter = Reporter()
job = importlib.import_module("fairweather.core.science.composite.job")
try:
    job.run_composite(read_request(Path(request_file)), reporter, Path(scratch))
finally:
    done.set()
    watcher.join()
print(json.dumps({
    "listening": sorted(listening), "looks": looks, "pages": pages,
    "messages": reporter.messages, "distributed": "distributed" in sys.modules,
}))
"""


@pytest.fixture
def watched_run(plugin_root, tmp_path):
    def run(request):
        script, request_file, scratch = (tmp_path / name for name in ("run.py", "request", "s"))
        script.write_text(WATCHED_RUN)
        request_file.write_text(request_to_json(request))
        scratch.mkdir(exist_ok=True)
        command = [sys.executable, script, plugin_root / "core" / "launch.py"]
        done = subprocess.run(
            [*command, request_file, scratch], check=False, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        assert list(scratch.iterdir()) == []
        return json.loads(done.stdout.splitlines()[-1])

    return run


def test_a_local_run_listens_nowhere(composite, watched_run):
    seen = watched_run(composite)
    assert seen["looks"] > 10
    assert seen["listening"] == []
    assert not seen["distributed"]


def test_the_dashboard_listens_on_loopback_only(composite, watched_run):
    pytest.importorskip("bokeh", reason="the dashboard is drawn by bokeh, which is not here")
    watched_run(composite)
    local = Path(composite.output).read_bytes()
    seen = watched_run(replace(composite, dashboard=True))
    assert seen["listening"] == ["127.0.0.1"]
    (page,) = seen["pages"]
    assert "<html" in page
    assert Path(composite.output).read_bytes() == local


def test_a_dashboard_without_its_package_is_told(composite, run_worker):
    if importlib.util.find_spec("bokeh"):
        pytest.skip("bokeh is here")
    with pytest.raises(Exception, match="DASHBOARD needs the package bokeh"):
        run_worker(replace(composite, dashboard=True))


def test_a_dry_run_asks_no_cluster(composite, run_worker):
    _, events = run_worker(replace(composite, dry_run=True, cluster="127.0.0.1:1", dashboard=True))
    assert not [e for e in events if isinstance(e, Message) and "dashboard" in e.text.lower()]
