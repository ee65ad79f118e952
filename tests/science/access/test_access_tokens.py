"""Tokens: signatures of containers, and OAuth2; renewed, and never sent elsewhere."""

from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import guarded_server
import pytest
from fairweather.core.bridge.credentials import Headers, Login, TokenGrant
from fairweather.core.bridge.errors import AccessError
from fairweather.core.bridge.profiles import Signing, Storage, load_profiles
from fairweather.core.science.access import tokens as tokens_module
from fairweather.core.science.access.access import Access, AccessRules
from fairweather.core.science.access.tokens import Token
from fairweather.core.science.imagery.files.byte_ranges import RangeError
from fairweather.core.science.web import patience
from guarded_server import BearerGuard, ContainerGuard, Reply, header_guard

# What is soon another answer.
PASSING = (
    Reply(403, b"no"),
    Reply(200, b"<html>Please sign in</html>"),
    Reply(200, b""),
    Reply(200, b'{"access_token": "a", "tok'),
    Reply(200, b'{"message": "Too many requests"}'),
)
FORM = {"grant_type": "client_credentials", "client_id": "me", "client_secret": "planted"}


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch):
    monkeypatch.setattr(patience, "FIRST_PAUSE", 0.001)


def answering_at_first(reply, times, path, guard):
    """What ``guard`` answers, but ``reply`` to the first ``times`` requests for a token."""
    asked = []

    def answer(seen):
        if path in seen.path:
            asked.append(seen)
            if len(asked) <= times:
                return reply
        return guard.answer(seen)

    return answer, asked


def signing_of(server):
    """The loopback stand-in: the account is 127, the rest of the host its ending."""
    host = server.host
    return Signing(f"{server.address}/sas/{{account}}/{{container}}", host[host.index(".") :])


