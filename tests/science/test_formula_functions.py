"""Formulas on arrays against plain numpy, for the whole grammar."""

import numpy as np
import pytest
from fairweather.core.bridge import formula as grammar
from fairweather.core.bridge.indices import load_indices
from fairweather.core.bridge.profiles import find_profile
from fairweather.core.science.imagery import formula as science
from fairweather.core.science.imagery.formula import parse_formula
from fairweather.core.science.imagery.output_bands import choose_output_bands, source_bands
from hypothesis import given, settings
from hypothesis import strategies as st

NAN = np.nan
BANDS = ("red", "nir", "blue")


def on(text, **bands):
    return parse_formula(text).evaluate({name: np.asarray(v, float) for name, v in bands.items()})


def test_both_halves_know_the_same_functions_and_operators():
    assert set(science.FUNCTIONS) == set(grammar.FUNCTIONS)
    assert set(science.OPERATIONS) == set(grammar.OPERATORS)
    assert set(science.COMPARISONS) == set(grammar.COMPARISONS)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("-red^2", -4.0),
        ("2^red^2", 16.0),
        ("red - 1 - 1", 0.0),
        ("8 / red / 2", 2.0),
        ("2 + red * 3", 8.0),
        ("+red - -red", 4.0),
        ("red^-1", 0.5),
        ("min(red, 1, 3)", 1.0),
        ("max(red, 1, 3)", 3.0),
        ("abs(0 - red)", 2.0),
        ("log(exp(red))", 2.0),
        ("sqrt(red * 8)", 4.0),
        ("where(red > 1, 10, 20)", 10.0),
        ("where(red - 2, 10, 20)", 20.0),
        ("1 < red < 3", 1.0),
        ("1 < red < 2", 0.0),
        ("(red >= 2) + (red <= 2) + (red == 2) + (red != 2)", 3.0),
        ("1/3 * red", 2 / 3),
    ],
)
def test_precedence_and_functions(text, expected):
    assert on(text, red=[2.0, 2.0]) == pytest.approx([expected, expected], abs=1e-15)


@pytest.mark.parametrize(
    ("text", "red"),
    [
        ("1 / red", 0.0),
        ("1 / (1 / red)", 0.0),
        ("max(log(red), 0)", 0.0),
        ("log(red)", -1.0),
        ("sqrt(red)", -1.0),
        ("red ^ 0.5", -1.0),
        ("red ^ -1", 0.0),
        ("1 / exp(red)", 1000.0),
        ("red ^ 0", NAN),
        ("1 ^ red", NAN),
        ("red < 1", NAN),
        ("where(red < 1, 0, 1)", NAN),
        ("where(1 / red, 0, 1)", 0.0),
        ("min(red, 1)", NAN),
        ("max(red, 1)", NAN),
        ("0 * (9 ^ 9 ^ 9 ^ 9) + red", 1.0),
    ],
)
def test_what_has_no_finite_value_is_missing(text, red):
    assert np.isnan(on(text, red=[red])).all()


def test_the_branch_that_is_not_taken_may_have_no_value():
    assert on("where(red > 0, 1 / red, 0)", red=[0.0, 0.5]).tolist() == [0.0, 2.0]


def test_numbers_and_comparisons_give_float64_of_the_bands_shape():
    red = np.full((2, 3), 0.5)
    for text in ("red > 0.1", "where(red > 0.1, 1, 0)", "max(red, 1)", "red * 2"):
        result = parse_formula(text).evaluate({"red": red})
        assert result.dtype == np.float64
        assert result.shape == (2, 3)


def pairs():
    """Formulas as text, with the same in plain numpy."""
    band = st.sampled_from([(name, lambda v, n=name: v[n]) for name in BANDS])
    number = st.sampled_from(
        [("0.5", lambda _: 0.5), ("2", lambda _: 2.0), ("1e1", lambda _: 10.0)]
    )

    def grow(part):
        two = st.tuples(part, part)
        return st.one_of(
            two.map(lambda p: (f"({p[0][0]} + {p[1][0]})", lambda v: p[0][1](v) + p[1][1](v))),
            two.map(lambda p: (f"({p[0][0]}-{p[1][0]})", lambda v: p[0][1](v) - p[1][1](v))),
            two.map(lambda p: (f"({p[0][0]} * {p[1][0]})", lambda v: p[0][1](v) * p[1][1](v))),
            two.map(lambda p: (f"min({p[0][0]}, {p[1][0]})",
                               lambda v: np.minimum(p[0][1](v), p[1][1](v)))),
            two.map(lambda p: (f"({p[0][0]} < {p[1][0]})",
                               lambda v: 1.0 * (p[0][1](v) < p[1][1](v)))),
            part.map(lambda p: (f"abs({p[0]})", lambda v: np.abs(p[1](v)))),
            part.map(lambda p: (f"(-{p[0]})", lambda v: -p[1](v))),
            part.map(lambda p: (f"(({p[0]})^2)", lambda v: p[1](v) ** 2)),
            st.tuples(part, part, part).map(
                lambda p: (f"where({p[0][0]} >= 0.3, {p[1][0]}, {p[2][0]})",
                           lambda v: np.where(p[0][1](v) >= 0.3, p[1][1](v), p[2][1](v)))),
        )  # fmt: skip

    return st.recursive(st.one_of(band, number), grow, max_leaves=8)


