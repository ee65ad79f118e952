"""The names of files and folders still being written, which writer and cleaner must agree on."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path


def part_path(target: Path, scratch: Path) -> Path:
    """Where the job whose scratch folder is ``scratch`` writes before ``target`` is whole."""
    return target.parent / f".{target.name}.{scratch.name}.part"


def has_part(target: Path, scratch: Path) -> bool:
    """Whether that file is there; it is not where no disk takes its name."""
    return _is_there(part_path(target, scratch))


def former_path(target: Path, scratch: Path) -> Path:
    """Where that job keeps the folder that ``target`` was, while a new one takes its place."""
    return target.parent / f".{target.name}.{scratch.name}.former"


def has_left_something(target: Path, scratch: Path) -> bool:
    """Whether ``remove_parts`` could not do its work: a disk took back the right to, say."""
    return has_part(target, scratch) or _is_there(former_path(target, scratch))


def remove_parts(target: Path, scratch: Path) -> None:
    """Remove the part of ``target`` and what a writer put beside it (``….part.aux.xml``).

    A former folder that nothing has replaced is put back. It raises nothing, whatever ``target`` is
    called.
    """
    former = former_path(target, scratch)
    if _is_there(former):
        if _is_there(target):
            _remove(former)
        else:
            with contextlib.suppress(OSError):
                former.rename(target)
    prefix = part_path(target, scratch).name
    with contextlib.suppress(OSError, ValueError):
        for path in target.parent.iterdir():
            if path.name.startswith(prefix):
                _remove(path)


def write_whole(target: Path, content: bytes) -> None:
    """Write a small file that appears whole or not at all, also after a power cut.

    Neither under its name nor under that of its part a link that is there is followed.

    Raises:
        OSError: it cannot be written; what was there before stays.
    """
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with contextlib.suppress(FileNotFoundError):
            part.unlink()
        with part.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise


def flush_file(path: Path) -> None:
    """Let the content of a file survive a power cut."""
    # Opened for writing, because Windows flushes no file that is open for reading only.
    with path.open("r+b") as file:
        os.fsync(file.fileno())


def flush_folder(folder: Path) -> None:
    """Let the names in a folder survive a power cut, as far as its disk can."""
    if os.name == "posix":
        # Some network drives refuse this.
        with contextlib.suppress(OSError):
            number = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(number)
            finally:
                os.close(number)


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name that no disk takes
        return False


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        # Twice: a file that a virus scanner, say, held for a moment would keep the whole folder.
        for _ in range(2):
            shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()
