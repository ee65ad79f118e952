"""The finished blocks of a run, kept until its file is whole: a run that ends early goes on there.

Each is a file of its own in a folder under FAIRWEATHER_HOME that is named by all that decides its
pixels (``run_key.py``). None is flushed to the disk: by its checksum a torn one is recognised, and
computed again.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import struct
import threading
import zlib
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from ...bridge.errors import ReadError
from ...bridge.file_lock import FileLock
from ...bridge.folder_size import folder_size
from ...bridge.home import make_home_folder, unfinished_folder
from ...bridge.leftovers import (
    MOST_BYTES,
    make_room_for_unfinished,
    remove_unfinished,
    write_title,
)
from ...bridge.owned_folders import claim, remove_unless_in_use
from ..imagery.estimate import bytes_in_words
from ..reporter import Reporter
from ..words import count_of
from .block import Block
from .output_raster import EncodedBlock, RasterLayout
from .tally import BlockCounts

# The checksum of all that follows, and the length of the counts, which come before the pixels.
HEAD = struct.Struct("<II")
CHECKED_FROM = 4

PREFIX = "block-"


class FinishedBlocks:
    """Blocks that need not be computed again, by this run or the next one of the same key.

    It is empty and keeps nothing until it is opened. Nothing in it fails a run: where its folder
    cannot be used, or no longer, the run goes on without, and what was kept before stays. Left
    without an error, or after a file was replaced by another, the folder is removed; with any
    other error, or by the end of the process, it stays.
    """

    def __init__(self, reporter: Reporter) -> None:
        self._reporter = reporter
        self._guard = threading.Lock()
        self._folder: Path | None = None
        self._lock: FileLock | None = None
        self._names: frozenset[str] = frozenset()
        self._bytes_to_come = 0
        self._bytes_kept = 0
        self._keeps = False
        self._has_told = False

    def __enter__(self) -> FinishedBlocks:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None or (isinstance(error, ReadError) and error.is_replaced):
            self.discard()
        if self._lock is not None:
            self._lock.release()
        if self._folder is not None and not any(self._folder.glob(f"{PREFIX}*")):
            remove_unless_in_use(self._folder)

    @property
    def is_empty(self) -> bool:
        """Whether an earlier run has left no block."""
        return not self._names

    def open(self, key: str, layout: RasterLayout, title: Mapping[str, str]) -> None:
        """Find the blocks of earlier runs, and keep those of this one.

        Where the raster might not fit beside them, no more are kept; those that are there stay
        until the disk is full (``make_room``).

        Args:
            key: of the run; a folder's name.
            layout: of the raster.
            title: what the run is, for people.
        """
        folder = unfinished_folder() / key
        self._layout = layout
        self._bytes_to_come = _raster_bytes(layout)
        try:
            self._lock = _make_and_claim(folder)
            if self._lock is None:
                self._tell_not_kept("another run of the same request keeps its own")
                return
            self._folder = folder
            self._names = frozenset(path.name for path in folder.glob(f"{PREFIX}*.bin"))
            write_title(folder, dict(title))
            self._bytes_kept = folder_size(folder)
            make_room_for_unfinished(folder, self._bytes_to_come)
            # The raster itself comes first: it takes as much again.
            rasters = 2 if self.is_empty else 1
            if shutil.disk_usage(folder).free < rasters * self._bytes_to_come:
                self._stop_keeping("the disk has no room for them")
            else:
                self._keeps = True
        except OSError as error:
            self._stop_keeping(error.strerror or str(error))

    def find(self, block: Block) -> tuple[EncodedBlock, BlockCounts] | None:
        """The block as an earlier run has made it, None where it has not."""
        name = _name(block)
        if self._folder is None or name not in self._names:
            return None
        try:
            content = memoryview((self._folder / name).read_bytes())
            found = _decode(content, self._layout, block)
        except (OSError, ValueError, LookupError, TypeError, AttributeError, struct.error):
            return None
        with self._guard:
            self._bytes_to_come -= found[0].pixels.nbytes
        return found

    def keep(self, block: Block, encoded: EncodedBlock, counts: BlockCounts) -> None:
        """Keep a block that is in the raster now.

        What another run would do better, as something could not be read, or as fast, as nothing
        was to be read, is not kept.
        """
        with self._guard:
            self._bytes_to_come -= encoded.pixels.nbytes
            folder = self._folder if self._keeps else None
        if folder is None or counts.losses or not counts.days_asked:
            if folder is not None and any(loss.is_replaced for loss in counts.losses):
                # The next run would put blocks of the new file beside those of the former.
                self.discard()
                self._stop_keeping("a file was replaced by another while it was read")
            return
        try:
            free = shutil.disk_usage(folder).free
            if free < encoded.pixels.nbytes + self._bytes_to_come:
                self._stop_keeping("the disk has no room for them")
                return
            if self._takes_too_much(encoded.pixels.nbytes):
                return
            _write(folder / _name(block), encoded, counts)
        except OSError as error:
            self._stop_keeping(error.strerror or str(error))

    def _takes_too_much(self, size: int) -> bool:
        """Whether a block of ``size`` bytes is one too many; those before it stay."""
        with self._guard:
            self._bytes_kept += size
            if self._bytes_kept <= MOST_BYTES:
                return False
            is_told, self._keeps, self._has_told = self._has_told, False, True
        if not is_told:
            self._reporter.message(
                f"Only the first {MOST_BYTES // 1024**3} GB of finished blocks are kept: if this "
                "run ends early, the next one computes the others again."
            )
        return True

    def make_room(self, folder: Path) -> bool:
        """Remove blocks in the way of the raster, as the disk of ``folder`` is full.

        Those of other runs go first, with the next call these. Whether there were any is returned.
        """
        try:
            if unfinished_folder().stat().st_dev != folder.stat().st_dev:
                return False
        except OSError:
            return False
        self._stop_keeping("the disk is full")
        if freed := remove_unfinished():
            self._reporter.message(
                f"The disk is full, so that what other unfinished composites had kept, "
                f"{bytes_in_words(freed)}, was removed: they begin anew."
            )
            return True
        if removed := self.discard():
            self._reporter.message(
                f"The disk is full, so that {count_of(removed, 'finished block')} of this "
                "composite had to be removed: if this run ends early, the next one computes them "
                "again."
            )
        return removed > 0

    def discard(self) -> int:
        """Remove all blocks, and keep none from now on; how many there were is returned."""
        with self._guard:
            self._keeps = False
            self._names = frozenset()
        removed = 0
        if self._folder is not None:
            # The rest of the folder is this run's until it ends.
            for path in self._folder.glob(f"{PREFIX}*"):
                with contextlib.suppress(OSError):
                    path.unlink()
                    removed += 1
        return removed

    def tell_taken_up(self, found: int, total: int) -> None:
        """Say how much of the run was done before."""
        if found:
            self._reporter.message(
                f"{found:,} of {count_of(total, 'block')} were finished by an earlier run of the "
                "same request, and are not read again."
            )

    def _stop_keeping(self, reason: str) -> None:
        """Keep no more; those that are there stay."""
        with self._guard:
            self._keeps = False
        self._tell_not_kept(reason)

    def _tell_not_kept(self, reason: str) -> None:
        with self._guard:
            is_told, self._has_told = self._has_told, True
        if not is_told:
            self._reporter.message(
                f"From here on finished blocks are not kept ({reason}): if this run ends early, "
                "the next one computes them again."
            )


def _make_and_claim(folder: Path) -> FileLock | None:
    """See ``claim``.

    Raises:
        OSError: the folder cannot be made or written, or the disk knows no locks.
    """
    make_home_folder(folder)
    try:
        return claim(folder)
    except FileNotFoundError:
        # Whoever cleans up was faster, and took it for one of a killed run.
        make_home_folder(folder)
        return claim(folder)


def _raster_bytes(layout: RasterLayout) -> int:
    """What the pixels of the raster take; compressed, with overviews, they take no more."""
    height, width = layout.geobox.shape
    return int(height * width * len(layout.all_bands) * np.dtype(layout.dtype).itemsize)


def _name(block: Block) -> str:
    return f"{PREFIX}{block.rows.start}-{block.columns.start}.bin"


def _write(path: Path, encoded: EncodedBlock, counts: BlockCounts) -> None:
    described = json.dumps(
        {
            "clamped": encoded.clamped_values,
            "days_asked": counts.days_asked,
            "clear_pixels": {str(day): count for day, count in counts.clear_pixels.items()},
            "pixels_by_clear_days": list(counts.pixels_by_clear_days.items()),
        }
    ).encode()
    pixels = np.ascontiguousarray(encoded.pixels).data.cast("B")
    length = HEAD.pack(0, len(described))[CHECKED_FROM:]
    checksum = zlib.crc32(pixels, zlib.crc32(length + described))
    part = path.with_suffix(".part")
    try:
        with part.open("wb") as file:
            file.write(HEAD.pack(checksum, len(described)) + described)
            file.write(pixels)
        part.replace(path)
    except OSError:
        # A full disk has no room for it.
        with contextlib.suppress(OSError):
            part.unlink()
        raise


def _decode(
    content: memoryview, layout: RasterLayout, block: Block
) -> tuple[EncodedBlock, BlockCounts]:
    """The block in a file.

    Raises:
        ValueError, LookupError, TypeError, AttributeError, struct.error: it is torn.
    """
    checksum, length = HEAD.unpack_from(content)
    if zlib.crc32(content[CHECKED_FROM:]) != checksum:
        raise ValueError("torn")
    start = HEAD.size + length
    described: dict[str, Any] = json.loads(bytes(content[HEAD.size : start]))
    shape = (len(layout.all_bands), *block.geobox.shape)
    pixels = np.frombuffer(content[start:], layout.dtype).reshape(shape)
    counts = BlockCounts(
        {date.fromisoformat(day): count for day, count in described["clear_pixels"].items()},
        dict(described["pixels_by_clear_days"]),
        described["days_asked"],
        (),
    )
    return EncodedBlock(pixels, described["clamped"]), counts
