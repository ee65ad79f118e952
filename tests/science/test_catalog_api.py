"""A STAC API of every ability gives the same scenes; a broken one gives a clear error."""

import functools
import socket

import pytest
import shapely
import steady_time
from fairweather.core.bridge.errors import CatalogError
from fairweather.core.science.catalog import gathering
from fairweather.core.science.catalog.api import MOST_VERTICES, simple_cover
from fairweather.core.science.web import client

ABILITIES = [
    {"conforms_to": ()},
    {"conforms_to": ("query",)},
    {"conforms_to": ("filter",)},
    {"conforms_to": ("query", "filter", "sort")},
    {"conforms_to": ("query", "sort"), "understands": ()},
    {"conforms_to": ("filter",), "understands": (), "counts": False},
    {"conforms_to": ("query",), "paging": "GET"},
    {"conforms_to": (), "paging": "GET"},
    {"conforms_to": ("query", "filter", "sort"), "only_get": True},
    {"conforms_to": ("query", "sort"), "rejects": ("query",)},
    {"conforms_to": ("filter", "sort"), "rejects": ("filter", "sortby")},
    {"conforms_to": ("query", "sort"), "failures": 2},
    {"conforms_to": ("query", "filter"), "rejects": ("filter",)},
    {"conforms_to": ("query",), "never_ends": "page", "page_size": 100},
    {"conforms_to": ("query", "filter by text", "sort"), "only_get": True},
    {"conforms_to": ("filter by text",)},
    {"conforms_to": ("filter by text",), "understands": (), "counts": False},
    {"conforms_to": ("query",), "paging": "POST whole"},
    {"conforms_to": ("query", "sort"), "paging": "POST bare"},
    {"conforms_to": ("filter",), "paging": "POST untold"},
    {"conforms_to": ("sort",), "paging": "relative"},
    {"conforms_to": ("query",), "empty_pages": 3, "counts": False},
    {"conforms_to": ("query", "sort"), "moves": 2},
    {"conforms_to": ("filter by text",), "moves": 1, "only_get": True},
    {"conforms_to": (), "ignores_all": True, "counts": False},
    {"conforms_to": ("query", "filter", "sort"), "ignores_all": True, "paging": "GET"},
]
FILTER = "grid:code = MGRS-33TWM and s2:nodata_pixel_percentage < 50"


@pytest.fixture
def scenes(make_item):
    items = []
    for day in range(1, 29):
        tile = "MGRS-33TWM" if day % 3 else "MGRS-33TWL"
        properties = {"grid:code": tile, "s2:nodata_pixel_percentage": day * 3}
        if day % 7 == 0:
            del properties["grid:code"]
        when = f"2023-08-{day:02}T10:00:00Z"
        items.append(make_item(f"scene-{day:02}", when, cloud=day * 2, properties=properties))
    items += [
        make_item("last", "2023-08-31T23:59:59.999Z", cloud=0, properties=items[0]["properties"]),
        make_item("late", "2023-09-01T00:00:00Z", cloud=0),
        make_item("away", box=(0, 0, 1, 1), cloud=0),
        make_item("other", collection="landsat", cloud=0),
    ]
    items[-4]["properties"] = {**items[0]["properties"], "datetime": "2023-08-31T23:59:59.999Z"}
    return items[::-1]


@pytest.mark.parametrize("behaviour", ABILITIES, ids=str)
@pytest.mark.parametrize("asked", [{"filter": FILTER}, {"max_cloud": 100.0}], ids=str)
def test_every_conformance_gives_the_same_scenes(
    scenes, serve_stac, write_items, find, behaviour, asked
):
    expected = [item.id for item in find(write_items(scenes), **asked)[0].items]
    assert len(expected) >= 8
    found, _ = find(serve_stac(scenes, **behaviour).address, **asked)
    assert [item.id for item in found.items] == expected


def test_query_is_sent_where_it_is_advertised(scenes, serve_stac, find):
    server = serve_stac(scenes, conforms_to=("query", "sort"), page_size=100)
    find(server.address, filter=FILTER, max_cloud=20.0)
    sent = server.searches[0]
    # The unquoted 50 may mean a text or a number, so it stays here.
    assert sent["query"] == {"eo:cloud_cover": {"lt": 20.0}, "grid:code": {"eq": "MGRS-33TWM"}}
    assert sent["datetime"] == "2023-08-01T00:00:00Z/2023-09-01T00:00:00Z"
    assert sent["sortby"] == [{"field": "properties.datetime", "direction": "asc"}]
    assert shapely.geometry.shape(sent["intersects"]).equals(shapely.box(15.1, 45.1, 15.9, 45.9))
    assert "filter" not in sent


