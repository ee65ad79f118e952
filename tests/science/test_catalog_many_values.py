"""Small documents that are to become gigabytes of objects: counted before they are made."""

import gzip
import json

import pytest
from fairweather.core.bridge.errors import NoScenesError
from fairweather.core.science.catalog import documents, hrefs, long_document, static
from fairweather.core.science.catalog.candidates import read_candidate
from fairweather.core.science.web import json_text
from fairweather.core.science.web.json_text import parse_json
from search_limits import MEGABYTE, bounded, refusal

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"
# Texts of three megabytes that become a hundred as objects.
DENSE = {
    "lists": b"[" + b"[]," * MEGABYTE + b"[]]",
    "objects": b"[" + b"{}," * MEGABYTE + b"{}]",
    "nested": b"[" + (b"[" * 50 + b"]" * 50 + b",") * (MEGABYTE // 30) + b"[]]",
    "numbers": b"[" + b"9," * (3 * MEGABYTE // 2) + b"9]",
}


class TestManyValues:
    """Small documents that are to become gigabytes of objects."""

    @pytest.fixture(autouse=True)
    def _few_are_many(self, monkeypatch):
        monkeypatch.setattr(json_text, "MOST_VALUES", 200_000)
        monkeypatch.setattr(documents, "MOST_VALUES", 200_000)
        monkeypatch.setattr(long_document, "MOST_VALUES", 200_000)

    @pytest.mark.parametrize("name", DENSE)
    def test_they_are_counted_before_they_are_made(self, name):
        for text in (DENSE[name], DENSE[name].decode()):
            with bounded(seconds=2, megabytes=1), pytest.raises(ValueError, match="200,000 values"):
                parse_json(text)

    def test_none_is_overlooked(self):
        text = '{"a": [1, [], {}, "b", null], "c": {"d": 1.5}, "e": [[[]]]}'
        assert json_text.count_values(text) == json_text.count_values(text.encode()) >= 12

    def test_a_catalogue_of_them(self, answer_with, find):
        content = gzip.compress(
            b'{"type":"Feature","id":"a","links":[],"x":' + DENSE["lists"] + b"}"
        )

        def write(file):
            length = f"Content-Encoding: gzip\r\nContent-Length: {len(content)}\r\n\r\n"
            file.write(HEAD + length.encode() + content)

        with bounded(seconds=5, megabytes=12):
            refusal(find, answer_with(write), "holds more than 200,000 values")

    @pytest.mark.parametrize("where", ["features", "x"])
    @pytest.mark.parametrize("name", DENSE)
    def test_a_long_file_of_them(self, find, tmp_path, monkeypatch, name, where):
        monkeypatch.setattr(long_document, "LONG_BYTES", 0)
        monkeypatch.setattr(long_document, "READ_AT_ONCE", 2**16)
        path = tmp_path / "long.json"
        path.write_bytes(
            b'{"type":"FeatureCollection","' + where.encode() + b'":[' + DENSE[name] + b"]}"
        )
        with bounded(seconds=5, megabytes=40):
            refusal(find, str(path), "values|longer than any")

    def test_a_long_file_of_many_small_members(self, find, tmp_path, monkeypatch):
        monkeypatch.setattr(long_document, "LONG_BYTES", 0)
        path = tmp_path / "long.json"
        members = ",".join(f'"{number}":[{"[]," * 99}[]]' for number in range(3000))
        path.write_text(f'{{"type":"FeatureCollection",{members}}}')
        with bounded(seconds=5, megabytes=40):
            refusal(find, str(path), "longer than any catalogue")


def test_items_of_a_long_file_come_a_few_megabytes_at_once(make_item, tmp_path, monkeypatch):
    monkeypatch.setattr(long_document, "BYTES_AT_ONCE", 2**16)
    monkeypatch.setattr(long_document, "READ_AT_ONCE", 2**12)
    path = tmp_path / "long.json"
    items = [make_item(f"{number}", properties={"x": "y" * 5000}) for number in range(200)]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": items}))
    with path.open("rb") as file:
        source = long_document.LongDocumentSource(file, str(path), documents.DocumentReader())
        batches = [len(batch) for batch in source.batches(None)]
    assert sum(batches) == 200
    assert max(batches) <= 16


def test_of_documents_that_are_fetched_ahead_one_is_parsed_at_a_time(answer_with, find):
    """Forty items of a hundred bytes each, which take almost a megabyte as objects."""
    root = {"type": "Catalog", "id": "c", "links": [
        {"rel": "item", "href": f"{number}.json"} for number in range(40)
    ]}  # fmt: skip
    item = gzip.compress(b'{"type":"Feature","id":"a","x":[' + b"[]," * 10_000 + b"[]]}", 9)
    contents = iter([gzip.compress(json.dumps(root).encode())])

    def write(file):
        content = next(contents, item)
        length = f"Content-Encoding: gzip\r\nContent-Length: {len(content)}\r\n\r\n"
        file.write(HEAD + length.encode() + content)

    with bounded(seconds=15, megabytes=10), pytest.raises(NoScenesError):
        find(answer_with(write))


def test_links_are_not_joined_to_what_is_long(make_item):
    links = [{"rel": "self", "href": "http://a.example/" + "b" * MEGABYTE}]
    item = make_item("a", links=[*links, *({"rel": "x", "href": "c"} for _ in range(9000))])
    with bounded(seconds=2, megabytes=20):
        content, _ = hrefs.resolve_hrefs(item, "http://a.example/items.json")
    assert content["links"][-1]["href"] == "http://a.example/c"
    with pytest.raises(ValueError, match="more than 10,000 assets and links"):
        read_candidate(make_item("a", links=[{}] * 10_000), "http://a.example/items.json")


def test_links_without_an_end(answer_with, find, monkeypatch):
    monkeypatch.setattr(static, "MOST_LINK_CHARACTERS", 100_000)
    links = [{"rel": "item", "href": f"{number}{'a' * 5000}.json"} for number in range(100)]
    content = json.dumps({"type": "Catalog", "id": "c", "links": links}).encode()
    refusal(
        find,
        answer_with(lambda file: file.write(HEAD + b"\r\n" + content)),
        "has more than 1,000,000 documents",
    )
