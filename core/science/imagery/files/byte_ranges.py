"""Bytes of files on a disk, behind http(s) or in cloud storage, by range."""

from __future__ import annotations

import re
import stat
import threading
import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import urllib3
from urllib3.exceptions import HTTPError, ProtocolError

from ....bridge.errors import OutputError
from ....bridge.part_files import FULL_DISK_ERRORS
from ...access.access import Access
from ...access.keyed_requests import request_file
from ...web.bodies import pieces
from ...web.connections import Connections
from ...web.reasons import reason_in_words
from ...web.retry_after import retry_after
from ...web.timed_answers import Pace
from . import signatures
from .bytes_in_flight import BytesInFlight
from .file_versions import MOST_SAMPLES, FileVersions, Sample, Version, version_of
from .patience import Hosts, RangeError, StatusError, first_cause, may_pass, retry_policy
from .processor_places import place_given_up

TIMEOUT = urllib3.Timeout(connect=10, read=20)

PACE = Pace(seconds_of_grace=30, fewest_bytes_a_second=2048)
COPY_BYTES = 8 * 1024**2
MOST_COPIED_BYTES = 8 * 1024**3
# Twice what the usual tiles take, of a megabyte and a half in each of the reading threads.
MOST_BYTES_IN_FLIGHT = 96 * 1024**2

# Of a range whose server sends less at a time than it is asked for; after these, each further one
# counts as a failure.
MOST_PARTS = 100
# Of bytes read before, until a version is known to be the same: of a few machines that answer by
# turns, one may be the new one.
MOST_COMPARISONS = 8 * MOST_SAMPLES
# Before a server is given up: where three of ten fail, one server of forty is by mistake.
MOST_LAST_REQUESTS = 3

PARTIAL_CONTENT = 206
WHOLE_CONTENT = 200
RANGE_NOT_SATISFIABLE = 416


class _Part(NamedTuple):
    """Bytes from the place on that was asked for; of which version, if it is not certain yet."""

    content: bytes
    is_last: bool
    version: Version | None = None


