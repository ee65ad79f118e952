"""The names of files and folders still being written, which writer and cleaner must agree on."""

from __future__ import annotations

import contextlib
import shutil
from pathlib import Path


def part_path(target: Path, scratch: Path) -> Path:
    """Where the job whose scratch folder is ``scratch`` writes before ``target`` is whole."""
    return target.with_name(f".{target.name}.{scratch.name}.part")


def remove_parts(target: Path, scratch: Path) -> None:
    """Remove the part of ``target`` and what a writer put beside it (``….part.aux.xml``)."""
    prefix = part_path(target, scratch).name
    with contextlib.suppress(OSError):
        for path in target.parent.iterdir():
            if path.name.startswith(prefix):
                _remove(path)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()
