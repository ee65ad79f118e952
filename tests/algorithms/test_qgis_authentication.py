"""AUTH: configurations of QGIS's own, decrypted here and handed to the worker by its stdin."""

import json
from pathlib import Path

import pytest
from guarded_server import GuardedServer, basic_guard, running

pytest.importorskip("qgis.core", reason="runs in QGIS's own Python")

EXTENT = "16,16.1,45.9,46 [EPSG:4326]"
PLANTED = "plantedXsecretX4711"


@pytest.fixture(scope="module")
def manager(qgis):
    """QGIS's own, with a database in the empty home and a master password."""
    from qgis.core import QgsApplication

    manager = QgsApplication.authManager()
    assert str(Path.home()) in manager.authenticationDatabasePath()
    assert manager.setMasterPassword("a master password", True)
    return manager


@pytest.fixture
def store(manager):
    """Store a configuration; its id."""
    from qgis.core import QgsAuthMethodConfig

    stored = []

    def keep(method, **fields):
        configuration = QgsAuthMethodConfig()
        configuration.setName(f"test {len(stored)}")
        configuration.setMethod(method)
        configuration.setConfigMap(fields)
        manager.storeAuthenticationConfig(configuration)
        stored.append(configuration.id())
        return configuration.id()

    yield keep
    for identifier in stored:
        manager.removeAuthenticationConfig(identifier)


@pytest.fixture
def credentials_of(run, fake_worker, tmp_path):
    """The credentials that the worker is handed for an AUTH."""

    def ask(auth, **parameters):
        parameters = {"EXTENT": EXTENT, "OUTPUT": str(tmp_path / "c.tif"), **parameters}
        run("composite", AUTH=auth, **parameters)
        from fairweather.core.bridge.request import request_to_json

        assert PLANTED not in request_to_json(fake_worker.requests[-1])
        return fake_worker.credentials

    return ask


def test_each_method(store, credentials_of):
    from fairweather.core.bridge.credentials import Headers, Login, StorageKeys, TokenGrant

    assert credentials_of("") is None
    assert credentials_of(store("Basic", username="ana", password=PLANTED)) == Login("ana", PLANTED)
    headers = {"Authorization": f"Bearer {PLANTED}", "X-More": "1"}
    assert credentials_of(store("APIHeader", **headers)) == Headers(headers)
    assert credentials_of(store("EsriToken", token=PLANTED)) == Headers(
        {"X-Esri-Authorization": f"Bearer {PLANTED}"}
    )
    keys = store("AWSS3", username="AKIA", password=PLANTED, region="eu-west-1")
    assert credentials_of(keys) == StorageKeys("AKIA", PLANTED, "eu-west-1")
    grant = {"grantFlow": 2, "tokenUrl": "https://a.example/t", "clientId": "me"}
    grant.update(clientSecret=PLANTED, username="", password="", scope="all")
    assert credentials_of(store("OAuth2", oauth2config=json.dumps(grant))) == TokenGrant(
        "https://a.example/t", "me", PLANTED, scope="all"
    )


def test_a_token_that_a_person_confirms_is_asked_of_qgis(store, credentials_of, monkeypatch):
    from fairweather.algorithms import authentication
    from fairweather.core.bridge.credentials import Headers

    asked = []
    monkeypatch.setattr(
        authentication, "ask_qgis", lambda *given: asked.append(given) or Headers({"A": "b"})
    )
    auth = store("OAuth2", oauth2config=json.dumps({"grantFlow": 0}))
    assert credentials_of(auth, CATALOG="https://stac.example/v1") == Headers({"A": "b"})
    assert asked == [(auth, "https://stac.example/v1")]


def test_what_qgis_itself_would_send(store, manager):
    from fairweather.algorithms.authentication import ask_qgis
    from fairweather.core.bridge.credentials import Headers

    auth = store("Basic", username="u", password="p")
    assert ask_qgis(auth, "https://stac.example/v1") == Headers({"Authorization": "Basic dTpw"})


@pytest.mark.parametrize(
    ("method", "fields", "words"),
    [
        ("PKI-Paths", {"certpath": "a"}, "the method 'PKI-Paths' cannot be used here; choose"),
        ("Basic", {"username": "ana"}, "has no password; complete it"),
        ("AWSS3", {"username": "a b", "password": PLANTED}, "blanks or letters that no key has"),
        ("APIHeader", {"X": f"{PLANTED}\nHost: evil"}, "a header that cannot be sent"),
        ("OAuth2", {"definedid": "abc"}, "is a predefined one; make one of your own"),
        ("OAuth2", {"oauth2config": '{"grantFlow": 2}'}, "has no token address; complete it"),
    ],
)
def test_what_cannot_be_used_is_told(store, credentials_of, method, fields, words):
    from qgis.core import QgsProcessingException

    with pytest.raises(QgsProcessingException, match=words) as caught:
        credentials_of(store(method, **fields))
    assert PLANTED not in str(caught.value)


def test_without_the_master_password(store, credentials_of, manager):
    from qgis.core import QgsProcessingException

    auth = store("Basic", username="ana", password=PLANTED)
    manager.clearMasterPassword()
    try:
        with pytest.raises(
            QgsProcessingException, match=r"cannot decrypt .* QGIS_AUTH_PASSWORD_FILE"
        ):
            credentials_of(auth)
    finally:
        assert manager.setMasterPassword("a master password", True)


def test_an_unknown_configuration(credentials_of, manager):
    from qgis.core import QgsProcessingException

    with pytest.raises(QgsProcessingException, match="no authentication configuration 'abcdefg'"):
        credentials_of("abcdefg")


@pytest.mark.parametrize("name", ["searchscenes", "composite", "timeseries"])
def test_the_parameter(provider, name):
    definition = provider.algorithm(name).parameterDefinition("AUTH")
    assert definition.type() == "authcfg"
    assert definition.flags() & definition.FlagAdvanced
    assert definition.flags() & definition.FlagOptional
    assert "the user name is the access key" in definition.help()


@pytest.mark.usefixtures("worker_python")
def test_a_search_in_a_catalogue_that_wants_a_login(run, store, item, tmp_path):
    from qgis.core import QgsProcessingException

    scene = {**item("first"), "collection": "sentinel-2-c1-l2a"}
    (tmp_path / "items.json").write_text(
        json.dumps({"type": "FeatureCollection", "features": [scene]})
    )
    server = GuardedServer(tmp_path, basic_guard("ana", PLANTED))
    with running(server):
        parameters = {
            "EXTENT": EXTENT,
            "START": "2024-01-01",
            "END": "2024-12-31",
            "CATALOG": f"{server.address}/items.json",
            "OUTPUT": str(tmp_path / "footprints.gpkg"),
        }
        with pytest.raises(QgsProcessingException, match=r"refuses access .* choose"):
            run("searchscenes", **parameters)
        auth = store("Basic", username="ana", password=PLANTED)
        assert run("searchscenes", AUTH=auth, **parameters)["SCENE_COUNT"] == 1
    assert [seen.headers.get("authorization") is not None for seen in server.seen] == [False, True]
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or PLANTED.encode() not in path.read_bytes()
