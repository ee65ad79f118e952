"""A server on loopback whose files are published anew after so many answers."""

import contextlib
import re
import threading
from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from loopback import PLACE, serving


@dataclass(frozen=True)
class NewFile:
    """What lies at an address after so many answers, and what is said of it.

    With ``by_turns`` every second answer is still of the former.
    """

    after: int
    content: bytes
    headers: dict = field(default_factory=lambda: {"ETag": '"new"'})
    is_whole: bool = False
    by_turns: bool = False


@dataclass
class RepublishingServer:
    """Answers with ``headers`` and ranges of the files in ``folder``, and then of ``new`` ones.

    ``asked`` are name and first byte of each request. With ``tells_length`` False no answer says
    how long its file is.
    """

    folder: Path
    headers: dict = field(default_factory=lambda: {"ETag": '"old"'})
    new: dict[str, NewFile] = field(default_factory=dict)
    tells_length: bool = True
    has_ranges: bool = True
    asked: list = field(default_factory=list)
    counts: Counter = field(default_factory=Counter)
    address: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def of(self, name, start):
        """What is published now, and what is said of it."""
        with self.lock:
            self.asked.append((name, start))
            self.counts[name] += 1
            number = self.counts[name]
        new = self.new.get(name)
        if new and number > new.after and not (new.by_turns and (number - new.after) % 2 == 0):
            return new
        content = (self.folder / name).read_bytes()
        return NewFile(0, content, self.headers, is_whole=not self.has_ranges)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def __init__(self, server, *request):
        self._files = server
        super().__init__(*request)

    def do_GET(self):
        first, last = map(int, re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers["Range"]).groups())
        file = self._files.of(self.path.lstrip("/"), first)
        total = len(file.content) if self._files.tells_length else "*"
        part = file.content[first : last + 1]
        if file.is_whole:
            self._send(200, file.content, file.headers)
        elif part:
            place = f"bytes {first}-{first + len(part) - 1}/{total}"
            self._send(206, part, {"Content-Range": place, **file.headers})
        else:
            self._send(416, b"", {"Content-Range": f"bytes */{total}"})

    def _send(self, status, body, headers):
        self.send_response(status)
        for key, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(key, value)
        self.end_headers()
        with contextlib.suppress(ConnectionError):
            self.wfile.write(body)

    def log_message(self, *_):
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_):
        """A client hung up."""


@contextlib.contextmanager
def running(server):
    """Serve until the end of the block."""
    with serving(_Server(PLACE, partial(_Handler, server))) as server.address:
        yield server
