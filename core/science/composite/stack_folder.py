"""Numbers of more days than memory is to hold, in files that the system may keep in memory.

While nobody else needs that memory, what is written comes back without touching the disk.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from ...bridge.errors import OutputError


class NumbersInFile:
    """(days, pixels) numbers in a file, strip after strip; see ``held_numbers``.

    The file has no name where the system allows it, so that nothing is left of it however the
    process ends.
    """

    def __init__(
        self, shape: tuple[int, int], dtype: np.dtype, strip_length: int, folder: Path
    ) -> None:
        self.dtype = dtype
        self._days, self._pixels = shape
        self._strip_length = strip_length
        self._folder = folder
        self._lock = threading.Lock()
        with _disk_errors_told(folder):
            self._file = tempfile.TemporaryFile(buffering=0, dir=folder)  # noqa: SIM115

    def row(self, day: int) -> np.ndarray:  # noqa: ARG002
        """(pixels,) to fill."""
        return np.empty(self._pixels, self.dtype)

    def keep(self, day: int, row: np.ndarray) -> None:
        """Write a day's numbers, a part into each strip."""
        with self._lock, _disk_errors_told(self._folder):
            for place, pixels in self._parts(day):
                self._file.seek(place)
                left = row[pixels].data.cast("B")
                while left:
                    left = left[self._file.write(left) :]

    def kept(self, day: int) -> np.ndarray:
        """(pixels,) of a day."""
        row = np.empty(self._pixels, self.dtype)
        for place, pixels in self._parts(day):
            self._read(place, row[pixels])
        return row

    def strip(self, start: int) -> np.ndarray:
        """(days, pixels) of the strip that begins at the pixel ``start``."""
        length = min(self._strip_length, self._pixels - start)
        numbers = np.empty((self._days, length), self.dtype)
        self._read(self._place(start), numbers)
        return numbers

    def let_go(self) -> None:
        """Close the file, which is its end."""
        self._file.close()

    def _place(self, start: int) -> int:
        """Where in the file the strip begins whose first pixel is ``start``."""
        return self._days * start * self.dtype.itemsize

    def _parts(self, day: int) -> Iterator[tuple[int, slice]]:
        """Where the parts of a day's numbers lie in the file, and which pixels they are."""
        for start in range(0, self._pixels, self._strip_length):
            length = min(self._strip_length, self._pixels - start)
            place = self._place(start) + day * length * self.dtype.itemsize
            yield place, slice(start, start + length)

    def _read(self, place: int, numbers: np.ndarray) -> None:
        """Fill contiguous ``numbers`` from the file."""
        with self._lock, _disk_errors_told(self._folder):
            self._file.seek(place)
            left = numbers.data.cast("B")
            while left:
                count = self._file.readinto(left)
                if not count:
                    raise OSError(f"it ends {len(left)} bytes early")
                left = left[count:]


class StackFolder:
    """Room for numbers in files of a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def hold(self, shape: tuple[int, int], dtype: np.dtype, strip_length: int) -> NumbersInFile:
        """Room for (days, pixels) numbers.

        Raises:
            OutputError: the folder takes no file.
        """
        return NumbersInFile(shape, dtype, strip_length, self._folder)


@contextmanager
def _disk_errors_told(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"The pixels of many days could not be kept in {folder} ({error.strerror or error}); "
            "make room there, give more MEMORY, or choose fewer dates."
        ) from error
