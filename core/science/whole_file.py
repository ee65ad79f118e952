"""Write a file so that it appears whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..bridge.errors import FairweatherError, OutputError
from ..bridge.home import is_of_a_job
from ..bridge.job_folders import is_part
from ..bridge.part_files import (
    FULL_DISK_BYTES,
    FULL_DISK_ERRORS,
    flush_file,
    flush_folder,
    is_device,
    make_part_folder,
    part_path,
    real_place,
    remove_parts,
)

# Held while an output gets its name. Who ends the process takes it and keeps it: from then on, no
# output gets one.
NAMING = threading.Lock()

PROBE_BYTES = 1 << 16
# What else a disk may answer: what is wrong, and what to do.
DISK_ERRORS = {
    errno.EACCES: ("the folder is not writable", "choose another one"),
    errno.EPERM: ("the folder is not writable", "choose another one"),
    errno.EROFS: ("the disk is read-only", "choose another folder"),
    errno.EFBIG: ("the disk takes no file that large", "choose another folder"),
    errno.ENAMETOOLONG: ("its name is too long", "choose a shorter one"),
    errno.EIO: ("the disk or network drive fails", "see to it or choose another folder"),
}
ELSEWHERE = "see to that disk, or set FAIRWEATHER_HOME to a folder on another one"
RASTER_ENDINGS = (".tif", ".tiff")
# What GDAL keeps beside a raster: its overviews, mask, statistics. They tell of that one only.
BESIDE_RASTER = (".ovr", ".msk", ".msk.ovr", ".aux.xml")


@contextmanager
def whole_file(target: Path, scratch: Path) -> Iterator[Path]:
    """The path to write to; on leaving, what is there becomes ``target`` in one step.

    The path lies beside ``target`` and ends in ``.part``, so a driver must be named, not guessed
    from the ending. On any exception it is removed, and what was at ``target`` before stays. A
    ``target`` that is a link stays one: what it leads to is replaced. A folder that is itself a
    part is made for this file alone, and left to whoever named it.

    Raises:
        OutputError: the folder is missing or not writable, the disk is full or fails, or
            ``target`` is no file, or in use by another program.
    """
    target = target.absolute()
    check_target(target, scratch)
    place = _place_of(target)
    try:
        # Left before the part is removed: GDAL's own errors do not say that the disk is full.
        with errors_in_words(place):
            if is_part(place.parent):
                make_part_folder(place.parent)
            part = part_path(place, scratch)
            yield part
            flush_file(part)
            with NAMING:
                _move(part, place)
                for name in {target, place}:
                    _remove_beside(name)
            flush_folder(place.parent)
    finally:
        remove_parts(place, scratch)


@contextmanager
def errors_in_words(target: Path, name: str = "") -> Iterator[None]:
    """Tell an error of the disk, met while ``target`` is written, by the sentence for it.

    Raises:
        OutputError: see ``write_error``.
    """
    try:
        yield
    except FairweatherError:
        raise
    except Exception as error:
        told = write_error(error, target, name)
        if told is None:
            raise
        raise told from error


def write_error(
    error: BaseException, target: Path, name: str = "", advised: str = ""
) -> OutputError | None:
    """The sentence for an ``error`` met while ``target`` was written; None if no disk's.

    It calls the file ``name`` instead, and gives the advice ``advised``, where these are given. No
    other folder can be chosen for a file of a running job in FAIRWEATHER_HOME.
    """
    if not advised and is_of_a_job(target):
        advised = ELSEWHERE
    if is_disk_full(error, target.parent):
        reason, advice = "the disk is full", "make room or choose another folder"
    elif isinstance(error, OSError) and error.errno in DISK_ERRORS:
        reason, advice = DISK_ERRORS[error.errno]
    elif isinstance(error, OSError) and _is_moved(target.parent):
        reason, advice = "what was being made there was moved or removed", "run again"
    elif isinstance(error, OSError) and not target.parent.is_dir():
        reason, advice = "the folder is gone", "make it again or choose another one"
    elif isinstance(error, ValueError) and "\0" in str(target):
        reason, advice = "its name is none", "choose another one"
    else:
        return None
    return OutputError(f"{name or target} cannot be written: {reason}; {advised or advice}.")


def _is_moved(folder: Path) -> bool:
    """Whether ``folder``, a part, is gone, and its place is not."""
    return is_part(folder) and not folder.is_dir() and folder.parent.is_dir()


def check_target(target: Path, scratch: Path) -> None:
    """Check that ``target`` can be written, before any work is done for it.

    Raises:
        OutputError: the folder is missing or not writable, the disk is full, or ``target`` is a
            folder or a device, or no name of a file.
    """
    check_no_device(target)
    place = _place_of(target)
    try:
        with _folder_of_parts(place.parent):
            _probe(place, part_path(place, scratch))
    except (OSError, ValueError) as error:
        told = write_error(error, place)
        if told is None:
            told = OutputError(
                f"{place} cannot be written ({getattr(error, 'strerror', error)}); choose another "
                "folder."
            )
        raise told from error


def _place_of(target: Path) -> Path:
    """What is replaced when ``target`` is written; a link that is named as a part leads nowhere."""
    folder = target.absolute().parent
    if is_part(folder):
        return real_place(folder.parent) / folder.name / target.name
    return real_place(target)


@contextmanager
def _folder_of_parts(folder: Path) -> Iterator[None]:
    """Have ``folder`` there for a moment, if it is a part: one that is made with its file."""
    if not is_part(folder):
        yield
        return
    make_part_folder(folder)
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # a virus scanner, say, has it open: it is made anew
            folder.rmdir()


def check_no_device(target: Path) -> None:
    """Check that a file at ``target`` would take the place of no device.

    Raises:
        OutputError: ``target`` is a device, a pipe or a socket.
    """
    if is_device(target):
        raise OutputError(f"{target} is a device, a pipe or a socket; give the name of a file.")


def _probe(target: Path, part: Path) -> None:
    """Write a little of ``part``, and remove it."""
    if not target.parent.is_dir():
        raise OutputError(
            f"The folder {target.parent} does not exist; "
            f"make it or choose another place for {target.name}."
        )
    if target.is_dir():
        raise OutputError(f"{target} is a folder; give the name of a file.")
    # Neither permissions nor a disk's free room tell all (network drives, Windows, quotas): only
    # writing does.
    try:
        part.write_bytes(bytes(PROBE_BYTES))
    finally:
        part.unlink(missing_ok=True)


def is_disk_full(error: BaseException, folder: Path) -> bool:
    """Whether ``error``, met while writing into ``folder``, comes from a full disk."""
    if isinstance(error, OSError) and error.errno in FULL_DISK_ERRORS:
        return True
    try:
        disk = shutil.disk_usage(folder)
    except OSError:
        return False
    # Linux's folders of processes are on no disk: nothing is free there, of nothing.
    return disk.free < FULL_DISK_BYTES and disk.total > 0


def _move(part: Path, target: Path) -> None:
    try:
        part.replace(target)
    except PermissionError as error:
        raise OutputError(
            f"{target} cannot be replaced; close the layers and programs that use it, "
            "or choose another name or folder."
        ) from error


def _remove_beside(target: Path) -> None:
    """Remove what belonged to the former raster: it would be taken for the new one's."""
    if target.suffix.lower() not in RASTER_ENDINGS:
        return
    for beside in (target.with_name(target.name + ending) for ending in BESIDE_RASTER):
        try:
            beside.unlink(missing_ok=True)
        except OSError as error:
            raise OutputError(
                f"{target} is written, but {beside.name} beside it tells of the former file and "
                "cannot be removed; close the programs that use it and remove it."
            ) from error


def write_flushed(path: Path, content: bytes | memoryview) -> None:
    """Write a file of a folder that is not in its place yet; a power cut does not cut it off."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
