"""Nothing found: the sentence names what would find some."""

import pytest
from fairweather.core.bridge.errors import CatalogError, InvalidRequestError, NoScenesError

API = {"conforms_to": ("query", "sort")}
COLLECTION = {
    "type": "Collection",
    "id": "sentinel-2-l2a",
    "extent": {
        "spatial": {"bbox": [[10, 40, 20, 50]]},
        "temporal": {"interval": [["2015-06-27T00:00:00Z", None]]},
    },
    "links": [],
}


@pytest.fixture
def scenes(make_item):
    return [
        make_item("a", "2023-08-10T00:00:00Z", cloud=22.0, properties={"tile": "A"}),
        make_item("b", "2023-08-11T00:00:00Z", cloud=22.7, properties={"tile": "A"}),
        make_item("c", "2023-08-12T00:00:00Z", cloud=80.0, properties={"tile": "A"}),
        make_item("d", "2023-08-13T00:00:00Z", cloud=5.0, properties={"tile": "B"}),
    ]


@pytest.fixture(params=["file", "api"])
def catalog(request, scenes, write_items, serve_stac):
    """The same scenes as a file and as an API."""
    if request.param == "file":
        return write_items(scenes)
    return serve_stac(scenes, collections=[COLLECTION], **API).address


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        (
            {"max_cloud": 10.0, "filter": "tile = A"},
            "No scene of sentinel-2-l2a touches the area of interest between 2023-08-01 and "
            "2023-08-31 below 10 % cloud with tile = A; MAX_CLOUD 23 would find 2, "
            "without FILTER there are 1.",
        ),
        ({"max_cloud": 5.0}, "; MAX_CLOUD 6 would find 1."),
        ({"months": (1,)}, "in the months 1 below 30 % cloud; without MONTHS there are 3."),
        (
            {"max_cloud": 1.0, "months": (1,)},
            "; without MAX_CLOUD and MONTHS there are 4.",
        ),
        ({"start": "2023-08-01", "end": "2023-08-05"}, "; END 2023-08-10 would reach"),
        ({"start": "2023-08-20", "end": "2023-08-25"}, "; START 2023-08-13 would reach"),
    ],
)
def test_nearest_relaxations(catalog, find, asked, sentence):
    with pytest.raises(NoScenesError) as caught:
        find(catalog, **asked)
    assert sentence in str(caught.value)


def test_unknown_property_in_an_api(catalog, find):
    with pytest.raises(InvalidRequestError, match=r"'tiles' is an unknown property.*tile"):
        find(catalog, filter="tiles = A")


def test_area_outside_the_collection(scenes, serve_stac, find):
    server = serve_stac(scenes, collections=[COLLECTION], **API)
    with pytest.raises(InvalidRequestError, match=r"longitudes 10\.00 to 20\.00 and latitudes 40"):
        find(server.address, area=(100, 0, 101, 1))
    with pytest.raises(InvalidRequestError, match="begins on 2015-06-27; choose START and END"):
        find(server.address, start="2010-01-01", end="2010-12-31")


def test_area_inside_the_collection_without_scenes(scenes, serve_stac, find):
    server = serve_stac(scenes, collections=[COLLECTION], **API)
    with pytest.raises(NoScenesError, match="choose another area, other dates or another CATALOG"):
        find(server.address, area=(18, 41, 19, 42))


def test_at_most_two_more_questions(scenes, serve_stac, find):
    server = serve_stac(scenes, collections=[COLLECTION], page_size=100, **API)
    with pytest.raises(NoScenesError):
        find(server.address, start="2023-08-20", end="2023-08-25")
    assert len(server.searches) == 3


def test_collection_that_is_not_there(serve_stac, make_item, find, write_items):
    items = [make_item("a", collection="landsat-c2-l2")]
    server = serve_stac(items, collections=[{**COLLECTION, "id": "landsat-c2-l2"}], **API)
    for catalog in (server.address, write_items(items)):
        with pytest.raises(CatalogError, match="no collection sentinel-2-l2a, only landsat-c2-l2;"):
            find(catalog)


def test_zagreb_where_it_lies(zagreb_catalog, find):
    with pytest.raises(InvalidRequestError, match=r"longitudes 15\.00 to 16\.44"):
        find(zagreb_catalog, area=(0, 0, 1, 1))
    with pytest.raises(InvalidRequestError, match="begins on 2023-08-10 and ends on 2023-08-20"):
        find(zagreb_catalog, start="2022-01-01", end="2022-12-31")
    with pytest.raises(CatalogError, match="only sentinel-2-l2a"):
        find(zagreb_catalog, collection="sentinel-2-c1-l2a")