class TestContainers:
    @pytest.fixture
    def guard(self):
        return ContainerGuard()

    @pytest.fixture
    def server(self, serve, guard, file, tmp_path):
        (tmp_path / "hls").mkdir()
        (tmp_path / "hls" / "it.bin").write_bytes(file)
        server = serve(guard)
        server.answer = guard.answer
        return server

    def test_one_token_for_many_reads(self, server, guard, file, reader):
        ranges = reader(Access(AccessRules(signing=signing_of(server))))
        for start in range(0, 90_000, 10_000):
            found = ranges.read(f"{server.address}/hls/it.bin", start, 100)
            assert found == file[start : start + 100]
        assert len(guard.tokens.given) == 1

    def test_the_address_keeps_its_own_query(self, server, reader):
        ranges = reader(Access(AccessRules(signing=signing_of(server))))
        ranges.read(f"{server.address}/hls/it.bin?snapshot=3", 0, 10)
        assert server.seen[-1].query["snapshot"] == "3"

    @pytest.mark.parametrize("uses", [1, 3])
    def test_tokens_that_end_in_mid_run(self, server, guard, file, reader, uses):
        guard.tokens.uses = uses
        ranges = reader(Access(AccessRules(signing=signing_of(server))))
        starts = range(0, 90_000, 3000)
        for start in starts:
            found = ranges.read(f"{server.address}/hls/it.bin", start, 100)
            assert found == file[start : start + 100]
        assert len(guard.tokens.given) == len(starts) / uses

    def test_tokens_that_end_in_mid_run_of_many_threads(self, server, guard, file, reader):
        guard.tokens.uses = 20
        ranges = reader(Access(AccessRules(signing=signing_of(server))))
        starts = range(0, 99_000, 500)
        with ThreadPoolExecutor(8) as threads:
            address = f"{server.address}/hls/it.bin"
            found = list(threads.map(lambda start: ranges.read(address, start, 100), starts))
        assert found == [file[start : start + 100] for start in starts]

    def test_tokens_that_end_between_reads(self, server, guard, file, reader, monkeypatch):
        now = [1000.0]
        guard.tokens.seconds = 600
        for module in (tokens_module, guarded_server):
            monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now[0]))
        ranges = reader(Access(AccessRules(signing=signing_of(server))))
        for _ in range(24):
            assert ranges.read(f"{server.address}/hls/it.bin", 0, 10) == file[:10]
            now[0] += 60
        # Renewed 120 s before the end of 600: nobody was ever refused.
        assert len(guard.tokens.given) == 24 * 60 / 480
        assert sum(seen.path == "/hls/it.bin" for seen in server.seen) == 24

    def test_a_token_that_never_works_is_not_asked_for_again_and_again(self, server, guard, reader):
        guard.tokens.uses = 0
        with pytest.raises(RangeError, match="403: it refuses access"):
            reader(Access(AccessRules(signing=signing_of(server)))).read(
                f"{server.address}/hls/it.bin", 0, 10
            )
        assert len(guard.tokens.given) == 1

    def test_a_service_that_knows_no_such_container(self, server, reader):
        server.answer = lambda seen: Reply(404) if seen.path.startswith("/sas/") else None
        with pytest.raises(AccessError, match=r"gives no signature .* \(error 404\); try again"):
            reader(Access(AccessRules(signing=signing_of(server)))).read(
                f"{server.address}/hls/it.bin", 0, 10
            )

    @pytest.mark.parametrize(
        "answer", [b"<html>", b"[]", b"{}", b'{"token": "a b", "msft:expiry": "x"}']
    )
    def test_a_service_that_answers_something_else(self, server, reader, answer):
        server.answer = lambda seen: Reply(200, answer) if "/sas/" in seen.path else None
        with pytest.raises(AccessError, match="its answer holds none"):
            reader(Access(AccessRules(signing=signing_of(server)))).read(
                f"{server.address}/hls/it.bin", 0, 10
            )

    @pytest.mark.parametrize("reply", PASSING)
    def test_an_answer_that_is_soon_another(self, server, guard, file, reader, reply):
        server.answer, asked = answering_at_first(reply, 2, "/sas/", guard)
        ranges = reader(Access(AccessRules(signing=signing_of(server))))
        assert ranges.read(f"{server.address}/hls/it.bin", 0, 10) == file[:10]
        assert len(asked) == 3

    def test_other_hosts_get_none(self, server, serve, guard, file, reader):
        other = serve()
        ranges = reader(Access(AccessRules(signing=signing_of(server))))
        assert ranges.read(f"{other.address}/it.bin", 0, 10) == file[:10]
        assert "?" not in other.seen[0].target
        assert not guard.tokens.given

    def test_a_redirect_leaves_it_behind(self, server, serve, file, reader):
        other = serve()
        elsewhere = {"Location": f"{other.address}/it.bin"}
        server.guard = lambda _: Reply(302, b"", elsewhere)
        ranges = reader(Access(AccessRules(signing=signing_of(server))))
        assert ranges.read(f"{server.address}/hls/it.bin", 5, 10) == file[5:15]
        assert "secretsignature" not in str(other.seen)

    def test_the_real_addresses(self):
        for name in ("sentinel-2-l2a-pc", "hls2-l30", "hls2-s30", "landsat-c2-l2-pc"):
            signing = load_profiles()[name].signing
            containers = Access(AccessRules(signing=signing))._containers
            assert containers.find("https://hls2euwest.blob.core.windows.net/hls2/L30/a.tif")
            for other in (
                "http://hls2euwest.blob.core.windows.net/hls2/a.tif",
                "https://blob.core.windows.net/hls2/a.tif",
                "https://x.blob.core.windows.net.evil.example/hls2/a.tif",
                "https://evil.example\\.blob.core.windows.net/hls2/a.tif",
                "https://evil.example\\@x.blob.core.windows.net/hls2/a.tif",
                "https://a.b.blob.core.windows.net/hls2/a.tif",
                "https://a@b.blob.core.windows.net/hls2/a.tif",
                "https://x.blob.core.windows.net/",
            ):
                assert containers.find(other) is None
            assert signing.address.format(account="a", container="b") == (
                "https://planetarycomputer.microsoft.com/api/sas/v1/token/a/b"
            )


