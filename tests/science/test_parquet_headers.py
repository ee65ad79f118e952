"""Parquet whose headers lie: whatever follows a length from the file ends where the file does."""

import gzip
import io
import random
import tracemalloc

import imagecodecs
import pytest
from fairweather.core.bridge.errors import CatalogError
from fairweather.core.science.catalog import parquet_pages
from fairweather.core.science.catalog.geoparquet import GeoParquetSource
from fairweather.core.science.catalog.parquet_pages import rows_at_once
from fairweather.core.science.catalog.parquet_thrift import Bounds, read_struct
from handmade_parquet import (
    BINARY,
    BYTE,
    DATA_PAGE_V2,
    DICTIONARY_PAGE,
    DOUBLE,
    INTEGER,
    LIST,
    PLAIN,
    STRUCT,
    TEXT,
    TRUE,
    Members,
    file_of,
    natural,
    page,
    struct,
    with_footer,
)

arro3_io = pytest.importorskip(
    "arro3.io", reason="arro3-io, which reads GeoParquet, is not installed"
)
KINDS = (TRUE, 2, BYTE, 5, INTEGER, DOUBLE, BINARY, LIST, STRUCT)
MUCH = (2**14, 2**31 - 1, 2**34, 2**60, 2**63 - 1)
GZIP, BROTLI = 2, 4
HONEST = page(b"\3\0\0\0abc" * 3)
ALL_ROWS = 100
TOO_MANY = "has too many columns, row groups or pages; write it again with fewer and larger"


def bounds(values=10_000, members=10_000):
    return Bounds(values, members)


def rows(content):
    return rows_at_once(io.BytesIO(content), ALL_ROWS, 2**27)


def refused(content, sentence="is damaged Parquet; fetch"):
    """Whether the file is refused: as damaged, or with another sentence."""
    with pytest.raises(CatalogError, match=rf"^The catalogue a\.parquet {sentence}"):
        list(GeoParquetSource(io.BytesIO(content), "a.parquet").batches(None))
    return True


def wide_footer(columns, groups):
    """Of this many columns and row groups, as pyarrow writes it: with all statistics."""
    least, most = b"2023-01-01", b"2023-12-31"
    statistics = {1: most, 2: least, 3: 0, 5: most, 6: least, 7: True, 8: True}
    about = {
        1: TEXT, 2: [PLAIN, 3, 8], 3: [b"assets", b"red", b"href"], 4: 1, 5: 1000, 6: 9000,
        7: 5000, 9: 10**6, 11: 10**6, 12: statistics,
        13: [{1: 2, 2: 0, 3: 1}, {1: 0, 2: 8, 3: 1}],
        16: {1: 10_000, 2: [0, 0, 0, 1000], 3: [0, 1000]},
    }  # fmt: skip
    group = {1: [{2: 0, 3: about}] * columns, 2: 10**6, 3: 1000, 5: 4, 6: 10**6, 7: 1}
    leaf = {1: TEXT, 3: 1, 4: b"href"}
    schema = [{4: b"schema", 5: columns}, *[leaf] * columns]
    return struct({1: 1, 2: schema, 3: 1000 * groups, 4: [group] * groups})


@pytest.fixture(autouse=True)
def read_by_others(monkeypatch):
    """No such file reaches the package that makes room for what a header says."""
    reached = []
    monkeypatch.setattr(arro3_io, "read_parquet", lambda *_, **__: reached.append(1))
    yield
    assert not reached


def packed_by(codec, content):
    return gzip.compress(content) if codec == GZIP else imagecodecs.brotli_encode(content)


