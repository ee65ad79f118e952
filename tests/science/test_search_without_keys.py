"""What a search writes lets nobody in: links without signatures, addresses without logins."""

import json

import pytest
from fairweather.core.bridge.request import SceneSearch, SearchScenesRequest
from fairweather.core.science.catalog.job import run_search
from fairweather.core.science.reporter import RecordingReporter
from fairweather.core.science.web.addresses import without_keys, without_query
from loopback import serving_folder

SECRET = "planted4711"
SIGNED = f"https://a.example/red.tif?sig={SECRET[:-1]}"


@pytest.fixture
def served(tmp_path):
    """A folder, and the address at which it is served, whatever is asked of its files."""
    folder = tmp_path / "served"
    folder.mkdir()
    with serving_folder(folder) as address:
        yield folder, address


@pytest.fixture
def written(tmp_path, area_of):
    """A function that searches; all that is written, and all that is told."""

    def search(catalog):
        search = SceneSearch(
            "sentinel-2-l2a",
            area_of((15.1, 45.1, 15.9, 45.9)),
            start="2023-08-01",
            end="2023-08-31",
            catalog=catalog,
        )
        paths = [tmp_path / "items.json", tmp_path / "footprints.json"]
        reporter = RecordingReporter()
        run_search(SearchScenesRequest(search, *map(str, paths)), reporter, tmp_path / "job-1")
        return [path.read_text(encoding="utf-8") for path in paths], repr(vars(reporter))

    return search


def test_an_item_that_was_asked_for_with_a_token(served, written, make_item):
    folder, address = served
    links = [
        {"rel": "alternate", "href": f"https://a.example/a?x=1;token={SECRET}"},
        {"rel": "thumbnail", "href": f"https://me:{SECRET}@a.example/a.png"},
        {"rel": "about", "href": "https://a.example/items?collections=a&ids=b"},
    ]
    assets = {
        "red": {"href": SIGNED},
        "nir": {"href": f"https://me:{SECRET}@a.example/nir.tif"},
    }
    (folder / "a.json").write_text(json.dumps(make_item("a", links=links, assets=assets)))
    root = {"rel": "item", "href": f"a.json?sig={SECRET}"}
    (folder / "c.json").write_text(json.dumps({"type": "Catalog", "id": "c", "links": [root]}))
    for catalog in (f"{address}/c.json?token={SECRET}", f"{address}/a.json?sig={SECRET}"):
        texts, told = written(catalog)
        assert SECRET not in "".join(texts) + told
        item = json.loads(texts[0])["features"][0]
        hrefs = {link["rel"]: link["href"] for link in item["links"]}
        assert hrefs == {
            "self": f"{address}/a.json",
            "alternate": "https://a.example/a",
            "thumbnail": "https://a.example/a.png",
            "about": "https://a.example/items?collections=a&ids=b",
        }
        # It is to be read with what its catalogue signed it with.
        assert item["assets"]["red"]["href"] == SIGNED
        footprint = json.loads(texts[1])["features"][0]["properties"]
        assert footprint["href"] == f"{address}/a.json"
        assert footprint["thumbnail"] == "https://a.example/a.png"


def test_what_the_catalogue_signed_itself_stays_in_the_files_of_scenes(served, written, make_item):
    """In each place that a scene is read or shown from: it is the catalogue's data."""
    folder, address = served
    assets = {"red": {"href": SIGNED}, "thumbnail": {"href": SIGNED, "roles": ["thumbnail"]}}
    (folder / "a.json").write_text(json.dumps(make_item("a", assets=assets)))
    texts, told = written(f"{address}/a.json")
    item = json.loads(texts[0])["features"][0]
    footprint = json.loads(texts[1])["features"][0]["properties"]
    for one in (item, json.loads(footprint["item"])):
        assert {name: asset["href"] for name, asset in one["assets"].items()} == {
            "red": SIGNED,
            "thumbnail": SIGNED,
        }
    assert footprint["thumbnail"] == SIGNED
    assert SECRET[:-1] not in told


@pytest.mark.parametrize("href", ["#red", "#"])
def test_an_asset_that_is_a_part_of_a_document_asked_for_with_a_token(
    served, written, make_item, href
):
    folder, address = served
    assets = {"red": {"href": "red.tif"}, "part": {"href": href}}
    (folder / "a.json").write_text(json.dumps(make_item("a", assets=assets)))
    texts, told = written(f"{address}/a.json?token={SECRET}")
    assert SECRET not in "".join(texts) + told
    item = json.loads(texts[0])["features"][0]
    assert item["assets"]["red"]["href"] == f"{address}/red.tif"
    assert item["assets"]["part"]["href"].startswith(f"{address}/a.json")


@pytest.mark.parametrize(
    ("link", "shown"),
    [
        ("https://a.example/a?collections=b&limit=5", "https://a.example/a?collections=b&limit=5"),
        ("https://a.example/a?limit=5&token=b", "https://a.example/a"),
        ("https://a.example/a?limit=5;token=b", "https://a.example/a"),
        ("https://a.example/a?b", "https://a.example/a"),
        ("https://a.example/a#access_token=b", "https://a.example/a"),
        ("https://me:b@a.example/a?f=json", "https://a.example/a?f=json"),
        ("s3://a/b?X-Amz-Signature=c", "s3://a/b"),
    ],
)
def test_links(link, shown):
    assert without_keys(link) == shown


@pytest.mark.parametrize("end", ["?a=1;token=b", "?a='b'&c", "?(b)", "#b", "?", "?a=1\nb", ""])
def test_addresses_that_are_shown(end):
    for start in ("https://", "https://me:b@", "HTTP://me@", "s3://"):
        scheme = start.split("://")[0]
        assert without_query(f"{start}a.example/c d.tif{end}") == f"{scheme}://a.example/c d.tif"


def test_paths_are_shown_whole():
    for path in ("/a/b?c.tif", "C:\\a#b.tif", "a@b.tif"):
        assert without_query(path) == path
