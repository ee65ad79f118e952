"""All files of a run: each is opened once, by whoever reads it best."""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from concurrent.futures import Future
from copy import copy as shallow_copy
from functools import partial
from pathlib import Path

from ....bridge.errors import ReadError
from ...access.access import Access
from . import signatures
from .byte_ranges import RangeReader
from .completed_file import CompletedFile
from .gdal import GdalFile, OpenDatasets
from .jpeg2000 import open_jpeg2000
from .patience import MOST_FAILED_READS, RangeError
from .processor_places import place_given_up
from .raster_file import RasterFile, read_error
from .tiff import open_tiff
from .tile_cache import TileCache

# Their headers take some ten kilobytes each.
MOST_KNOWN_FILES = 2048


class RasterFiles:
    """Opens files by address, from any thread."""

    def __init__(
        self, connections: int, scratch: Path, cache_bytes: int, access: Access | None = None
    ) -> None:
        self._ranges = RangeReader(connections, scratch, access)
        self._cache = TileCache(cache_bytes)
        self._datasets = OpenDatasets()
        self._known: OrderedDict[str, Future[RasterFile]] = OrderedDict()
        self._failed_openings: Counter[str] = Counter()
        self._lock = threading.Lock()

    def open(self, href: str) -> RasterFile:
        """The file at ``href``; asked for by several threads at once, one opens it for all.

        Raises:
            ReadError: it cannot be opened, or has no CRS.
            AccessError: its server wants keys, or other ones.
        """
        with self._lock:
            future = self._known.get(href)
            is_new = future is None
            if future is None:
                future = self._known[href] = Future()
                if len(self._known) > MOST_KNOWN_FILES:
                    self._known.popitem(last=False)
            self._known.move_to_end(href)
        if is_new:
            try:
                future.set_result(self._open(href))
            except BaseException as error:
                self._note_failure(href, error)
                future.set_exception(error)
        with place_given_up():
            failure = future.exception()
        if isinstance(failure, ReadError):
            # One of its own for each: raised again and again, an error would hold on to all that
            # its raisers had in hand.
            raise shallow_copy(failure)
        return future.result()

    def stop_waiting(self) -> None:
        """Nobody needs what is still being read: whoever waits for a server gets an error."""
        self._ranges.stop_waiting()

    def close(self) -> None:
        """Close files and connections."""
        self._datasets.close()
        self._ranges.close()

    def _note_failure(self, href: str, error: BaseException) -> None:
        """Let go of a file that could not be opened, if it may well be a little later."""
        cause = error.__cause__
        with self._lock:
            self._failed_openings[href] += 1
            is_final = self._failed_openings[href] >= MOST_FAILED_READS
            if isinstance(cause, RangeError) and not cause.is_lasting and not is_final:
                self._known.pop(href, None)

    def _open(self, href: str) -> RasterFile:
        try:
            file = self._open_once(href)
        except ReadError:
            # A single answer may have been a part of the file, or damaged on its way.
            if not self._ranges.copies.drop_answer(href):
                raise
            file = self._open_once(href)
        if self._ranges.copies.is_answer(href):
            return CompletedFile(file, partial(self._complete, href))
        return file

    def _open_once(self, href: str) -> RasterFile:
        for open_by_tiles in (open_tiff, open_jpeg2000):
            file = open_by_tiles(href, self._ranges, self._cache)
            if file is not None:
                return file
        self._check_format(href)
        # GDAL itself never asks a server: what may be read, and by whom, is decided in one place.
        copy = self._copy(href) if "://" in href else None
        try:
            return GdalFile(href, self._datasets, str(copy) if copy else None)
        except ReadError:
            self._ranges.copies.drop(href)
            raise

    def _check_format(self, href: str) -> None:
        """Check that a file begins as those do whose headers were looked through before GDAL's."""
        try:
            start = self._ranges.read(href, 0, signatures.LONGEST)
        except RangeError as error:
            raise read_error(href, error) from error
        if not signatures.is_raster(start):
            raise read_error(href, "it is neither TIFF nor JPEG 2000")

    def _copy(self, href: str) -> Path:
        try:
            return self._ranges.copy(href)
        except RangeError as error:
            raise read_error(href, error) from error

    def _complete(self, href: str) -> None:
        try:
            self._ranges.complete_copy(href)
        except RangeError as error:
            raise read_error(href, error) from error