class TestStructs:
    def test_what_is_wanted_and_what_is_passed_over(self):
        content = struct(
            {
                1: 5,
                2: True,
                3: False,
                4: b"text",
                5: [1, 2, 300],
                6: [{1: 1}, {9: b"x"}],
                7: {1: {1: 2}},
                8: Members(3, TRUE, b"\1\2\1"),
                9: Members(2, DOUBLE, bytes(16)),
                10: Members(2, BYTE, b"ab"),
                11: Members(0, STRUCT, b""),
                300: -70_000,
            }
        )
        everything = {1: int, 2: bool, 3: bool, 5: [int], 6: [{1: int}], 7: {1: {1: int}}, 300: int}
        found, length = read_struct(content + b"more", everything, bounds())
        assert length == len(content)
        assert found == {
            1: 5,
            2: True,
            3: False,
            5: [1, 2, 300],
            6: [{1: 1}, {}],
            7: {1: {1: 2}},
            300: -70_000,
        }
        assert read_struct(content, {300: int}, bounds()) == ({300: -70_000}, len(content))

    @pytest.mark.parametrize("length", MUCH)
    @pytest.mark.parametrize("kind", KINDS)
    def test_a_list_that_is_longer_than_the_content(self, kind, length):
        content = struct({20: Members(length, kind, bytes(100))})
        with pytest.raises(IndexError):
            read_struct(content, {1: int}, bounds())
        with pytest.raises((IndexError, ValueError)):
            read_struct(content, {20: [{1: int}]}, bounds())

    @pytest.mark.parametrize("left", range(8))
    def test_members_of_eight_bytes_that_are_cut_off(self, left):
        with pytest.raises(IndexError):
            read_struct(
                struct({1: Members(2, DOUBLE, bytes(8 + left))})[: 3 + 8 + left], {}, bounds()
            )

    @pytest.mark.parametrize("number", MUCH)
    def test_a_text_that_is_longer_than_the_content(self, number):
        with pytest.raises(IndexError):
            read_struct(b"\x18" + natural(number) + bytes(100), {}, bounds())

    @pytest.mark.parametrize("cut", range(30))
    def test_cut_off_anywhere(self, cut):
        content = struct(
            {1: 5, 2: b"text", 3: [b"a", b"b"], 4: {1: [7, 8]}, 5: Members(1, 7, b"8" * 8)}
        )
        if cut < len(content):
            with pytest.raises(IndexError):
                read_struct(content[:cut], {1: int, 4: {1: [int]}}, bounds())

    @pytest.mark.parametrize("kind", [INTEGER, BINARY, LIST, STRUCT])
    def test_more_values_than_any(self, kind):
        content = struct({1: Members(10_000, kind, bytes(20_000))})
        with pytest.raises(ValueError, match="too many values"):
            read_struct(content, {}, bounds(values=9_999))

    def test_members_of_one_byte_are_passed_over_at_once(self):
        content = struct(
            {1: Members(2**24, BYTE, bytes(2**24)), 2: Members(2**24, TRUE, bytes(2**24))}
        )
        assert read_struct(content, {}, bounds(values=5)) == ({}, len(content))

    def test_more_members_than_any_are_not_kept(self):
        content = struct({1: Members(1000, STRUCT, bytes(1000))})
        assert len(read_struct(content, {1: [{}]}, bounds(members=1000))[0][1]) == 1000
        with pytest.raises(ValueError, match="too long"):
            read_struct(content, {1: [{}]}, bounds(members=999))

    def test_structs_that_share_their_bounds(self):
        shared = bounds(values=8)
        for _ in range(2):
            read_struct(struct({1: 1, 2: 2, 3: 3}), {}, shared)
        with pytest.raises(ValueError, match="too many values"):
            read_struct(struct({1: 1}), {}, shared)

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"\x15",
            b"\x18\xff\xff\xff\xff\x7f",
            b"\xff" * 100,
            b"\x1c" * 100_000,
            b"\x19\xfc\xff\xff\xff\xff\xff\xff\xff\x7f" + b"\0" * 100,
            b"\x15\x80" + b"\x80" * 100,
            b"\x1b\1\x55\1\1\0",
        ],
    )
    def test_what_is_none(self, content):
        with pytest.raises((IndexError, ValueError, RecursionError)):
            read_struct(content, {1: int}, bounds())

    def test_any_bytes_end(self):
        chance = random.Random(1)
        parts = [bytes([n]) for n in (0, 1, 0x15, 0x19, 0x1C, 0x2C, 0xF3, 0xF7, 0xFC, 0xFF)]
        for _ in range(3000):
            content = b"".join(chance.choices(parts, k=30)) + chance.randbytes(8)
            try:
                _, length = read_struct(content, {1: int, 2: [{1: int}], 5: {1: bool}}, bounds())
            except (IndexError, ValueError, RecursionError):
                continue
            assert length <= len(content)


