"""Which version of a file behind an address an answer is of: a run reads one and no other.

The first answer decides. One of another length is another file's. One of the same length under
another name may come from another machine of the same service, which names the same bytes its own
way: what was read before is read again, some of it where it was much, and if what comes under
other names is the same, these count as well.
"""

from __future__ import annotations

import hashlib
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from .patience import RangeError

# Of the start of each range that is read: a whole header, as it is read first. In a compressed file
# that one differs with nearly every pixel, as it says how long the tiles are.
SAMPLE_BYTES = 32 * 1024
# Of a file, to be compared: spread over all that was read of it.
MOST_SAMPLES = 8
# Who names the same bytes in more ways than that tells nothing by it: each machine, answer or
# second has a name of its own.
MOST_NAMES = 3

# Start, length and digest; a run may read a million ranges.
PACKED_SAMPLE = struct.Struct("<QI8s")


class ReplacedError(RangeError):
    """Another file lies at the address than that whose bytes were read before."""

    def __init__(self) -> None:
        super().__init__("it was replaced by another file while it was read", is_lasting=True)


class DamagedError(RangeError):
    """A file came twice, and not alike; nothing tells which of the two is damaged."""

    def __init__(self) -> None:
        words = "two answers of its server differ, so that one of them is damaged"
        super().__init__(words, is_lasting=True)


class Version(NamedTuple):
    """What an answer tells of its file: its length in bytes, where known, and a version's name."""

    file_bytes: int | None
    name: bytes


class Sample(NamedTuple):
    """Bytes that were read, by their digest."""

    start: int
    length: int
    digest: bytes


@dataclass(slots=True)
class _File:
    """What was read of a file, as packed ``samples``, and the ``names`` that count."""

    file_bytes: int | None
    names: frozenset[bytes]
    samples: bytearray = field(default_factory=bytearray)
    is_replaced: bool = False

    def counts(self, name: bytes) -> bool:
        return name in self.names or len(self.names) > MOST_NAMES or not self.samples

    def check_length(self, file_bytes: int | None) -> None:
        if self.file_bytes is None:
            self.file_bytes = file_bytes
        self.check(file_bytes in (None, self.file_bytes))

    def check_sample(self, sample: Sample, content: bytes) -> None:
        self.check(_digest(content) == sample.digest)

    def check(self, is_same: bool) -> None:
        self.is_replaced |= not is_same
        if self.is_replaced:
            raise ReplacedError

    def all_samples(self) -> Iterator[Sample]:
        return (Sample(*sample) for sample in PACKED_SAMPLE.iter_unpack(self.samples))

    def some_samples(self) -> list[Sample]:
        """The first, the last and those evenly between."""
        samples = list(self.all_samples())
        if len(samples) <= MOST_SAMPLES:
            return samples
        step = (len(samples) - 1) / (MOST_SAMPLES - 1)
        return [samples[round(number * step)] for number in range(MOST_SAMPLES)]


def version_of(headers: Mapping[str, str], file_bytes: int | None) -> Version:
    """The version by an answer's headers: a strong ETag, else the time of the last change.

    Weak ones may name other bytes (RFC 9110, 8.8.1).
    """
    tag = headers.get("ETag", "").strip()
    if not tag or tag.startswith("W/"):
        tag = headers.get("Last-Modified", "").strip()
    return Version(file_bytes, _digest(tag.encode("utf-8", "replace")))


class FileVersions:
    """The versions of all files of a run, known to all threads."""

    def __init__(self) -> None:
        self._files: dict[str, _File] = {}
        self._lock = threading.Lock()

    def file_bytes(self, href: str) -> int | None:
        """How long the file is, where that is known."""
        with self._lock:
            file = self._files.get(href)
            return file.file_bytes if file else None

    def check(self, href: str) -> None:
        """Check that the file was not replaced, as far as is known.

        Raises:
            ReplacedError: it was; as of all that follows.
        """
        self.check_length(href, None)

    def check_length(self, href: str, file_bytes: int | None) -> None:
        """Check what an answer without content tells of the file's length."""
        with self._lock:
            if file := self._files.get(href):
                file.check_length(file_bytes)

    def check_name(self, href: str, version: Version) -> None:
        """Check an answer of another length that may be a part of the file."""
        with self._lock:
            file = self._files.get(href)
            if file and UNNAMED not in (version.name, *file.names):
                file.check(file.counts(version.name))

    def check_copy(self, href: str, read: Callable[[int, int], bytes]) -> None:
        """Check a copy of the whole file: ``read`` gives bytes of it by their start and number."""
        with self._lock:
            if file := self._files.get(href):
                for sample in file.all_samples():
                    file.check_sample(sample, read(sample.start, sample.length))

    def accept(self, href: str, version: Version, start: int, content: bytes) -> bool:
        """Take a range as one of the file's; False if by the version's name that is uncertain."""
        with self._lock:
            file = self._files.setdefault(
                href, _File(version.file_bytes, frozenset([version.name]))
            )
            file.check_length(version.file_bytes)
            if not file.counts(version.name):
                return False
            if sampled := content[:SAMPLE_BYTES]:
                file.samples += PACKED_SAMPLE.pack(start, len(sampled), _digest(sampled))
            return True

    def to_compare(self, href: str, name: bytes) -> list[Sample]:
        """What is to be read again before the name counts; nothing if it does."""
        with self._lock:
            file = self._files[href]
            return [] if file.counts(name) else file.some_samples()

    def is_same(self, href: str, version: Version, sample: Sample, content: bytes) -> bool:
        """Compare a sample with its bytes in an answer; False if its name counted already.

        Of that one's machine, the sample may be: it tells nothing of others.

        Raises:
            ReplacedError: they differ.
        """
        with self._lock:
            file = self._files[href]
            file.check_length(version.file_bytes)
            file.check_sample(sample, content)
            return not file.counts(version.name)

    def count_names(self, href: str, names: set[bytes]) -> None:
        """Under these, what was to be compared was the same."""
        with self._lock:
            self._files[href].names |= names


def _digest(content: bytes) -> bytes:
    return hashlib.blake2b(content, digest_size=8).digest()


# Of an answer that tells neither.
UNNAMED = _digest(b"")
