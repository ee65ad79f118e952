"""Servers that a test tells what to answer."""

import contextlib
import importlib.util
import sys
from pathlib import Path

import pytest


def _load(name):
    path = Path(__file__).resolve().parents[2] / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"fairweather_web_{name}", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


_guarded_server = _load("guarded_server")


@pytest.fixture
def reply():
    """Make an answer of a status, a body and headers."""
    return _guarded_server.Reply


@pytest.fixture
def serve(tmp_path):
    """Start a server that answers as ``answer`` says; ``seen`` are the requests."""
    with contextlib.ExitStack() as stack:

        def start(answer):
            server = _guarded_server.GuardedServer(tmp_path, lambda _: None)
            server.answer = answer
            return stack.enter_context(_guarded_server.running(server))

        yield start
