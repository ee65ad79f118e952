"""Keys and signatures are for the bucket that is asked: no way of writing a key leads out of it."""

import posixpath
import re
from urllib.parse import unquote, urlsplit

import pytest
from fairweather.core.bridge.credentials import StorageKeys
from fairweather.core.bridge.profiles import Signing, Storage, load_profiles
from fairweather.core.science.access.access import Access, AccessRules
from fairweather.core.science.imagery.files.byte_ranges import RangeError
from guarded_server import ContainerGuard, S3Guard, Seen
from hypothesis import given, settings
from hypothesis import strategies as st
from urllib3.exceptions import LocationParseError
from urllib3.util import parse_url

KEYS = StorageKeys("AKIDEXAMPLE", "very/secret+key")
OUT = (
    *("../theirs/it.bin", "a/../../theirs/it.bin", "./it.bin", "a/.", "a/..", "..", ".", "/.."),
    *("%2e%2e/theirs/it.bin", "%2E%2e/theirs/it.bin", ".%2e/theirs/it.bin", "a%2f..%2f..%2ftheirs"),
    *("%252e%252e/theirs", "%25252e./theirs", "%%32%65%%32%65/theirs", "a%2525252525252e"),
    *("..\\theirs\\it.bin", "a\\..\\..\\theirs", "..%5ctheirs", "..%255ctheirs"),
    *("..;a=b/theirs", "..;/theirs", "..%3b/theirs", "a/..;x/theirs"),
    *("//../theirs", "a//..//..//theirs", ".\t./theirs", ".%09./theirs", "..%00/theirs", ". ./x"),
)
EMPTY = ("/it.bin", "//it.bin", "a//it.bin", "it.bin//")
HONEST = (
    *("it.bin", "a..b/it.bin", "...", "..a/it.bin", "a../it.bin", ".hidden", "50%.bin", "a%20b"),
    *("a;b.bin", "a;../it.bin", "S2A.SAFE/GRANULE/it.jp2", "x#y?z", "a\\b.bin", "%", "%25", "%zz"),
)
PIECES = (
    *("/", "/", "//", ".", "..", "%2e", "%2E", "%252e", "%2f", "%5c", "\\", ";", "%3b", "%", "25"),
    *("2e", "a", "theirs", "#", "?", "@", ":", "\t", " ", "č", "\0", "~", "+", "=", "&", "*", "'"),
)


def readings(path):
    """The path as servers of every kind may read it."""
    for _ in range(8):
        yield from (path, path.replace("\\", "/"))
        yield re.sub(r";[^/]*", "", path.replace("\\", "/"))
        path = unquote(path)


def access_to(bucket="mine"):
    storage = Storage((bucket,), "https://storage.example", "us-west-2", requester_pays=True)
    return Access(AccessRules(catalog="https://evil.example/", storage=storage), KEYS)


def is_in_bucket(target):
    normal = (re.sub("/+", "/", posixpath.normpath(path)) for path in readings(target))
    return all(path == "/mine" or path.startswith("/mine/") for path in normal)


def is_signed(route):
    """Whether the signature is good for what urllib3 sends, by another reading of the rules."""
    headers = {name.lower(): value for name, value in route.headers.items()}
    parts = parse_url(route.address)
    seen = Seen("GET", parts.request_uri, {"host": parts.netloc, **headers})
    return S3Guard(KEYS.access_key, KEYS.secret_key)._fault(seen) == ""


@pytest.fixture
def s3(serve, file):
    return serve(place=lambda path: "/".join(path.split("/")[2:]))


@pytest.mark.parametrize("key", OUT)
@pytest.mark.parametrize("place", ["s3://mine", "s3://open", "gs://open", "S3://mine/a/b"])
def test_a_key_that_leads_out_is_asked_nobody_for(key, place):
    with pytest.raises(LocationParseError, match="may lead out of its bucket"):
        access_to().route(f"{place}/{key}")


@pytest.mark.parametrize(
    "href", ["s3://../mine/x", "s3://.\\mine/x", "s3://mine\\../x", "gs://./x"]
)
def test_a_bucket_is_one_name(href):
    with pytest.raises(LocationParseError):
        access_to().route(href)


def test_such_a_file_is_lost_and_no_more(s3, reader):
    storage = Storage(("mine",), s3.address, "us-west-2")
    ranges = reader(Access(AccessRules(storage=storage), KEYS))
    for key in (OUT[0], "a//it.bin", "\ud800"):
        with pytest.raises(RangeError) as caught:
            ranges.read(f"s3://mine/{key}", 0, 10)
        assert caught.value.is_lasting
    with pytest.raises(RangeError, match="its address may lead out of its storage bucket"):
        ranges.read(f"s3://mine/{OUT[0]}", 0, 10)
    assert not s3.seen


