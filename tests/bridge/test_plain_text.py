"""What a stranger wrote is harmless in a log and in the cell of a table."""

import json
import re

import pytest
from fairweather.core.bridge.errors import InvalidRequestError
from fairweather.core.bridge.plain_text import plain_cell, plain_json, plain_line, plain_words
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("S2A_33TWM – Zürich, 10 m", "S2A_33TWM – Zürich, 10 m"),
        ("a\r\nINFO: all is well", "a\\x0d\\x0aINFO: all is well"),
        ("\x1b[2J\x1b[31mred", "\\x1b[2J\\x1b[31mred"),
        ("exe.\u202efdp.", "exe.\\u202efdp."),
        ("half \ud800", "half \\ud800"),
        ("\x9b31m", "\\x9b31m"),
        (
            "https://a.example/b.tif?sig=secret&x=1 cannot be read",
            "https://a.example/b.tif cannot be read",
        ),
        ("('HTTPS://a.example/b?sig=secret', 1)", "('HTTPS://a.example/b', 1)"),
        ("is it so? yes", "is it so? yes"),
    ],
)
def test_a_line_of_a_log(text, shown):
    assert plain_line(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("scene <b>x</b>", "scene ‹b>x‹/b>"),
        ("< img src=/a>", "‹ img src=/a>"),
        ('<"img" src=/a', '‹"img" src=/a'),
        ("<20 style=background-image:url(/a)>", "‹20 style=background-image:url(/a)>"),
        ('<20 ">" style=a>', '‹20 ">" style=a>'),
        ("<<!-- a", "‹‹!-- a"),
        ("where(nir<red,1,0)", "where(nir‹red,1,0)"),
    ],
)
def test_no_text_is_html_to_qgis(text, shown):
    assert plain_words(text) == plain_line(text) == plain_cell(text) == shown
    assert str(InvalidRequestError(text)) == shown
    assert plain_words(shown) == shown


@pytest.mark.parametrize(
    "text",
    [
        "FILTER eo:cloud_cover<20 drops 3 scenes.",
        "write it like grid:code = MGRS-33TWM and s2:nodata_pixel_percentage < 50.",
        "where(nir <= 0.5, 1, 0) and a <-3 > b",
        "comparisons (< <= > >= == !=), a -> b, x <> y",
    ],
)
def test_comparisons_stay_as_they_were_written(text):
    assert plain_words(text) == text


def test_json_is_the_same_when_parsed():
    content = {"id<b>": ["<img src=/a>", "image/tiff; a|b", "\\;<", "\u003c;"], ";|<": 1.5}
    text = plain_json(json.dumps(content, ensure_ascii=False))
    assert json.loads(text) == content
    assert not set("<;|") & set(text)


@pytest.mark.parametrize("start", ["of:=", "OF:=", " of:=", '"of:='])
def test_a_cell_is_no_formula_of_open_document(start):
    """GDAL writes a text that begins so as a formula."""
    assert plain_cell(f"{start}1+1") == f"'{start}1+1"
    assert plain_cell(f"a;{start}1+1") == f"a;'{start}1+1"
    assert plain_cell("of: 1=1, proof:=1") == "of: 1=1, proof:=1"


@pytest.mark.parametrize("text", ['{"a": "\\u003cimg src=/a>"}', '["\\u003cimg src=/a>"]'])
def test_a_cell_is_no_json(text):
    """GDAL writes it into GeoJSON as what it says, without the escapes."""
    assert plain_cell(text) == f"'{text}"


@pytest.mark.parametrize("start", ["=", "+", "-", "@", " =", "\t="])
def test_a_cell_is_no_formula(start):
    cell = plain_cell(f"{start}cmd|' /C calc'!A0")
    assert cell.startswith(("'", "\\x09"))


@pytest.mark.parametrize(
    "start", ["\uff1d", "\uff0b", "\uff0d", "\uff20", "\ufe66", "\u3000\uff1d", "\ufe63"]
)
def test_a_cell_is_no_formula_in_wide_letters(start):
    """Spreadsheets in East Asian languages read these signs as their narrow ones."""
    assert plain_cell(f"{start}1+1") == f"'{start}1+1"


@pytest.mark.parametrize("separator", [";", "|", "a;", "a; ", "a|\u3000", ';"', "a;b;"])
@pytest.mark.parametrize("sign", ["=", "+", "-", "@", "\uff1d"])
def test_no_part_of_a_cell_is_a_formula(separator, sign):
    """Where a table is opened with other separators than the comma that it is written with."""
    cell = plain_cell(f"x{separator}{sign}cmd;y|{sign}2\t{sign}3")
    assert cell.replace("'", "") == f"x{separator}{sign}cmd;y|{sign}2\\x09{sign}3"
    for part in re.split(r"[;|\t]", cell):
        assert not part.strip(' "\u3000').startswith(("=", "+", "-", "@", "\uff1d"))


def test_signs_within_words_stay():
    text = "NDVI;b-a|S2A_33TWM_2024-06-01 – 10 m; a=b"
    assert plain_cell(text) == text


def test_a_cell_keeps_an_address_whole():
    assert plain_cell("https://a.example/b.png?sig=1") == "https://a.example/b.png?sig=1"


@given(st.text(st.characters(), max_size=50))
def test_any_text_becomes_one_line_that_can_be_written(text):
    for line in (plain_line(text), plain_cell(text)):
        line.encode()
        assert len(line.splitlines()) <= 1
        assert line.isprintable() or not any(letter < " " for letter in line)