def test_cql2_is_sent_where_only_that_is_advertised(scenes, serve_stac, find):
    server = serve_stac(scenes, conforms_to=("filter",), page_size=100)
    find(server.address, filter="grid:code in (MGRS-33TWM, 'MGRS-33TWL')", max_cloud=20.0)
    sent = server.searches[0]
    tiles = [
        {"op": "=", "args": [{"property": "grid:code"}, tile]}
        for tile in ("MGRS-33TWM", "MGRS-33TWL")
    ]
    assert sent["filter-lang"] == "cql2-json"
    assert sent["filter"] == {
        "op": "and",
        "args": [
            {"op": "<", "args": [{"property": "eo:cloud_cover"}, 20.0]},
            {"op": "or", "args": tiles},
        ],
    }
    assert not {"query", "sortby"} & set(sent)


@pytest.mark.parametrize("only_get", [True, False])
def test_cql2_text_is_sent_by_get_where_only_that_is_advertised(scenes, serve_stac, find, only_get):
    server = serve_stac(scenes, conforms_to=("filter by text",), only_get=only_get)
    find(server.address, filter="grid:code in (MGRS-33TWM, 'it''s \"x\"')", max_cloud=20.0)
    assert {method for method, _, what in server.requests if "filter" in what} == {"GET"}
    sent = server.searches[0]
    assert sent["filter-lang"] == "cql2-text"
    assert sent["filter"] == (
        '"eo:cloud_cover" < 20.0 AND '
        "(\"grid:code\" = 'MGRS-33TWM' OR \"grid:code\" = 'it''s \"x\"')"
    )


def test_search_without_comparisons_goes_by_post(scenes, serve_stac, find):
    server = serve_stac(scenes, conforms_to=("filter by text",))
    find(server.address, max_cloud=100.0)
    methods = [method for method, path, _ in server.requests if path == "/v1/search"]
    assert set(methods) == {"POST"}


def test_nothing_that_is_not_advertised_is_sent(scenes, serve_stac, find):
    server = serve_stac(scenes)
    find(server.address, filter=FILTER)
    for sent in server.searches:
        assert not {"query", "filter", "sortby", "filter-lang"} & set(sent)


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("x = 5", None),
        ("x = '5'", {"x": {"eq": "5"}}),
        ("x = true", None),
        ("x != a", None),
        ("x < 'b'", None),
        ("x like a%", None),
        ("x in (a, 5)", None),
        ("x in (a, 'b')", None),
        ("gsd <= 10", {"gsd": {"lte": 10.0}}),
        ("gsd = ten", None),
    ],
)
def test_only_what_has_one_certain_type_is_sent(scenes, serve_stac, find, text, sent):
    server = serve_stac(scenes, conforms_to=("query",), understands=())
    with pytest.raises(Exception, match="unknown property"):
        find(server.address, filter=text, max_cloud=100.0)
    assert server.searches[0].get("query") == sent


def test_what_the_server_dropped_is_counted(scenes, serve_stac, write_items, find):
    # At midnight after END: what is sent includes it, and it is dropped here.
    scenes = [scene for scene in scenes if scene["id"] != "late"]
    in_file, _ = find(write_items(scenes), filter=FILTER)
    from_api, _ = find(serve_stac(scenes, conforms_to=("query",)).address, filter=FILTER)
    by_parameter = {}
    for name, found in (("file", in_file), ("api", from_api)):
        for one in found.dropped:
            parameter = one.reason.split(":")[0]
            counts = by_parameter.setdefault(parameter, {"file": 0, "api": 0})
            counts[name] += one.count
    for parameter in ("MAX_CLOUD", "FILTER"):
        assert by_parameter[parameter]["file"] == by_parameter[parameter]["api"] > 0


@pytest.mark.parametrize("conforms_to", [("sort",), ("query", "filter", "sort")])
def test_limit_stops_paging(scenes, serve_stac, find, conforms_to):
    server = serve_stac(scenes, conforms_to=conforms_to, page_size=3)
    found, reporter = find(server.address, limit=4, max_cloud=100.0)
    assert [item.id for item in found.items] == [f"scene-{day:02}" for day in (1, 2, 3, 4)]
    assert len(server.searches) == 2
    assert "LIMIT is reached" in reporter.warnings[0]


