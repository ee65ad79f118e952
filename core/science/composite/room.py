"""Whether the output's disk has room for a composite, looked at before its first pixel is read."""

from __future__ import annotations

import shutil
from pathlib import Path

from ...bridge.errors import OutputError
from ...bridge.folder_size import folder_size
from ...bridge.home import unfinished_folder
from ..imagery.estimate import bytes_in_words
from ..reporter import Reporter
from .inputs import CompositeInputs

# With less than this of what is estimated a composite plainly does not fit. The estimate is good to
# a factor of two, and smooth or empty land compresses to half of that again.
LEAST_SHARE = 0.25


def check_output_room(inputs: CompositeInputs, scratch: Path, reporter: Reporter) -> None:
    """Warn where the composite may not fit on the output's disk.

    While the file is written, the tiles that it is made of are still in ``scratch``. Blocks kept
    for another run, there too, give way.

    Raises:
        OutputError: it plainly does not fit.
    """
    folder = _nearest_folder(Path(inputs.request.output).absolute().parent)
    needed = inputs.estimate.output_bytes
    try:
        free = shutil.disk_usage(folder).free
    except OSError:
        return
    if free == 0:
        # Some network drives say so and take files all the same: writing one will tell.
        return
    if _is_same_disk(folder, scratch):
        needed *= 2
        free += folder_size(unfinished_folder())
    if free >= needed:
        return
    numbers = (
        f"it needs about {bytes_in_words(needed)} of room on the disk of {folder} and "
        f"{bytes_in_words(free)} are free"
    )
    advice = "make room, choose another folder, or give a coarser RESOLUTION"
    if free < LEAST_SHARE * needed:
        raise OutputError(f"The composite does not fit: {numbers}; {advice}.")
    reporter.warning(f"The composite may not fit: {numbers}; {advice} if it does not.")


def _nearest_folder(folder: Path) -> Path:
    """The folder itself, or of those around it the first that is there."""
    return next((place for place in (folder, *folder.parents) if place.is_dir()), folder)


def _is_same_disk(first: Path, second: Path) -> bool:
    try:
        return first.stat().st_dev == second.stat().st_dev
    except OSError:
        return False
