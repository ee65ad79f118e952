"""One broken document of a static catalogue costs what hangs on it, and never the rest."""

import json

import pytest
import urllib3
from fairweather.core.bridge.errors import AccessError, CatalogError
from fairweather.core.science.catalog.documents import DocumentReader, LostServerError
from fairweather.core.science.web import client, patience

YEARS, DAYS = 3, 4
BY_FAULT = {
    "503": "error 503",
    "500": "error 500",
    "404": "error 404",
    "403": "error 403",
    "refuse": "does not answer",
    "cut": "broke",
    "redirect": "redirects again",
    "html": "a web page",
}


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch):
    monkeypatch.setattr(patience, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(client, "TIMEOUT", urllib3.Timeout(connect=10, read=10))


def put(server, name, links, **content):
    document = {"stac_version": "1.0.0", "description": "", "links": links, **content}
    (server.folder / f"{name}.json").write_text(json.dumps(document))


@pytest.fixture
def tree(server, make_item):
    """The address of a catalogue of years of days, each document a file of its own."""
    years = [f"year-{year}" for year in range(YEARS)]
    links = [{"rel": "child", "href": f"./{year}.json"} for year in years]
    put(server, "root", links, type="Catalog", id="root")
    for year in years:
        days = [f"{year}-day-{day}" for day in range(DAYS)]
        put(
            server,
            year,
            [{"rel": "item", "href": f"./{day}.json"} for day in days],
            type="Catalog",
            id=year,
        )
        for number, day in enumerate(days):
            item = make_item(day, f"2023-08-{number + 1:02}T10:00:00Z")
            (server.folder / f"{day}.json").write_text(json.dumps(item))
    return f"{server.address}/root.json"


def break_for_good(server, fault, *names):
    for name in names:
        server.lasting[f"{name}.json"] = (fault, 0, 10**9)


def all_days():
    return {f"year-{year}-day-{day}" for year in range(YEARS) for day in range(DAYS)}


@pytest.mark.parametrize("fault", BY_FAULT)
@pytest.mark.parametrize("broken", ["year-0", "year-2", "year-0-day-0", "year-2-day-3"])
def test_any_broken_document_costs_only_what_hangs_on_it(server, tree, find, fault, broken):
    break_for_good(server, fault, broken)
    found, reporter = find(tree)
    lost = {name for name in all_days() if name.startswith(broken)}
    assert {scene.id for scene in found.items} == all_days() - lost
    [warning] = reporter.warnings
    assert warning.startswith("1 document of the catalogue left out")
    assert f"/{broken}.json" in warning
    assert BY_FAULT[fault] in warning


@pytest.mark.parametrize("fault", ["503", "redirect"])
def test_all_but_one_branch(server, tree, find, fault):
    broken = [f"year-{year}" for year in range(1, YEARS)]
    break_for_good(server, fault, *broken)
    found, reporter = find(tree)
    assert {scene.id for scene in found.items} == {f"year-0-day-{day}" for day in range(DAYS)}
    assert f"{len(broken)} documents of the catalogue left out" in reporter.warnings[0]


@pytest.mark.parametrize("fault", ["503", "404"])
def test_nothing_found_beside_what_could_not_be_read(server, tree, find, fault):
    break_for_good(server, fault, f"year-{YEARS - 1}")
    with pytest.raises(CatalogError) as caught:
        find(tree, start="2022-01-01", end="2022-12-31")
    assert str(caught.value).startswith(
        "Nothing was found, and not everything could be read: 1 document of the catalogue left "
        f"out; the first: The catalogue {server.address}/year-{YEARS - 1}.json"
    )


@pytest.mark.parametrize("fault", ["503", "refuse", "redirect"])
@pytest.mark.parametrize("moment", [2, 1 + YEARS, 1 + YEARS + 1, 1 + YEARS * (1 + DAYS)])
def test_a_server_that_dies_at_any_document_ends_the_search(server, tree, find, fault, moment):
    server.script = {moment: f"all {fault}"}
    with pytest.raises(CatalogError) as caught:
        find(tree)
    assert f"The server of {server.address}/" in str(caught.value)
    assert "does not answer any more" in str(caught.value)
    assert server.requests < 200


def test_a_catalogue_whose_items_all_want_keys(server, tree, find):
    break_for_good(server, "403", *all_days(), *(f"year-{year}" for year in range(YEARS)))
    with pytest.raises(AccessError, match="AUTH"):
        find(tree)


def test_items_of_a_server_that_is_lost_are_left_out(server, tree, find, monkeypatch):
    """The catalogue's own server goes on sending."""
    fetch = DocumentReader.fetch

    def fetch_here(reader, location):
        if "elsewhere.example" in location:
            raise LostServerError("The server of elsewhere.example does not answer any more.")
        return fetch(reader, location)

    monkeypatch.setattr(DocumentReader, "fetch", fetch_here)
    years = [f"./year-{year}.json" for year in range(YEARS)]
    hrefs = ["http://elsewhere.example/a.json", *years, "http://elsewhere.example/b.json"]
    put(server, "root", [{"rel": "child", "href": href} for href in hrefs], type="Catalog", id="c")
    found, reporter = find(tree)
    assert {scene.id for scene in found.items} == all_days()
    [warning] = reporter.warnings
    assert warning.startswith("2 documents of the catalogue left out")


def test_a_catalogue_whose_items_all_want_keys_is_not_asked_to_its_end(server, tree, find):
    items = [f"item-{number}" for number in range(200)]
    links = [{"rel": "item", "href": f"./{item}.json"} for item in items]
    put(server, "year-1", links, type="Catalog", id="year-1")
    for item in items:
        put(server, item, [])
    break_for_good(server, "403", *items)
    with pytest.raises(AccessError, match="refuses access"):
        find(tree)
    assert server.requests < 150