def test_progress_rises_to_its_end(scenes, serve_stac, find):
    _, reporter = find(serve_stac(scenes, conforms_to=("query",)).address)
    percents = [percent for percent, _ in reporter.progresses]
    assert percents == sorted(percents)
    assert percents[-1] == 5


def test_polygon_with_very_many_vertices_is_covered(scenes, serve_stac, find, area_of):
    circle = shapely.Point(15.5, 45.5).buffer(0.4, quad_segs=5000)
    server = serve_stac(scenes)
    find(server.address, area=area_of(circle))
    sent = shapely.geometry.shape(server.searches[0]["intersects"])
    assert shapely.get_num_coordinates(sent) <= MOST_VERTICES
    assert sent.covers(circle)
    assert sent.area < circle.area * 1.05


def test_cover_of_many_parts():
    parts = shapely.union_all(
        [
            shapely.box(x, y, x + 0.4, y + 0.4)
            for x in range(-180, 180, 4)
            for y in range(-80, 80, 4)
        ]
    )
    cover = simple_cover(parts)
    assert shapely.get_num_coordinates(cover) <= MOST_VERTICES
    assert cover.covers(parts)


def test_hrefs_of_an_api_are_absolute_and_never_local(make_item, serve_stac, find):
    assets = {
        "web": {"href": "https://example.com/a.tif"},
        "cloud": {"href": "s3://bucket/a.tif"},
        "relative": {"href": "./a.tif"},
        "file": {"href": "file:///etc/passwd"},
        "vsi": {"href": "/vsicurl/https://example.com/a.tif"},
        "chained": {"href": "zip+https://example.com/a.zip!a.tif"},
        "vrt": {"href": "vrt:///etc/passwd"},
        "drive": {"href": "C:\\secret.tif"},
        "share": {"href": "\\\\server\\share\\a.tif"},
        "driver": {"href": "GTIFF_DIR:1:/etc/passwd"},
    }
    links = [{"rel": "self", "href": "https://example.com/items/a"}]
    found, reporter = find(serve_stac([make_item("a", assets=assets, links=links)]).address)
    hrefs = {name: asset.href for name, asset in found.items[0].assets.items()}
    driver = hrefs.pop("driver", "https://")
    assert hrefs == {
        "web": "https://example.com/a.tif",
        "cloud": "s3://bucket/a.tif",
        "relative": "https://example.com/items/a.tif",
    }
    assert driver.startswith("https://")
    assert any("assets left out" in text for text in reporter.warnings)


def test_malformed_items_are_left_out_and_counted(make_item, serve_stac, find):
    broken = [
        {"type": "Feature", "id": "no-geometry", "collection": "sentinel-2-l2a"},
        {**make_item("bad-link"), "links": ["x"]},
        {**make_item("bad-asset"), "assets": {"red": "x"}},
    ]
    server = serve_stac([make_item("good")])
    server.search = lambda _: {
        "type": "FeatureCollection",
        "features": [*broken, "nonsense", make_item("good")],
    }
    found, reporter = find(server.address)
    assert [item.id for item in found.items] == ["good"]
    assert any("4 entries" in text and "no-geometry" in text for text in reporter.warnings)


def test_catalogue_that_goes_on_for_ever(scenes, serve_stac, find, monkeypatch):
    monkeypatch.setattr(gathering, "MOST_ENTRIES", 200)
    server = serve_stac(scenes, never_ends="scenes", page_size=10)
    with pytest.raises(CatalogError, match="answers with more than 200 scenes; narrow"):
        find(server.address, max_cloud=1.0)
    assert len(server.searches) < 30


def test_answer_without_end(scenes, serve_stac, find, monkeypatch):
    monkeypatch.setattr(client, "MOST_BYTES", 2**20)
    server = serve_stac(scenes, search_answer=b'{"type": "FeatureCollection", ' + b" " * 2**21)
    with pytest.raises(CatalogError, match=r"does not answer \(it sends more than 1 MB\)"):
        find(server.address)


def test_deep_nesting_is_refused(make_item, serve_stac, find):
    def nested(levels):
        return functools.reduce(lambda inner, _: {"a": [inner]}, range(levels), "x")

    deep = make_item("deep", properties={"x": nested(100)})
    found, reporter = find(serve_stac([deep, make_item("good")]).address)
    assert [item.id for item in found.items] == ["good"]
    assert any("deep (it is nested too deeply)" in text for text in reporter.warnings)
    answer = b'{"features": ' + b"[" * 200_000
    with pytest.raises(CatalogError, match="something that is not STAC"):
        find(serve_stac([], search_answer=answer).address)


