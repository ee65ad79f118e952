"""Catalogues that are to fill the memory, the disk or the day: each ends soon, in one sentence."""

import gzip
import json
import os
import time
import zlib

import pytest
import steady_time
from fairweather.core.science.catalog import (
    documents,
    gathering,
    long_document,
    paging,
    static,
)
from fairweather.core.science.catalog.local_scenes import xml_file
from fairweather.core.science.web import client, patience
from fairweather.core.science.web.json_text import parse_json
from fairweather.core.science.web.timed_answers import Pace
from search_limits import MEGABYTE, bounded, refusal

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"


class TestAServerThatGoesOn:
    def test_a_body_without_an_end(self, answer_with, find, monkeypatch):
        monkeypatch.setattr(documents, "MOST_FILE_BYTES", 20 * MEGABYTE)

        def write(file):
            file.write(HEAD + b"\r\n" + b'{"features": [')
            while True:
                file.write(b" " * MEGABYTE)

        with bounded(seconds=10, megabytes=30):
            refusal(find, answer_with(write), "sends more than 20 MB")

    @pytest.mark.parametrize("encoding", ["gzip", "deflate"])
    def test_a_body_that_unpacks_to_a_thousand_times_as_much(
        self, answer_with, find, monkeypatch, encoding
    ):
        monkeypatch.setattr(documents, "MOST_FILE_BYTES", 20 * MEGABYTE)
        pack = gzip.compress if encoding == "gzip" else zlib.compress
        content = pack(b" " * (50 * MEGABYTE), 9)

        def write(file):
            file.write(HEAD + f"Content-Encoding: {encoding}\r\n".encode())
            file.write(f"Content-Length: {len(content)}\r\n\r\n".encode() + content)

        with bounded(seconds=10, megabytes=30):
            refusal(find, answer_with(write), "sends more than 20 MB")

    def test_a_packing_that_was_not_asked_for(self, answer_with, find):
        def write(file):
            file.write(HEAD + b"Content-Encoding: br\r\nContent-Length: 4\r\n\r\n\x1b\x03\x00\x00")

        refusal(find, answer_with(write), "no JSON, not a STAC catalogue")

    def test_a_byte_now_and_then(self, answer_with, find, monkeypatch):
        monkeypatch.setattr(client, "PACE", Pace(0.3, 500))
        monkeypatch.setattr(patience, "FOR_A_STRANGER", patience.FOR_A_BROKEN_SERVER)

        def write(file):
            file.write(HEAD + b"Content-Length: 1000\r\n\r\n")
            while True:
                file.write(b" ")
                time.sleep(0.02)

        stopwatch = steady_time.Stopwatch()
        with bounded(seconds=3, megabytes=10):
            refusal(find, answer_with(write), "does not answer .it took too long")
        # Who waits uses no processor.
        assert stopwatch.stop() < 3

    def test_an_error_page_without_an_end(self, answer_with, find):
        def write(file):
            file.write(HEAD.replace(b"200 OK", b"418 No") + b"\r\n")
            while True:
                file.write(b"no " * 100_000)

        with bounded(seconds=5, megabytes=10):
            refusal(find, answer_with(write), "answers with error 418")


class TestPagesWithoutAnEnd:
    def test_pages_of_one_new_scene_each(self, make_item, serve_stac, find, monkeypatch):
        monkeypatch.setattr(paging, "MOST_PAGES", 30)
        server = serve_stac([make_item("a", cloud=99)], never_ends="scenes", page_size=1)
        refusal(find, server.address, "answers in more than 30 pages; narrow")

    def test_links_that_grow(self, make_item, serve_stac, find, monkeypatch):
        monkeypatch.setattr(paging, "MOST_QUESTION_BYTES", 500)
        server = serve_stac([make_item("a", cloud=99)], never_ends="scenes", page_size=1)
        link = server._next_link
        server._next_link = lambda what: {
            **link(what), "body": {"token": what["token"], f"x{what['token']}": "y" * 40}
        }  # fmt: skip
        refusal(find, server.address, "something that is not STAC")


def collection(*features):
    return json.dumps({"type": "FeatureCollection", "features": features, "links": []})