class TestOAuth:
    @pytest.fixture
    def guard(self):
        return BearerGuard(form=FORM)

    @pytest.fixture
    def server(self, serve, guard, file):
        assert file
        server = serve(guard)
        server.answer = guard.answer
        return server

    def grant(self, server, **fields):
        values = {"client_id": "me", "client_secret": "planted", **fields}
        return TokenGrant(f"{server.address}/token", **values)

    def access(self, server, **fields):
        return Access(AccessRules(key_hosts=(server.host,)), self.grant(server, **fields))

    def test_a_client_of_its_own(self, server, guard, file, reader):
        ranges = reader(self.access(server))
        for start in range(0, 1000, 100):
            assert ranges.read(f"{server.address}/it.bin", start, 9) == file[start : start + 9]
        assert guard.tokens.given == ["secretbearer-0"]

    def test_a_users_password(self, server, guard, file, reader):
        guard.form = {
            "grant_type": "password",
            "client_id": "cdse-public",
            "scope": "openid",
            "username": "ana@example.org",
            "password": "žut & 7",
        }
        access = self.access(
            server,
            client_id="cdse-public",
            client_secret="",
            user="ana@example.org",
            password="žut & 7",
            scope="openid",
        )
        assert reader(access).read(f"{server.address}/it.bin", 0, 10) == file[:10]

    @pytest.mark.parametrize("uses", [1, 4])
    def test_tokens_that_end_in_mid_run(self, server, guard, file, reader, uses):
        guard.tokens.uses = uses
        ranges = reader(self.access(server))
        for start in range(0, 1200, 100):
            assert ranges.read(f"{server.address}/it.bin", start, 9) == file[start : start + 9]
        assert len(guard.tokens.given) == 12 / uses

    def test_a_wrong_secret(self, server, reader):
        with pytest.raises(AccessError, match="the client's id or secret is wrong") as caught:
            reader(self.access(server, client_secret="wrongsecret")).read(
                f"{server.address}/it.bin", 0, 10
            )
        assert "wrongsecret" not in str(caught.value)

    def test_a_token_that_is_not_good_here(self, server, guard, reader):
        guard.tokens.uses = 0
        with pytest.raises(
            AccessError, match=r"refuses access with the keys of AUTH \(error 401\)"
        ):
            reader(self.access(server)).read(f"{server.address}/it.bin", 0, 10)
        assert len(guard.tokens.given) == 1

    @pytest.mark.parametrize(
        "body", [b"{}", b"<html>", b'{"access_token": 3}', b'{"access_token": "a\\nb: c"}']
    )
    def test_an_answer_that_holds_no_token(self, server, reader, body):
        server.answer = lambda seen: Reply(200, body) if seen.path == "/token" else None
        with pytest.raises(AccessError, match="its answer holds none"):
            reader(self.access(server)).read(f"{server.address}/it.bin", 0, 10)

    @pytest.mark.parametrize("reply", PASSING)
    def test_an_answer_that_is_soon_another(self, server, guard, file, reader, reply):
        server.answer, asked = answering_at_first(reply, 2, "/token", guard)
        assert reader(self.access(server)).read(f"{server.address}/it.bin", 0, 10) == file[:10]
        assert len(asked) == 3

    @pytest.mark.parametrize(
        ("reply", "count"),
        [
            (Reply(200, b"<html>"), 3),
            (Reply(403, b"<html>"), 3),
            (Reply(401, b"<html>"), 1),
            (Reply(404, b"<html>"), 1),
        ],
    )
    def test_how_often_one_that_stays_is_asked_for(self, server, guard, reader, reply, count):
        server.answer, asked = answering_at_first(reply, 99, "/token", guard)
        with pytest.raises(AccessError, match="gives no token"):
            reader(self.access(server)).read(f"{server.address}/it.bin", 0, 10)
        assert len(asked) == count

    # A password is not tried three times.
    @pytest.mark.parametrize("status", [200, 400, 401, 403])
    @pytest.mark.parametrize(
        ("body", "told"),
        [
            (b'{"error": "invalid_grant"}', "the user's name or password is wrong"),
            (b'{"error": "invalid_grant", "access_token": null}', "or password is wrong"),
            (b'{"error": "wrongsecret"}', "error 40[013]|its answer holds none"),
        ],
    )
    def test_a_refusal_in_the_servers_own_words(self, server, guard, reader, status, body, told):
        server.answer, asked = answering_at_first(Reply(status, body), 99, "/token", guard)
        access = self.access(server, user="ana", password="wrongsecret")
        with pytest.raises(AccessError, match=told) as caught:
            reader(access).read(f"{server.address}/it.bin", 0, 10)
        assert "wrongsecret" not in str(caught.value)
        assert len(asked) == 1

    def test_a_token_beside_no_error(self, server, reader):
        body = b'{"access_token": "secretbearer-0", "error": null, "expires_in": 60}'
        server.answer = lambda seen: Reply(200, body) if seen.path == "/token" else None
        server.guard = header_guard("authorization", "Bearer secretbearer-0")
        reader(self.access(server)).read(f"{server.address}/it.bin", 0, 10)

    def test_the_form_follows_no_redirect(self, server, serve, reader):
        thief = serve()
        moved = {"Location": f"{thief.address}/token"}
        server.answer = lambda _: Reply(307, b"", moved)
        with pytest.raises(AccessError, match="gives no token"):
            reader(self.access(server)).read(f"{server.address}/it.bin", 0, 10)
        assert not thief.seen

    def test_a_token_address_that_anybody_can_listen_to(self, server, reader):
        grant = TokenGrant("http://login.example/token", "me", "planted")
        access = Access(AccessRules(key_hosts=(server.host,)), grant)
        with pytest.raises(AccessError, match="not https"):
            reader(access).read(f"{server.address}/it.bin", 0, 10)


