"""Parquet of kilobytes that is to become gigabytes: fewer rows are read at once, or none."""

import io

import numpy as np
import pytest
from fairweather.core.bridge.errors import CatalogError
from fairweather.core.science.catalog import geoparquet, parquet_pages
from fairweather.core.science.catalog.geoparquet import GeoParquetSource
from fairweather.core.science.catalog.parquet_pages import TooLargeError, rows_at_once

WHY = "arro3-io, which reads GeoParquet, is not installed"
arro3_core = pytest.importorskip("arro3.core", reason=WHY)
arro3_io = pytest.importorskip("arro3.io", reason=WHY)
Array, DataType = arro3_core.Array, arro3_core.DataType

MEGABYTE = 2**20
CODECS = ("uncompressed", "snappy", "gzip(6)", "brotli(3)", "zstd(19)", "lz4_raw")


def texts(values):
    return Array(list(values), DataType.string())


def lists(lengths, values):
    """Lists of so many of the values, one list after the other."""
    return arro3_core.list_array(np.cumsum([0, *lengths], dtype=np.int32), values)


def parquet(**columns):
    """A file of these columns; ``options`` are the writer's."""
    options = columns.pop("options", {})
    rows = len(next(iter(columns.values())))
    columns = {
        "id": texts(f"i{number}" for number in range(rows)),
        "geometry": Array([b""] * rows, DataType.binary()),
        "assets": texts(["a"] * rows),
        **columns,
    }
    file = io.BytesIO()
    table = arro3_core.Table.from_pydict(columns)
    arro3_io.write_parquet(table, file, **{"compression": "zstd(19)", **options})
    file.seek(0)
    return file


@pytest.mark.parametrize("compression", CODECS)
@pytest.mark.parametrize("writer_version", ["parquet_1_0", "parquet_2_0"])
def test_a_long_text_that_each_row_names(compression, writer_version):
    options = {
        "compression": compression, "writer_version": writer_version,
        "dictionary_page_size_limit": 100 * MEGABYTE,
    }  # fmt: skip
    file = parquet(x=texts([*("b" for _ in range(50)), *["a" * MEGABYTE] * 50]), options=options)
    assert len(file.getvalue()) < 1.1 * MEGABYTE
    assert 3 <= rows_at_once(file, 100, 10 * MEGABYTE) <= 10
    assert rows_at_once(file, 100, 300 * MEGABYTE) == 100
    assert rows_at_once(file, 100, MEGABYTE) == 0


@pytest.mark.parametrize("writer_version", ["parquet_1_0", "parquet_2_0"])
def test_long_texts_of_their_own(writer_version):
    """Each page holds a few, and so do as many bytes of the file."""
    options = {
        "dictionary_enabled": False, "writer_version": writer_version, "write_batch_size": 1,
        "data_page_size_limit": 1000, "encoding": "plain",
    }  # fmt: skip
    rows = [f"{number}" + "a" * MEGABYTE for number in range(30)]
    file = parquet(x=texts(rows), options=options)
    assert 3 <= rows_at_once(file, 100, 10 * MEGABYTE) <= 10
    assert rows_at_once(file, 100, 100 * MEGABYTE) == 100


@pytest.mark.parametrize("encoding", ["delta_byte_array", "delta_length_byte_array"])
def test_texts_by_their_differences_are_refused(encoding):
    """A page of a hundred bytes may say that it has a billion of them, and readers make room."""
    options = {"dictionary_enabled": False, "encoding": encoding}
    file = parquet(x=texts(["a" * MEGABYTE] * 3), options=options)
    with pytest.raises(CatalogError, match=r"The texts of the catalogue a\.parquet are stored by"):
        list(GeoParquetSource(file, "a.parquet").batches(None))


def test_the_rows_that_are_read_are_those_of_the_file(monkeypatch):
    monkeypatch.setattr(geoparquet, "MOST_BYTES_AT_ONCE", 4 * MEGABYTE)
    file = parquet(x=texts(["a" * MEGABYTE] * 20))
    batches = list(GeoParquetSource(file, "a").batches(None))
    assert max(map(len, batches)) <= 3
    items = [item for batch in batches for item, _ in batch]
    assert [item["id"] for item in items] == [f"i{number}" for number in range(20)]
    assert {len(item["properties"]["x"]) for item in items} == {MEGABYTE}


