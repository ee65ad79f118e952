"""A server on loopback that sends ranges and breaks the requests it is told to."""

import contextlib
import gzip
import json
import random
import re
import socket
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from loopback import PLACE, serving

EVERY_BYTE = (0, 1_000_000_000)

# Instead of a file, with status 200.
OTHER_CONTENT = {
    "html": b"<html>Please sign in</html>",
    "empty": b"",
    "json": b'{"message": "Too many requests"}',
}
UNTIL_CLOSED = ("until closed", "a part", "a part, packed")
MOST_OF_SHORT_RANGES = 500


@dataclass
class FaultyServer:
    """``script`` are faults by the number of the request, from 1; ``lasting`` by file name.

    A lasting fault may be limited to requests that touch the bytes ``[start, stop)`` of the file.
    Each answer takes ``latency`` seconds, and a share ``rate`` of the requests fails at random.
    ``answer`` tells status and content of what is no file, by path and what is asked.
    ``waited_out`` says that an answer that stalls was stalled to its end, 20 s.
    In the script, ``for good 404`` breaks the file from that request on, ``all refuse`` every one.
    """

    folder: Path
    script: dict[int, str] = field(default_factory=dict)
    lasting: dict[str, tuple[str, int, int]] = field(default_factory=dict)
    everything: str = ""
    rate: float = 0.0
    latency: float = 0.0
    chance: random.Random = field(default_factory=partial(random.Random, 4))
    has_ranges: bool = True
    answer: Callable[[str, dict], tuple[int, bytes]] | None = None
    requests: int = 0
    moments: list[float] = field(default_factory=list)
    address: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)
    over: threading.Event = field(default_factory=threading.Event)
    waited_out: bool = False

    def calm(self):
        self.script, self.lasting, self.everything, self.requests = {}, {}, "", 0
        self.moments.clear()

    def fault_of(self, name, start, stop):
        with self.lock:
            self.requests += 1
            if self.chance.random() < self.rate:
                return self.chance.choice(("reset", "503", "cut", "429 after 0"))
            self.moments.append(time.monotonic())
            if self.everything:
                return self.everything
            fault = self.script.get(self.requests, "")
            if fault.startswith("all "):
                self.everything = fault.removeprefix("all ")
                return self.everything
            if fault.startswith("for good "):
                self.lasting[name] = (fault.removeprefix("for good "), *EVERY_BYTE)
            elif fault:
                return fault
        fault, first, end = self.lasting.get(name, ("", 0, 0))
        return fault if start < end and first < stop else ""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def __init__(self, server, *request):
        self._faulty = server
        super().__init__(*request)

    def do_GET(self):
        with contextlib.suppress(OSError):
            self._answer({})

    def do_POST(self):
        with contextlib.suppress(OSError):
            self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def _answer(self, body):
        parts = urlsplit(self.path)
        name, status, content = parts.path.lstrip("/"), 200, b"no such file"
        if self._faulty.answer:
            status, content = self._faulty.answer(
                parts.path, {**dict(parse_qsl(parts.query)), **body}
            )
        elif (self._faulty.folder / name).is_file():
            content = (self._faulty.folder / name).read_bytes()
        else:
            status = 404
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        start, stop = (int(asked[1]), int(asked[2]) + 1) if asked else (0, len(content))
        stop = min(stop, len(content))
        fault = self._faulty.fault_of(name, start, stop)
        time.sleep(self._faulty.latency)
        if fault == "refuse":
            self._reset()
        elif fault == "hang up":
            self.close_connection = True
        elif fault.startswith("redirect"):
            self._send(302, b"", {"Location": self.path})
        elif fault in OTHER_CONTENT:
            self._send(200, OTHER_CONTENT[fault], {})
        elif fault in UNTIL_CLOSED:
            self._send_until_closed(content, fault)
        elif fault[:3].isdigit():
            told, _, wait = fault.partition(" after ")
            self._send(int(told), b"no", {"Retry-After": wait} if wait else {})
        elif not (asked and self._faulty.has_ranges):
            self._send(status, content, {}, fault)
        else:
            self._send_range(content, start, stop, fault)

    def _send(self, status, body, headers, fault=""):
        if fault == "long":
            body += bytes(1000)
        elif fault == "short":
            body = body[: len(body) // 2]
        elif fault == "damaged":
            body = bytes(byte ^ 0x5A for byte in body)
        self.send_response(status)
        for key, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(key, value)
        self.end_headers()
        self._send_body(body, fault)

    def _send_range(self, content, start, stop, fault):
        if start >= len(content):
            self._send(416, b"", {"Content-Range": f"bytes */{len(content)}"})
            return
        unit = "bytes"
        if fault == "short ranges":
            unit, stop = "Bytes", min(stop, start + MOST_OF_SHORT_RANGES)
        place = {"Content-Range": f"{unit} {start}-{stop - 1}/{len(content)}"}
        self._send(206, content[start:stop], place, fault)

    def _send_until_closed(self, content, fault):
        """A file, or half of it, without a word of how long it is."""
        body = gzip.compress(content) if "packed" in fault else content
        self.send_response(200)
        self.send_header("Connection", "close")
        if "packed" in fault:
            self.send_header("Content-Encoding", "gzip")
        self.end_headers()
        self.wfile.write(body if fault == "until closed" else body[: len(body) // 2])

    def _send_body(self, body, fault):
        half = body[: len(body) // 2]
        if fault == "cut":
            self.wfile.write(half)
            self.close_connection = True
        elif fault == "reset":
            self.wfile.write(half)
            self._reset()
        elif fault == "stall":
            self.wfile.write(half)
            self._faulty.waited_out = not self._faulty.over.wait(20) or self._faulty.waited_out
            self.close_connection = True
        elif fault == "drip":
            for byte in body:
                self.wfile.write(bytes([byte]))
                if self._faulty.over.wait(0.03):
                    break
        else:
            self.wfile.write(body)

    def _reset(self):
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.wfile.flush()
        # Of the three that hold the socket, the last to close it sends the reset.
        self.rfile.close()
        self.connection.close()

    def log_message(self, *_):
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    request_queue_size = 64

    def handle_error(self, *_):
        """A connection that was reset is what the test asked for."""

    def shutdown_request(self, request):
        # Without the polite end of a connection, which would come before the reset.
        request.close()


@contextlib.contextmanager
def running(faulty):
    """Serve until the end of the block."""
    with serving(_Server(PLACE, partial(_Handler, faulty))) as faulty.address:
        try:
            yield faulty
        finally:
            faulty.over.set()
