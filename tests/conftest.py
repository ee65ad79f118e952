"""What every test may use: the package under its own name, and the real data where it is."""

import importlib.util
import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def _load_package():
    spec = importlib.util.spec_from_file_location("fairweather_launch", ROOT / "core" / "launch.py")
    launch = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(launch)
    launch.load_package()


_load_package()


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
    if "FAIRWEATHER_HOME" not in os.environ:
        monkeypatch.setenv("FAIRWEATHER_HOME", str(tmp_path_factory.mktemp("home")))
