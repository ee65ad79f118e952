"""The job searchscenes: its files, its counts, and what it costs."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import geopandas
import pystac
import pytest
import shapely
from fairweather.core.bridge.errors import NoScenesError, OutputError
from fairweather.core.bridge.request import SceneSearch, SearchScenesRequest, request_to_json
from fairweather.core.science.catalog import item_store
from fairweather.core.science.catalog.job import run_search
from fairweather.core.science.reporter import RecordingReporter

AREA = (15.1, 45.1, 15.9, 45.9)
ZAGREB_AREA = (15.5, 45.7, 15.9, 46.3)


@pytest.fixture
def run(tmp_path, area_of):
    """A function that runs the job into two files; returns values, files and the reporter."""

    def search(catalog="", area=AREA, items="found.json", footprints="found.geojson", **asked):
        paths = [tmp_path / name if name else "" for name in (items, footprints)]
        period = {"start": "2023-08-01", "end": "2023-08-31", "catalog": str(catalog)}
        wanted = SceneSearch("sentinel-2-l2a", area_of(area), **{**period, **asked})
        reporter = RecordingReporter()
        request = SearchScenesRequest(wanted, *map(str, paths))
        return run_search(request, reporter, tmp_path / "job-1"), *paths, reporter

    return search


def read(path):
    return json.loads(Path(path).read_text(encoding="utf-8"))


def test_footprints(run, make_item, write_items):
    items = [
        make_item(
            "first",
            "2023-08-10T23:30:00Z",
            box=(15, 45, 16, 46),
            cloud=12.5,
            properties={"platform": "sentinel-2a", "grid:code": "MGRS-33TWM"},
            assets={"thumbnail": {"href": "https://example.com/first.jpg"}},
            links=[{"rel": "self", "href": "https://example.com/first"}],
        ),
        make_item("second", "2023-08-11T10:00:00.5+02:00", cloud=None),
    ]
    values, _, path, _ = run(write_items(items), max_cloud=100.0)
    table = geopandas.read_file(path)
    # At 15.5 degrees east the sun is an hour ahead: 23:30 belongs to the next day.
    assert values == {"SCENE_COUNT": 2, "DAY_COUNT": 1}
    assert table.crs == 4326
    assert list(table.columns[:-1]) == [
        "id",
        "item_id",
        "datetime",
        "solar_day",
        "collection",
        "cloud_cover",
        "grid",
        "platform",
        "thumbnail",
        "href",
        "item",
    ]
    first = read(path)["features"][0]["properties"]
    item = json.loads(first.pop("item"))
    assert first == {
        "item_id": "first",
        "datetime": "2023-08-10T23:30:00Z",
        "solar_day": "2023-08-11",
        "collection": "sentinel-2-l2a",
        "cloud_cover": 12.5,
        "grid": "MGRS-33TWM",
        "platform": "sentinel-2a",
        "thumbnail": "https://example.com/first.jpg",
        "href": "https://example.com/first",
    }
    assert item["properties"] == items[0]["properties"]
    second = read(path)["features"][1]["properties"]
    assert second["cloud_cover"] is None
    assert second["datetime"] == "2023-08-11T08:00:00.500000Z"
    assert table.geometry[0].equals(shapely.box(15, 45, 16, 46))


def test_item_collection_is_one(run, make_item, write_items):
    assets = {"red": {"href": "./red.tif"}}
    _, path, _, _ = run(write_items([make_item("a", assets=assets), make_item("b")]))
    collection = pystac.ItemCollection.from_file(str(path))
    assert [item.id for item in collection] == ["a", "b"]
    assert collection[0].assets["red"].href == str(path.parent / "red.tif")


@pytest.mark.parametrize("kind", ["items", "footprints"])
def test_edited_result_is_taken_as_scenes(run, make_item, write_items, kind):
    days = ["2023-08-10", "2023-08-11", "2023-08-12"]
    found = write_items([make_item(day, f"{day}T10:00:00Z") for day in days])
    _, items, footprints, _ = run(found)
    path = items if kind == "items" else footprints
    content = read(path)
    del content["features"][1]
    edited = path.with_name("edited.json")
    edited.write_text(json.dumps(content), encoding="utf-8")
    values, again, _, _ = run(scenes=str(edited), items="again.json")
    assert values["SCENE_COUNT"] == 2
    assert read(again)["features"] == [
        item for item in read(items)["features"] if item["id"] != "2023-08-11"
    ]


def test_each_feature_is_a_line_whatever_is_in_it(run, make_item, write_items):
    title = "line\nend \u2028 half \ud800 čšž"
    assets = {"red": {"href": "https://example.com/a.tif", "title": title}}
    names = [f"scene-{number}" for number in range(3)]
    found = write_items([make_item(name, assets=assets) for name in names])
    _, items, footprints, _ = run(found)
    for path in (items, footprints):
        head, *lines, tail = path.read_bytes().split(b"\n")[:-1]
        assert head == b'{"type": "FeatureCollection", "features": ['
        assert tail == b"]}"
        features = [json.loads(line.rstrip(b",")) for line in lines]
        assert [feature["id"] for feature in features] == names
        assert features == read(path)["features"]
    assert read(items)["features"][0]["assets"]["red"]["title"] == title
    assert json.loads(read(footprints)["features"][0]["properties"]["item"])["assets"] == assets


def test_an_item_in_a_cell_is_the_same_item_without_the_signs_of_others(
    run, make_item, write_items
):
    """Neither a formula where ``;`` separates cells, nor HTML to QGIS."""
    assets = {
        "red": {"href": "https://example.com/a.tif", "title": "x;=cmd|' /C calc'!A0;y"},
        "blue": {"href": "https://example.com/b.tif", "title": "<img src=/a>", "type": "a; b"},
    }
    honest = make_item("honest", assets={"red": {**assets["red"], "type": "image/tiff; a=b"}})
    found = write_items([make_item("of:=1+1 <b>x</b>", assets=assets), honest])
    _, items, footprints, _ = run(found)
    features = read(footprints)["features"]
    texts = [feature["properties"]["item"] for feature in features]
    assert [json.loads(text) for text in texts] == read(items)["features"]
    assert not set("<;|") & set("".join(texts))
    assert features[1]["properties"]["item_id"] == "'of:=1+1 ‹b>x‹/b>"
    # GDAL writes what begins with a brace into GeoJSON as an object, and ``<`` as it is.
    assert [text[:2] for text in texts] == ['{"', " {"]
    assert run(scenes=str(footprints), items="again.json", footprints="")[0]["SCENE_COUNT"] == 2
    assert read(items.with_name("again.json")) == read(items)


def test_what_is_found_is_not_kept_in_memory(run, make_item, write_items, monkeypatch, tmp_path):
    monkeypatch.setattr(item_store, "BYTES_IN_MEMORY", 1000)
    items = [make_item(f"{number:03}", "2023-08-10T10:00:00Z") for number in range(200)]
    _, path, _, _ = run(write_items(items[::-1]))
    assert [item["id"] for item in read(path)["features"]] == [item["id"] for item in items]
    home = Path(os.environ["FAIRWEATHER_HOME"])
    assert [path for path in home.rglob("*") if path.is_file()] == []


def test_same_search_gives_the_same_files(run, make_item, write_items):
    found = write_items([make_item("a"), make_item("b")])
    _, items, footprints, _ = run(found)
    _, same_items, same_footprints, _ = run(found, items="2.json", footprints="2.geojson")
    assert items.read_bytes() == same_items.read_bytes()
    assert footprints.read_bytes() == same_footprints.read_bytes()


def test_zagreb(run, zagreb_catalog):
    values, items, path, reporter = run(zagreb_catalog, area=ZAGREB_AREA, max_cloud=100.0)
    assert values == {"SCENE_COUNT": 10, "DAY_COUNT": 5}
    assert len(read(items)["features"]) == 10
    table = geopandas.read_file(path)
    assert sorted(set(table["grid"])) == ["MGRS-33TWL", "MGRS-33TWM"]
    assert table["thumbnail"].str.endswith("/thumbnail").all()
    assert table["cloud_cover"].max() == pytest.approx(70.626998)
    assert reporter.progresses[-1][0] == 100
    assert reporter.messages[-1] == "10 scenes of 5 days found in earth-search-aws."


@pytest.mark.parametrize(
    ("name", "collection", "thumbnails"),
    [
        ("e84_sentinel-2-c1-l2a.json", "sentinel-2-c1-l2a", 16),
        ("cdse_sentinel-2-l2a.json", "sentinel-2-l2a", 2),
        ("pc_sentinel-2-l2a.json", "sentinel-2-l2a", 20),
    ],
)
def test_real_items_of_other_catalogues(
    shared_data, tmp_path, area_of, name, collection, thumbnails
):
    search = SceneSearch(
        collection,
        area_of((-180, -90, 180, 90)),
        "2015-01-01",
        "2025-12-31",
        catalog=str(shared_data / "stac" / name),
        max_cloud=100.0,
    )
    path = tmp_path / "found.geojson"
    request = SearchScenesRequest(search, "", str(path))
    values = run_search(request, RecordingReporter(), tmp_path / "job-1")
    properties = [feature["properties"] for feature in read(path)["features"]]
    assert values["SCENE_COUNT"] == len(properties) == thumbnails
    assert all(one["grid"].startswith("MGRS-") for one in properties)
    assert sum(one["thumbnail"] is not None for one in properties) == thumbnails


def test_outputs_may_be_left_out(run, make_item, write_items, tmp_path):
    found = write_items([make_item("a")])
    assert run(found, items="", footprints="")[0]["SCENE_COUNT"] == 1
    assert [path.name for path in tmp_path.iterdir()] == ["items.json"]


def test_nothing_is_written_when_nothing_is_found(run, make_item, write_items, tmp_path):
    found = write_items([make_item("a", cloud=90)])
    with pytest.raises(NoScenesError):
        run(found)
    assert [path.name for path in tmp_path.iterdir()] == ["items.json"]


def test_missing_folder_is_told_before_the_search(run):
    with pytest.raises(OutputError, match="does not exist"):
        run("http://127.0.0.1:9/", items="missing/found.json")


def test_local_search_loads_no_http_library_nor_the_engine(
    write_items, make_item, tmp_path, area_of
):
    search = SceneSearch(
        "sentinel-2-l2a", area_of(AREA), "2023-08-01", "2023-08-31", write_items([make_item("a")])
    )
    request = tmp_path / "request.json"
    request.write_text(
        request_to_json(SearchScenesRequest(search, "", str(tmp_path / "found.geojson"))),
        encoding="utf-8",
    )
    launch = Path(__file__).resolve().parents[2] / "core" / "launch.py"
    code = textwrap.dedent("""
        import importlib, pathlib, runpy, sys
        runpy.run_path(sys.argv[1])["load_package"]()
        request = importlib.import_module("fairweather.core.bridge.request")
        job = importlib.import_module("fairweather.core.science.catalog.job")
        reporter = importlib.import_module("fairweather.core.science.reporter")
        asked = request.read_request(pathlib.Path(sys.argv[2]))
        job.run_search(asked, reporter.RecordingReporter(), pathlib.Path(sys.argv[2] + ".job"))
        heavy = {"pystac_client", "requests", "pandas", "geopandas", "xarray", "rasterio", "dask"}
        print(sorted(heavy & set(sys.modules)))
    """)
    done = subprocess.run(
        [sys.executable, "-I", "-c", code, str(launch), str(request)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"
