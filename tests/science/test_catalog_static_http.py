"""Static catalogues over http: many documents at once, with progress, and no end that is none."""

import http.server
import json
import re
import threading
import time
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest
from fairweather.core.bridge.errors import CatalogError
from fairweather.core.science.catalog import static
from fairweather.core.science.catalog.documents import PARALLEL_REQUESTS
from loopback import PLACE, serving

SECONDS_A_DOCUMENT = 0.02


class MadeUpCatalog:
    """Answers each address with what ``make`` says, slowly; knows how many asked at once.

    Whoever asks for one that ``waits`` gets no answer before ``together`` ask at once.
    """

    def __init__(self, make, waits=lambda _: False, together=0):
        self.make = make
        self.waits = waits
        self.together = together
        self.asked = []
        self.at_once = self.most_at_once = 0
        self.changed = threading.Condition()

    def answer(self, path):
        with self.changed:
            self.asked.append(path)
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            self.changed.notify_all()
            if self.waits(path):
                self.changed.wait_for(lambda: self.most_at_once >= self.together, 20)
        time.sleep(SECONDS_A_DOCUMENT)
        with self.changed:
            self.at_once -= 1
        return self.make(path)


@contextmanager
def serving_catalog(catalog):
    """The address of ``catalog`` on loopback."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1

        def do_GET(self):
            content = catalog.answer(urlsplit(self.path).path)
            body = json.dumps(content).encode()
            self.send_response(200 if content else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments):
            pass

    with serving(http.server.ThreadingHTTPServer(PLACE, Handler)) as address:
        yield address


def catalog(*links):
    return {
        "type": "Catalog",
        "id": "made-up",
        "links": [{"rel": relation, "href": href} for relation, href in links],
    }


def months_and_days(make_item, months, days):
    """A catalogue of a collection of months of days, an item each; addresses of every kind."""

    def make(path):
        if path == "/catalog.json":
            return catalog(("child", "s2/collection.json"), ("child", "s2/gone.json"))
        if path == "/s2/collection.json":
            links = [("child", f"/s2/{month}/catalog.json") for month in range(months)]
            return {**catalog(*links), "type": "Collection", "id": "sentinel-2-l2a"}
        folder, _, name = path.rpartition("/")
        if name == "catalog.json":
            return catalog(*[("item", f"./{day}.json") for day in range(days)])
        if name == "gone.json":
            return None
        return make_item(f"{folder[4:]}-{name[:-5]}", assets={"red": {"href": "../red.tif"}})

    items = re.compile(r"/s2/\d+/\d+\.json")
    return MadeUpCatalog(make, items.fullmatch, PARALLEL_REQUESTS // 2)


def test_many_documents_at_once_with_progress(make_item, find):
    months, days = 10, 40
    made_up = months_and_days(make_item, months, days)
    with serving_catalog(made_up) as address:
        found, reporter = find(f"{address}/catalog.json")
    assert len(found.items) == months * days
    assert {item.assets["red"].href for item in found.items} == {f"{address}/s2/red.tif"}
    assert len(made_up.asked) == len(set(made_up.asked)) == 3 + months + months * days
    assert PARALLEL_REQUESTS / 2 <= made_up.most_at_once <= PARALLEL_REQUESTS
    assert "gone.json" in reporter.warnings[0]
    percents = [percent for percent, _ in reporter.progresses]
    assert percents == sorted(percents)
    # Nothing is said to be half done before half of the items are there.
    texts = [text for percent, text in reporter.progresses if percent < 2.5]
    assert texts[-1] == f"Searching: {months * days // 2 - 1} scenes looked at, 198 found"


def test_catalogue_without_end(find, monkeypatch):
    monkeypatch.setattr(static, "MOST_ENTRIES", 100)
    made_up = MadeUpCatalog(
        lambda path: catalog(("child", f"{path[:-5]}1.json"), ("child", f"{path[:-5]}2.json"))
    )
    words = "has more than 100 documents; give the address"
    with serving_catalog(made_up) as address, pytest.raises(CatalogError, match=words):
        find(f"{address}/a.json")
    assert len(made_up.asked) <= 130


def test_catalogue_that_leads_to_itself(make_item, find):
    made_up = MadeUpCatalog(
        lambda path: (
            make_item("a") if path == "/item.json"
            else catalog(("child", "./b.json"), ("child", "a.json"), ("item", "/item.json"))
        )
    )  # fmt: skip
    with serving_catalog(made_up) as address:
        found, _ = find(f"{address}/a.json")
    assert [item.id for item in found.items] == ["a"]
    assert sorted(made_up.asked) == ["/a.json", "/b.json", "/item.json"]
