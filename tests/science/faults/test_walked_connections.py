"""Every connection of a small run fails once, as it is made: the same pixels and values."""

import errno
import os
import socket
import threading

import faulty_server
import pytest
from small_job import assert_same_pixels, assert_values

pytestmark = pytest.mark.usefixtures("impatient")

NAMES_FAIL = "the name"
CONNECTING = {
    "refused": ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED)),
    "unreachable": OSError(errno.ENETUNREACH, os.strerror(errno.ENETUNREACH)),
    "no route": OSError(errno.EHOSTUNREACH, os.strerror(errno.EHOSTUNREACH)),
    "reset": ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET)),
    "timeout": TimeoutError("timed out"),
}


class FailingConnections:
    """Of the connections, or of the look-ups of names, one fails: number ``at``, from 1."""

    def __init__(self, patch, fault):
        self._error = CONNECTING.get(fault, socket.gaierror(socket.EAI_AGAIN, "try again"))
        self._lock = threading.Lock()
        self._connect, self._resolve = socket.socket.connect, socket.getaddrinfo
        self.count = self.at = 0
        if fault == NAMES_FAIL:
            patch.setattr(socket, "getaddrinfo", self.resolve)
        else:
            patch.setattr(socket.socket, "connect", self.connecting())

    def start(self, at):
        self.count, self.at = 0, at

    def connecting(self):
        """A method of sockets."""

        def connect(one, place):
            if one.family == socket.AF_INET:
                self._step()
            return self._connect(one, place)

        return connect

    def resolve(self, *arguments, **named):
        self._step()
        return self._resolve(*arguments, **named)

    def _step(self):
        with self._lock:
            self.count += 1
            number = self.count
        if number == self.at:
            raise self._error


def composite(small_job):
    found = small_job.run()
    assert_same_pixels(found.pixels, small_job.oracle())
    assert found.named == []


def series(small_job):
    rows, warnings = small_job.series()
    assert_values(small_job, rows)
    assert not any("could not be read" in text for text in warnings)


def walk(small_job, patch, run, fault, step=1):
    """Break connection 1, then 2, then 3 …, until a run ends untouched; how many there were."""
    # Each request has a connection of its own.
    patch.setattr(faulty_server._Handler, "protocol_version", "HTTP/1.0")
    connections = FailingConnections(patch, fault)
    number = 1
    while True:
        connections.start(number)
        run(small_job)
        if connections.count < number:
            return number - 1
        number += step


@pytest.mark.parametrize("fault", [*CONNECTING, NAMES_FAIL])
def test_one_of_every_tenth_connection(small_job, monkeypatch, fault):
    assert walk(small_job, monkeypatch, composite, fault, step=10) >= 20


@pytest.mark.slow
@pytest.mark.parametrize("run", [composite, series])
@pytest.mark.parametrize("fault", [*CONNECTING, NAMES_FAIL])
def test_one_of_all_connections(small_job, monkeypatch, run, fault):
    assert walk(small_job, monkeypatch, run, fault) >= 20
