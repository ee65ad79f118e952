"""Catalogues that want keys: documents, static catalogues and searches, paged and moved."""

import json

import pytest
from fairweather.core.bridge.credentials import Headers, Login, TokenGrant
from fairweather.core.bridge.errors import AccessError, CatalogError
from fairweather.core.science.access.access import Access, AccessRules
from fairweather.core.science.access.keyed_requests import catalog_client
from fairweather.core.science.catalog.documents import DocumentReader
from fairweather.core.science.web.client import WebClient, WebRequest
from guarded_server import BearerGuard, Reply, Tokens, basic_guard, header_guard

CATALOG = {"type": "Catalog", "id": "c", "stac_version": "1.0.0", "description": "", "links": []}


@pytest.fixture
def server(serve, tmp_path):
    (tmp_path / "stac").mkdir()
    (tmp_path / "stac" / "catalog.json").write_text(json.dumps(CATALOG))
    return serve()


def reader_for(server, credentials):
    return DocumentReader(Access(AccessRules(catalog=server.address), credentials))


@pytest.mark.parametrize(
    "credentials", [Login("ana", "pass:wörd"), Headers({"X-API-Key": "planted"})]
)
def test_the_keys_open_it(server, credentials):
    server.guard = (
        basic_guard("ana", "pass:wörd")
        if isinstance(credentials, Login)
        else header_guard("x-api-key", "planted")
    )
    found = reader_for(server, credentials).read(f"{server.address}/stac/catalog.json")
    assert found.content["id"] == "c"


@pytest.mark.parametrize("credentials", [None, Login("ana", "wrong planted")])
def test_who_is_refused_is_told_what_to_do(server, credentials):
    server.guard = basic_guard("ana", "right")
    with pytest.raises(AccessError, match=r"refuses access \(error 401\); choose") as caught:
        reader_for(server, credentials).read(f"{server.address}/stac/catalog.json")
    assert "planted" not in str(caught.value)


@pytest.mark.parametrize("uses", [1, 2])
def test_a_token_is_renewed_in_mid_search(server, uses):
    form = {"grant_type": "client_credentials", "client_id": "me", "client_secret": "planted"}
    guard = BearerGuard(form=form, tokens=Tokens(uses=uses))
    server.guard, server.answer = guard, guard.answer
    reader = reader_for(server, TokenGrant(f"{server.address}/token", "me", "planted"))
    for _ in range(6):
        assert reader.read(f"{server.address}/stac/catalog.json").type == "Catalog"
    assert len(guard.tokens.given) == 6 / uses


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_keys_stay_with_their_host(server, serve, method, status):
    other = serve()
    moved = {"Location": f"{other.address}/stac/catalog.json"}
    server.guard = lambda _: Reply(status, b"", moved)
    credentials = Headers({"X-API-Key": "planted", "Authorization": "Bearer planted"})
    client = catalog_client(Access(AccessRules(catalog=server.address), credentials))
    answer = client.ask(WebRequest(f"{server.address}/a", method, {"limit": 3}))
    assert json.loads(answer.content) == CATALOG
    assert answer.address == f"{other.address}/stac/catalog.json"
    assert "planted" in str(server.seen)
    assert "planted" not in str(other.seen)


def test_a_get_that_is_moved_keeps_its_question_once(server):
    server.answer = lambda seen: (
        Reply(302, b"", {"Location": f"/stac/catalog.json?{seen.target.partition('?')[2]}"})
        if seen.path == "/old"
        else None
    )
    WebClient().ask(WebRequest(f"{server.address}/old", "GET", {"limit": "3"}))
    assert [seen.target.partition("?")[2] for seen in server.seen] == ["limit=3", "limit=3"]


def test_other_documents_get_no_keys(server, serve):
    other = serve()
    reader = reader_for(server, Headers({"X-API-Key": "planted"}))
    reader.read(f"{other.address}/stac/catalog.json")
    with pytest.raises(CatalogError, match="404"):
        reader.read(f"http://{other.host}\\@{server.host}/stac/catalog.json")
    assert len(other.seen) == 2
    assert "planted" not in str(other.seen)


def test_a_netrc_file_adds_nothing_to_chosen_keys(server, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login other password other\n")
    monkeypatch.setenv("NETRC", str(netrc))
    reader = reader_for(server, Headers({"Authorization": "Bearer planted"}))
    reader.read(f"{server.address}/stac/catalog.json")
    assert server.seen[0].headers["authorization"] == "Bearer planted"


def test_keys_of_files_beside_the_catalogue_are_not_sent_to_a_cluster():
    rules = AccessRules(catalog="https://stac.example/catalog.json")
    own, other = "https://stac.example/red.tif", "https://files.example/red.tif"
    Access(rules, Login("ana", "planted")).check([own, other], on_cluster=False)
    Access(rules, Login("ana", "planted")).check([other], on_cluster=True)
    Access(rules).check([own, other], on_cluster=True)
    with pytest.raises(AccessError, match="not sent to a cluster; leave CLUSTER"):
        Access(rules, Login("ana", "planted")).check([own], on_cluster=True)
