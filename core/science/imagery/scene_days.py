"""Scenes grouped by solar day, and the pixels of one day: the first scene that has one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

import numpy as np

from ..solar_day import solar_day
from .bits import has_all_bits_of
from .encoding import CommonEncoding
from .reading import BlockReader
from .scene import Scene, SourceBand


@dataclass(frozen=True)
class SceneDay:
    """The scenes of one solar day, by time, then id."""

    day: date
    scenes: tuple[Scene, ...]

    @property
    def moment(self) -> datetime:
        """When it was seen: the time of its first scene, in UTC."""
        return self.scenes[0].moment


def group_by_solar_day(scenes: Iterable[Scene], longitude: float) -> list[SceneDay]:
    """Days in order; ``longitude`` in degrees decides where one day ends and the next begins."""
    days: dict[date, list[Scene]] = {}
    for scene in sorted(scenes, key=lambda scene: (scene.moment, scene.id)):
        days.setdefault(solar_day(scene.moment, longitude), []).append(scene)
    return [SceneDay(day, tuple(members)) for day, members in sorted(days.items())]


def read_day(
    reader: BlockReader,
    sources: Iterable[SourceBand],
    wanted: np.ndarray,
    encoding: CommonEncoding | None = None,
) -> tuple[np.ndarray, np.ndarray] | None:
    """One band of one day on a block: every pixel from the first source that has a value there.

    Args:
        reader: of the block.
        sources: the day's files of this band, in order.
        wanted: (height, width) bool; once all of these have a value, no further file is read.
        encoding: what the values are brought to; None for classes.

    Returns:
        (height, width) values and (height, width) bool of where they are valid; None where no
        file has a pixel in the block.
    """
    values: np.ndarray | None = None
    valid = np.zeros(wanted.shape, bool)
    sources = tuple(sources)
    for source in sources:
        read = reader.read(source)
        if read is None:
            continue
        found, found_valid = read
        if source.is_bits and source.nodata is not None:
            found_valid = found_valid & ~has_all_bits_of(found, int(source.nodata))
        if encoding is not None:
            found = encoding.hold(found, source)
        if values is None:
            values, valid = found, found_valid
        else:
            new = found_valid & ~valid
            values = np.where(new, found, values)
            valid = valid | new
        if source is not sources[-1] and not (wanted & ~valid).any():
            break
    return None if values is None else (values, valid)
