"""The script that starts the servers and the items they hold, as modules."""

import importlib.util
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent


def _load(name):
    spec = importlib.util.spec_from_file_location(f"fairweather_{name}", HERE / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def servers():
    """The module servers.py."""
    return _load("servers")


@pytest.fixture(scope="session")
def made_up():
    """The module made_up_items.py."""
    return _load("made_up_items")