class RangeReader:
    """Reads ranges, from any thread; connections are kept for the next range.

    A file whose server sends no ranges is copied once, into ``scratch``.
    """

    def __init__(self, connections: int, scratch: Path, access: Access | None = None) -> None:
        """``access`` has the keys and signatures that some servers want."""
        self._access = access or Access()
        allowed = self._access.rules.private_addresses
        self._connections = Connections(allowed, connections, TIMEOUT, PACE)
        self._scratch = scratch
        self._copies: dict[str, Path] = {}
        self._versions = FileVersions()
        self._bytes_before: dict[str, int] = {}
        self._copying: dict[str, threading.Lock] = defaultdict(threading.Lock)
        self._comparing: dict[str, threading.Lock] = defaultdict(threading.Lock)
        self._lock = threading.Lock()
        self._hosts = Hosts(self._still_sends)
        self.in_flight = BytesInFlight(MOST_BYTES_IN_FLIGHT)

    def read(self, href: str, start: int, length: int) -> bytes:
        """Up to ``length`` bytes from ``start`` on: fewer only where the file ends.

        Raises:
            RangeError: they cannot be read, or are of another file than what was read before.
            AccessError: their server wants keys, or other ones.
            OutputError: the disk is full, and the file is to be copied.
        """
        with place_given_up():
            return self._read(href, start, length)

    def _read(self, href: str, start: int, length: int) -> bytes:
        copy = self._copies.get(href)
        if copy or "://" not in href:
            return _read_disk(copy or Path(href), start, length)
        self._versions.check(href)
        try:
            content = self._read_patiently(href, start, length)
        except (HTTPError, OSError) as error:
            is_lasting = not may_pass(first_cause(error))
            raise RangeError(reason_in_words(error), is_lasting=is_lasting) from error
        self._hosts.answered(href, is_read=True)
        return content

    def _read_patiently(self, href: str, start: int, length: int) -> bytes:
        attempts = self._hosts.attempts(href, retry_policy())
        parts: list[bytes] = []
        while True:
            try:
                part = self._request(href, start, length)
                parts.append(part.content)
                if part.is_last:
                    return b"".join(parts)
                start, length = start + len(part.content), length - len(part.content)
                if len(parts) > MOST_PARTS:
                    raise ProtocolError("the server sent too little of the range each time")
            except (StatusError, HTTPError, OSError) as error:
                cause = first_cause(error)
                if not may_pass(cause):
                    if isinstance(cause, StatusError):
                        self._hosts.answered(href, is_read=False)
                    raise
                attempts.wait(cause)

    def copy(self, href: str) -> Path:
        """The file as a whole, brought into ``scratch`` unless it is there; for one thread a file.

        Raises:
            RangeError: it cannot be read, or is larger than ``MOST_COPIED_BYTES``.
            AccessError: see ``read``.
            OutputError: the disk is full.
        """
        return self._keep(href, self._ranges_of(href))

    def drop_copy(self, href: str) -> None:
        """Remove the copy of a file that nobody reads."""
        copy = self._copies.pop(href, None)
        if copy:
            copy.unlink(missing_ok=True)

    def _ranges_of(self, href: str) -> Iterator[bytes]:
        """All of a file, unless a server without ranges has sent it meanwhile."""
        start, content = 0, b" "
        while content and href not in self._copies:
            content = self.read(href, start, COPY_BYTES)
            yield content
            start += len(content)

    def stop_waiting(self) -> None:
        """Nobody needs what is still being read: whoever waits for a server gets an error."""
        self._hosts.end()

    def close(self) -> None:
        """Close all connections and remove what was copied."""
        self._connections.close()
        for copy in self._copies.values():
            copy.unlink(missing_ok=True)

    def _request(self, href: str, start: int, length: int) -> _Part:
        """One part of a range, of the same version of the file as all others."""
        part = self._ask(href, start, length)
        version = part.version
        if version and not self._versions.accept(href, version, start, part.content):
            self._compare(href, version)
            self._versions.accept(href, version, start, part.content)
        return part

    def _compare(self, href: str, version: Version) -> None:
        """Read again what was read before, until it is certain that a version has the same bytes.

        Raises:
            ReplacedError: it has others.
            HTTPError: it cannot be told now.
        """
        with self._lock:
            comparing = self._comparing[href]
        with comparing:
            self._compare_samples(href, version, self._versions.to_compare(href, version.name))

    def _compare_samples(self, href: str, version: Version, samples: list[Sample]) -> None:
        names = {version.name}
        for _ in range(MOST_COMPARISONS):
            if not samples:
                self._versions.count_names(href, names)
                return
            self._hosts.check(href)
            part = self._ask(href, samples[0].start, samples[0].length)
            if part.version is None or len(part.content) < samples[0].length:
                break
            if self._versions.is_same(href, part.version, samples[0], part.content):
                names.add(part.version.name)
                del samples[0]
        raise ProtocolError("the server sent one version now, and another one then")

    def _ask(self, href: str, start: int, length: int) -> _Part:
        headers = {
            "Range": f"bytes={start}-{start + length - 1}",
            "User-Agent": "fairweather",
            "Accept-Encoding": "identity",
        }
        response = request_file(self._connections, self._access, href, headers)
        try:
            place = response.headers.get("Content-Range", "")
            if response.status == WHOLE_CONTENT:
                return _Part(_read_disk(self._copy(href, response), start, length), is_last=True)
            if response.status == RANGE_NOT_SATISFIABLE:
                if told := re.fullmatch(r"bytes \*/([0-9]{1,19})", place, re.IGNORECASE):
                    self._versions.check_length(href, int(told[1]))
                return _Part(b"", is_last=True)
            if response.status != PARTIAL_CONTENT:
                raise StatusError(response.status, retry_after(response.headers))
            # One byte more than asked for is enough to see that an answer is too long.
            content = b"".join(pieces(response, length + 1, is_unpacked=False))
        finally:
            # A connection whose answer was not read to its end cannot serve the next request.
            response.close()
            response.release_conn()
        is_last, file_bytes = _checked(content, start, length, place)
        return _Part(content, is_last, version_of(response.headers, file_bytes))

    def _still_sends(self, href: str) -> bool:
        """Whether a server sends the first byte of a file that was read before."""
        for _ in range(MOST_LAST_REQUESTS):
            try:
                self._ask(href, 0, 1)
            except StatusError:
                continue
            except (RangeError, HTTPError, OSError):
                return False
            return True
        return False

    def _copy(self, href: str, response: urllib3.BaseHTTPResponse) -> Path:
        with self._lock:
            copying = self._copying[href]
        with copying:
            if href not in self._copies:
                self._keep(href, self._whole(href, response))
            return self._copies[href]

    def _whole(self, href: str, response: urllib3.BaseHTTPResponse) -> Iterator[bytes]:
        """All of an answer that is the whole file.

        Raises:
            HTTPError: it is something else, or only a part, as far as that can be told.
            ReplacedError: it is another file than the one that was read before.
        """
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

    def _keep(self, href: str, content: Iterable[bytes]) -> Path:
        """The copy of a file, of its ``content`` if there is none yet."""
        path = self._scratch / f"copied-file-{uuid.uuid4().hex}"
        try:
            _write(path, content)
            self._versions.check_copy(href, partial(_read_disk, path))
        except BaseException:
            path.unlink(missing_ok=True)
            raise
        kept = self._copies.setdefault(href, path)
        if kept != path:
            path.unlink()
        return kept