@settings(max_examples=150)
@given(pairs(), st.integers(0, 1000))
def test_any_formula_is_what_numpy_says(pair, seed):
    text, plain = pair
    numbers = np.random.default_rng(seed)
    values = {name: numbers.integers(0, 10_000, 20) / 10_000 for name in BANDS}
    with np.errstate(all="ignore"):
        expected = np.broadcast_to(plain(values), 20)
    result = np.broadcast_to(parse_formula(text).evaluate(values), 20)
    finite = np.isfinite(expected)
    assert np.array_equal(result[finite], expected[finite])


R, G, B, N, S1, S2 = (0.04, 0.06, 0.03, 0.42, 0.21, 0.11)
RE1, RE2, N2 = 0.10, 0.30, 0.44
PUBLISHED = {
    "NDVI": (N - R) / (N + R),
    "NDWI": (G - N) / (G + N),
    "NDMI": (N - S1) / (N + S1),
    "NDBI": (S1 - N) / (S1 + N),
    "NDSI": (G - S1) / (G + S1),
    "MNDWI": (G - S1) / (G + S1),
    "NBR": (N - S2) / (N + S2),
    "EVI": 2.5 * (N - R) / (N + 6 * R - 7.5 * B + 1),
    "EVI2": 2.5 * (N - R) / (N + 2.4 * R + 1),
    "SAVI": 1.5 * (N - R) / (N + R + 0.5),
    "GNDVI": (N - G) / (N + G),
    "OSAVI": (N - R) / (N + R + 0.16),
    "MSAVI": (2 * N + 1 - ((2 * N + 1) ** 2 - 8 * (N - R)) ** 0.5) / 2,
    "GEMI": (eta := (2 * (N**2 - R**2) + 1.5 * N + 0.5 * R) / (N + R + 0.5)) * (1 - 0.25 * eta)
    - (R - 0.125) / (1 - R),
    "BAI": 1 / ((0.1 - R) ** 2 + (0.06 - N) ** 2),
    "BAIM": 1 / ((0.05 - N) ** 2 + (0.2 - S2) ** 2),
    "NBR2": (S1 - S2) / (S1 + S2),
    "CIRE": N / RE1 - 1,
    "AWEInsh": 4 * (G - S1) - 0.25 * N + 2.75 * S2,
    "AWEIsh": B + 2.5 * G - 1.5 * (N + S1) - 0.25 * S2,
    "WDRVI": (0.1 * N - R) / (0.1 * N + R),
    "FAI": N - (R + (S1 - R) * (832.8 - 664.6) / (1613.7 - 664.6)),
}


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_the_catalogue_says_what_the_papers_say(name):
    values = {"red": R, "green": G, "blue": B, "nir": N, "swir16": S1, "swir22": S2,
              "rededge1": RE1, "rededge2": RE2, "nir08": N2}  # fmt: skip
    formula = parse_formula(load_indices()[name].formula)
    result = formula.evaluate({band: np.array([value]) for band, value in values.items()})
    assert result[0] == pytest.approx(PUBLISHED[name], rel=1e-13)


def test_output_bands_take_bands_indices_and_formulas():
    profile = find_profile("sentinel-2-c1-l2a")
    bands = choose_output_bands(("red", "NDVI", "low=where(green<0.1,1,0)"), profile)
    assert [band.name for band in bands] == ["red", "NDVI", "low"]
    assert [band.formula is None for band in bands] == [True, False, False]
    assert source_bands(bands) == ("red", "nir", "green")
    assert bands[2].formula.evaluate({"green": np.array([0.05, 0.2])}).tolist() == [1.0, 0.0]
