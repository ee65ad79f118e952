"""A file server on loopback that sends ranges, records what was asked, and fails as it is told."""

from __future__ import annotations

import contextlib
import re
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import rasterio
from loopback import PLACE, serving

# What the code under test calls a piece of a header: requests made of such pieces are for headers.
HEADER_BYTES = 32 * 1024


@dataclass(frozen=True)
class Asked:
    """One request: ``stop`` is one beyond the last byte, None where no range was asked for."""

    name: str
    start: int
    stop: int | None

    @property
    def is_header(self) -> bool:
        return self.stop is None or (
            self.start % HEADER_BYTES == 0 and self.stop % HEADER_BYTES == 0
        )


@dataclass
class RangeServer:
    """``faults`` are, by file name, what is answered to its next requests: see ``_Handler``.

    The last of them is answered for good if ``lasting`` names the file.
    """

    folder: Path
    has_ranges: bool = True
    asked: list[Asked] = field(default_factory=list)
    faults: dict[str, list[str]] = field(default_factory=dict)
    lasting: set[str] = field(default_factory=set)
    address: str = ""
    lock: threading.Lock = field(default_factory=threading.Lock)

    def href(self, path: str | Path) -> str:
        return f"{self.address}/{Path(path).name}"

    def fail(self, path: str | Path, *faults: str, for_good: bool = False) -> None:
        name = Path(path).name
        self.faults[name] = list(faults)
        if for_good:
            self.lasting.add(name)

    def header_requests(self) -> Counter[str]:
        return Counter(asked.name for asked in self.asked if asked.is_header)

    def tiles_fetched(
        self, path: str | Path, places: dict[tuple[int, int], tuple[int, int]]
    ) -> Counter[tuple[int, int]]:
        """How often each tile was sent; ``places`` are the offset and size of each."""
        fetched: Counter[tuple[int, int]] = Counter()
        for asked in self.asked:
            if asked.name == Path(path).name and not asked.is_header and asked.stop is not None:
                fetched.update(
                    tile
                    for tile, (offset, size) in places.items()
                    if asked.start < offset + size and offset < asked.stop
                )
        return fetched

    def next_fault(self, name: str) -> str:
        with self.lock:
            faults = self.faults.get(name, [])
            if len(faults) == 1 and name in self.lasting:
                return faults[0]
            return faults.pop(0) if faults else ""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def __init__(self, server: RangeServer, *request: object) -> None:
        self._server = server
        super().__init__(*request)

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        name = self.path.lstrip("/")
        path = self._server.folder / name
        content = path.read_bytes() if path.is_file() else None
        first, stop = 0, None
        asked = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        if asked:
            first, stop = int(asked[1]), int(asked[2]) + 1
        with self._server.lock:
            self._server.asked.append(Asked(name, first, stop))
        fault = self._server.next_fault(name)
        if content is None or fault.isdigit():
            self._send(int(fault or 404), b"no", {})
        elif fault == "html":
            self._send(200, b"<html><body>Please sign in</body></html>", {})
        elif stop is None or not self._server.has_ranges:
            self._send(200, content, {}, is_cut=fault == "cut")
        elif first >= len(content):
            self._send(416, b"", {"Content-Range": f"bytes */{len(content)}"})
        else:
            self._send_range(content, first, min(stop, len(content)), fault)

    def _send_range(self, content: bytes, first: int, stop: int, fault: str) -> None:
        body, total = content[first:stop], str(len(content))
        if fault == "other range":
            first, body = first + 1, b"\0" + body[:-1]
        elif fault == "no total":
            total = "*"
        elif fault == "too long":
            body += bytes(10_000_000)
        place = {"Content-Range": f"bytes {first}-{stop - 1}/{total}"}
        if fault == "no place":
            place = {}
        self._send(206, body, place, is_cut=fault == "cut")

    def _send(
        self, status: int, body: bytes, headers: dict[str, str], is_cut: bool = False
    ) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        # A client that has read enough may hang up.
        with contextlib.suppress(ConnectionError):
            self.wfile.write(body[: len(body) // 2] if is_cut else body)
        if is_cut:
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    request_queue_size = 64

    def handle_error(self, *_: object) -> None:
        """Say nothing: a client hung up between two requests."""


def tile_places(
    path: str | Path, overview: int | None = None
) -> dict[tuple[int, int], tuple[int, int]]:
    """The offset and size of each tile of a TIFF by row and column, 0 where it is not stored.

    Of full resolution, or of the overview that is numbered so, from 0.
    """
    with rasterio.open(path) as dataset:
        full = (dataset.height, dataset.width)
        tile = dataset.block_shapes[0]
        factor = 1 if overview is None else dataset.overviews(1)[overview]
        down, across = (-(-side // (factor * edge)) for side, edge in zip(full, tile, strict=True))
        options = {"bidx": 1, "ovr": overview}
        return {
            (row, column): tuple(
                int(dataset.get_tag_item(f"BLOCK_{what}_{column}_{row}", "TIFF", **options) or 0)
                for what in ("OFFSET", "SIZE")
            )
            for row in range(down)
            for column in range(across)
        }


@contextlib.contextmanager
def running(server: RangeServer):
    """Serve until the end of the block."""
    make: Callable[..., BaseHTTPRequestHandler] = partial(_Handler, server)
    with serving(_Server(PLACE, make)) as server.address:
        yield server
