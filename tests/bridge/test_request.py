"""Requests survive as JSON; what is wrong in a file is named by its place."""

import dataclasses
import json
from pathlib import Path

import pytest
from fairweather.core.bridge.errors import InvalidRequestError
from fairweather.core.bridge.request import (
    REQUEST_TYPES,
    Area,
    CompositeRequest,
    PixelGrid,
    SampleCatalogRequest,
    SceneSearch,
    SearchScenesRequest,
    output_files,
    read_request,
    request_from_json,
    request_to_json,
)
from hypothesis import given
from hypothesis import strategies as st

SQUARE = {"type": "Polygon", "coordinates": [[[16, 45], [17, 45], [17, 46], [16, 45]]]}
SEARCH = SceneSearch("sentinel-2-c1-l2a", Area("EPSG:4326", SQUARE), "2023-01-01", "2023-12-31")
COMPOSITE = CompositeRequest(SEARCH, ("red", "NDVI"), "out.tif", mask_classes=(3, 8), memory_gb=1.5)

texts = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30)
numbers = st.floats(allow_nan=False, allow_infinity=False)
sizes = st.floats(min_value=0.001, max_value=1e6)
searches = st.builds(
    SceneSearch,
    texts,
    st.builds(Area, texts, st.just(SQUARE), st.booleans()),
    texts,
    texts,
    months=st.lists(st.integers(1, 12)).map(tuple),
    max_cloud=numbers,
)
requests = st.one_of(
    st.builds(SearchScenesRequest, searches, texts, texts),
    st.builds(SampleCatalogRequest, texts, st.integers(0, 10**6)),
    st.builds(
        CompositeRequest,
        searches,
        st.lists(texts).map(tuple),
        texts,
        mask_classes=st.none() | st.lists(st.integers(0, 255)).map(tuple),
        resolution=st.none() | numbers,
        align=st.none() | st.builds(PixelGrid, texts, numbers, numbers, sizes, sizes),
        clip=st.booleans(),
    ),
)


@given(requests)
def test_a_request_comes_back_the_same(request):
    assert request_from_json(request_to_json(request)) == request


@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
@pytest.mark.parametrize("levels", [30, 400])
def test_a_geometry_that_is_nested_too_deeply_to_be_written_again_is_refused(
    levels, opening, closing
):
    honest = request_to_json(COMPOSITE)
    deep = opening * levels + "1" + closing * levels
    text = honest.replace('"type": "Polygon"', f'"type": "Polygon", "more": {deep}')
    with pytest.raises(InvalidRequestError, match=r"search\.area\.geometry' is nested too deeply"):
        request_from_json(text)


def test_a_request_is_readable_and_names_its_job_and_version():
    text = request_to_json(SampleCatalogRequest("Žumberak"))
    assert json.loads(text)["job"] == "samplecatalog"
    assert json.loads(text)["fairweather"] == 1
    assert "Žumberak" in text
    assert "\n" in text


@pytest.mark.parametrize("kind", REQUEST_TYPES)
def test_requests_are_frozen(kind):
    assert kind.__dataclass_params__.frozen


def test_fields_with_a_default_may_be_left_out_and_whole_numbers_stand_for_floats():
    content = json.loads(request_to_json(COMPOSITE))
    for name in ("report", "method", "resolution", "align", "clip", "dtype"):
        del content[name]
    content["memory_gb"] = 2
    request = request_from_json(json.dumps(content))
    assert request == dataclasses.replace(COMPOSITE, memory_gb=2.0)
    assert isinstance(request.memory_gb, float)


def changed(path, value):
    content = json.loads(request_to_json(COMPOSITE))
    inner = content
    *parents, last = path.split(".")
    for name in parents:
        inner = inner[name]
    inner[last] = value
    return json.dumps(content)


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("job", "dance", "unknown job 'dance'; known are searchscenes, composite, samplecatalog"),
        ("job", None, "unknown job"),
        ("fairweather", 2, "not one of this version"),
        ("fairweather", "1", "not one of this version"),
        ("search", [], "'search' must be an object"),
        ("search.area", None, "'search.area' must be an object"),
        ("search.area.crs", 4326, "'search.area.crs' must be a text"),
        ("search.area.geometry", [], "'search.area.geometry' must be an object"),
        ("search.area.is_extent", 1, "'search.area.is_extent' must be true or false"),
        ("search.limit", 1.5, "'search.limit' must be a whole number"),
        ("search.limit", True, "'search.limit' must be a whole number"),
        ("search.max_cloud", "30", "'search.max_cloud' must be a number"),
        ("search.max_cloud", True, "'search.max_cloud' must be a number"),
        ("search.max_cloud", 10**400, "'search.max_cloud' must be a number"),
        ("search.months", "5-9", "'search.months' must be a list"),
        ("search.months", [5, "6"], r"'search.months\[1\]' must be a whole number"),
        ("search.colour", 1, "unknown field 'search.colour'; known are collection"),
        ("bands", [None], r"'bands\[0\]' must be a text"),
        ("mask_classes", [0.5], r"'mask_classes\[0\]'"),
        ("align", {"crs": "EPSG:4326"}, "lacks the field 'align.origin_x'"),
        ("output", None, "'output' must be a text"),
    ],
)
def test_what_is_wrong_is_named_by_its_place(path, value, words):
    with pytest.raises(InvalidRequestError, match=words):
        request_from_json(changed(path, value))


def test_a_missing_field_is_named():
    with pytest.raises(InvalidRequestError, match="lacks the field 'folder'"):
        request_from_json('{"fairweather": 1, "job": "samplecatalog"}')


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "1" * 5000])
def test_numbers_that_are_none_are_refused(number):
    text = request_to_json(COMPOSITE).replace("30.0", number)
    with pytest.raises(InvalidRequestError):
        request_from_json(text)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", "1", "[" * 100_000, '{"job": "composite"}']
)
def test_what_is_no_request_is_refused_in_one_sentence(text):
    with pytest.raises(InvalidRequestError, match=r"^The request is not") as caught:
        request_from_json(text)
    assert "\n" not in str(caught.value)


def test_a_file_may_start_with_a_byte_order_mark(tmp_path):
    path = tmp_path / "request.json"
    path.write_text(request_to_json(COMPOSITE), encoding="utf-8-sig")
    assert read_request(path) == COMPOSITE


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(InvalidRequestError, match=r"request\.json cannot be read"):
        read_request(tmp_path / "request.json")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidRequestError, match="binary is not UTF-8"):
        read_request(tmp_path / "binary")


def test_the_outputs_of_a_request_are_known():
    assert output_files(COMPOSITE) == (Path("out.tif"),)
    both = dataclasses.replace(COMPOSITE, report="report.html")
    assert output_files(both) == (Path("out.tif"), Path("report.html"))
    assert output_files(SearchScenesRequest(SEARCH, "a.json", "b.geojson")) == (
        Path("a.json"),
        Path("b.geojson"),
    )
    assert output_files(SampleCatalogRequest("sample")) == (Path("sample"),)