class TestLongFiles:
    """Files of items that are not read as a whole; here all are."""

    @pytest.fixture(autouse=True)
    def _all_are_long(self, monkeypatch):
        monkeypatch.setattr(long_document, "LONG_BYTES", 0)
        monkeypatch.setattr(long_document, "READ_AT_ONCE", 7)

    @pytest.fixture
    def path(self, tmp_path):
        return tmp_path / "čšž.json"

    @pytest.mark.parametrize("indent", [None, 2])
    def test_the_items_are_those_of_the_file(self, make_item, find, path, indent):
        items = [make_item(f"š{number}", numbers=[1, -2.5e3]) for number in range(5)]
        content = {"features": items, "links": [], "numbers": [1, 23], "type": "FeatureCollection"}
        text = json.dumps(content, indent=indent, ensure_ascii=False)
        path.write_text(text, encoding="utf-8-sig")
        found, _ = find(str(path))
        assert [item.id for item in found.items] == [item["id"] for item in items]
        assert [item.properties for item in found.items] == [item["properties"] for item in items]

    def test_a_catalogue_of_many_links(self, make_item, find, path):
        items = [make_item(f"{number}") for number in range(3)]
        for item in items:
            (path.parent / f"{item['id']}.json").write_text(json.dumps(item), encoding="utf-8")
        links = [{"rel": "item", "href": f"./{item['id']}.json"} for item in items]
        path.write_text(json.dumps({"type": "Catalog", "id": "long", "links": links}))
        found, _ = find(str(path))
        assert [item.id for item in found.items] == ["0", "1", "2"]
        assert found.catalog_title == "long"

    def test_a_file_of_one_item(self, make_item, find, path):
        path.write_text(json.dumps(make_item("one")), encoding="utf-8")
        assert [item.id for item in find(str(path))[0].items] == ["one"]

    def test_an_item_of_two_gigabytes(self, find, path, monkeypatch):
        monkeypatch.setattr(long_document, "READ_AT_ONCE", 2**16)
        monkeypatch.setattr(long_document, "MOST_ITEM_BYTES", MEGABYTE)
        with path.open("wb") as file:
            file.write(b'{"type": "FeatureCollection", "features": [{"id": "')
            file.write(b"a" * (3 * MEGABYTE))
            file.truncate(2**31)
        with bounded(seconds=5, megabytes=12):
            refusal(find, str(path), "a part of it is longer than 1 MB")

    @pytest.mark.parametrize(
        "text",
        [
            '{"type": "FeatureCollection", "features": [{"id": 1}',
            '{"type": "FeatureCollection", "features": [{"id": 1} {"id": 2}]}',
            '{"type": "FeatureCollection", "features": [1, 2]} and more',
            '{"features": []',
            '{"features" []}',
            '{"features": [' + "[" * 100_000,
            "[1, 2]",
            '"text"',
            '{"type": "FeatureCollection", "features": [' + "9" * 5000 + "]}",
            '{"a": 1,}',
            "{]",
            "\0" * 100,
        ],
    )
    def test_what_is_no_json(self, find, path, text):
        path.write_text(text, encoding="utf-8")
        refusal(find, str(path), "is not a STAC catalogue, or is damaged")

    @pytest.mark.parametrize("text", ["{}", '{"type": "Topology"}', '{"features": [{"id": 1}]}'])
    def test_json_that_is_no_stac(self, find, path, text):
        path.write_text(text, encoding="utf-8")
        refusal(find, str(path), "is JSON but no STAC")


def test_a_document_that_is_too_long(make_item, find, tmp_path, monkeypatch):
    (tmp_path / "item.json").write_text(json.dumps(make_item("a")), encoding="utf-8")
    with (tmp_path / "item.json").open("ab") as file:
        file.truncate(2**31)
    links = [{"rel": "item", "href": "./item.json"}]
    root = tmp_path / "catalog.json"
    root.write_text(json.dumps({"type": "Catalog", "id": "a", "links": links}), encoding="utf-8")
    monkeypatch.setattr(documents, "MOST_DOCUMENT_BYTES", MEGABYTE)
    with bounded(seconds=3, megabytes=10):
        refusal(find, str(root), "is larger than 1 MB")


