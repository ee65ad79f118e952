"""Memory that blocks use one after the other."""

from __future__ import annotations

import threading

import numpy as np


class NumbersInMemory:
    """(days, pixels) numbers in memory that is lent; see ``held_numbers``."""

    def __init__(self, array: np.ndarray, strip_length: int, memory: StackMemory) -> None:
        self._array = array
        self._strip_length = strip_length
        self._memory = memory
        self.dtype = array.dtype

    def row(self, day: int) -> np.ndarray:
        """(pixels,) to fill."""
        return np.asarray(self._array[day])

    def keep(self, day: int, row: np.ndarray) -> None:
        """What ``row`` gave is here already."""

    def kept(self, day: int) -> np.ndarray:
        """(pixels,) of a day."""
        return np.asarray(self._array[day])

    def strip(self, start: int) -> np.ndarray:
        """(days, pixels) of the strip that begins at the pixel ``start``."""
        return self._array[:, start : start + self._strip_length]

    def let_go(self) -> None:
        """Give the memory back."""
        self._memory.give_back(self._array)


class StackMemory:
    """Large arrays, lent and given back.

    The system clears every page of a new array of this size: a tenth of a run's processor time
    where each block makes its own.
    """

    def __init__(self) -> None:
        self._idle: list[np.ndarray] = []
        self._lock = threading.Lock()

    def hold(self, shape: tuple[int, int], dtype: np.dtype, strip_length: int) -> NumbersInMemory:
        """Room for (days, pixels) numbers."""
        return NumbersInMemory(self.lend(shape, dtype), strip_length, self)

    def lend(self, shape: tuple[int, int], dtype: np.dtype) -> np.ndarray:
        """An array that holds anything."""
        size = shape[0] * shape[1] * dtype.itemsize
        with self._lock:
            fitting = [number for number, idle in enumerate(self._idle) if idle.nbytes >= size]
            memory = self._idle.pop(fitting[0]) if fitting else None
            if memory is None and self._idle:
                # Too small for this one, and so for most that come.
                self._idle.pop(0)
        if memory is None:
            memory = np.empty(size, np.uint8)
        return memory[:size].view(dtype).reshape(shape)

    def give_back(self, array: np.ndarray) -> None:
        """Let others have an array that was lent; nobody may use it any more."""
        memory = array
        while isinstance(memory.base, np.ndarray):
            memory = memory.base
        with self._lock:
            self._idle.append(memory.reshape(-1).view(np.uint8))