def test_one_row_that_is_too_large_is_refused(monkeypatch):
    monkeypatch.setattr(geoparquet, "MOST_BYTES_AT_ONCE", MEGABYTE)
    source = GeoParquetSource(parquet(x=texts(["a" * 2 * MEGABYTE])), "a.parquet")
    with pytest.raises(CatalogError, match=r"A row of the catalogue a\.parquet may take more"):
        list(source.batches(None))


def test_many_dictionaries(monkeypatch):
    monkeypatch.setattr(parquet_pages, "MOST_HELD_BYTES", 20 * MEGABYTE)
    options = {"dictionary_page_size_limit": 100 * MEGABYTE}
    one = texts(["a" * MEGABYTE] * 2)
    file = parquet(**{f"x{number}": one for number in range(30)}, options=options)
    with pytest.raises(TooLargeError, match=r"pages that take more than 20 MB at once; .* smaller"):
        rows_at_once(file, 1, 1000 * MEGABYTE)


def test_lists_of_one_text(monkeypatch):
    monkeypatch.setattr(parquet_pages, "MOST_LIST_BYTES", 100 * MEGABYTE)
    many = parquet(x=lists([2000], texts(["a" * 100_000] * 2000)))
    assert len(many.getvalue()) < MEGABYTE / 5
    with pytest.raises(TooLargeError, match=r"lists that may take more than 100 MB; .* in several"):
        rows_at_once(many, 100, 1000 * MEGABYTE)
    few = parquet(x=lists([2000], texts(["a" * 100] * 2000)))
    assert rows_at_once(few, 100, MEGABYTE) == 100


def test_a_row_with_most_of_the_lists_of_a_file_is_not_made_into_objects(monkeypatch):
    monkeypatch.setattr(geoparquet, "MOST_BYTES_AT_ONCE", MEGABYTE)
    file = parquet(x=lists([1_000_000, 1], np.ones(1_000_001)))
    with pytest.raises(CatalogError, match="may take more than 1 MB"):
        list(GeoParquetSource(file, "a").batches(None))


def test_published_items_are_read_a_hundred_at_once():
    """Rows of a thousand bytes, each of its own, in pages and row groups as they are written."""
    names = np.random.default_rng(1).integers(0, 2**62, 20_000)
    columns = {
        f"x{number}": texts(f"{name:0100x}{number}" for name in names) for number in range(8)
    }
    file = parquet(**columns, options={"max_row_group_size": 10_000, "compression": "snappy"})
    assert rows_at_once(file, 100, 40 * MEGABYTE) == 100


@pytest.mark.parametrize(
    ("limit", "sentence"),
    [
        ("MOST_PAGES", "has more than 2 pages; .* with fewer and larger row groups"),
        ("MOST_PAGE_BYTES", "has pages of more than 0 MB; .* such as ROW_GROUP_SIZE 10000"),
        ("MOST_FOOTER_BYTES", "has a footer of more than 0 MB; .* with fewer and larger"),
        ("MOST_VALUES", "has too many columns, row groups or pages; .* with fewer and larger"),
        ("MOST_MEMBERS", "has too many columns, row groups or pages; .* with fewer and larger"),
    ],
)
def test_a_whole_file_of_more_than_any_is_not_called_damaged(monkeypatch, limit, sentence):
    monkeypatch.setattr(parquet_pages, limit, 2)
    with pytest.raises(CatalogError, match=rf"^The catalogue a\.parquet {sentence}[^.;]*\.$"):
        list(GeoParquetSource(parquet(x=texts(["a"] * 10)), "a.parquet").batches(None))


def test_many_rows_in_one_group_are_read_in_smaller_ones(monkeypatch):
    """As DuckDB writes them: 122,880 rows in a group, and one page for each column of it."""
    monkeypatch.setattr(parquet_pages, "MOST_PAGE_BYTES", 20_000)
    rows = texts(f"{number:0100}" for number in range(1000))
    options = {"dictionary_enabled": False, "encoding": "plain"}
    with pytest.raises(TooLargeError, match="with smaller row groups"):
        rows_at_once(parquet(x=rows, options=options), 100, MEGABYTE)
    smaller = parquet(x=rows, options={**options, "max_row_group_size": 100})
    assert rows_at_once(smaller, 100, MEGABYTE) == 100


def test_a_dictionary_of_more_texts_than_any_is_not_opened_to_its_end(monkeypatch):
    monkeypatch.setattr(parquet_pages, "MOST_TEXTS", 10)
    file = parquet(x=texts(f"{number:0100}" for number in range(10_000)))
    assert rows_at_once(file, 100, 40 * MEGABYTE) < 100