def test_more_items_than_any_search_needs(make_item, write_items, find, monkeypatch):
    monkeypatch.setattr(gathering, "MOST_ENTRIES", 3)
    catalog = write_items([make_item(f"{number}") for number in range(4)])
    refusal(find, catalog, "answers with more than 3 scenes; narrow the dates")


def test_documents_are_not_read_far_ahead_of_who_takes_them():
    asked = []

    def read(location):
        asked.append(location)
        return location

    locations = [f"https://example.com/{number}.json" for number in range(1000)]
    documents_read = static._read_ahead(read, locations)
    assert next(documents_read) == locations[0]
    time.sleep(0.05)
    assert len(asked) <= static.MOST_AHEAD
    assert list(documents_read) == locations[1:]
    assert sorted(asked) == sorted(locations)


def test_an_id_without_an_end(make_item, write_items, find):
    catalog = write_items([make_item("a" * 5000), make_item("b")])
    found, reporter = find(catalog)
    assert [item.id for item in found.items] == ["b"]
    assert any("longer than 1,000 characters" in text for text in reporter.warnings)
    assert max(map(len, reporter.warnings)) < 1000


@pytest.mark.parametrize(
    "text",
    [
        "[" * 1_000_000,
        '{"a":' * 1_000_000,
        "9" * 1_000_000,
        "-" + "9" * 5000,
    ],
)
def test_json_that_is_to_break_its_reader(text):
    with pytest.raises(ValueError), bounded(seconds=5, megabytes=60):  # noqa: PT011
        parse_json(text)


def test_of_members_of_the_same_name_the_last_counts():
    assert parse_json('{"id": "a", "id": "b"}') == {"id": "b"}


LAUGHS = '<!ENTITY a "ha">' + "".join(
    f'<!ENTITY {name} "{f"&{before};" * 10}">' for before, name in zip("abcdefgh", "bcdefghi")
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (f"<!DOCTYPE a [{LAUGHS}]><a>&i;</a>", "declares a document type"),
        ('<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>', "a document type"),
        ('<!DOCTYPE a SYSTEM "http://127.0.0.1:9/a.dtd"><a/>', "declares a document type"),
        ("<a>&i;</a>", "is no XML"),
        ("<a>" * 200_000, "is no XML"),
        ("<a/>" + " " * 9_000_000, "is far too large"),
    ],
)
def test_xml_that_is_to_break_its_reader(tmp_path, text, words):
    path = tmp_path / "MTD_TL.xml"
    path.write_text(text, encoding="utf-8")
    stopwatch = steady_time.Stopwatch()
    with pytest.raises(ValueError, match=words):
        xml_file.read_xml(path)
    assert stopwatch.stop() < 5


def test_xml_in_an_encoding_that_hides_what_it_declares(tmp_path):
    path = tmp_path / "MTD_TL.xml"
    path.write_bytes('<?xml version="1.0" encoding="utf-16"?><!DOCTYPE a><a/>'.encode("utf-16"))
    with pytest.raises(ValueError, match="not UTF-8"):
        xml_file.read_xml(path)


def test_xml_nested_deeply_is_read_and_forgotten(tmp_path):
    path = tmp_path / "MTD_TL.xml"
    path.write_text("<a>" * 100_000 + "text" + "</a>" * 100_000, encoding="utf-8")
    assert xml_file.text_of(xml_file.read_xml(path), "a") == "text"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_or_a_device_is_not_waited_for(tmp_path, find):
    os.mkfifo(tmp_path / "pipe.json")
    refusal(find, str(tmp_path / "pipe.json"), "is a device or a pipe; give a file")
    refusal(find, "/dev/zero", "is a device or a pipe; give a file")
    links = [{"rel": "item", "href": href} for href in ("pipe.json", "/dev/zero")]
    root = tmp_path / "catalog.json"
    root.write_text(json.dumps({"type": "Catalog", "id": "c", "links": links}), encoding="utf-8")
    refusal(find, str(root), "is a device or a pipe; give a file")
