"""Finished outputs take their places: all of them, or none."""

from __future__ import annotations

import contextlib
import os
import shutil
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Iterator, List, Sequence

from ..core.bridge.errors import OutputError
from ..core.bridge.part_files import FULL_DISK_ERRORS, flush_file, flush_folder

FULL_DISK = "the disk is full; make room, or choose another output"
MOVED = "what was being made beside {place} was moved or removed; run again"
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
# Of no format but this: a program that finds one beside a new layer would believe it.
INDEXES_OF_SHAPEFILES = (".qix", ".sbn", ".sbx", ".fbn", ".fbx")
# A shapefile of rows without geometry has the second only.
SHAPEFILE_ENDINGS = (".shp", ".dbf")
# Both formats call an index that: beside a MapInfo layer it is taken for that layer's.
SHARED_ENDING, ITS_OTHER_LAYER = ".ind", ".tab"


@dataclass(frozen=True)
class StagedOutput:
    """The output ``name``: all files in ``folder``, which shall stand where ``place`` is.

    The folder lies on the same disk, and is made with the first of them.
    """

    name: str
    folder: Path
    place: Path

    @property
    def is_moved(self) -> bool:
        """Whether the folder, which was made, is gone, and its place is not."""
        return not self.folder.is_dir() and self.place.parent.is_dir()


def take_places(outputs: Sequence[StagedOutput]) -> None:
    """Move each output's files to their place; what belonged to the former one there goes.

    Raises:
        OutputError: one is gone, or cannot be flushed to the disk or replaced; all that was there
            before is there again.
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
    folder.stat()  # of a folder that is gone, nothing is listed
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
    listed: List[Path] = []
    with contextlib.suppress(OSError):  # there are folders that take files and list none
        listed = list(place.parent.iterdir())
    spellings = {path.name.casefold(): path for path in listed}
    names = [place.name + ending for ending in AFTER_NAME]
    for ending in _endings_after_stem(place):
        names += _both_cases(place, ending)
    exact = {path.name for path in listed}
    for name in names:
        path = place.with_name(name)
        if name not in exact and os.path.lexists(path):  # this disk is blind to case
            path = spellings.get(name.casefold(), path)
        if path.is_file() or path.is_symlink():
            yield path


def _endings_after_stem(place: Path) -> Sequence[str]:
    """Those of a former layer's files; where none is, such files are those of another dataset."""
    kind = place.suffix.lower()
    layers = SHAPEFILE_ENDINGS if kind == ".shp" else (place.suffix,)
    if not any(_is_there(place, ending) for ending in layers):
        return INDEXES_OF_SHAPEFILES if kind == ".shp" else ()
    endings = AFTER_STEM.get(kind, ())
    if kind != ITS_OTHER_LAYER and _is_there(place, ITS_OTHER_LAYER):
        return [ending for ending in endings if ending != SHARED_ENDING]
    return endings


def _is_there(place: Path, ending: str) -> bool:
    return any(os.path.lexists(place.with_name(name)) for name in _both_cases(place, ending))


def _both_cases(place: Path, ending: str) -> List[str]:
    return [place.stem + ending, place.stem + ending.upper()]


@contextmanager
def _told(output: StagedOutput) -> Iterator[None]:
    """An error of the disk as a sentence that names the output."""
    try:
        yield
    except OSError as error:
        if output.is_moved:
            raise OutputError(f"{output.name}: {MOVED.format(place=output.place)}.") from error
        if error.errno in FULL_DISK_ERRORS:
            raise OutputError(f"{output.name}: {FULL_DISK}.") from error
        raise OutputError(
            f"{output.name}: {output.place} cannot be replaced ({error.strerror}); close the "
            "layers and programs that use it, or choose another output."
        ) from error
