"""Which series recipes make sense."""

import dataclasses

import pytest
from fairweather.core.bridge.errors import InvalidRequestError
from fairweather.core.bridge.series_recipe import SeriesRecipe, check_series_recipe


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"step": 1, "max_gap": 30, "window": 4},
        {"fill": "none", "smooth": "none", "window": 0},
        {"smooth": "savgol", "window": 7, "order": 6},
        {"smooth": "savgol", "window": 1, "order": 0},
        {"smooth": "whittaker", "window": 0, "penalty": 0.5},
        {"order": 99, "penalty": -1.0},
    ],
)
def test_what_makes_sense(changes):
    check_series_recipe(dataclasses.replace(SeriesRecipe(), **changes))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"step": 0}, "STEP is 0; give at least 1 day"),
        ({"step": -5}, "STEP is -5"),
        ({"fill": "cubic"}, "FILL is 'cubic'; it can be linear, none"),
        ({"smooth": "mean"}, "SMOOTH is 'mean'; it can be rolling, none, savgol, whittaker"),
        ({"max_gap": -1}, "MAX_GAP is -1"),
        ({"window": 0}, "WINDOW is 0; give at least 1 step"),
        ({"smooth": "savgol", "window": 4}, "WINDOW is 4; SMOOTH savgol needs an odd number"),
        ({"smooth": "savgol", "window": -3}, "WINDOW is -3"),
        ({"smooth": "savgol", "window": 3, "order": 3}, "ORDER is 3; SMOOTH savgol needs one from"),
        ({"smooth": "savgol", "order": -1}, "ORDER is -1"),
        ({"smooth": "whittaker", "penalty": 0.0}, "LAMBDA is 0; give a number above 0"),
        ({"smooth": "whittaker", "penalty": float("nan")}, "LAMBDA is no number"),
        ({"smooth": "whittaker", "penalty": 1e12}, "LAMBDA is 1e+12"),
    ],
)
def test_what_makes_none_is_refused_in_one_sentence(changes, words):
    with pytest.raises(InvalidRequestError) as caught:
        check_series_recipe(dataclasses.replace(SeriesRecipe(), **changes))
    assert words in str(caught.value)
    assert str(caught.value).endswith(".")