@pytest.mark.parametrize("key", EMPTY)
def test_empty_names_are_asked_for_as_they_are_but_not_signed(key):
    for place in ("s3://open", "gs://open"):
        address = access_to().route(f"{place}/{key}").address
        assert parse_url(address).request_uri == f"/open/{key}"
    with pytest.raises(LocationParseError):
        access_to().route(f"s3://mine/{key}")


@pytest.mark.parametrize("key", HONEST)
def test_names_that_only_look_odd(key):
    pytest.importorskip("requests_aws4auth", reason="no requests-aws4auth for S3 signatures")
    route = access_to().route(f"s3://mine/{key}")
    target = parse_url(route.address).request_uri
    assert unquote(target) == f"/mine/{key}"
    assert is_signed(route)


@settings(max_examples=150)
@given(st.lists(st.sampled_from(PIECES), max_size=10).map("".join))
def test_what_is_signed_is_what_is_sent_and_stays_in_the_bucket(key):
    pytest.importorskip("requests_aws4auth", reason="no requests-aws4auth for S3 signatures")
    try:
        route = access_to().route(f"s3://mine/{key}")
    except LocationParseError:
        return
    target = parse_url(route.address).request_uri
    assert route.address == f"https://storage.example{target}"
    assert unquote(target) == f"/mine/{key}"
    assert is_in_bucket(target)
    assert is_signed(route)


@settings(max_examples=100)
@given(st.lists(st.sampled_from((*PIECES, "mine", "s3:")), max_size=6).map("".join))
def test_the_keys_are_for_the_bucket_that_is_sent(rest):
    pytest.importorskip("requests_aws4auth", reason="no requests-aws4auth for S3 signatures")
    try:
        route = access_to().route(f"s3://mine{rest}")
    except LocationParseError:
        return
    target = parse_url(route.address).request_uri
    assert route.is_keyed == target.startswith("/mine/")
    assert route.is_keyed == (urlsplit(route.address).netloc == "storage.example")


@pytest.mark.parametrize("name", [name for name, made in load_profiles().items() if made.storage])
def test_web_addresses_of_the_storage_get_no_keys(name):
    storage = load_profiles()[name].storage
    bucket = storage.buckets[0]
    endpoint = storage.endpoint.replace("{region}", storage.region)
    host = urlsplit(endpoint).netloc
    access = Access(AccessRules(catalog="https://evil.example/", storage=storage), KEYS)
    for start in (f"https://{host}/{bucket}", f"https://{bucket}.{host}", f"HTTPS://{host}:443"):
        for key in ("a.tif", *OUT):
            route = access.route(f"{start}/{key}")
            assert not route.is_keyed
            assert not route.headers


class TestContainers:
    @pytest.fixture
    def guard(self):
        return ContainerGuard()

    @pytest.fixture
    def server(self, serve, guard, file, tmp_path):
        (tmp_path / "box").mkdir()
        (tmp_path / "box" / "it.bin").write_bytes(file)
        server = serve(guard)
        server.answer = guard.answer
        return server

    @pytest.fixture
    def access(self, server):
        host = server.host
        signing = Signing(
            f"{server.address}/sas/{{account}}/{{container}}", host[host.index(".") :]
        )
        return Access(AccessRules(signing=signing))

    @pytest.mark.parametrize("key", [key for key in OUT if re.search(r"%|\\|;|\t", key)])
    def test_no_signature_where_a_server_may_read_another_container(self, server, access, key):
        route = access.route(f"{server.address}/box/{key}")
        assert "sig=" not in route.address
        assert not server.seen

    def test_the_container_is_that_which_is_sent(self, server, access, guard, file, reader):
        ranges = reader(access)
        for path in ("box/it.bin", "other/../box/it.bin", "box/./it.bin#a?b", "box/x/../it.bin"):
            assert ranges.read(f"{server.address}/{path}", 0, 10) == file[:10]
        assert len(guard.tokens.given) == 1
        assert {seen.path for seen in server.seen} == {"/sas/127/box", "/box/it.bin"}

    def test_empty_names_before_the_container(self, server, access):
        route = access.route(f"{server.address}//box/it")
        assert route.address == f"{server.address}//box/it"
