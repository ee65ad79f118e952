"""Headers in memory, and what it may cost to parse them."""

import re
import time
from contextlib import suppress
from pathlib import Path

from fairweather.core.bridge.errors import ReadError
from fairweather.core.science.imagery.files.byte_ranges import MOST_BYTES_IN_FLIGHT
from fairweather.core.science.imagery.files.bytes_in_flight import BytesInFlight
from fairweather.core.science.imagery.files.tile_cache import TileCache

MEGABYTE = 2**20
MOST_SECONDS = 2
# What a header may take is far less than a tile that is decoded.
MOST_BYTES_TO_OPEN = 200 * MEGABYTE


class Bytes:
    """Bytes in the place of a ``RangeReader``; ``is_endless`` where more come behind their end."""

    def __init__(self, content, *, is_endless=False):
        self.content = content
        self.is_endless = is_endless
        self.in_flight = BytesInFlight(MOST_BYTES_IN_FLIGHT)
        self.asked = 0

    def read(self, _, start, length):
        assert start >= 0
        assert 0 <= length <= 2**30
        self.asked += length
        found = self.content[start : start + length]
        if self.is_endless:
            offset = (start + len(found)) % len(self.content)
            missing = length - len(found)
            copies = -(-missing // len(self.content)) + 1
            found += (self.content * copies)[offset : offset + missing]
        return found


class Costs:
    """Asserts that what is done within takes little time, and memory where Linux tells it."""

    def __init__(self, most_bytes):
        self.most_bytes = most_bytes

    def __enter__(self):
        with suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        self.before = peak_bytes()
        self.began = time.process_time()

    def __exit__(self, *_):
        assert time.process_time() - self.began < MOST_SECONDS
        taken = peak_bytes() - self.before
        assert taken < self.most_bytes, f"{taken / MEGABYTE:.0f} MB"


def peak_bytes():
    """The most memory that this process had since it was asked to forget the peak."""
    status = Path("/proc/self/status")
    if not status.exists():
        return 0
    found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text(encoding="utf-8"))
    return int(found[1]) * 1024


def opened(open_file, ranges):
    """The file, None where it is for GDAL or refused."""
    with Costs(MOST_BYTES_TO_OPEN):
        try:
            file = open_file("it.tif", ranges, TileCache(MEGABYTE))
        except ReadError as error:
            check_sentence(error)
            return None
    return file


def check_sentence(error):
    assert str(error).isprintable()
    assert str(error).endswith("leave its scene out.")
