"""Catalogues in places that nobody may look at, that no disk has, or of users who are not known."""

import errno
import json
import os
import sys

import pytest
from fairweather.core.bridge.errors import CatalogError, InvalidRequestError
from refused_places import refuse

AREA = (15.5, 45.7, 15.9, 46.3)

posix = pytest.mark.skipif(sys.platform == "win32", reason="made with the errors of POSIX")


@pytest.fixture
def write_catalog(tmp_path, make_item):
    """A function: a catalogue of two scenes, the second of which is said to be at ``href``."""

    def write(href):
        (tmp_path / "one.json").write_text(json.dumps(make_item("one")))
        (tmp_path / "locked").mkdir()
        (tmp_path / "locked" / "two.json").write_text(json.dumps(make_item("two")))
        links = [{"rel": "item", "href": "./one.json"}, {"rel": "item", "href": href}]
        path = tmp_path / "catalog.json"
        path.write_text(json.dumps({"type": "Catalog", "id": "it", "links": links}))
        return path

    return write


@posix
@pytest.mark.parametrize(
    "href",
    ["locked/two.json", "locked/tw%6F.json", f"{'n' * 300}.json", "a\0b.json", "one.json/two.json"],
    ids=["locked", "locked, escaped", "too long", "no name", "below a file"],
)
def test_an_item_that_cannot_be_looked_at_is_counted(
    write_catalog, find, monkeypatch, tmp_path, href
):
    catalog = write_catalog(href)
    refuse(monkeypatch, tmp_path / "locked")
    found, reporter = find(str(catalog), area=AREA)
    assert [item.id for item in found.items] == ["one"]
    [warning] = reporter.warnings
    assert "1 document of the catalogue left out, because it could not be read" in warning
    assert "\n" not in warning


@posix
@pytest.mark.parametrize("what", ["catalog", "scenes"])
@pytest.mark.parametrize("place", ["locked/two.json", "locked", "n" * 300])
def test_a_catalogue_that_cannot_be_looked_at(
    write_catalog, find, monkeypatch, tmp_path, what, place
):
    catalog = write_catalog("locked/two.json")
    refuse(monkeypatch, tmp_path / "locked")
    path = tmp_path / place
    named = {"scenes": str(path)} if what == "scenes" else {}
    with pytest.raises(CatalogError, match=r"cannot be read \(.*\); check the file\.$") as raised:
        find(str(catalog if named else path), area=AREA, **named)
    assert str(path) in str(raised.value)


def test_a_folder_that_cannot_be_looked_into(find, monkeypatch, tmp_path):
    def deny(path):
        raise PermissionError(errno.EACCES, "Permission denied", path)

    monkeypatch.setattr(os, "scandir", deny)
    with pytest.raises(CatalogError, match=r"cannot be looked into \(Permission denied\); choose"):
        find(str(tmp_path), area=AREA)


@pytest.mark.parametrize("what", ["catalog", "scenes"])
def test_a_catalogue_of_a_user_who_is_not_known(find, tmp_path, what):
    path = "~nobody-of-that-name/catalog.json"
    named = {"scenes": path} if what == "scenes" else {}
    with pytest.raises(InvalidRequestError, match=r"~nobody-of-that-name.* not known.*; give"):
        find(str(tmp_path) if named else path, area=AREA, **named)
