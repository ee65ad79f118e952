"""A disk on which one write fails, or all from one on, and which keeps a list of what is done.

It stands between Python's own functions (``open``, ``os.write``, ``os.replace`` …) and the system,
in this process and below some folders only. What libraries in C write by themselves it does not
see.
"""

import builtins
import contextlib
import errno
import io
import os
import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

FULL, BROKEN, REFUSED, SHORT, GONE = "disk full", "I/O error", "refused", "short write", "gone"
FAULTS = (FULL, BROKEN, REFUSED, SHORT, GONE)

_open, _os_open, _close = io.open, os.open, os.close
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def every_step(what, path):
    """Count whatever is done."""
    return True


@dataclass
class FailingDisk:
    """``fault`` happens at step ``at``, counted from 1; ``steps`` are (what, path) as they came.

    ``counts`` tells of which steps that is the number, where threads take them in any order.
    A full disk takes nothing more from then on, and one without permission no new names; an I/O
    error and a short write (half of it, and no error) happen once. ``GONE`` takes ``gone`` away.
    """

    folders: tuple
    fault: str = ""
    at: int = 0
    gone: Path | None = None
    counts: Callable = every_step
    counted: int = 0
    steps: list = field(default_factory=list)
    files: dict = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def struck(self):
        """Whether there were so many steps that the fault came."""
        return 0 < self.at <= self.counted

    def watches(self, path):
        try:
            text = str(Path(os.fsdecode(path)).absolute())
        except TypeError:
            return False
        return any(text.startswith(str(folder)) for folder in self.folders)

    def step(self, what, path):
        """Count a step, and fail if it is to; of a write, whether it is to be cut short."""
        with self.lock:
            step = (what, os.fsdecode(path))
            self.steps.append(step)
            is_counted = self.counts(*step)
            self.counted += is_counted
            is_it, has_struck = is_counted and self.counted == self.at, self.struck
            if is_it and self.fault == GONE:
                shutil.rmtree(self.gone, ignore_errors=True)
        if self.fault == FULL and has_struck and what != "rename":
            raise OSError(errno.ENOSPC, "No space left on device", path)
        if self.fault == BROKEN and is_it:
            raise OSError(errno.EIO, "Input/output error", path)
        is_name = what in ("open", "mkdir", "rename")
        if self.fault == REFUSED and has_struck and is_name:
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return self.fault == SHORT and is_it and what == "write"

    def written(self, content, path, write):
        view = memoryview(content).cast("B")
        if self.step("write", path) and len(view) > 1:
            view = view[: len(view) // 2]
        return write(view)


class _File(io.FileIO):
    """A file on the disk, without a buffer."""

    def __init__(self, disk, path, file, mode, closefd):
        super().__init__(file, mode, closefd=closefd)
        self._disk, self._path = disk, path
        disk.files[self.fileno()] = path

    def write(self, content):
        return self._disk.written(content, self._path, super().write)

    def truncate(self, size=None):
        self._disk.step("write", self._path)
        return super().truncate(size)

    def close(self):
        if not self.closed:
            self._disk.files.pop(self.fileno(), None)
        super().close()


@dataclass(frozen=True)
class _Functions:
    """What stands in for Python's own functions."""

    disk: FailingDisk

    def opened(
        self, file, mode="r", buffering=-1, encoding=None, errors=None, newline=None,
        closefd=True, opener=None,
    ):  # fmt: skip
        disk = self.disk
        path = disk.files.get(file) if isinstance(file, int) else file
        writes = any(letter in mode for letter in "wax+")
        if path is None or not writes or opener or not disk.watches(path):
            return _open(file, mode, buffering, encoding, errors, newline, closefd, opener)
        if not isinstance(file, int):
            disk.step("open", path)
        raw = _File(disk, path, file, mode.replace("b", "").replace("t", ""), closefd)
        if buffering == 0:
            return raw
        buffered = (io.BufferedRandom if "+" in mode else io.BufferedWriter)(raw)
        return buffered if "b" in mode else io.TextIOWrapper(buffered, encoding, errors, newline)

    def os_opened(self, path, flags, *others, **named):
        is_watched = self.disk.watches(path)
        if is_watched and flags & _WRITING:
            self.disk.step("open", path)
        number = _os_open(path, flags, *others, **named)
        if is_watched:
            self.disk.files[number] = path
        return number

    def os_closed(self, number):
        self.disk.files.pop(number, None)
        _close(number)

    def writing(self, function):
        def done(number, content, *others):
            path = self.disk.files.get(number)
            if path is None:
                return function(number, content, *others)
            return self.disk.written(content, path, lambda part: function(number, part, *others))

        return done

    def flushing(self, function):
        def done(number):
            if number in self.disk.files:
                self.disk.step("sync", self.disk.files[number])
            return function(number)

        return done

    def naming(self, what, function):
        def done(path, *others, **named):
            if self.disk.watches(path):
                self.disk.step(what, others[0] if what == "rename" else path)
            return function(path, *others, **named)

        return done


@contextlib.contextmanager
def failing(disk):
    """Let everything that Python writes go to ``disk``."""
    stand_in = _Functions(disk)
    changes = {
        (builtins, "open"): stand_in.opened,
        (io, "open"): stand_in.opened,
        (os, "open"): stand_in.os_opened,
        (os, "close"): stand_in.os_closed,
        (os, "write"): stand_in.writing(os.write),
        (os, "fsync"): stand_in.flushing(os.fsync),
        (os, "mkdir"): stand_in.naming("mkdir", os.mkdir),
        (os, "rename"): stand_in.naming("rename", os.rename),
        (os, "replace"): stand_in.naming("rename", os.replace),
    }
    if hasattr(os, "pwrite"):
        changes[os, "pwrite"] = stand_in.writing(os.pwrite)
    with contextlib.ExitStack() as stack:
        for (module, name), function in changes.items():
            stack.enter_context(mock.patch.object(module, name, function))
        yield disk
