"""How pixels become a regular series: STATISTIC, STEP, FILL, MAX_GAP, SMOOTH and its numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .errors import InvalidRequestError

FILLS = ("linear", "none")
SMOOTHS = ("rolling", "none", "savgol", "whittaker")
STATISTICS = ("mean", "median", "min", "max", "std", "p10", "p90")
LARGEST_PENALTY = 1e9  # above, float64 no longer solves the smoother's equations


@dataclass(frozen=True)
class SeriesRecipe:
    """The steps from observations to a series; the defaults are the notebook's.

    ``step`` and ``max_gap`` are days (``max_gap`` 0 fills gaps of any length), ``window`` steps.
    ``order`` is the polynomial's degree for ``savgol``, ``penalty`` the lambda of ``whittaker``.
    """

    step: int = 5
    fill: str = "linear"
    max_gap: int = 0
    smooth: str = "rolling"
    window: int = 3
    order: int = 2
    penalty: float = 10.0


def check_series_recipe(recipe: SeriesRecipe) -> None:
    """Check what is used: ORDER only with ``savgol``, LAMBDA only with ``whittaker``.

    Raises:
        InvalidRequestError: a value is out of its range, or a word is not known.
    """
    _check_word("FILL", recipe.fill, FILLS)
    _check_word("SMOOTH", recipe.smooth, SMOOTHS)
    if recipe.step < 1:
        raise InvalidRequestError(f"STEP is {recipe.step}; give at least 1 day.")
    if recipe.max_gap < 0:
        raise InvalidRequestError(
            f"MAX_GAP is {recipe.max_gap}; give a number of days, or 0 to fill gaps of any length."
        )
    if recipe.smooth in ("rolling", "savgol") and recipe.window < 1:
        raise InvalidRequestError(f"WINDOW is {recipe.window}; give at least 1 step.")
    if recipe.smooth == "savgol":
        _check_savgol(recipe)
    if recipe.smooth == "whittaker" and not 0 < recipe.penalty <= LARGEST_PENALTY:
        shown = f"{recipe.penalty:g}" if math.isfinite(recipe.penalty) else "no number"
        raise InvalidRequestError(
            f"LAMBDA is {shown}; give a number above 0 and up to {LARGEST_PENALTY:.0e}."
        )


def _check_savgol(recipe: SeriesRecipe) -> None:
    if recipe.window % 2 == 0:
        raise InvalidRequestError(
            f"WINDOW is {recipe.window}; SMOOTH savgol needs an odd number of steps, "
            f"such as {recipe.window + 1}."
        )
    if not 0 <= recipe.order < recipe.window:
        raise InvalidRequestError(
            f"ORDER is {recipe.order}; SMOOTH savgol needs one from 0 to {recipe.window - 1}, "
            "below WINDOW."
        )


def _check_word(parameter: str, word: str, known: tuple[str, ...]) -> None:
    if word not in known:
        raise InvalidRequestError(f"{parameter} is {word!r}; it can be {', '.join(known)}.")
