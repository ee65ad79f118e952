"""300 addresses in a remote catalogue that lead to a canary on loopback, which hears nothing.

Forms, hosts, redirects, chains and rebinding are drawn at random, and read as a file, a document
or the next page. As a control, the same canary is heard where a catalogue may name it.
"""

from __future__ import annotations

import contextlib
import random
from collections import Counter
from pathlib import Path

import private_places
import pytest
from fairweather.core.bridge.errors import FairweatherError
from fairweather.core.science.access.keyed_requests import catalog_client
from fairweather.core.science.catalog.documents import DocumentReader
from fairweather.core.science.catalog.hrefs import resolve_asset, resolve_link
from fairweather.core.science.catalog.paging import read_pages
from fairweather.core.science.imagery.files import patience
from fairweather.core.science.imagery.files.raster_files import RasterFiles
from fairweather.core.science.web.client import WebRequest
from fairweather.core.science.web.errors import WebError
from guarded_server import GuardedServer, Reply, running
from soak_row import Row, Trial

WAYS = ("file", "document", "page")
MOST_HOPS = 4
OTHER_FORMS = (
    "ftp://{host}:{port}/a.tif",
    "gopher://{host}:{port}/_GET",
    "/vsicurl/http://{host}:{port}/a.tif",
    "/vsicurl?url=http%3A%2F%2F{host}%3A{port}%2Fa.tif",
    "vrt://http://{host}:{port}/a.tif",
    "zip+http://{host}:{port}/a.zip!a.tif",
    "s3://{host}:{port}/a.tif",
    "s3://a@{host}:{port}/a.tif",
    "gs://{host}:{port}/a.tif",
    "http:/\\{host}:{port}/a.tif",
    "http:///{host}:{port}/a.tif",
    "\thttp://{host}:{port}/a.tif",
    "ht\ntp://{host}:{port}/a.tif",
    "WMS:http://{host}:{port}/?SERVICE=WMS",
)


def run(trial: Trial) -> dict[str, object]:
    """Follow so many addresses to the canary, then listen to it."""
    served = trial.folder / "served"
    served.mkdir()
    with contextlib.ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(patience.RetryPolicy, "pause", lambda *_, **__: 0)
        canary, catalog = (stack.enter_context(running(GuardedServer(served))) for _ in range(2))
        canary.answer = lambda _: Reply.of_json({"features": [], "links": []})
        names = private_places.NameServer(patch)
        names.public_port = int(catalog.host.partition(":")[2])
        led = _Led(canary, catalog, names, trial.folder)
        ends = Counter(led.follow(trial.random) for _ in range(trial.times))
        heard, reached = len(canary.seen), names.reached_inside
        assert not heard, f"the canary heard {heard} of {trial.times}: {canary.seen[:3]}"
        assert not reached, f"{len(reached)} connections to private addresses: {reached[:5]}"
        asked = len(catalog.seen)
        controls = led.control()
    return {"ends": dict(ends), "redirects followed": asked, "heard in the control": controls}


class _Led:
    """What is led to the canary, and by which ways."""

    def __init__(
        self,
        canary: GuardedServer,
        catalog: GuardedServer,
        names: private_places.NameServer,
        folder: Path,
    ) -> None:
        self._canary, self._catalog, self._names = canary, catalog, names
        self._folder = folder
        self._port = canary.host.partition(":")[2]

    def follow(self, source: random.Random) -> str:
        """One address by one way; in a word what came of it."""
        href = self._href(source)
        way = source.choice(WAYS)
        # Names that move in between answer the first look-ups honestly.
        public = [private_places.PUBLIC]
        self._names.answers["rebinds.example"] = [public] * source.randrange(3) + [["127.0.0.1"]]
        self._catalog.answer = private_places.follow
        try:
            if getattr(self, f"_{way}")(href):
                return f"{way}: no address"
        except (FairweatherError, WebError) as error:
            return f"{way}: {'private' if 'private address' in str(error) else 'refused'}"
        return f"{way}: ended"

    def control(self) -> int:
        """How many of the addresses are heard where a local catalogue, or one beside it, leads."""
        heard = len(self._canary.seen)
        hosts = ("127.0.0.1", "127.1", "2130706433", "0x7f000001", "localhost", "inside.example")
        for host in hosts:
            href = f"http://{host}:{self._port}/a.json"
            for catalog in (self._folder / "catalog.json", "http://inside.example/stac"):
                DocumentReader(private_places.access_of(catalog)).fetch(href)
        heard = len(self._canary.seen) - heard
        assert heard == 2 * len(hosts), f"the canary heard only {heard} where it is allowed"
        return heard

    def _href(self, source: random.Random) -> str:
        hosts = (*private_places.LITERALS, *private_places.NAMES)
        form = source.choice((*private_places.FORMS, *OTHER_FORMS))
        href = form.format(host=source.choice(hosts), port=self._port)
        for _ in range(source.choice((0, 0, 1, 2, MOST_HOPS))):
            status = source.choice(private_places.STATUSES)
            target = private_places.escaped(href)
            href = f"http://stac.example/go?status={status}&to={target}"
        return href

    def _file(self, href: str) -> bool:
        address = resolve_asset(href, private_places.CATALOG)
        if address is not None:
            files = RasterFiles(2, self._folder, 1, private_places.access_of())
            try:
                files.open(address)
            finally:
                files.close()
        return address is None

    def _document(self, href: str) -> bool:
        location = resolve_link(href, private_places.CATALOG)
        if location is not None:
            DocumentReader(private_places.access_of()).fetch(location)
        return location is None

    def _page(self, href: str) -> bool:
        page = {"features": [], "links": [{"rel": "next", "href": href}]}
        replies = iter([Reply.of_json(page)])
        self._catalog.answer = lambda seen: private_places.follow(seen) or next(replies, None)
        client = catalog_client(private_places.access_of())
        try:
            pages = read_pages(client, WebRequest(private_places.CATALOG), "features")
            next(pages)
            return next(pages, None) is None
        finally:
            client.close()


ROW = Row(
    name="canary",
    promise="No address in a remote catalogue, however written, redirected or resolved, leads to "
    "this computer or to a private network.",
    times=300,
    run=run,
)
