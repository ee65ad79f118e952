"""Servers that a test tells what to answer."""

import contextlib

import pytest
from guarded_server import GuardedServer, running


@pytest.fixture
def serve(tmp_path):
    """Start a server that answers as ``answer`` says; ``seen`` are the requests."""
    with contextlib.ExitStack() as stack:

        def start(answer):
            server = GuardedServer(tmp_path)
            server.answer = answer
            return stack.enter_context(running(server))

        yield start
