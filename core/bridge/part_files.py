"""The names of files and folders still being written, which writer and cleaner must agree on."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path


def part_path(target: Path, scratch: Path) -> Path:
    """Where the job whose scratch folder is ``scratch`` writes before ``target`` is whole."""
    return target.with_name(f".{target.name}.{scratch.name}.part")


def former_path(target: Path, scratch: Path) -> Path:
    """Where that job keeps the folder that ``target`` was, while a new one takes its place."""
    return target.with_name(f".{target.name}.{scratch.name}.former")


def remove_parts(target: Path, scratch: Path) -> None:
    """Remove the part of ``target`` and what a writer put beside it (``….part.aux.xml``).

    A former folder that nothing has replaced is put back.
    """
    former = former_path(target, scratch)
    if former.exists():
        if target.exists():
            _remove(former)
        else:
            with contextlib.suppress(OSError):
                former.rename(target)
    prefix = part_path(target, scratch).name
    with contextlib.suppress(OSError):
        for path in target.parent.iterdir():
            if path.name.startswith(prefix):
                _remove(path)


def write_whole(target: Path, content: bytes) -> None:
    """Write a small file that appears whole or not at all, also after a power cut.

    Raises:
        OSError: it cannot be written; what was there before stays.
    """
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()
