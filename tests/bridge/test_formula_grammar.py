"""What a formula may hold, and that nothing else is read."""

import ast
import copy
import pickle

import pytest
from fairweather.core.bridge.errors import InvalidRequestError
from fairweather.core.bridge.formula import MAX_LENGTH, parse_formula


@pytest.mark.parametrize(
    ("text", "bands"),
    [
        ("(nir - red) / (nir + red)", ("nir", "red")),
        ("  red*2.5e-1 ", ("red",)),
        ("-red + +nir", ("red", "nir")),
        ("nir^0.5 * .5 + 1.", ("nir",)),
        ("where(red < 0.2, nir, max(red, blue, green))", ("red", "nir", "blue", "green")),
        ("abs(sqrt(log(exp(min(red, 1)))))", ("red",)),
        ("0 <= red != nir", ("red", "nir")),
        ("(red >= 1) + (red > 2) + (red == 3)", ("red",)),
        ("swir16 / nir08", ("swir16", "nir08")),
        ("2", ()),
    ],
)
def test_grammar_is_read_with_its_bands_in_order(text, bands):
    formula = parse_formula(text)
    assert formula.bands == bands
    assert formula.text == text


@pytest.mark.parametrize(
    "text",
    [
        "", "   ", "nir +", "(nir", "nir)", "()", "nir red", "nir ** 2", "nir * * 2", "nir // 2",
        "nir % 2", "nir @ red", "nir & red", "nir | red", "~nir", "nir << 2", "not nir",
        "nir and red", "nir if red else blue", "lambda: nir", "lambda red: nir", "nir.real",
        "nir[0]", "[nir]", "{nir}", "(nir, red)", "nir, red", "'nir'", '"nir"', "f'{nir}'", "1j",
        "1_000", "0x10", "0b1", "1e", "1.2.3", "True + nir", "None", "...", "nir := 1", "nir = 1",
        "max(*nir)", "max(nir, key=red)", "max(nir for nir in red)", "nir; red", "nir\nred",
        "(nir\n)", "nir # red", "nir \\ red", "await nir", "yield nir", "nir is red", "nir in red",
        "__import__('os')", "nir.__class__", "open(nir)", "eval(nir)", "sqrt(nir)(nir)",
        "(sqrt)(nir", "nir − red", "nír", "ｎｉｒ", "nir\x00", "nir\u00a0+ red", "nir <> red",
        "nir =< red", "nir !", "sqrt", "where + nir", "1e999 * nir", "9" * 400 + " * nir",
        "sqrt()", "sqrt(nir, red)", "min(nir)", "where(nir, red)", "where(nir, red, blue, green)",
        "mean(nir, red)", "NIR(red)", "2nir", "nir2.5",
    ],
)  # fmt: skip
def test_nothing_else_is_read(text):
    with pytest.raises(InvalidRequestError) as caught:
        parse_formula(text)
    message = str(caught.value)
    assert message.endswith(".")
    assert "\n" not in message
    assert len(message) < 400


def test_a_power_in_python_is_told_how_to_be_written():
    with pytest.raises(InvalidRequestError, match=r"write \^ for a power"):
        parse_formula("nir**2")


def test_an_unknown_function_is_told_the_known_ones():
    with pytest.raises(InvalidRequestError, match="unknown function mean; known are min, max, abs"):
        parse_formula("mean(nir, red)")


@pytest.mark.parametrize(
    "text",
    [
        "(" * 5000 + "nir" + ")" * 5000,
        "(" * 400 + "nir" + ")" * 400,
        "-" * 900 + "nir",
        "+".join(["nir"] * 240),
        "^".join(["2"] * 400),
        "abs(" * 200 + "nir" + ")" * 200,
        "(" * 900,
        "nir<" * 249 + "nir)",
        "1+" * 100_000 + "1",
    ],
)
def test_length_and_depth_are_bounded(text):
    with pytest.raises(InvalidRequestError):
        parse_formula(text)


def test_what_people_write_is_far_from_the_bounds():
    terms = " + ".join(f"{weight / 7:.3f} * nir" for weight in range(50))
    assert len(terms) < MAX_LENGTH
    assert parse_formula(terms).bands == ("nir",)
    assert parse_formula("(" * 20 + "nir" + ")" * 20).bands == ("nir",)


def test_the_tree_is_what_the_text_says():
    tree = parse_formula("-nir^2^red").tree
    expected = ast.parse("-(nir ** (2 ** red))", mode="eval").body
    assert ast.dump(tree) == ast.dump(expected)


def test_a_formula_travels_to_other_processes():
    formula = parse_formula("where(nir > red, nir, 1)")
    for copied in (pickle.loads(pickle.dumps(formula)), copy.deepcopy(formula)):
        assert ast.dump(copied.tree) == ast.dump(formula.tree)
        assert copied.bands == formula.bands
