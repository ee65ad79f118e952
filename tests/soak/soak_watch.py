"""What a piece of code touches outside of itself."""

from __future__ import annotations

import os
import sys
import sysconfig
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# What opens a file, an address or a process; Python tells each (PEP 578).
FILES = frozenset(
    {"open", "os.listdir", "os.scandir", "os.remove", "os.rename", "os.mkdir", "os.link"}
)
REST = frozenset(
    {
        *("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.bind"),
        *("socket.sendto", "subprocess.Popen", "os.system", "os.exec", "os.posix_spawn"),
        *("os.fork", "os.spawn", "urllib.Request", "ctypes.dlopen", "webbrowser.open"),
    }
)
ROOT = Path(__file__).resolve().parents[2]


class Watch:
    """Notes what this process touches that it was not allowed to; one for each process.

    An audit hook stays until the process ends. It sees Python's own calls, not those of libraries
    in C: ``strace`` sees these.
    """

    def __init__(self, allowed: Sequence[Path] = ()) -> None:
        """``allowed`` are folders that may be read and written."""
        own = [sys.prefix, sys.base_prefix, sys.exec_prefix, ROOT, *map(str, allowed)]
        own += [
            sysconfig.get_path("stdlib"),
            sysconfig.get_path("platstdlib"),
            tempfile.gettempdir(),
        ]
        self._allowed = tuple({os.path.realpath(place) for place in own} | {str(p) for p in own})
        self.seen: list[str] = []
        self._is_on = False
        self._thread = threading.get_ident()
        sys.addaudithook(self._hear)

    @contextmanager
    def watching(self) -> Iterator[list[str]]:
        """What is touched in the block, as texts."""
        self.seen = []
        self._is_on = True
        try:
            yield self.seen
        finally:
            self._is_on = False

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self._is_on or (event not in FILES and event not in REST):
            return
        if event in FILES and self._may_touch(arguments[0]):
            return
        self.seen.append(f"{event} {arguments[:2]!r:.200}")

    def _may_touch(self, place: Any) -> bool:
        if isinstance(place, int) or place is None:
            return True
        # Links are not followed.
        text = os.path.abspath(os.fsdecode(place))  # noqa: PTH100
        return text.startswith(self._allowed) and "canary" not in text
