"""Bytes of files on a disk, behind http(s) or in cloud storage, by range."""

from __future__ import annotations

import re
import stat
import threading
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import urllib3
from urllib3.exceptions import HTTPError, ProtocolError

from ...access.access import Access
from ...access.keyed_requests import request_file
from ...web.bodies import pieces
from ...web.connections import Connections
from ...web.reasons import reason_in_words
from ...web.retry_after import retry_after
from ...web.timed_answers import Pace
from .bytes_in_flight import BytesInFlight
from .copied_files import CopiedFiles, read_copy
from .file_versions import MOST_SAMPLES, FileVersions, Sample, Version, version_of
from .patience import Hosts, RangeError, StatusError, first_cause, may_pass, retry_policy
from .processor_places import place_given_up

TIMEOUT = urllib3.Timeout(connect=10, read=20)

PACE = Pace(seconds_of_grace=30, fewest_bytes_a_second=2048)
COPY_BYTES = 8 * 1024**2
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
        self._versions = FileVersions()
        self.copies = CopiedFiles(scratch, self._versions)
        self._comparing: dict[str, threading.Lock] = defaultdict(threading.Lock)
        self._lock = threading.Lock()
        self._hosts = Hosts(self._still_sends)
        self.in_flight = BytesInFlight(MOST_BYTES_IN_FLIGHT)

    def read(self, href: str, start: int, length: int) -> bytes:
        """Up to ``length`` bytes from ``start`` on: fewer only where the file ends.

        Raises:
            RangeError: they cannot be read, or are of another file than what was read before.
            AccessError: their server wants keys, or other ones.
            OutputError: the file is to be copied, and the disk is full or fails.
        """
        with place_given_up():
            if "://" not in href:
                return _read_disk(Path(href), start, length)
            if copy := self.copies.find(href):
                return read_copy(copy, start, length)
            return self._read_online(href, start, length)

    def complete_copy(self, href: str) -> None:
        """Ask once more for a file that came as a single answer, as it lacks something.

        What is there of the copy stays. Several threads ask once; asked for again, it does nothing.

        Raises:
            RangeError: it cannot be read, or is another file now.
            AccessError: see ``read``.
            OutputError: the disk is full or fails.
        """
        with place_given_up(), self.copies.growing(href) as is_first:
            if is_first:
                self._read_online(href, 0, 1)

    def _read_online(self, href: str, start: int, length: int) -> bytes:
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
            RangeError: it cannot be read, or is too large.
            AccessError: see ``read``.
            OutputError: the disk is full or fails.
        """
        return self.copies.find(href) or self.copies.keep(href, self._ranges_of(href))

    def _ranges_of(self, href: str) -> Iterator[bytes]:
        """All of a file, unless a server without ranges has sent it meanwhile."""
        start, content = 0, b" "
        while content and not self.copies.find(href):
            content = self.read(href, start, COPY_BYTES)
            yield content
            start += len(content)

    def stop_waiting(self) -> None:
        """Nobody needs what is still being read: whoever waits for a server gets an error."""
        self._hosts.end()

    def close(self) -> None:
        """Close all connections and remove what was copied."""
        self._connections.close()
        self.copies.remove_all()

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
                copy = self.copies.take(href, response)
                return _Part(read_copy(copy, start, length), is_last=True)
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
