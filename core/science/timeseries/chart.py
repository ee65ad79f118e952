"""What the charts of a run show; the page and the image draw the same."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np

from ...bridge.series_recipe import SeriesRecipe
from .series import Observations, Series


@dataclass(frozen=True)
class ChartedSeries:
    """One index at one site.

    ``clear_pixels`` and ``all_pixels`` (days,) are whole numbers, for each day of
    ``observations``. ``site_id`` tells apart sites of the same name.
    """

    site_id: str
    site: str
    index: str
    observations: Observations
    clear_pixels: np.ndarray
    all_pixels: np.ndarray
    series: Series


@dataclass(frozen=True)
class Chart:
    """A run's charts: ``series`` site by site, each site's indices in the order asked for.

    ``site_count`` is the number of sites of the run, of which ``series`` may hold only the first.
    ``description`` is a sentence for below the title; ``notes`` go to the foot, the data's
    attribution first (the image shows only that one, and holds the others as its metadata).
    """

    title: str
    description: str
    series: tuple[ChartedSeries, ...]
    site_count: int
    notes: tuple[str, ...] = ()


def site_labels(chart: Chart) -> dict[str, str]:
    """A label for each site by its id, in order: its name, with the id where names are alike.

    A name that is only a number, as a feature's id is, says that it is a site's.
    """
    names = {one.site_id: _name_or_number(one) for one in chart.series}
    counts = Counter(names.values())
    return {
        site_id: name if counts[name] == 1 else f"{name} ({site_id})"
        for site_id, name in names.items()
    }


def recipe_in_words(recipe: SeriesRecipe) -> str:
    """How the line was made, in a sentence: ``Steps of 5 days, gaps filled, mean of 3 steps.``"""
    gaps = "gaps left open"
    if recipe.fill != "none" or recipe.smooth == "whittaker":
        gaps = f"gaps up to {recipe.max_gap} days filled" if recipe.max_gap else "gaps filled"
    smooth = {
        "none": "not smoothed",
        "rolling": f"mean of {recipe.window} steps",
        "savgol": f"Savitzky-Golay of {recipe.window} steps and order {recipe.order}",
        "whittaker": f"Whittaker with lambda {recipe.penalty:g}",
    }[recipe.smooth]
    days = "1 day" if recipe.step == 1 else f"{recipe.step} days"
    return f"Steps of {days}, {gaps}, {smooth}."


def _name_or_number(one: ChartedSeries) -> str:
    name = " ".join(one.site.split()) or one.site_id
    return f"Site {name}" if name.isdecimal() else name
