"""Finished outputs take their places: all of them, or none."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, Sequence

from ..core.bridge.errors import OutputError
from ..core.bridge.part_files import flush_file, flush_folder

FULL_DISK_ERRORS = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))
FULL_DISK = "the disk is full; make room, or choose another output"
FORMER_FOLDER = "former"

# What programs keep beside a layer: after its name, or, of some formats, after the name's stem.
AFTER_NAME = (".aux.xml", "-wal", "-shm", "-journal")
AFTER_STEM = {
    ".shp": (
        *(".shp", ".shx", ".dbf", ".prj", ".cpg", ".qpj", ".cst", ".qmd", ".shp.xml", ".dbf.xml"),
        *(".qix", ".sbn", ".sbx", ".fbn", ".fbx", ".idm", ".ind", ".ain", ".aih", ".ixs", ".mxs"),
    ),
    ".csv": (".csvt", ".csv.xml"),
    ".gml": (".gfs", ".xsd"),
    ".tab": (".dat", ".map", ".id", ".ind"),
}


@dataclass(frozen=True)
class StagedOutput:
    """The output ``name``: all files in ``folder``, which shall stand where ``place`` is.

    The folder lies on the same disk.
    """

    name: str
    folder: Path
    place: Path


def take_places(outputs: Sequence[StagedOutput]) -> None:
    """Move each output's files to their place; what belonged to the former one there goes.

    Raises:
        OutputError: one cannot be flushed to the disk or replaced; all that was there before is
            there again.
    """
    with ExitStack() as put_back:
        for output in outputs:
            with _told(output):
                _flush(output.folder)
        for output in outputs:
            with _told(output):
                _take_place(output, put_back)
        put_back.pop_all()
    for folder in {output.place.parent for output in outputs}:
        flush_folder(folder)


def _flush(folder: Path) -> None:
    for path in folder.rglob("*"):
        if path.is_file():
            flush_file(path)


def _take_place(output: StagedOutput, put_back: ExitStack) -> None:
    files = sorted(output.folder.iterdir())
    if not files:
        return
    kept = output.folder / FORMER_FOLDER
    kept.mkdir()
    names = {file.name for file in files}
    for former in _files_beside(output.place):
        if former.name not in names:
            _keep(former, kept, put_back)
            former.unlink()
    for file in files:
        place = output.place.with_name(file.name)
        if os.path.lexists(place):
            _keep(place, kept, put_back)
        else:
            put_back.callback(_move, place, file)
        file.replace(place)


def _keep(path: Path, folder: Path, put_back: ExitStack) -> None:
    """Let ``path`` be what it is now if ``put_back`` is called."""
    kept = folder / path.name
    try:
        os.link(path, kept)
    except OSError:  # this disk has no links
        shutil.copy2(path, kept)
    put_back.callback(_move, kept, path)


def _move(path: Path, place: Path) -> None:
    with contextlib.suppress(OSError):
        path.replace(place)


def _files_beside(place: Path) -> Iterator[Path]:
    """The files that belong to a layer at ``place``, of those that are there when it is asked."""
    names = [place.name + ending for ending in AFTER_NAME]
    for ending in AFTER_STEM.get(place.suffix.lower(), ()):
        names += [place.stem + ending, place.stem + ending.upper()]
    for path in map(place.with_name, names):
        if path.is_file() or path.is_symlink():
            yield path


@contextmanager
def _told(output: StagedOutput) -> Iterator[None]:
    """An error of the disk as a sentence that names the output."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL_DISK_ERRORS:
            raise OutputError(f"{output.name}: {FULL_DISK}.") from error
        raise OutputError(
            f"{output.name}: {output.place} cannot be replaced ({error.strerror}); close the "
            "layers and programs that use it, or choose another output."
        ) from error