def _write(path: Path, content: Iterable[bytes]) -> None:
    """Write a new file.

    Raises:
        OutputError: the disk is full.
        RangeError: it is larger than ``MOST_COPIED_BYTES``.
    """
    try:
        with path.open("wb") as file:
            size = 0
            for piece in content:
                size += len(piece)
                if size > MOST_COPIED_BYTES:
                    words = f"it is larger than {MOST_COPIED_BYTES >> 30} GB"
                    raise RangeError(words, is_lasting=True)
                file.write(piece)
    except OSError as error:
        if error.errno in FULL_DISK_ERRORS:
            raise OutputError(
                f"The disk is full, so a file could not be copied into {path.parent}; make room "
                "there and run again."
            ) from error
        raise


def _tells_its_end(response: urllib3.BaseHTTPResponse) -> bool:
    """Whether urllib3 finds out if an answer breaks off."""
    is_chunked = "chunked" in response.headers.get("Transfer-Encoding", "").lower()
    return is_chunked or response.headers.get("Content-Length", "").isdigit()


def _checked(
    content: bytes, start: int, length: int, content_range: str
) -> tuple[bool, int | None]:
    """Check that an answer that says ``bytes 0-99/1234`` begins the range asked for.

    A server may send less than it is asked for (RFC 9110, 15.3.7), and ``*`` if it does not know
    where the file ends.

    Returns:
        Whether nothing of the range is left, and how long the file is, None if it is not known.

    Raises:
        ProtocolError: it is another range.
    """
    found = re.fullmatch(
        r"bytes ([0-9]{1,19})-([0-9]{1,19})/([0-9]{1,19}|\*)", content_range, re.IGNORECASE
    )
    end = start + len(content)
    if found and int(found[1]) == start and int(found[2]) + 1 == end and len(content) <= length:
        file_bytes = None if found[3] == "*" else int(found[3])
        is_at_end = end == file_bytes or (file_bytes is None and not content)
        if is_at_end or (content and (file_bytes is None or end < file_bytes)):
            return is_at_end or len(content) == length, file_bytes
    raise ProtocolError("the server sent another range than it was asked for")


def _read_disk(path: Path, start: int, length: int) -> bytes:
    try:
        # To open a pipe is to wait for whoever writes into it.
        if not stat.S_ISREG(path.stat().st_mode):
            raise RangeError("it is no file but a folder, a device or a pipe", is_lasting=True)
        with path.open("rb") as file:
            file.seek(start)
            return file.read(length)
    except OSError as error:
        raise RangeError(error.strerror or str(error)) from error
    except ValueError as error:
        raise RangeError("its address is no name of a file", is_lasting=True) from error