class TestFooters:
    def test_an_honest_one(self):
        assert rows(file_of(HONEST)) == ALL_ROWS

    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("length", MUCH)
    def test_a_file_of_a_few_bytes_with_a_list_of_many(self, kind, length):
        content = with_footer(struct({20: Members(length, kind, bytes(10))}))
        assert len(content) < 50
        assert refused(content)
        assert refused(file_of(HONEST, footer={2: Members(length, kind, bytes(10))}))
        assert refused(file_of(HONEST, chunk={2: Members(length, kind, bytes(10))}))

    def test_many_members_of_a_byte_each(self):
        many = 3_000_000
        for number in (2, 4):
            content = with_footer(struct({number: Members(many, STRUCT, bytes(many))}))
            assert refused(content, TOO_MANY)

    def test_no_honest_footer_has_too_many_values(self):
        """As one of 100,000 items of 30 assets each, in row groups of 1,000, has them."""
        content = wide_footer(columns=100, groups=3)
        shared = bounds(10**6, 10**6)
        read_struct(content, parquet_pages.FOOTER, shared)
        values, members = 10**6 - shared.values, 10**6 - shared.members
        largest = parquet_pages.MOST_FOOTER_BYTES / len(content)
        assert values > 100 * 3 * 50
        # With a page each, whose header has a dozen.
        by_column_and_group = values / (100 * 3) + 12
        assert by_column_and_group * 598 * 100 < parquet_pages.MOST_VALUES
        assert members * largest < parquet_pages.MOST_MEMBERS
        assert len(content) * 598 / 100 * 100 / 3 < parquet_pages.MOST_FOOTER_BYTES

    def test_what_is_passed_over_is_not_kept(self):
        content = struct({2: Members(100_000, STRUCT, bytes(100_000)), 20: [b"x" * 20] * 20_000})
        tracemalloc.start()
        try:
            read_struct(content, {1: int}, bounds(values=300_000))
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert most < 10_000

    def test_more_values_than_any(self, monkeypatch):
        monkeypatch.setattr(parquet_pages, "MOST_VALUES", 10_000)
        assert rows(file_of(HONEST)) == ALL_ROWS
        many = {5: Members(10_000, INTEGER, bytes(10_000))}
        assert refused(file_of(HONEST, footer=many), TOO_MANY)
        # Those of pages count as well.
        pages = page(HONEST, more={8: None, 9: Members(3000, BINARY, bytes(3000))}) * 4
        assert refused(file_of(pages), TOO_MANY)

    @pytest.mark.parametrize("children", [-1, 5, 2**31 - 1, 2**62])
    def test_a_group_of_more_columns_than_there_are(self, children):
        schema = [{4: b"schema", 5: 1}, {4: b"group", 5: children}, {1: 6, 3: 0, 4: b"id"}]
        assert refused(file_of(HONEST, footer={2: schema}))

    @pytest.mark.parametrize(
        "chunk", [{7: -1}, {9: -5}, {11: -5}, {7: 2**60}, {9: 2**62}, {9: 2**90}]
    )
    def test_a_column_that_is_not_in_the_file(self, chunk):
        assert refused(file_of(HONEST, chunk=chunk))

    def test_columns_in_one_place(self):
        one = page(b"\3\0\0\0abc" * 3000)
        assert refused(file_of(one, columns=3))


class TestPages:
    @pytest.mark.parametrize("kind", KINDS)
    @pytest.mark.parametrize("length", MUCH)
    def test_a_header_with_a_list_of_many(self, kind, length):
        assert refused(file_of(page(b"abc", more={20: Members(length, kind, bytes(10))})))

    @pytest.mark.parametrize("length", [-1, 2**30, 2**62])
    def test_pages_of_other_lengths(self, length):
        sentence = "is damaged" if length < 0 else "has pages of more than 16 MB; write it again"
        assert refused(file_of(page(b"abc", more={2: length})), sentence)
        assert refused(file_of(page(b"abc", more={3: length})))

    @pytest.mark.parametrize(
        "more",
        [
            {8: {1: 3, 4: 0}},
            {7: {1: 3}},
            {1: DATA_PAGE_V2},
            {1: DICTIONARY_PAGE},
            {1: 1},
            {1: 7},
            {1: DICTIONARY_PAGE, 5: None, 7: {1: 10**9, 2: 0}},
            {5: {1: -3, 2: 0}},
            {5: None},
        ],
    )
    def test_pages_of_two_types_or_of_more_values_than_there_may_be(self, more):
        assert refused(file_of(page(b"abc" * 9, more=more)))

    def test_a_header_that_is_longer_than_is_read_at_first(self):
        long = page(b"\3\0\0\0abc" * 3, more={20: b"x" * 10_000})
        assert rows(file_of(long)) == ALL_ROWS

    @pytest.mark.parametrize("codec", [GZIP, BROTLI])
    def test_a_page_that_becomes_more_than_its_header_says(self, codec):
        size = 5 * 2**20
        packed = packed_by(codec, bytes(size))
        assert len(packed) < 6000
        assert rows(file_of(page(packed, size), codec)) == ALL_ROWS
        for too_small in (1, 100, size - 1):
            assert refused(file_of(page(packed, too_small), codec))

    def test_a_page_of_several_parts(self):
        packed = gzip.compress(b"abc") + gzip.compress(bytes(2**20))
        assert rows(file_of(page(packed, 2**20 + 3), GZIP)) == ALL_ROWS
        assert refused(file_of(page(packed, 3), GZIP))

    @pytest.mark.parametrize("codec", [GZIP, BROTLI])
    def test_levels_before_what_is_packed(self, codec):
        def made(content, size, about):
            header = {1: DATA_PAGE_V2, 5: None, 8: {1: 3, 4: 0, 5: 2, 6: 1, **about}}
            return file_of(page(content, size, more=header), codec)

        packed = b"lev" + packed_by(codec, b"abc" * 100)
        assert rows(made(packed, 303, {})) == ALL_ROWS
        assert refused(made(packed, 302, {}))
        assert rows(made(b"abc" * 9, 27, {7: False})) == ALL_ROWS
        for levels in ({5: -1}, {6: -1}, {5: 2**31 - 1}, {6: 400}):
            assert refused(made(packed, 303, levels))

    def test_no_more_is_unpacked_than_any(self, monkeypatch):
        monkeypatch.setattr(parquet_pages, "MOST_UNPACKED_BYTES", 1000)
        packed = page(gzip.compress(bytes(400)), 400)
        assert rows(file_of(packed * 2, GZIP)) == ALL_ROWS
        assert refused(file_of(packed * 3, GZIP), "has packed pages of more than 0 MB; .* zstd")
