"""FILTER and MONTHS: what parses, what it keeps, and what the errors say."""

import contextlib

import pytest
from fairweather.core.bridge.errors import InvalidRequestError
from fairweather.core.bridge.scene_filter import (
    Comparison,
    FilterValue,
    parse_filter,
    parse_months,
)
from hypothesis import given
from hypothesis import strategies as st

PROPERTIES = {
    "grid:code": "MGRS-33TWM",
    "s2:sequence": "0",
    "s2:processing_baseline": "05.09",
    "mgrs:utm_zone": 33,
    "s2:nodata_pixel_percentage": 12.5,
    "s2:datatake": 900719925474099267,
    "earthsearch:boa_offset_applied": True,
    "instruments": ["msi"],
    "nothing": None,
}


def test_empty_filter_keeps_everything():
    assert parse_filter("") == parse_filter("   ") == ()


def test_example_of_the_help():
    assert parse_filter("mgrs:grid_square = GQ and s2:nodata_pixel_percentage < 50") == (
        Comparison("mgrs:grid_square", "=", (FilterValue("GQ"),)),
        Comparison("s2:nodata_pixel_percentage", "<", (FilterValue("50"),)),
    )


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("grid:code = MGRS-33TWM", True),
        ("grid:code = 'MGRS-33TWM'", True),
        ('grid:code="MGRS-33TWM"', True),
        ("grid:code = mgrs-33twm", False),
        ("grid:code != MGRS-33TWL", True),
        ("grid:code like MGRS-33%", True),
        ("grid:code LIKE '%-33TW_'", True),
        ("grid:code like 33", False),
        ("grid:code like 'MGRS.33TWM'", False),
        ("grid:code in (MGRS-33TWL, 'MGRS-33TWM')", True),
        ("grid:code IN (MGRS-33TWL)", False),
        ("mgrs:utm_zone = 33", True),
        ("mgrs:utm_zone = 33.0", True),
        ("mgrs:utm_zone = '33'", False),
        ("mgrs:utm_zone != '33'", True),
        ("mgrs:utm_zone in (1, 33)", True),
        ("mgrs:utm_zone < thirty", False),
        ("mgrs:utm_zone like 33", False),
        ("s2:nodata_pixel_percentage < 50", True),
        ("s2:nodata_pixel_percentage < 12.5", False),
        ("s2:nodata_pixel_percentage <= 12.5", True),
        ("s2:nodata_pixel_percentage >= 1.25e1", True),
        ("s2:nodata_pixel_percentage > -1", True),
        ("s2:sequence = 0", True),
        ("s2:sequence = 0.0", False),
        ("s2:processing_baseline >= 05.00", True),
        ("s2:processing_baseline < 05.00", False),
        ("s2:datatake = 900719925474099267", True),
        ("s2:datatake = 900719925474099266", False),
        ("earthsearch:boa_offset_applied = true", True),
        ("earthsearch:boa_offset_applied = True", True),
        ("earthsearch:boa_offset_applied != false", True),
        ("earthsearch:boa_offset_applied = 1", False),
        ("earthsearch:boa_offset_applied > 0", False),
        ("instruments = msi", False),
        ("nothing = None", False),
        ("missing != 1", False),
        ("missing = 1", False),
        ("mgrs:utm_zone=33 AND grid:code=MGRS-33TWM", True),
        ("mgrs:utm_zone=33 and grid:code=MGRS-33TWL", False),
    ],
)
def test_what_is_kept(text, kept):
    assert all(comparison.matches(PROPERTIES) for comparison in parse_filter(text)) is kept


@pytest.mark.parametrize(
    ("text", "position", "expected"),
    [
        ("x", 2, "in or like"),
        ("x =", 4, "a value"),
        ("= 1", 1, "the name of a property"),
        ("x == 1", 4, "a value"),
        ("x is 1", 3, "in or like"),
        ("x = 'open", 5, "a value"),
        ("x in 1", 6, "( after in"),
        ("x in ()", 7, "a value"),
        ("x in (1 2)", 9, ", or )"),
        ("x in (1", 8, ", or )"),
        ("x = 1 or y = 2", 7, "and between"),
        ("x = 1 y = 2", 7, "and between"),
        ("x = 1 and", 10, "the name of a property"),
        ("(x = 1)", 1, "the name of a property"),
        ("x ! 1", 3, "in or like"),
    ],
)
def test_error_says_where_and_what_is_expected(text, position, expected):
    with pytest.raises(InvalidRequestError) as caught:
        parse_filter(text)
    assert f"FILTER does not parse at character {position}: " in str(caught.value)
    assert expected in str(caught.value)


def test_quotes_inside_quotes():
    (comparison,) = parse_filter("x = 'it''s'")
    assert comparison.values[0].text == "it's"
    assert comparison.matches({"x": "it's"})


@given(st.text())
def test_any_text_parses_or_says_why(text):
    with contextlib.suppress(InvalidRequestError):
        comparisons = parse_filter(text)
        assert parse_filter(" and ".join(map(str, comparisons))) == comparisons


@given(
    st.lists(
        st.builds(
            Comparison,
            st.sampled_from(["a", "eo:cloud_cover", "x.y-z"]),
            st.sampled_from(["=", "!=", "<", "<=", ">", ">=", "like"]),
            st.tuples(st.builds(FilterValue, st.text(), st.just(True))),
        )
    )
)
def test_what_is_printed_parses_to_the_same(comparisons):
    assert parse_filter(" and ".join(map(str, comparisons))) == tuple(comparisons)


@pytest.mark.parametrize(
    ("text", "months"),
    [
        ("", ()),
        ("5-9", (5, 6, 7, 8, 9)),
        ("11-2", (1, 2, 11, 12)),
        ("6,7,8", (6, 7, 8)),
        (" 12 - 1 , 6 ", (1, 6, 12)),
        ("3-3", (3,)),
        ("1-12", tuple(range(1, 13))),
    ],
)
def test_months(text, months):
    assert parse_months(text) == months


@pytest.mark.parametrize(
    "text", ["0", "13", "5-", "-5", "may", "5-9-10", "5,,6", "5;6", "1.5", "٣"]
)
def test_wrong_months(text):
    with pytest.raises(InvalidRequestError, match=r"MONTHS.*5-9, 11-2 or 6,7,8"):
        parse_months(text)
