"""Static catalogues and ItemCollections: local and over http, through the same code."""

import contextlib
import json
from pathlib import Path, PureWindowsPath

import pystac
import pytest
from fairweather.core.bridge.errors import CatalogError, InvalidRequestError, NoScenesError
from fairweather.core.science.catalog.hrefs import read_location, resolve_asset, resolve_link
from loopback import serving_folder

AREA = (15.5, 45.7, 15.9, 46.3)


@pytest.fixture
def serve_folder():
    """A function that serves a folder on loopback and returns its address."""
    with contextlib.ExitStack() as stack:
        yield lambda folder: stack.enter_context(serving_folder(folder))


@pytest.fixture
def write_catalog(tmp_path, make_item):
    """A function that writes catalog -> year -> collection -> items and returns the root's path."""

    def write(items, folder="static", collection="sentinel-2-l2a", more_links=()):
        root = tmp_path / folder
        items_folder = root / "year" / collection
        items_folder.mkdir(parents=True)
        for item in items:
            links = [{"rel": "root", "href": "../../catalog.json"}, *item["links"]]
            _write(items_folder / f"{item['id']}.json", {**item, "links": links})
        item_links = [{"rel": "item", "href": f"./{item['id']}.json"} for item in items]
        document = {"type": "Collection", "id": collection, "links": item_links}
        _write(items_folder / "collection.json", document)
        child = {"rel": "child", "href": f"./{collection}/collection.json"}
        # A link back up, as a careless publisher might write it, must not lead round in circles.
        back = {"rel": "child", "href": "../catalog.json"}
        _write(root / "year" / "catalog.json", _catalog([child, back]))
        child = {"rel": "child", "href": "./year/catalog.json"}
        return _write(root / "catalog.json", _catalog([child, *more_links]))

    return write


def _catalog(links):
    return {"type": "Catalog", "id": "static", "title": "A static catalogue", "links": links}


def _write(path, content):
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    return path


def ids(found):
    return [item.id for item in found.items]


def test_zagreb_catalogue(zagreb_catalog, find):
    found, reporter = find(zagreb_catalog, area=AREA)
    assert ids(found) == [
        "S2B_33TWM_20230813_0_L2A",
        "S2B_33TWL_20230813_0_L2A",
        "S2A_33TWM_20230815_0_L2A",
        "S2A_33TWL_20230815_0_L2A",
        "S2B_33TWM_20230820_0_L2A",
        "S2B_33TWL_20230820_0_L2A",
    ]
    assert {one.reason: one.count for one in found.dropped} == {
        "MAX_CLOUD: not below 30 % cloud": 4
    }
    assert not reporter.warnings
    for item in found.items:
        for asset in item.assets.values():
            assert Path(asset.href).is_file()


def test_items_stay_as_they_were_published(zagreb_catalog, zagreb_items, find):
    found, _ = find(zagreb_catalog, area=AREA, max_cloud=100.0)
    published = {item["id"]: item for item in zagreb_items}
    assert len(found.items) == len(published) == 10
    for item in found.items:
        content = item.to_dict(transform_hrefs=False)
        expected = published[item.id]
        assert content["properties"] == expected["properties"]
        assert content["geometry"] == expected["geometry"]
        bands = {name: asset.get("raster:bands") for name, asset in content["assets"].items()}
        assert bands == {
            name: asset.get("raster:bands") for name, asset in expected["assets"].items()
        }


def test_zagreb_as_an_item_collection(zagreb_catalog, find, tmp_path):
    # Written by pystac, as a user of Python would.
    items = list(pystac.Catalog.from_file(zagreb_catalog).get_items(recursive=True))
    for item in items:
        item.make_asset_hrefs_absolute()
    path = tmp_path / "items.json"
    pystac.ItemCollection(items).save_object(str(path))
    expected, _ = find(zagreb_catalog, area=AREA)
    found, _ = find(str(path), area=AREA)
    assert ids(found) == ids(expected)
    for item, other in zip(found.items, expected.items, strict=True):
        hrefs = {name: Path(asset.href) for name, asset in item.assets.items()}
        assert hrefs == {name: Path(asset.href) for name, asset in other.assets.items()}


