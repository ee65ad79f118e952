"""What every test may use: the package under its own name, and the real data where it is."""

import importlib.util
import os
import time
from pathlib import Path

import pytest
import steady_time

try:
    import hypothesis
except ImportError:
    hypothesis = None  # QGIS's own Python has none, and no test there needs it

ROOT = Path(__file__).resolve().parent.parent


def _load_package():
    spec = importlib.util.spec_from_file_location("fairweather_launch", ROOT / "core" / "launch.py")
    launch = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(launch)
    launch.load_package()


def _draw_the_same_every_time():
    """What hypothesis draws, and no limit of time: the soak is where chance belongs."""
    hypothesis.settings.register_profile(
        "same every time",
        deadline=None,
        derandomize=True,
        # The one measures time; the other is about fixtures that examples share on purpose here.
        suppress_health_check=[
            hypothesis.HealthCheck.too_slow,
            hypothesis.HealthCheck.function_scoped_fixture,
        ],
    )
    hypothesis.settings.load_profile("same every time")


_load_package()
if hypothesis is not None:
    _draw_the_same_every_time()


@pytest.fixture(scope="session")
def plugin_root():
    """The folder that is the plugin's package."""
    return ROOT


@pytest.fixture(scope="session")
def shared_data():
    """The real imagery beside the project, which a stranger's clone does not have."""
    folder = Path(os.environ.get("FAIRWEATHER_SHARED_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip("the real imagery of ../shared/data is not here")
    return folder


@pytest.fixture(autouse=True)
def _own_home(tmp_path_factory, monkeypatch):
    """No test touches the user's own FAIRWEATHER_HOME."""
    monkeypatch.setenv("FAIRWEATHER_HOME", str(tmp_path_factory.mktemp("home")))


@pytest.fixture(scope="session")
def is_alive():
    """Whether the process with an id still runs."""

    def ask(pid):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        # A killed child of a killed parent may wait for init to bury it.
        try:
            status = Path(f"/proc/{pid}/status").read_text()
        except FileNotFoundError:
            return not Path("/proc/self").exists()  # it is gone meanwhile, or there is no /proc
        except ProcessLookupError:
            return False
        return "State:\tZ" not in status

    return ask


@pytest.fixture(scope="session")
def wait_until():
    """Wait until something is true, and fail if it is not within some steady seconds."""

    def wait(is_true, seconds):
        clock = steady_time.Clock()
        while not is_true():
            assert clock.seconds < seconds, "it did not happen in time"
            time.sleep(0.02)
            clock.tick()

    return wait
