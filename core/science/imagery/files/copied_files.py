"""Copies of remote files as wholes: of those whose servers send no ranges, and for GDAL."""

from __future__ import annotations

import os
import threading
import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from itertools import chain
from pathlib import Path
from typing import BinaryIO

import urllib3
from urllib3.exceptions import ProtocolError

from ....bridge.errors import OutputError
from ...web.bodies import pieces
from ...whole_file import ELSEWHERE, write_error
from . import signatures
from .file_versions import UNNAMED, DamagedError, FileVersions, ReplacedError, version_of
from .patience import RangeError

MOST_COPIED_BYTES = 8 * 1024**3


class CopiedFiles:
    """Copies in a folder, by address, known to all threads.

    One that came as a single answer may be a part of its file, of which no answer tells. So it may
    be fetched a second time: once, whatever comes.
    """

    def __init__(self, scratch: Path, versions: FileVersions) -> None:
        self._scratch = scratch
        self._versions = versions
        self._paths: dict[str, Path] = {}
        self._bytes_before: dict[str, int] = {}
        # The name of the version that each came as.
        self._answers: dict[str, bytes] = {}
        self._fetched_twice: set[str] = set()
        self._growing: set[str] = set()
        self._copying: dict[str, threading.Lock] = defaultdict(threading.Lock)
        self._waiting: dict[str, threading.Lock] = defaultdict(threading.Lock)
        self._lock = threading.Lock()

    def find(self, href: str) -> Path | None:
        """The copy of a file, None where there is none."""
        return self._paths.get(href)

    def is_answer(self, href: str) -> bool:
        """Whether the copy of a file came as a single answer."""
        return href in self._answers and href in self._paths

    def take(self, href: str, response: urllib3.BaseHTTPResponse) -> Path:
        """The copy of a file, of an answer that is the whole file if there is none yet.

        Raises:
            HTTPError: the answer is something else, or only a part, as far as that can be told.
            ReplacedError: it is another file than the one that was read before.
            DamagedError: it differs from the copy that it should complete.
            RangeError: it is larger than ``MOST_COPIED_BYTES``.
            OutputError: the disk is full or fails.
        """
        with self._lock:
            copying = self._copying[href]
        with copying:
            if href not in self._paths or href in self._growing:
                name = version_of(response.headers, None).name
                try:
                    self.keep(href, self._whole(href, response))
                except DamagedError as error:
                    former = self._answers.get(href, UNNAMED)
                    if UNNAMED not in (name, former) and name != former:
                        raise ReplacedError from error
                    raise
                self._answers[href] = name
            return self._paths[href]

    def keep(self, href: str, content: Iterable[bytes]) -> Path:
        """The copy of a file, of its ``content`` if there is none yet; it adds what one lacks."""
        former = self._paths.get(href)
        path = former or self._scratch / f"copied-file-{uuid.uuid4().hex}"
        try:
            _write(path, content)
            self._versions.check_copy(href, partial(read_copy, path))
        except BaseException:
            if former is None:
                _remove(path)
            raise
        kept = self._paths.setdefault(href, path)
        if kept != path:
            _remove(path)
        return kept

    def drop(self, href: str) -> None:
        """Remove the copy of a file that nobody reads."""
        if path := self._paths.pop(href, None):
            _remove(path)

    def drop_answer(self, href: str) -> bool:
        """Remove the copy of a file of which nothing was read yet, so that it is fetched again.

        Returns whether it is to be: it came as a single answer, for the first time.
        """
        with self._lock:
            if href not in self._answers or href in self._fetched_twice:
                return False
            self._fetched_twice.add(href)
        self.drop(href)
        return True

    @contextmanager
    def growing(self, href: str) -> Iterator[bool]:
        """Meanwhile an answer adds what the copy lacks; of several threads, one is told to ask."""
        with self._lock:
            waiting = self._waiting[href]
        with waiting:
            is_first = href in self._answers and href not in self._fetched_twice
            self._fetched_twice.add(href)
            if is_first:
                self._growing.add(href)
            try:
                yield is_first
            finally:
                self._growing.discard(href)

    def remove_all(self) -> None:
        """Remove all copies."""
        for path in self._paths.values():
            _remove(path)

    def _whole(self, href: str, response: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
        """All of an answer that is the whole file; see ``take``."""
        # Nobody asked for it packed: a few bytes sent would be a thousand times as many kept.
        content = pieces(response, MOST_COPIED_BYTES + 1, is_unpacked=False)
        first = b""
        while len(first) < signatures.LONGEST and (piece := next(content, b"")):
            first += piece
        if first.lstrip().startswith(b"<"):
            # As a hotel's network does until somebody signs in.
            raise ProtocolError("the server sent a web page instead of the file")
        if not signatures.is_raster(first):
            raise ProtocolError("the server sent something else instead of the file")
        size = 0
        for piece in chain([first], content):
            size += len(piece)
            yield piece
        expected = self._versions.file_bytes(href)
        if expected is None and not _tells_its_end(response):
            # A closed connection may be the file's end, or a failure: it takes two alike.
            expected = self._bytes_before.get(href, -1)
            self._bytes_before[href] = size
        if expected not in (None, size):
            if _tells_its_end(response):
                self._versions.check_name(href, version_of(response.headers, size))
            raise ProtocolError("the server sent a part instead of the whole file")


def read_copy(path: Path, start: int, length: int) -> bytes:
    """Bytes of a copy, fewer only where it ends.

    Raises:
        OutputError: the disk fails.
    """
    try:
        with path.open("rb") as file:
            file.seek(start)
            return file.read(length)
    except OSError as error:
        raise OutputError(
            f"A file that was copied into {path.parent} cannot be read any more "
            f"({error.strerror or error}); {ELSEWHERE}."
        ) from error


def _write(path: Path, content: Iterable[bytes]) -> None:
    """Write a new file, or add what one lacks.

    The disk's own failures are told from those of ``content``, which comes over the network.

    Raises:
        OutputError: the disk is full or fails.
        RangeError: it is larger than ``MOST_COPIED_BYTES``.
        ReplacedError: what is there already begins otherwise, and is of another length.
        DamagedError: it is of the same length, and not the same.
    """
    with _disk_failures_told(path):
        file = path.open("a+b")
    size, is_same = 0, True
    try:
        with _disk_failures_told(path):
            former_size = file.seek(0, os.SEEK_END)
        for piece in content:
            size += len(piece)
            if size > MOST_COPIED_BYTES:
                words = f"it is larger than {MOST_COPIED_BYTES >> 30} GB"
                raise RangeError(words, is_lasting=True)
            # What differs is counted to its end, as its length tells what it is.
            if is_same:
                with _disk_failures_told(path):
                    is_same = _add(file, size - len(piece), piece)
    finally:
        with _disk_failures_told(path):
            file.close()
    if not is_same:
        raise DamagedError if size == former_size else ReplacedError


def _add(file: BinaryIO, start: int, piece: bytes) -> bool:
    """Add what a file lacks of a piece; False if it has something else in its place."""
    file.seek(start)
    there = file.read(len(piece))
    if not piece.startswith(there):
        return False
    file.write(piece[len(there) :])
    return True


@contextmanager
def _disk_failures_told(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        name = f"A copy of a remote file in {path.parent}"
        told = write_error(error, path, name, ELSEWHERE)
        if told is None:
            reason = error.strerror or str(error)
            told = OutputError(f"{name} cannot be written ({reason}); {ELSEWHERE}.")
        raise told from error


def _remove(path: Path) -> None:
    # A disk that fails is told of by its first failure; the folder goes with the run anyway.
    with suppress(OSError):
        path.unlink()


def _tells_its_end(response: urllib3.BaseHTTPResponse) -> bool:
    """Whether urllib3 finds out if an answer breaks off."""
    is_chunked = "chunked" in response.headers.get("Transfer-Encoding", "").lower()
    return is_chunked or response.headers.get("Content-Length", "").isdigit()