def test_single_item_and_single_collection(write_catalog, make_item, find):
    folder = write_catalog([make_item("a"), make_item("b")]).parent / "year" / "sentinel-2-l2a"
    assert ids(find(str(folder / "b.json"))[0]) == ["b"]
    assert ids(find(str(folder / "collection.json"))[0]) == ["a", "b"]


@pytest.mark.parametrize("as_url", [False, True])
def test_path_with_spaces_and_letters_of_all_kinds(write_catalog, make_item, find, as_url):
    item = make_item("a", assets={"red": {"href": "./rot und grün.tif"}})
    root = write_catalog([item], folder="Užička cesta 5 #1 100%20")
    found, _ = find(root.as_uri() if as_url else str(root))
    expected = root.parent / "year" / "sentinel-2-l2a" / "rot und grün.tif"
    assert Path(found.items[0].assets["red"].href) == expected


def test_escaped_href_of_a_local_file(write_catalog, make_item, find):
    root = write_catalog([make_item("a", assets={"red": {"href": "./with%20space.tif"}})])
    image = root.parent / "year" / "sentinel-2-l2a" / "with space.tif"
    image.write_bytes(b"")
    found, _ = find(str(root))
    assert Path(found.items[0].assets["red"].href) == image


def test_published_item_in_a_local_copy_is_read_beside_itself(write_catalog, make_item, find):
    links = [{"rel": "self", "href": "https://example.com/published/a.json"}]
    root = write_catalog([make_item("a", assets={"red": {"href": "red.tif"}}, links=links)])
    found, _ = find(str(root))
    assert Path(found.items[0].assets["red"].href).parent.name == "sentinel-2-l2a"


def test_item_collection_of_published_items(write_items, make_item, find):
    links = [{"rel": "self", "href": "https://example.com/published/a.json"}]
    local = str(Path(write_items([])).with_name("b.tif"))
    assets = {"near": {"href": "red.tif"}, "local": {"href": local}}
    found, _ = find(write_items([make_item("a", assets=assets, links=links)]))
    assert found.items[0].assets["near"].href == "https://example.com/published/red.tif"
    assert found.items[0].assets["local"].href == local


def test_http_gives_the_same(write_catalog, make_item, serve_folder, find):
    assets = {"red": {"href": "./red.tif"}}
    items = [make_item(f"item-{number:02}", assets=assets) for number in range(40)]
    root = write_catalog(items)
    local, _ = find(str(root))
    address = serve_folder(root.parent)
    found, reporter = find(f"{address}/catalog.json")
    assert ids(found) == ids(local)
    hrefs = {item.assets["red"].href for item in found.items}
    assert hrefs == {f"{address}/year/sentinel-2-l2a/red.tif"}
    percents = [percent for percent, _ in reporter.progresses]
    assert percents[-1] <= 5
    assert all(0 <= percent <= 5 for percent in percents)


def test_zagreb_over_http(zagreb_catalog, serve_folder, find):
    address = serve_folder(Path(zagreb_catalog).parent)
    found, _ = find(f"{address}/catalog.json", area=AREA)
    assert len(found.items) == 6
    assert all(
        asset.href.startswith(address) for item in found.items for asset in item.assets.values()
    )


def test_remote_catalogue_leads_to_nothing_local(write_catalog, make_item, serve_folder, find):
    secret = write_catalog([make_item("secret")], folder="secret")
    local_links = [{"rel": "child", "href": href} for href in (secret.as_uri(), str(secret))]
    assets = {"red": {"href": "https://example.com/a.tif"}, "bad": {"href": secret.as_uri()}}
    root = write_catalog([make_item("open", assets=assets)], more_links=local_links)
    found, reporter = find(f"{serve_folder(root.parent)}/catalog.json")
    assert ids(found) == ["open"]
    assert set(found.items[0].assets) == {"red"}
    assert any("1 asset left out" in text for text in reporter.warnings)


