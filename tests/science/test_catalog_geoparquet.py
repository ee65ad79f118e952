"""Items in GeoParquet are the items that were written, by whichever program."""

import json
from pathlib import Path

import pytest
from fairweather.core.bridge.errors import CatalogError
from fairweather.core.science.catalog.geoparquet import GeoParquetSource, read_row
from loopback import serving_folder

WHY = "arro3-io, which reads GeoParquet, is not installed"
arro3_core = pytest.importorskip("arro3.core", reason=WHY)
arro3_io = pytest.importorskip("arro3.io", reason=WHY)

FOLDER = Path(__file__).resolve().parent / "geoparquet"
# Written from items.json by stac-geoparquet 0.8.3 (pyarrow) and rustac 0.9.18.
FILES = ("by_stac_geoparquet.parquet", "by_rustac.parquet")
TIMES = {"datetime", "created", "start_datetime", "end_datetime"}


@pytest.fixture
def written():
    """The items that were written."""
    return json.loads((FOLDER / "items.json").read_text(encoding="utf-8"))["features"]


def without_seconds_fraction(properties):
    """Times as they may be written in several ways, in one."""
    return {
        name: value.replace(".024000", ".024") if name in TIMES and value else value
        for name, value in properties.items()
    }


@pytest.mark.parametrize("name", FILES)
def test_items_are_those_that_were_written(written, name):
    path = FOLDER / name
    source = GeoParquetSource(path.open("rb"), str(path))
    items = [item for batch in source.batches(None) for item, _ in batch]
    assert [item["id"] for item in items] == [item["id"] for item in written]
    for item, expected in zip(items, written, strict=True):
        for member in ("type", "collection", "bbox", "stac_extensions"):
            assert item[member] == expected[member]
        assert item["geometry"]["type"] == "Polygon"
        ring = [list(corner) for corner in item["geometry"]["coordinates"][0]]
        assert ring == expected["geometry"]["coordinates"][0]
        found = without_seconds_fraction(item["properties"])
        assert found == without_seconds_fraction(expected["properties"])
        assert item["links"] == expected["links"]
        if name.startswith("by_stac"):
            assert item["assets"] == expected["assets"]
        else:
            # rustac brings items to STAC 1.1, where raster:bands are bands.
            hrefs = {key: asset["href"] for key, asset in item["assets"].items()}
            assert hrefs == {key: asset["href"] for key, asset in expected["assets"].items()}
    json.dumps(items, allow_nan=False)


@pytest.mark.parametrize("name", FILES)
def test_a_search_finds_the_same_as_in_json(find, name):
    for asked in ({"max_cloud": 100.0}, {}, {"filter": "grid:code = MGRS-33TWM"}):
        expected, _ = find(str(FOLDER / "items.json"), **asked)
        found, reporter = find(str(FOLDER / name), **asked)
        assert [item.id for item in found.items] == [item.id for item in expected.items]
        assert found.dropped == expected.dropped
        assert not reporter.warnings
    hrefs = {
        item.id: item.assets["red"].href
        for item in find(str(FOLDER / name), max_cloud=100.0)[0].items
    }
    assert hrefs["cloudy"] == "s3://bucket/cloudy/red.tif"
    assert hrefs["bare"] == "https://example.com/items/bare/red.tif"


@pytest.mark.parametrize("name", FILES)
def test_given_scenes_may_be_geoparquet(find, name):
    found, _ = find("", scenes=str(FOLDER / name))
    assert [item.id for item in found.items] == ["first", "cloudy", "bare", "interval"]


def test_over_http(find):
    with serving_folder(FOLDER) as address:
        found, _ = find(f"{address}/{FILES[0]}", max_cloud=100.0)
    assert len(found.items) == 4


def test_another_collection_is_named(find):
    with pytest.raises(CatalogError, match=r"has no collection .*, only sentinel-2-l2a"):
        find(str(FOLDER / FILES[0]), collection="sentinel-2-c1-l2a")


def test_damaged_files_and_other_tables(tmp_path, find):
    whole = (FOLDER / FILES[0]).read_bytes()
    path = tmp_path / "items.parquet"
    for content in (whole[:2000], whole[:-500] + whole[-400:], b"PAR1" + b"\0" * 200 + b"PAR1"):
        path.write_bytes(content)
        with pytest.raises(CatalogError, match="is damaged Parquet"):
            find(str(path))
    numbers = arro3_core.Array([1, 2], arro3_core.DataType.int64())
    arro3_io.write_parquet(arro3_core.Table.from_pydict({"a": numbers}), path)
    with pytest.raises(CatalogError, match="without the column 'assets'"):
        find(str(path))


def test_what_is_no_footprint_is_left_out():
    row = {"id": "a", "geometry": b"\1\2", "bbox": None, "x": float("nan")}
    item = read_row(row)
    assert item["geometry"] is None
    assert item["properties"] == {"datetime": None}