def test_numbers_that_json_does_not_have(make_item, serve_stac, find):
    bands = [{"nodata": float("nan"), "scale": 1.0}]
    assets = {"red": {"href": "https://example.com/a.tif", "raster:bands": bands}}
    items = [make_item("a", assets=assets), make_item("b", cloud=float("nan"))]
    found, _ = find(serve_stac(items).address)
    assert [item.id for item in found.items] == ["a"]
    # The raster extension's own word for it.
    assert found.items[0].assets["red"].extra_fields["raster:bands"][0]["nodata"] == "nan"


@pytest.mark.parametrize("matched", [None, -1, "28", True, 2.5])
def test_number_of_matches_that_is_none(scenes, serve_stac, find, matched):
    server = serve_stac(scenes, conforms_to=("query",), page_size=100)
    search = server.search
    server.search = lambda what: {**search(what), "numberMatched": matched}
    _, reporter = find(server.address)
    assert all(0 <= percent <= 5 for percent, _ in reporter.progresses)


def test_items_that_tell_little(make_item, serve_stac, find):
    links = [{"rel": "self", "href": "https://example.com/items/bare.json"}]
    assets = {"red": {"href": "../images/red.tif"}, "scl": {"href": "/scl.tif"}}
    bare = make_item("bare", cloud=None, assets=assets, links=links)
    code = make_item("code", properties={"proj:code": "EPSG:32633"}, cloud=None)
    new = {**make_item("new"), "stac_version": "1.1.0"}
    del code["stac_version"], code["links"]
    server = serve_stac([bare, code, new])
    found, reporter = find(server.address, max_cloud=100.0)
    assert {item.id for item in found.items} == {"bare", "code", "new"}
    assert not reporter.warnings
    hrefs = {name: asset.href for name, asset in found.items[0].assets.items()}
    assert hrefs == {
        "red": "https://example.com/images/red.tif",
        "scl": "https://example.com/scl.tif",
    }
    with_limit, _ = find(server.address)
    assert [item.id for item in with_limit.items] == ["new"]


HTML = b"<!doctype html><html><body>Welcome</body></html>"


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        ({"landing_page": HTML}, "is a web page, not a STAC catalogue"),
        ({"landing_page": b"[1, 2]"}, "is JSON but no STAC"),
        ({"landing_page": b'{"message": "hello"}'}, "is JSON but no STAC"),
        ({"landing_page": b"plain"}, "is no JSON"),
        ({"search_answer": HTML}, "answers the search with something that is not STAC"),
        ({"search_answer": b'["a"]'}, "answers the search with something that is not STAC"),
        ({"rejects": ("collections",)}, "rejects the search .error 400"),
        ({"moves": 9}, "does not answer .it redirects again and again"),
    ],
    ids=str,
)
def test_broken_server(scenes, serve_stac, find, behaviour, words):
    server = serve_stac(scenes, **behaviour)
    with pytest.raises(CatalogError, match=words) as caught:
        find(server.address)
    assert server.address in str(caught.value)


def test_missing_page(serve_stac, find):
    server = serve_stac([])
    with pytest.raises(CatalogError, match="answers with error 404"):
        find(server.address + "/nowhere")


def test_closed_port_is_told_within_three_seconds(find):
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    stopwatch = steady_time.Stopwatch()
    with pytest.raises(CatalogError, match=f"127.0.0.1:{port}.*refuses the connection"):
        find(f"http://127.0.0.1:{port}/v1")
    assert stopwatch.stop() < 3


def test_collection_of_an_api_is_no_catalogue(serve_stac, find):
    collection = {
        "type": "Collection",
        "id": "sentinel-2-l2a",
        "links": [{"rel": "items", "href": "https://example.com/items"}],
    }
    server = serve_stac([], collections=[collection])
    with pytest.raises(CatalogError, match="one collection of a STAC API"):
        find(f"{server.address}/collections/sentinel-2-l2a")


def test_zagreb_through_an_api(zagreb_items, zagreb_catalog, serve_stac, find):
    area = (15.5, 45.7, 15.9, 46.3)
    expected, _ = find(zagreb_catalog, area=area)
    found, _ = find(serve_stac(zagreb_items, conforms_to=("query",)).address, area=area)
    assert [item.id for item in found.items] == [item.id for item in expected.items]
    assert len(found.items) == 6
