"""A search in an API reads all pages, or says why it stopped."""

import json

import pytest
from fairweather.core.bridge.errors import CatalogError
from fairweather.core.science.catalog import paging
from guarded_server import GuardedServer, Reply, running

CONFORMANCE = ["https://api.stacspec.org/v1.0.0/item-search"]


@pytest.fixture
def search_pages(find, tmp_path):
    """A function: the ids found, and the warnings, where ``page_of`` gives items and the next link.

    ``also`` is what every page holds beside them.

    The server takes searches at ``path`` only; what it was asked stays in its ``seen``.
    """

    def search(page_of, path="/search", method="POST", also=()):
        server = GuardedServer(tmp_path)
        link = {"rel": "search", "href": path.lstrip("/"), "method": method}
        landing = {"type": "Catalog", "id": "x", "conformsTo": CONFORMANCE, "links": [link]}

        def answer(seen):
            if seen.path == "/":
                return Reply.of_json(landing)
            if seen.path != path:
                return Reply(404)
            told = json.loads(seen.body) if seen.body else seen.query
            items, following = page_of(int(told.get("page", 0)))
            links = [{"rel": "next", **following}] if following else []
            return Reply.of_json({**dict(also), "features": items, "links": links})

        server.answer = answer
        with running(server):
            try:
                found, reporter = find(f"{server.address}/")
            finally:
                search.asked = [seen for seen in server.seen if seen.path == path]
        return {item.id for item in found.items}, reporter.warnings

    return search


def to_page(number, merge=True):
    return {"href": "search", "method": "POST", "merge": merge, "body": {"page": number}}


def test_empty_pages_between(search_pages, make_item):
    """As of a server that filters after it cut the pages."""
    full = {0, 1, 60, 61, 199}

    def page_of(number):
        items = [make_item(f"scene-{number}")] if number in full else []
        return items, to_page(number + 1) if number < 199 else None

    assert search_pages(page_of) == ({f"scene-{number}" for number in full}, [])


@pytest.mark.parametrize("count", ["numberMatched", "numMatched", "context"])
@pytest.mark.parametrize(
    ("last_leads", "requests"),
    [("on", 4), ("to itself", 3), ("to the first", 3), ("on with it", 4)],
)
def test_a_server_that_leads_on_from_its_last_page(
    search_pages, make_item, count, last_leads, requests
):
    """Which is the end where all that it counts was read: no warning, and few requests."""
    after = {"on": 3, "to itself": 2, "to the first": 1, "on with it": 3}[last_leads]

    def page_of(number):
        known = min(number, 2) if last_leads == "on with it" else number
        items = [make_item(f"scene-{known}-{one}") for one in range(2) if known < 3]
        return items, to_page(number + 1 if number != 2 else after)

    counted = {"context": {"matched": 6}} if count == "context" else {count: 6}
    found, warnings = search_pages(page_of, also=counted)
    assert len(found) == 6
    assert warnings == []
    assert len(search_pages.asked) == requests


def test_a_count_that_is_too_low_loses_nothing(search_pages, make_item):
    """Some servers only guess it."""

    def page_of(number):
        return [make_item(f"scene-{number}")], to_page(number + 1) if number < 5 else None

    found, warnings = search_pages(page_of, also={"numberMatched": 2})
    assert (len(found), warnings) == (6, [])


def test_pages_without_anything_new_end(search_pages, make_item, monkeypatch):
    monkeypatch.setattr(paging, "MOST_BARREN_PAGES", 30)

    def page_of(number):
        return [make_item("always")], to_page(number + 1)

    found, (warning,) = search_pages(page_of)
    assert found == {"always"}
    assert "leads on after 30 pages that brought nothing new, so that scenes may be" in warning
    assert len(search_pages.asked) == 31


@pytest.mark.parametrize("merge", [True, False])
@pytest.mark.parametrize("back_to", [0, 1, 2])
def test_a_page_that_was_read_before(search_pages, make_item, back_to, merge):
    """The first may be asked for in other words, once."""

    def page_of(number):
        return [make_item(f"scene-{number}")], to_page(number + 1 if number < 2 else back_to, merge)

    found, (warning,) = search_pages(page_of)
    assert found == {"scene-0", "scene-1", "scene-2"}
    assert "back to one that was read before, so that scenes may be missing; narrow" in warning
    assert len(search_pages.asked) == (3 if back_to else 4)


@pytest.mark.parametrize("href", ["file:///search", "http:/search", "s3://b/search", "x" * 9000])
def test_a_page_that_must_not_be_read(search_pages, make_item, href):
    found, (warning,) = search_pages(lambda _: ([make_item("one")], {"href": href}))
    assert found == {"one"}
    assert "leads from its last page to one that must not be read" in warning
    assert len(search_pages.asked) == 1


@pytest.mark.parametrize("href", ["", None])
def test_a_link_that_leads_nowhere_is_the_end(search_pages, make_item, href):
    assert search_pages(lambda _: ([make_item("one")], {"href": href})) == ({"one"}, [])


def test_nothing_found_before_a_loop(search_pages, find, monkeypatch):
    warnings = []
    monkeypatch.setattr(
        "fairweather.core.science.reporter.RecordingReporter.warning",
        lambda _, text: warnings.append(text),
    )
    with pytest.raises(CatalogError, match="Nothing was found, and not everything could be read"):
        search_pages(lambda _: ([], to_page(0)))
    assert any("back to one that was read before" in text for text in warnings)


def test_more_pages_than_any_search_needs(search_pages, make_item, monkeypatch):
    monkeypatch.setattr(paging, "MOST_PAGES", 20)
    with pytest.raises(CatalogError, match="answers in more than 20 pages; narrow"):
        search_pages(lambda number: ([make_item(f"scene-{number}")], to_page(number + 1)))


@pytest.mark.parametrize("path", ["/search", "/search/", "/a/b/search/"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_search_is_asked_where_its_link_leads(search_pages, make_item, path, method):
    found, _ = search_pages(lambda _: ([make_item("one")], None), path, method)
    assert found == {"one"}
