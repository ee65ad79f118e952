"""Web servers of the tests, each on a free port of 127.0.0.1 until a block ends."""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import BaseServer

# A port that is free.
PLACE = ("127.0.0.1", 0)


@contextlib.contextmanager
def serving(server: BaseServer) -> Iterator[str]:
    """The address of ``server``, which was made for ``PLACE``."""
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextlib.contextmanager
def serving_folder(folder: Path) -> Iterator[str]:
    """The address at which the files of ``folder`` are."""
    handler = functools.partial(_Files, directory=str(folder))
    with serving(ThreadingHTTPServer(PLACE, handler)) as address:
        yield address


class _Files(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""
