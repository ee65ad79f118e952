"""What a stranger wrote is harmless in a log and in the cell of a table."""

import pytest
from fairweather.core.bridge.plain_text import plain_cell, plain_line
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


@pytest.mark.parametrize("start", ["=", "+", "-", "@", " =", "\t="])
def test_a_cell_is_no_formula(start):
    cell = plain_cell(f"{start}cmd|' /C calc'!A0")
    assert cell.startswith(("'", "\\x09"))


def test_a_cell_keeps_an_address_whole():
    assert plain_cell("https://a.example/b.png?sig=1") == "https://a.example/b.png?sig=1"


@given(st.text(st.characters(), max_size=50))
def test_any_text_becomes_one_line_that_can_be_written(text):
    for line in (plain_line(text), plain_cell(text)):
        line.encode()
        assert len(line.splitlines()) <= 1
        assert line.isprintable() or not any(letter < " " for letter in line)
