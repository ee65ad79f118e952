"""A file server on loopback with ranges, a latency, a bandwidth, and a count of what was asked.

``python latency_server.py FOLDER SECONDS BYTES_PER_SECOND`` (0: as fast as it goes) prints its
port, then serves until stdin closes. ``GET /-/counts`` answers the requests and bytes since the
last such question, as JSON.
"""

from __future__ import annotations

import contextlib
import json
import re
import sys
import threading
import time
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

PIECE = 64 * 1024


class Counts:
    """Requests and bytes since they were last taken."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests = self._bytes = 0

    def add(self, size: int) -> None:
        with self._lock:
            self._requests += 1
            self._bytes += size

    def take(self) -> dict[str, int]:
        with self._lock:
            taken = {"requests": self._requests, "bytes": self._bytes}
            self._requests = self._bytes = 0
        return taken


class Bandwidth:
    """One line that all connections share, as a household's does."""

    def __init__(self, bytes_per_second: float) -> None:
        self._rate = bytes_per_second
        self._lock = threading.Lock()
        self._free_at = 0.0

    @property
    def is_limited(self) -> bool:
        return self._rate > 0

    def wait_for(self, size: int) -> None:
        """Sleep until ``size`` more bytes have had their turn."""
        with self._lock:
            self._free_at = max(self._free_at, time.monotonic()) + size / self._rate
            turn = self._free_at
        time.sleep(max(0.0, turn - time.monotonic()))


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else a small answer waits 40 ms for an acknowledgement

    def __init__(
        self, folder: Path, latency: float, bandwidth: Bandwidth, counts: Counts, *request: object
    ) -> None:
        self._folder, self._latency = folder, latency
        self._bandwidth, self._counts = bandwidth, counts
        super().__init__(*request)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        if self.path == "/-/counts":
            body = json.dumps(self._counts.take()).encode()
            self._start(200, len(body), {})
            self.wfile.write(body)
        else:
            self._answer(with_body=True)

    def _answer(self, with_body: bool) -> None:
        time.sleep(self._latency)
        path = self._folder / self.path.lstrip("/")
        if not path.is_file():
            self._refuse(404)
            return
        size = path.stat().st_size
        asked = _asked_range(self.headers.get("Range", ""), size)
        first, last = asked or (0, size - 1)
        if first >= size:
            self._refuse(416)
            return
        headers = {"Accept-Ranges": "bytes"}
        if asked:
            headers["Content-Range"] = f"bytes {first}-{last}/{size}"
        length = last - first + 1
        self._counts.add(length if with_body else 0)
        self._start(206 if asked else 200, length, headers)
        if with_body:
            # A client that has read enough may hang up.
            with contextlib.suppress(ConnectionError):
                self._send(path, first, length)

    def _send(self, path: Path, first: int, length: int) -> None:
        with path.open("rb") as file:
            if not self._bandwidth.is_limited:
                self.connection.sendfile(file, first, length)
                return
            file.seek(first)
            while length > 0:
                piece = file.read(min(PIECE, length))
                self._bandwidth.wait_for(len(piece))
                self.wfile.write(piece)
                length -= len(piece)

    def _refuse(self, status: int) -> None:
        self._counts.add(0)
        self._start(status, 0, {})

    def _start(self, status: int, length: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(length), **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256  # many connections at once is what is measured


def _asked_range(text: str, size: int) -> tuple[int, int] | None:
    """First and last byte that a Range header asks for, or None."""
    asked = re.fullmatch(r"bytes=(\d*)-(\d*)", text)
    if not asked or asked[0] == "bytes=-":
        return None
    if not asked[1]:
        return max(0, size - int(asked[2])), size - 1
    return int(asked[1]), min(int(asked[2] or size - 1), size - 1)


def main() -> None:
    folder, latency, bytes_per_second = Path(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])
    handler = partial(Handler, folder, latency, Bandwidth(bytes_per_second), Counts())
    server = Server(("127.0.0.1", 0), handler)
    print(server.server_address[1], flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()


if __name__ == "__main__":
    main()
