"""What the tests of the environment share."""

import shutil
import subprocess

import pytest
from fairweather.core.bridge.environment.installer import Installer
from fairweather.core.bridge.environment.interpreter import find_base_interpreter


@pytest.fixture(scope="session")
def empty_virtual_environment(tmp_path_factory):
    """A virtual environment with pip and nothing else, made once: pip takes seconds to install."""
    folder = tmp_path_factory.mktemp("empty") / "environment"
    base = find_base_interpreter()
    make = base.command("-m", "venv", str(folder))
    subprocess.run(make, env=base.environment(), check=True)
    return folder


@pytest.fixture
def quick_virtual_environments(empty_virtual_environment, monkeypatch):
    """Environments start as copies of an empty one, for tests of what comes after that step."""

    def copy(installer):
        shutil.copytree(
            empty_virtual_environment, installer.folder, symlinks=True, dirs_exist_ok=True
        )

    monkeypatch.setattr(Installer, "_make_virtual_environment", copy)
