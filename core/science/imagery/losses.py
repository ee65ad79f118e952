"""What could not be read of the scenes, and whether a result without it is still one."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import date

from ...bridge.errors import InvalidRequestError, ReadError
from ...bridge.plain_text import plain_json
from ...bridge.request import ON_ERROR_CHOICES
from ..web.addresses import without_query
from ..words import count_of
from .scene import Scene

MASK = "mask"
FILES_IN_THE_LOG = 5


@dataclass(frozen=True)
class Loss:
    """A day that is left out of a block, as a file of one of its scenes cannot be read.

    ``band`` is the profile's name, or ``mask``; ``file`` the address without a query, which may
    hold a signature; ``reason`` a few words. The rest is as in ``ReadError``.
    """

    day: date
    scene: str
    band: str
    file: str
    reason: str
    host_is_down: bool = False
    is_replaced: bool = False


@dataclass(frozen=True)
class LostFile:
    """A file that could not be read in ``blocks`` blocks; ``loss`` is the first of them."""

    loss: Loss
    blocks: int


def check_on_error(choice: str) -> None:
    """Check ON_ERROR.

    Raises:
        InvalidRequestError: it is not known.
    """
    if choice not in ON_ERROR_CHOICES:
        raise InvalidRequestError(
            f"ON_ERROR {choice!r} is not known; choose {' or '.join(ON_ERROR_CHOICES)}."
        )


def loss_of(day: date, scenes: Iterable[Scene], error: ReadError) -> Loss:
    """What is lost with ``error``, which a file of one of the day's ``scenes`` has caused.

    Raises:
        ReadError: ``error`` itself, if it is none of theirs.
    """
    for scene in scenes:
        for band, source in (*scene.bands.items(), (MASK, scene.mask)):
            if source is not None and source.href == error.href:
                return Loss(
                    day,
                    scene.id,
                    band,
                    without_query(error.href),
                    error.reason,
                    error.host_is_down,
                    error.is_replaced,
                )
    raise error


class LossTally:
    """Adds up what blocks have lost, from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._days = 0
        self._lost_days = 0
        self._first: dict[tuple[str, str], Loss] = {}
        self._blocks: Counter[tuple[str, str]] = Counter()

    def add(self, days: int, losses: Collection[Loss]) -> None:
        """One more block, for which ``days`` days were to be read.

        Raises:
            ReadError: a server was given up, and no day of the block is left.
        """
        lost_days = len({loss.day for loss in losses})
        with self._lock:
            self._days += days
            self._lost_days += lost_days
            for loss in losses:
                self._first.setdefault((loss.scene, loss.band), loss)
            self._blocks.update({(loss.scene, loss.band) for loss in losses})
        down = next((loss for loss in losses if loss.host_is_down), None)
        if down is not None and lost_days == days:
            raise ReadError(
                f"{down.file} cannot be read: {down.reason}; check the connection, and run again.",
                down.file,
                down.reason,
                host_is_down=True,
            )

    def finish(self) -> tuple[LostFile, ...]:
        """All files that could not be read, by scene.

        Raises:
            ReadError: most days could not be read, so that the rest would pass for the whole.
        """
        if 2 * self._lost_days > self._days:
            raise mostly_unreadable(self._lost_days, self._days, list(self._first.values()))
        return tuple(
            LostFile(self._first[key], count) for key, count in sorted(self._blocks.items())
        )


def mostly_unreadable(lost: int, total: int, losses: Sequence[Loss]) -> ReadError:
    """The error of a run that would show too little of what there is."""
    first = losses[0]
    return ReadError(
        f"Most of the imagery cannot be read ({lost:,} of {total:,} days of scenes, such as "
        f"{first.file}: {first.reason}); check the connection and that the files are there, and "
        "run again.",
        first.file,
        first.reason,
        first.host_is_down,
    )


def losses_in_words(lost: Sequence[LostFile], block: str) -> list[str]:
    """A few sentences for the log, none where nothing is lost; ``block`` is what one is called.

    The first is the summary, the others name files.
    """
    if not lost:
        return []
    scenes = {file.loss.scene for file in lost}
    days = {file.loss.day for file in lost}
    sentences = [
        f"{count_of(len(lost), 'file')} of {count_of(len(scenes), 'scene')} could not be read, and "
        f"{count_of(len(days), 'day')} left out of the {block}s concerned; ON_ERROR fail would "
        "have stopped the run."
    ]
    for file in lost[:FILES_IN_THE_LOG]:
        loss = file.loss
        sentences.append(
            f"Not read: {loss.band} of {loss.scene} ({loss.day}), in "
            f"{count_of(file.blocks, block)}: {loss.reason} ({loss.file})."
        )
    if len(lost) > FILES_IN_THE_LOG:
        sentences.append(f"Not read either: {len(lost) - FILES_IN_THE_LOG:,} more files.")
    return sentences


def losses_as_json(lost: Iterable[LostFile]) -> str:
    """For the metadata of a file: item id, band, number of blocks and reason of each."""
    content = [
        {
            "item": file.loss.scene,
            "asset": file.loss.band,
            "blocks": file.blocks,
            "reason": file.loss.reason,
        }
        for file in lost
    ]
    return plain_json(json.dumps(content))
