"""A file server on loopback with range requests, a latency, and a count of what was asked.

``python latency_server.py FOLDER SECONDS`` prints its port, then serves until stdin closes.
``GET /-/counts`` answers the requests and bytes since the last such question, as JSON.
"""

from __future__ import annotations

import json
import re
import sys
import threading
import time
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


class Counts:
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


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, folder: Path, latency: float, counts: Counts, *request: object) -> None:
        self._folder, self._latency, self._counts = folder, latency, counts
        super().__init__(*request)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        if self.path == "/-/counts":
            self._send(200, json.dumps(self._counts.take()).encode(), {})
        else:
            self._answer(with_body=True)

    def _answer(self, with_body: bool) -> None:
        time.sleep(self._latency)
        path = self._folder / self.path.lstrip("/")
        if not path.is_file():
            self._counts.add(0)
            self._send(404, b"", {})
            return
        size = path.stat().st_size
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        first, last, headers = 0, size - 1, {"Accept-Ranges": "bytes"}
        if asked:
            first, last = int(asked[1]), min(int(asked[2] or last), last)
            headers["Content-Range"] = f"bytes {first}-{last}/{size}"
        with path.open("rb") as file:
            file.seek(first)
            body = file.read(last - first + 1) if with_body else b""
        self._counts.add(len(body))
        headers["Content-Length"] = str(last - first + 1)
        self._send(206 if asked else 200, body, headers)

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def main() -> None:
    handler = partial(Handler, Path(sys.argv[1]), float(sys.argv[2]), Counts())
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    print(server.server_address[1], flush=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()


if __name__ == "__main__":
    main()
