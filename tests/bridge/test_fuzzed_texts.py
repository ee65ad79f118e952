"""Any text ends in what it says or in an error of ours; ``make soak`` tries more of them."""

import json
import time
from contextlib import suppress

import pytest
from fairweather.core.bridge.credentials import credentials_from_line
from fairweather.core.bridge.errors import FairweatherError, InvalidRequestError
from fairweather.core.bridge.events import event_from_line
from fairweather.core.bridge.formula import parse_formula
from fairweather.core.bridge.indices import read_layers, split_entries
from fairweather.core.bridge.mask_classes import read_mask_classes
from fairweather.core.bridge.profiles import load_profiles, read_profile
from fairweather.core.bridge.request import (
    Area,
    CompositeRequest,
    SceneSearch,
    request_from_json,
    request_to_json,
)
from fairweather.core.bridge.scene_filter import parse_filter, parse_months
from hypothesis import given, settings
from hypothesis import strategies as st

PROFILE = load_profiles()["sentinel-2-l2a"]
PROPERTIES = {"platform": "sentinel-2a" * 50, "grid:code": "MGRS-33TWM", "huge": 10**400, "a": 1.5}
WORDS = st.sampled_from(
    ["platform", "grid:code", "huge", "a", "=", "!=", "<", ">=", "in", "like", "(", ")", ",", "and",
     "'%a_'", '"', "'", "1e999", "50", "-", "nir", "red", "+", "*", "/", "^", "min(", "where(",
     "NDVI", "x=", "5-9", "11-2", "cloud", "none", "3", "\0", "٣", "\ud800", "\u202e", ".5", "=="]
)  # fmt: skip
TEXTS = st.lists(WORDS | st.text(max_size=4), max_size=20).map(" ".join) | st.text(max_size=60)
VALUES = st.recursive(
    st.none() | st.booleans() | st.floats() | TEXTS | st.sampled_from([2**63, 10**400, -1, 0]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
AREA = Area("EPSG:4326", {"type": "Point", "coordinates": [1, 2]})
SEARCH = SceneSearch("sentinel-2-l2a", AREA, "2024-01-01", "2024-12-31")
REQUEST = json.loads(request_to_json(CompositeRequest(SEARCH, ("red",), "a.tif")))
PROFILE_CONTENT = json.loads(
    json.dumps({"id": "mine", "title": "t", "bands": {}, "mask": {}, "holes": []})
)

READERS = {
    "FILTER": lambda text: [one.matches(PROPERTIES) for one in parse_filter(text)],
    "MONTHS": parse_months,
    "formula": parse_formula,
    "BANDS": lambda text: read_layers(split_entries(text), PROFILE),
    "MASK_CLASSES": lambda text: read_mask_classes(text, PROFILE),
    "request": request_from_json,
    "event": event_from_line,
    "credentials": credentials_from_line,
}


@pytest.mark.parametrize("name", READERS)
def test_any_text(name):
    @settings(max_examples=100)
    @given(TEXTS)
    def read(text):
        with suppress(FairweatherError):
            READERS[name](text)

    read()


def changed(content, draw):
    """``content`` with some of its values, at any depth, replaced."""
    if isinstance(content, dict):
        return {key: changed(value, draw) for key, value in content.items()}
    return draw(VALUES) if draw(st.integers(0, 3)) == 0 else content


@settings(max_examples=30)
@given(st.data())
def test_any_request(data):
    with suppress(InvalidRequestError):
        request_from_json(json.dumps(changed(REQUEST, data.draw)))


@settings(max_examples=60)
@given(st.dictionaries(st.sampled_from(["event", "percent", "text", "kind", "values"]), VALUES))
def test_any_event(content):
    for name in ("progress", "message", "result", "error"):
        with suppress(FairweatherError):
            event_from_line(json.dumps({**content, "event": name}))


@settings(max_examples=60)
@given(st.data())
def test_any_profile(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("profile") / "p.json"
    path.write_text(json.dumps(changed(PROFILE_CONTENT, data.draw)), encoding="utf-8")
    with suppress(InvalidRequestError):
        read_profile(path)


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize(
    "text",
    [
        "(" * 10**6,
        "9" * 10**6,
        "a," * 10**6,
        "a=1 and " * 10**5,
        "platform like '" + "%a" * 40 + "%b'",
        "platform like '" + "%_" * 40 + "b'",
        '{"fairweather": ' + "9" * 10**6 + "}",
        '{"event": "progress", "percent": 1' + "0" * 400 + "}",
        "[" * 10**6,
    ],
    ids=range(9),
)
def test_a_bomb_is_refused_at_once(name, text):
    began = time.process_time()
    with suppress(FairweatherError) as _:
        READERS[name](text)
    assert time.process_time() - began < 2


@pytest.mark.parametrize(
    ("pattern", "text", "matches"),
    [
        ("a%", "abc", True),
        ("%c", "abc", True),
        ("%b%", "abc", True),
        ("%", "", True),
        ("", "", True),
        ("a%a", "a", False),
        ("a%a", "aa", True),
        ("_%_", "a", False),
        ("_%_", "ab", True),
        ("%a_c%", "xxabcxx", True),
        ("%ab%ab%", "abxab", True),
        ("%ab%ab%", "abb", False),
        ("a.c", "abc", False),
        ("%\n%", "a\nb", True),
    ],
)
def test_like(pattern, text, matches):
    (comparison,) = parse_filter(f"name like '{pattern}'")
    assert comparison.matches({"name": text}) is matches


@settings(max_examples=200)
@given(st.text("ab%_", max_size=8), st.text("ab", max_size=10))
def test_like_is_what_sql_says(pattern, text):
    import sqlite3  # noqa: PLC0415

    (comparison,) = parse_filter(f"name like '{pattern}'")
    with sqlite3.connect(":memory:") as database:
        database.execute("pragma case_sensitive_like = on")
        (expected,) = database.execute("select ? like ?", (text, pattern)).fetchone()
    database.close()
    assert comparison.matches({"name": text}) is bool(expected)


@pytest.mark.parametrize("text", ["a\0b.tif", "\ud800.tif"])
def test_a_path_that_no_system_has_is_refused(text):
    content = json.dumps({**REQUEST, "output": text})
    with pytest.raises(InvalidRequestError, match="'output'"):
        request_from_json(content)


def test_a_file_name_in_another_encoding_is_kept():
    content = json.dumps({**REQUEST, "output": "caf\udce9.tif"})
    assert request_from_json(content).output == "caf\udce9.tif"