def test_other_collections_are_not_entered(write_catalog, make_item, find):
    other = write_catalog([], folder="other", collection="landsat-c2-l2")
    missing = {"rel": "item", "href": "./gone.json"}
    document = {"type": "Collection", "id": "landsat-c2-l2", "links": [missing]}
    _write(other.parent / "year" / "landsat-c2-l2" / "collection.json", document)
    link = {"rel": "child", "href": "../other/catalog.json"}
    found, reporter = find(str(write_catalog([make_item("a")], more_links=[link])))
    assert ids(found) == ["a"]
    assert not reporter.warnings


def test_missing_documents_are_named_and_left_out(write_catalog, make_item, find):
    link = {"rel": "item", "href": "./gone.json"}
    found, reporter = find(str(write_catalog([make_item("a")], more_links=[link])))
    assert ids(found) == ["a"]
    assert "gone.json" in reporter.warnings[0]


def test_catalogue_of_which_nothing_is_left(tmp_path, find):
    link = {"rel": "child", "href": "./gone.json"}
    path = _write(tmp_path / "catalog.json", _catalog([link]))
    with pytest.raises(CatalogError, match=r"gone\.json does not exist"):
        find(str(path))


def test_pages_of_an_item_collection_are_followed(tmp_path, make_item, serve_folder, find):
    for name, other in (("1", "2"), ("2", "1")):
        content = {
            "type": "FeatureCollection",
            "features": [make_item(name)],
            "links": [{"rel": "next", "href": f"./{other}.json"}],
        }
        _write(tmp_path / f"{name}.json", content)
    assert ids(find(f"{serve_folder(tmp_path)}/1.json")[0]) == ["1", "2"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"<html></html>", "is a web page"),
        (b"\xff\xfe", "is no JSON"),
        (b'<?xml version="1.0"?><a/>', "is XML"),
        (b"PK\3\4", "is an archive that is still to be unpacked"),
        (b"[" * 100_000, "is no JSON"),
        (b'{"type": "Topology"}', "is JSON but no STAC"),
        (b'{"type": "Catalog", "links": ["x"]}', "is JSON but no STAC"),
        (b"null", "is JSON but no STAC"),
    ],
)
def test_file_that_is_no_catalogue(tmp_path, find, content, words):
    path = tmp_path / "catalog.json"
    path.write_bytes(content)
    with pytest.raises(CatalogError, match=words) as caught:
        find(str(path))
    assert str(path) in str(caught.value)


def test_folder_and_missing_file(tmp_path, find):
    with pytest.raises(CatalogError, match="give the JSON file of a static catalogue as CATALOG"):
        find(str(tmp_path))
    with pytest.raises(CatalogError, match="does not exist"):
        find(str(tmp_path / "nowhere.json"))


def test_scenes_are_taken_as_they_are(write_items, make_item, find):
    items = [
        make_item("late", "2030-01-01T00:00:00Z", cloud=100),
        make_item("cloudy", cloud=None),
        make_item("away", box=(0, 0, 1, 1)),
    ]
    asked = {"scenes": write_items(items), "filter": "x = 1", "months": (1,), "max_cloud": 1.0}
    found, reporter = find("http://127.0.0.1:9/never-asked", **asked)
    assert ids(found) == ["cloudy", "late"]
    assert reporter.messages == ["1 scene dropped: outside the area of interest"]


def test_scenes_of_another_collection(write_items, make_item, find):
    scenes = write_items([make_item("a", collection="landsat-c2-l2")])
    with pytest.raises(InvalidRequestError, match="scenes of landsat-c2-l2, but COLLECTION is"):
        find("", scenes=scenes)


