"""The floor: the least that has to be done, done by the fastest maintained means on this machine.

The mask's tiles first, then the bands' tiles of the days that are clear in a block, each byte
once, 32 ranges in flight; libdeflate by imagecodecs; a median compiled by numba; the result
written by tiles in two threads. Nothing is checked, nothing can fail, no CRS differs: what a
program for users may cost in addition is what the report shows.
"""

from __future__ import annotations

import ctypes
import json
import threading
import time
import urllib.request
from collections import defaultdict, deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import product
from pathlib import Path

import imagecodecs
import numpy as np
import tifffile
from case import MASK_BAND, Case, read_case
from median_kernel import COVER_OF_CLASS, median_of_days, sorting_network
from tiff_tiles import HEADER_BYTES, RangeReader, TileTable, read_tile_table

TILE = 1024
PIXEL = 10.0
IN_FLIGHT, PROCESSORS = 32, 2
BLOCKS_AHEAD = 1
OUTPUT_TILE = 512
TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # glibc's names for mallopt
IMPORTS = time.process_time()


class Clock:
    """Processor seconds by part of the work, over all threads."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._lock = threading.Lock()

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        began = time.thread_time()
        yield
        with self._lock:
            self.seconds[name] += time.thread_time() - began


class Sources:
    """The scenes' files: their tables of tiles, and their tiles, fetched many at once."""

    def __init__(
        self,
        items: list[dict],
        bands: tuple[str, ...],
        clock: Clock,
        pool: ThreadPoolExecutor,
    ) -> None:
        self._clock, self._pool, self._read = clock, pool, RangeReader()
        self.days = len(items)
        self.hrefs = {
            band: [item["assets"][band]["href"] for item in items] for band in (*bands, MASK_BAND)
        }
        self.corner = items[0]["assets"][bands[0]]["proj:transform"][2::3]
        self.bytes_needed = 0
        every = [href for hrefs in self.hrefs.values() for href in hrefs]
        self._tables: dict[str, TileTable] = dict(
            zip(every, pool.map(self._read_table, every), strict=True)
        )

    def fetch(self, band: str, day: int, row: int, column: int) -> Future[bytes]:
        """The compressed bytes of one tile, on their way."""
        href = self.hrefs[band][day]
        offset, length = self._tables[href].place(row, column)
        self.bytes_needed += length
        return self._pool.submit(self._timed_read, href, offset, length)

    def _read_table(self, href: str) -> TileTable:
        return read_tile_table(self._timed_read(href, 0, HEADER_BYTES), TILE)

    def _timed_read(self, href: str, offset: int, length: int) -> bytes:
        with self._clock.part("read"):
            return self._read(href, offset, length)


def main() -> None:
    keep_freed_memory()
    began, clock = time.monotonic(), Clock()
    with clock.part("search"):
        case = read_case()
        items = read_items(case)
    with ThreadPoolExecutor(IN_FLIGHT) as reading, ThreadPoolExecutor(PROCESSORS) as working:
        sources = Sources(items, case.bands, clock, reading)
        opened = time.monotonic()
        result = Reduction(case, sources, clock).run(working)
        reduced = time.monotonic()
        write_result(case, result, clock, working)
        written = time.monotonic()
    case.write_notes(
        {
            "processor seconds": {"imports": IMPORTS, **clock.seconds},
            "seconds": {
                "search and headers": opened - began,
                "read, inflate and reduce": reduced - opened,
                "write": written - reduced,
            },
            "bytes needed": sources.bytes_needed,
        }
    )


def keep_freed_memory() -> None:
    """Ask glibc to keep what tiles leave behind: else each is a page fault for every 4 KB."""
    libc = ctypes.CDLL(None)
    libc.mallopt(MMAP_THRESHOLD, TILE * TILE * 4)
    libc.mallopt(TRIM_THRESHOLD, 1 << 30)


def read_items(case: Case) -> list[dict]:
    """The items by time, as plain JSON."""
    if case.items.startswith("http"):
        with urllib.request.urlopen(case.items) as answer:
            items = json.load(answer)["features"]
    else:
        items = json.loads(Path(case.items).read_text(encoding="utf-8"))["features"]
    return sorted(items, key=lambda item: item["properties"]["datetime"])


