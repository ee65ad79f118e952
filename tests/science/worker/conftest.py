"""The real worker around a made-up job, started by run_job or by hand."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from fairweather.core.bridge.home import jobs_folder
from fairweather.core.bridge.request import Area, SceneSearch, SearchScenesRequest, request_to_json
from fairweather.core.bridge.worker_process import run_job

# The real worker, with one job more in its table.
LAUNCH = """
import importlib.util, os, signal, sys, time
from pathlib import Path
spec = importlib.util.spec_from_file_location("launch", {launch!r})
launch = importlib.util.module_from_spec(spec)
spec.loader.exec_module(launch)
launch.load_package()
import importlib
worker = importlib.import_module("fairweather.core.science.worker")
from fairweather.core.bridge import errors, request
from fairweather.core.science.whole_file import whole_file
def note(name, text):
    Path(__file__ + "." + name).write_text(str(text))
sys.modules["fairweather.core.science.made_up_job"] = sys.modules["__main__"]
for kind in worker.JOBS:
    worker.JOBS[kind] = (".made_up_job", "run")
def run(request, reporter, scratch):
    note("pid", os.getpid())
{body}
sys.exit(worker.main(sys.argv[2:]))
"""


class RealWorker:
    def __init__(self, script, root, body, wait_until):
        self.script = script
        self.wait_until = wait_until
        body = textwrap.indent(textwrap.dedent(body), "    ")
        text = LAUNCH.format(launch=str(root / "core" / "launch.py"), body=body)
        script.write_text(text, encoding="utf-8")
        self.events = []

    def run(self, request, is_cancelled=lambda: False):
        return run_job(
            request,
            Path(sys.executable),
            on_event=self.events.append,
            is_cancelled=is_cancelled,
            launch_script=self.script,
        )

    def command(self, request, *options):
        """How a person runs the request, whose file is written here."""
        path = self.script.with_name("request.json")
        path.write_text(request_to_json(request), encoding="utf-8")
        return [sys.executable, self.script, "worker", path, *options]

    def by_hand(self, request, **settings):
        return subprocess.run(
            self.command(request), capture_output=True, encoding="utf-8", check=False, **settings
        )

    def wait_for(self, name):
        """What the job noted under ``name``, once it has."""
        path = Path(f"{self.script}.{name}")
        self.wait_until(lambda: path.exists() and path.read_text(), 20)
        return path.read_text()


@pytest.fixture
def real_worker(tmp_path, plugin_root, is_alive, wait_until):
    def make(body):
        return RealWorker(tmp_path / "launch it čšž.py", plugin_root, body, wait_until)

    yield make
    for pid_file in tmp_path.glob("*.pid"):
        wait_until(lambda path=pid_file: not is_alive(int(path.read_text())), 2)
    assert not jobs_folder().exists() or list(jobs_folder().iterdir()) == []


@pytest.fixture
def request_(tmp_path):
    folder = tmp_path / "results in Žumberak"
    folder.mkdir()
    area = Area("EPSG:4326", {"type": "Polygon", "coordinates": []})
    search = SceneSearch("sentinel-2-c1-l2a", area, "2023-01-01", "2023-12-31")
    return SearchScenesRequest(search, str(folder / "items č.json"), "")


@pytest.fixture
def files_made(request_):
    """What lies in the folder of the request's output, by name."""
    folder = Path(request_.items).parent
    return lambda: sorted(path.name for path in folder.iterdir())


PARENT = """
import importlib.util, sys
from pathlib import Path
root, script, request = sys.argv[1:]
spec = importlib.util.spec_from_file_location("launch", root + "/core/launch.py")
launch = importlib.util.module_from_spec(spec)
spec.loader.exec_module(launch)
launch.load_package()
from fairweather.core.bridge.request import read_request
from fairweather.core.bridge.worker_process import run_job
run_job(read_request(Path(request)), Path(sys.executable), on_event=print,
        is_cancelled=lambda: False, launch_script=Path(script))
"""


@pytest.fixture
def start_parent(plugin_root):
    """Start a process that runs a request file as QGIS does, to be killed by the test."""
    parents = []

    def start(script, request_file):
        command = [sys.executable, "-c", PARENT, plugin_root, script, request_file]
        parents.append(subprocess.Popen(command))
        return parents[-1]

    yield start
    for parent in parents:
        parent.kill()
        parent.wait()
