"""Whatever a catalogue answers, a search ends in scenes or in one error of ours."""

import io
import json
from contextlib import suppress
from unittest import mock

import pytest
import shapely
from fairweather.core.bridge.errors import CatalogError, FairweatherError
from fairweather.core.bridge.profiles import find_profile
from fairweather.core.science.catalog import documents
from fairweather.core.science.catalog.opening import open_source
from fairweather.core.science.web.client import WebAnswer, WebClient
from hypothesis import given, settings
from hypothesis import strategies as st

ADDRESS = "https://example.com/stac"
WORDS = st.sampled_from(
    ["Feature", "FeatureCollection", "Collection", "Catalog", "next", "item", "child", "POST", "",
     "//[", "./a.json", "s3://a", "http://[", "file:///etc/passwd", "2023-08-10T10:00:00Z", "\0"]
)  # fmt: skip
NAMES = st.sampled_from(
    ["type", "features", "links", "rel", "href", "method", "body", "merge", "id", "properties",
     "assets", "geometry", "coordinates", "datetime", "collection", "numberMatched", "context"]
)  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-10, 10) | st.floats() | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=5),
    max_leaves=30,
)
LINKS = st.lists(st.dictionaries(NAMES, VALUES, max_size=5) | VALUES, max_size=3)
HREFS = st.fixed_dictionaries({"href": WORDS}, optional={"roles": VALUES, "bands": VALUES})
ITEM = st.fixed_dictionaries(
    {
        "type": st.just("Feature"),
        "id": WORDS | VALUES,
        "properties": st.dictionaries(NAMES, VALUES, max_size=3).map(
            lambda properties: {"datetime": "2023-08-10T10:00:00Z", **properties}
        ),
        "assets": st.dictionaries(NAMES, HREFS, max_size=2) | VALUES,
        "geometry": st.just(shapely.geometry.mapping(shapely.box(15, 45, 16, 46))) | VALUES,
        "links": LINKS,
    }
)
PAGE = st.fixed_dictionaries(
    {
        "type": WORDS,
        "features": st.lists(ITEM | VALUES, max_size=3) | VALUES,
        "links": LINKS | VALUES,
    }
)
LANDING_PAGE = {
    "type": "Catalog",
    "id": "hostile",
    "conformsTo": ["https://api.stacspec.org/v1.0.0/item-search"],
    "links": [{"rel": "search", "href": f"{ADDRESS}/search", "method": "POST"}],
}


@pytest.fixture(scope="session")
def end_of_search(find):
    """A function: the addresses found where every document but the first is ``answer``."""

    def search(first, answer):
        first_content, content = (json.dumps(one).encode() for one in (first, answer))

        def open_(_, location, most_bytes, read, before=None):
            file = io.BytesIO(first_content if location == ADDRESS else content)
            return file, read(file, location)

        def ask(_, request, read):
            return read(WebAnswer(content, request.address))

        with (
            mock.patch.object(WebClient, "ask", ask),
            mock.patch.object(documents.DocumentReader, "_open", open_),
            suppress(FairweatherError),
        ):
            found, _ = find(ADDRESS, max_cloud=100.0)
            return [asset.href for item in found.items for asset in item.assets.values()]
        return []

    return search


@settings(max_examples=100)
@given(page=PAGE | VALUES)
def test_any_page_of_an_api(end_of_search, page):
    hrefs = end_of_search(LANDING_PAGE, page)
    assert not any(href.startswith(("file:", "/")) for href in hrefs)


@settings(max_examples=100)
@given(root=PAGE | VALUES, document=PAGE | ITEM | VALUES)
def test_any_static_document(end_of_search, root, document):
    hrefs = end_of_search(root, document)
    assert not any(href.startswith(("file:", "/")) for href in hrefs)


@settings(max_examples=60)
@given(
    content=st.binary(max_size=200)
    | st.just(b"PAR1").flatmap(lambda start: st.binary().map(start.__add__))
)
def test_any_file(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("any") / "catalog"
    path.write_bytes(content)
    with suppress(CatalogError):
        source = open_source(str(path), find_profile("sentinel-2-l2a"))
        assert list(source.batches(None)) == []