class Reduction:
    """The area's blocks, which are the sources' tiles, each fetched, inflated and reduced once."""

    def __init__(self, case: Case, sources: Sources, clock: Clock) -> None:
        west, south, east, north = case.bounds
        left, top = sources.corner
        self._rows = slice(round((top - north) / PIXEL), round((top - south) / PIXEL))
        self._columns = slice(round((west - left) / PIXEL), round((east - left) / PIXEL))
        self._bands, self._sources, self._clock = case.bands, sources, clock
        height = self._rows.stop - self._rows.start
        width = self._columns.stop - self._columns.start
        self._result = np.empty((len(case.bands), height, width), np.float32)

    def run(self, working: ThreadPoolExecutor) -> np.ndarray:
        """float32 (bands, height, width)."""
        classes = self._read_masks(working)
        under_way: deque[Future[None]] = deque()
        for block in product(_tiles(self._rows, TILE), _tiles(self._columns, TILE)):
            rows, columns = self._in_area(block)
            of_block = classes[:, _halved(rows), _halved(columns)]
            days = np.flatnonzero((COVER_OF_CLASS[of_block] == 0).any(axis=(1, 2)))
            tiles = {
                band: [self._sources.fetch(band, day, *block) for day in days]
                for band in self._bands
            }
            under_way.append(working.submit(self._reduce, block, of_block[days], tiles))
            if len(under_way) > PROCESSORS + BLOCKS_AHEAD:
                under_way.popleft().result()
        for block_done in under_way:
            block_done.result()
        return self._result

    def _read_masks(self, working: ThreadPoolExecutor) -> np.ndarray:
        """uint8 (days, height / 2, width / 2) over the area."""
        rows, columns = _halved(self._rows), _halved(self._columns)
        shape = (rows.stop - rows.start, columns.stop - columns.start)
        classes = np.empty((self._sources.days, *shape), np.uint8)
        wanted = list(product(range(self._sources.days), _tiles(rows, TILE), _tiles(columns, TILE)))
        compressed = [self._sources.fetch(MASK_BAND, *place) for place in wanted]

        def place_tile(place: tuple[int, int, int], tile: Future[bytes]) -> None:
            day, *numbers = place
            there = [
                _inside(number, side) for number, side in zip(numbers, (rows, columns), strict=True)
            ]
            pixels = np.empty((TILE, TILE), np.uint8)
            self._inflate(tile.result(), pixels)
            in_tile = [
                _moved(side, number * TILE) for side, number in zip(there, numbers, strict=True)
            ]
            classes[(day, _moved(there[0], rows.start), _moved(there[1], columns.start))] = pixels[
                tuple(in_tile)
            ]

        list(working.map(place_tile, wanted, compressed))
        return classes

    def _in_area(self, block: tuple[int, int]) -> tuple[slice, slice]:
        """The rows and columns of the area that are in the block."""
        row, column = block
        return (
            _moved(_inside(row, self._rows), self._rows.start),
            _moved(_inside(column, self._columns), self._columns.start),
        )

    def _reduce(
        self, block: tuple[int, int], classes: np.ndarray, tiles: dict[str, list[Future[bytes]]]
    ) -> None:
        rows, columns = self._in_area(block)
        in_tile = (
            _moved(rows, block[0] * TILE - self._rows.start),
            _moved(columns, block[1] * TILE - self._columns.start),
        )
        network = sorting_network(len(classes))
        numbers = np.empty((len(classes), TILE, TILE), np.uint16)
        for number, band in enumerate(self._bands):
            for day, tile in enumerate(tiles[band]):
                self._inflate(tile.result(), numbers[day])
            with self._clock.part("mask and median"):
                median_of_days(
                    numbers[(slice(None), *in_tile)],
                    classes,
                    COVER_OF_CLASS,
                    network,
                    self._result[number, rows, columns],
                )

    def _inflate(self, compressed: bytes, pixels: np.ndarray) -> None:
        """Fill (TILE, TILE) pixels from a tile that is deflated after a horizontal predictor."""
        with self._clock.part("inflate"):
            imagecodecs.deflate_decode(compressed, out=pixels.data.cast("B"))
        with self._clock.part("predictor"):
            imagecodecs.delta_decode(pixels, axis=-1, out=pixels)


def _tiles(pixels: slice, tile: int) -> range:
    """The numbers of the tiles that the pixels lie in."""
    return range(pixels.start // tile, -(-pixels.stop // tile))


def _inside(number: int, pixels: slice) -> slice:
    """Those of the pixels that lie in the tile of this number."""
    return slice(max(number * TILE, pixels.start), min((number + 1) * TILE, pixels.stop))


def _halved(pixels: slice) -> slice:
    return slice(pixels.start // 2, pixels.stop // 2)


def _moved(pixels: slice, origin: int) -> slice:
    return slice(pixels.start - origin, pixels.stop - origin)


def write_result(case: Case, result: np.ndarray, clock: Clock, working: ThreadPoolExecutor) -> None:
    """Write a tiled GeoTIFF with overviews, deflated in as many threads as there are processors."""
    levels = [result]
    while max(levels[-1].shape[1:]) > OUTPUT_TILE:
        levels.append(np.stack(list(working.map(partial(_halve, clock), levels[-1]))))
    began = time.process_time()
    with tifffile.TiffWriter(case.output) as file:
        for number, level in enumerate(levels):
            file.write(
                level,
                tile=(OUTPUT_TILE, OUTPUT_TILE),
                photometric="minisblack",
                planarconfig="separate",
                compression="adobe_deflate",
                compressionargs={"level": 1},
                predictor="floatingpoint",
                maxworkers=PROCESSORS,
                subfiletype=1 if number else 0,
                extratags=() if number else _geotiff_tags(case),
                metadata=None,
            )
    clock.seconds["write"] = time.process_time() - began


def _halve(clock: Clock, values: np.ndarray) -> np.ndarray:
    """(height, width) at half the resolution: the mean of what has a value."""
    with clock.part("overviews"):
        height, width = (size // 2 * 2 for size in values.shape)
        total, count = np.zeros((2, height // 2, width // 2), np.float32)
        for row, column in product((0, 1), (0, 1)):
            quarter = values[row:height:2, column:width:2]
            there = ~np.isnan(quarter)
            np.add(total, quarter, out=total, where=there)
            count += there
        with np.errstate(invalid="ignore"):
            return total / count


def _geotiff_tags(case: Case) -> list[tuple[int, str, int, object, bool]]:
    """Where the pixels lie, the CRS, and the nodata value."""
    west, _, _, north = case.bounds
    keys = (1, 1, 0, 3, 1024, 0, 1, 1, 1025, 0, 1, 1, 3072, 0, 1, case.epsg)
    return [
        (33550, "d", 3, (PIXEL, PIXEL, 0.0), True),
        (33922, "d", 6, (0.0, 0.0, 0.0, west, north, 0.0), True),
        (34735, "H", len(keys), keys, True),
        (42113, "s", 0, "nan", True),
    ]


if __name__ == "__main__":
    main()
