"""What a row of the soak is: a promise, tried so many times at random, and what came of it."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Trial:
    """What a row is given: how often to try, its own random numbers, and an empty folder."""

    times: int
    random: random.Random
    folder: Path


@dataclass(frozen=True)
class Row:
    """A promise and how it is tried.

    ``times`` is how often the whole soak tries it; ``run`` tries it as often as its ``Trial``
    says, returns figures for the scoreboard (JSON), and raises ``AssertionError`` with a sentence
    where the promise is broken.
    """

    name: str
    promise: str
    times: int
    run: Callable[[Trial], Mapping[str, object]]