class TestWhereKeysGo:
    @pytest.mark.parametrize(
        "credentials", [Login("ana", "planted"), Headers({"X-API-Key": "planted"})]
    )
    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    def test_never_across_a_redirect(self, serve, file, reader, credentials, status):
        other = serve()
        own = serve()
        moved = {"Location": f"{other.address}/it.bin"}
        own.guard = lambda _: Reply(status, b"", moved)
        ranges = reader(Access(AccessRules(key_hosts=(own.host,)), credentials))
        assert ranges.read(f"{own.address}/it.bin", 7, 10) == file[7:17]
        assert not {"authorization", "x-api-key"} & set(other.seen[0].headers)
        assert {"authorization", "x-api-key"} & set(own.seen[0].headers)

    def test_across_a_redirect_on_the_own_host(self, serve, file, reader):
        own = serve(header_guard("X-API-Key", "planted"))
        own.answer = lambda seen: (
            Reply(302, b"", {"Location": "/it.bin"}) if seen.path == "/old" else None
        )
        ranges = reader(
            Access(AccessRules(key_hosts=(own.host,)), Headers({"X-API-Key": "planted"}))
        )
        assert ranges.read(f"{own.address}/old", 7, 10) == file[7:17]

    def test_a_redirect_loop_ends(self, serve, reader):
        own = serve(lambda seen: Reply(302, b"", {"Location": seen.path}))
        with pytest.raises(RangeError, match="redirects again and again"):
            reader().read(f"{own.address}/it.bin", 0, 10)
        assert len(own.seen) < 10

    @pytest.mark.parametrize("location", ["file:///etc/passwd", "ftp://x/y", "s3://b/k", "//["])
    def test_a_redirect_to_no_web_address(self, serve, reader, location):
        own = serve(lambda _: Reply(302, b"", {"Location": location}))
        with pytest.raises(RangeError, match="no web address"):
            reader().read(f"{own.address}/it.bin", 0, 10)

    def test_hosts_that_are_named_nowhere_get_none(self, serve, file, reader):
        own, other = serve(), serve()
        access = Access(
            AccessRules(catalog=f"{own.address}/stac", key_hosts=("data.example",)),
            Login("ana", "planted"),
        )
        assert reader(access).read(f"{other.address}/it.bin", 0, 10) == file[:10]
        assert "authorization" not in other.seen[0].headers
        assert reader(access).read(f"{own.address}/it.bin", 0, 10) == file[:10]
        assert "authorization" in own.seen[0].headers

    def test_an_address_that_can_be_read_in_two_ways_gets_none(self, serve, reader):
        """Its host is the catalogue's by one standard, and another one by that of the sender."""
        own, other = serve(), serve()
        rules = AccessRules(catalog=f"{own.address}/stac", key_hosts=(own.host,))
        access = Access(rules, Login("ana", "planted"))
        with pytest.raises(RangeError, match="404"):
            reader(access).read(f"http://{other.host}\\@{own.host}/it.bin", 0, 10)
        assert [seen.target for seen in other.seen] == [f"/%5C@{own.host}/it.bin"]
        assert "authorization" not in other.seen[0].headers
        assert not own.seen

    def test_never_where_anybody_can_listen(self):
        access = Access(AccessRules(key_hosts=("data.example",)), Login("ana", "planted"))
        assert access.route("https://data.example/a.tif").headers
        with pytest.raises(AccessError, match="where everybody could listen"):
            access.route("http://data.example/a.tif")

    def test_a_login_for_storage_is_not_for_the_catalogue(self):
        rules = AccessRules(catalog="https://stac.example/v1", storage=Storage(("eodata",)))
        access = Access(rules, Login("key", "planted"))
        assert access.catalog_route("https://stac.example/v1/search").headers == {}
        access = Access(rules, Headers({"X": "planted"}))
        assert access.catalog_route("https://stac.example/v1/search").headers == {"X": "planted"}
        for other in (
            "http://stac.example/v1",
            "https://stac.example:444/v1",
            "https://x.example/",
        ):
            assert access.catalog_route(other).headers == {}

    def test_nothing_shows_what_it_holds(self):
        for credentials in (
            *(Login("ana", "planted"), Headers({"X": "planted"})),
            TokenGrant("https://a.example", "me", "planted", "ana", "planted"),
        ):
            access = Access(AccessRules(key_hosts=("data.example",)), credentials)
            shown = [repr(credentials), repr(access), repr(Token("planted", 1.0))]
            if not isinstance(credentials, TokenGrant):
                shown.append(repr(access.route("https://data.example/a.tif")))
            assert "planted" not in "".join(shown)