def test_scenes_without_any(write_items, make_item, find):
    with pytest.raises(NoScenesError, match="holds no scene;"):
        find("", scenes=write_items([]))
    with pytest.raises(NoScenesError, match="holds no scene; the first entry is one without an id"):
        find("", scenes=write_items([{"type": "Feature", "properties": {}}], "other.json"))
    with pytest.raises(NoScenesError, match="None of the 1 scene in SCENES touches"):
        find("", scenes=write_items([make_item("a", box=(0, 0, 1, 1))], "away.json"))


WEB = "https://example.com/a/item.json"
LOCAL = str(Path("/data/a/item.json").absolute())


@pytest.mark.parametrize(
    ("href", "from_web", "from_file"),
    [
        ("b.tif", "https://example.com/a/b.tif", str(Path("/data/a/b.tif").absolute())),
        ("../b.tif", "https://example.com/b.tif", str(Path("/data/b.tif").absolute())),
        ("https://x.org/b.tif", "https://x.org/b.tif", "https://x.org/b.tif"),
        ("s3://bucket/b.tif", "s3://bucket/b.tif", "s3://bucket/b.tif"),
        ("//x.org/b.tif", "https://x.org/b.tif", ...),
        ("/etc/b.tif", "https://example.com/etc/b.tif", str(Path("/etc/b.tif").absolute())),
        ("file:///etc/b.tif", None, str(Path("/etc/b.tif").absolute())),
        ("/vsizip/a.zip/b.tif", None, None),
        ("/VSIcurl/https://x.org/b.tif", None, None),
        ("vrt://b.tif", None, None),
        ("zip+https://x.org/a.zip!b.tif", None, None),
        ("NETCDF:b.nc:x", None, None),
        ("ftp://x.org/b.tif", None, None),
        ("javascript:alert(1)", None, None),
        ("JavaScript:alert(1)//b.tif", None, None),
        ("javascript://x.org/%0aalert(1)", None, None),
        ("data:image/tiff;base64,SUkqAA==", None, None),
        ("C:\\b.tif", None, ...),
        ("..\\..\\b.tif", None, ...),
        ("", None, None),
        ("//[", None, ...),
        # Without a host, an address would be the name of a file.
        ("http:/b.tif", None, None),
        ("HTTP:b.tif", None, None),
        ("https:b.tif", None, None),
        ("https:", None, None),
        ("https://", None, None),
        ("http:////etc/b.tif", None, None),
        ("https:///b.tif", None, None),
        ("https://:80/b.tif", None, None),
        ("https://me@/b.tif", None, None),
        ("http:\\..\\b.tif", None, None),
        ("http:\t//x.org/b.tif", None, None),
        ("http:/%2e%2e/b.tif", None, None),
        ("s3:/bucket/b.tif", None, None),
        ("s3:///b.tif", None, None),
        ("gs:..", None, None),
        ("file://[", None, None),
    ],
)
def test_what_an_href_means(href, from_web, from_file):
    assert resolve_asset(href, WEB) == from_web
    if from_file is not ...:
        assert resolve_asset(href, LOCAL) == from_file


def test_links_are_followed_over_http_or_locally_only():
    assert resolve_link("s3://bucket/b.json", WEB) is None
    assert resolve_link("http:/b.json", WEB) is None
    assert resolve_link("b.json", WEB) == "https://example.com/a/b.json"


@pytest.mark.parametrize("text", ["C:\\data\\catalog.json", "d:/data/catalog.json"])
def test_windows_drive_is_no_scheme(text):
    assert read_location(text).endswith(text)
    assert PureWindowsPath(text).drive


@pytest.mark.parametrize("text", ["s3://bucket/catalog.json", "ftp://x.org/catalog.json"])
def test_schemes_that_cannot_be_opened(text):
    with pytest.raises(InvalidRequestError, match="http or https"):
        read_location(text)
