"""Write a file so that it appears whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..bridge.errors import FairweatherError, OutputError
from ..bridge.part_files import part_path, remove_parts

FULL_DISK_BYTES = 1 << 20
PROBE_BYTES = 1 << 16
FULL_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def whole_file(target: Path, scratch: Path) -> Iterator[Path]:
    """The path to write to; on leaving, what is there becomes ``target`` in one step.

    The path lies beside ``target`` and ends in ``.part``, so a driver must be named, not guessed
    from the ending. On any exception it is removed, and what was at ``target`` before stays.

    Raises:
        OutputError: the folder is missing or not writable, the disk is full, or ``target`` is in
            use by another program.
    """
    target = target.absolute()
    check_target(target, scratch)
    part = part_path(target, scratch)
    try:
        yield part
        _flush(part)
        _move(part, target)
    except FairweatherError:
        raise
    except Exception as error:
        # Looked at before the part is removed: GDAL's own errors do not say that the disk is full.
        if is_disk_full(error, target.parent):
            raise OutputError(
                f"The disk is full, so {target} could not be written; "
                "make room or choose another folder."
            ) from error
        raise
    finally:
        remove_parts(target, scratch)


def check_target(target: Path, scratch: Path) -> None:
    """Check that ``target`` can be written, before any work is done for it.

    Raises:
        OutputError: the folder is missing or not writable, the disk is full, or ``target`` is a
            folder.
    """
    target = target.absolute()
    if not target.parent.is_dir():
        raise OutputError(
            f"The folder {target.parent} does not exist; "
            f"make it or choose another place for {target.name}."
        )
    if target.is_dir():
        raise OutputError(f"{target} is a folder; give the name of a file.")
    part = part_path(target, scratch)
    try:
        # Neither permissions nor a disk's free room tell all (network drives, Windows, quotas):
        # only writing does.
        try:
            part.write_bytes(bytes(PROBE_BYTES))
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        if is_disk_full(error, target.parent):
            reason = "the disk is full; make room or choose another folder"
        elif error.errno == errno.ENAMETOOLONG:
            reason = "its name is too long; choose a shorter one"
        else:
            reason = "the folder is not writable; choose another one"
        raise OutputError(f"{target} cannot be written: {reason}.") from error


def is_disk_full(error: BaseException, folder: Path) -> bool:
    """Whether ``error``, met while writing into ``folder``, comes from a full disk."""
    if isinstance(error, OSError) and error.errno in FULL_DISK_ERRORS:
        return True
    try:
        return shutil.disk_usage(folder).free < FULL_DISK_BYTES
    except OSError:
        return False


def _flush(path: Path) -> None:
    # Opened for writing, because Windows flushes no file that is open for reading only.
    with path.open("r+b") as file:
        os.fsync(file.fileno())


def _move(part: Path, target: Path) -> None:
    try:
        part.replace(target)
    except PermissionError as error:
        raise OutputError(
            f"{target} cannot be replaced; close the layers and programs that use it, "
            "or choose another name."
        ) from error
    if os.name == "posix":
        # The new name, too, must survive a power cut; some network drives refuse this.
        with contextlib.suppress(OSError):
            folder = os.open(target.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
