"""Whether the disks have room for a composite, looked at before its first pixel is read."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from ...bridge.errors import OutputError
from ...bridge.folder_size import folder_size
from ...bridge.leftovers import all_unfinished
from ..imagery.estimate import bytes_in_words
from ..reporter import Reporter
from .inputs import CompositeInputs

# With less than this of what is estimated a composite plainly does not fit. The estimate is good to
# a factor of two, and smooth or empty land compresses to half of that again.
LEAST_SHARE = 0.25

OUTPUT_ADVICE = "make room, choose another folder, or give a coarser RESOLUTION"
SCRATCH_ADVICE = "make room, set FAIRWEATHER_HOME to a larger disk, or give a coarser RESOLUTION"


@dataclass(frozen=True)
class Disk:
    """Where something is to be written: its name for people, and the bytes that can be removed."""

    folder: Path
    words: str
    advice: str
    gives_way: int = 0


def check_room(inputs: CompositeInputs, scratch: Path, reporter: Reporter) -> None:
    """Warn where the composite may not fit on the output's disk, or its tiles on that of scratch.

    While the file is written, the tiles that it is made of are still in ``scratch``. Blocks kept
    for another run, there too, give way.

    Raises:
        OutputError: it plainly does not fit.
    """
    folder = _nearest_folder(Path(inputs.request.output).absolute().parent)
    size = inputs.estimate.output_bytes
    kept = sum(map(folder_size, all_unfinished()))
    output = Disk(folder, f"the disk of {folder}", OUTPUT_ADVICE)
    tiles = Disk(scratch, f"the disk of unfinished jobs, {scratch.parent},", SCRATCH_ADVICE, kept)
    if _is_same_disk(folder, scratch):
        _check_disk(replace(output, gives_way=kept), 2 * size, reporter)
    else:
        _check_disk(output, size, reporter)
        _check_disk(tiles, size, reporter)


def _check_disk(disk: Disk, needed: float, reporter: Reporter) -> None:
    try:
        free = shutil.disk_usage(disk.folder).free
    except OSError:
        return
    if free == 0:
        # Some network drives say so and take files all the same: writing one will tell.
        return
    free += disk.gives_way
    if free >= needed:
        return
    numbers = (
        f"it needs about {bytes_in_words(needed)} of room on {disk.words} and "
        f"{bytes_in_words(free)} are free"
    )
    if free < LEAST_SHARE * needed:
        raise OutputError(f"The composite does not fit: {numbers}; {disk.advice}.")
    reporter.warning(f"The composite may not fit: {numbers}; {disk.advice} if it does not.")


def _nearest_folder(folder: Path) -> Path:
    """The folder itself, or of those around it the first that is there."""
    return next((place for place in (folder, *folder.parents) if place.is_dir()), folder)


def _is_same_disk(first: Path, second: Path) -> bool:
    try:
        return first.stat().st_dev == second.stat().st_dev
    except OSError:
        return False
