"""Files in cloud storage: for everybody, with keys, and for those who pay for what they read."""

import pickle
import random
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from urllib.parse import urlsplit

import pytest
from fairweather.core.bridge.credentials import Headers, Login, StorageKeys
from fairweather.core.bridge.errors import AccessError
from fairweather.core.bridge.profiles import Storage, load_profiles
from fairweather.core.science.access import storage as storage_module
from fairweather.core.science.access.access import Access, AccessRules
from fairweather.core.science.imagery.files.byte_ranges import RangeError
from guarded_server import S3Guard

KEYS_AS_PAIR = ("AKIDEXAMPLE", "very/secret+key")
KEYS = StorageKeys(*KEYS_AS_PAIR)


def without_region_and_bucket(path):
    return "/".join(path.split("/")[3:])


@pytest.fixture
def s3(serve, file):
    """A server of one bucket, ``mine``, that knows one pair of keys."""
    guard = S3Guard(KEYS.access_key, KEYS.secret_key)
    return serve(guard, place=without_region_and_bucket)


def rules(server, **fields):
    values = {"region": "us-west-2", "buckets": ("mine",), **fields}
    return AccessRules(storage=Storage(endpoint=f"{server.address}/{{region}}", **values))


@pytest.mark.usefixtures("needs_signing")
class TestKeys:
    def test_a_signed_range(self, s3, file, reader):
        ranges = reader(Access(rules(s3), KEYS))
        assert ranges.read("s3://mine/it.bin", 1000, 500) == file[1000:1500]
        assert [seen.path for seen in s3.seen] == ["/us-west-2/mine/it.bin"]
        assert "x-amz-request-payer" not in s3.seen[0].headers

    def test_a_login_serves_as_keys(self, s3, file, reader):
        ranges = reader(Access(rules(s3), Login(KEYS.access_key, KEYS.secret_key)))
        assert ranges.read("s3://mine/it.bin", 0, 10) == file[:10]

    def test_who_reads_pays_only_where_the_profile_says_so(self, s3, file, reader):
        s3.guard.requester_pays = True
        paying = reader(Access(rules(s3, requester_pays=True), KEYS))
        assert paying.read("s3://mine/it.bin", 0, 10) == file[:10]
        with pytest.raises(RangeError, match="403: it refuses access; choose its keys as AUTH"):
            reader(Access(rules(s3), KEYS)).read("s3://mine/it.bin", 0, 10)

    @pytest.mark.parametrize(
        "name", ["a b.bin", "č/ž.bin", "a+b&c=d.bin", "(1)!*'.bin", "a%20b.bin", "50%.bin", "a~_-b"]
    )
    def test_names_of_every_kind(self, s3, reader, tmp_path, name):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"odd name")
        assert reader(Access(rules(s3), KEYS)).read(f"s3://mine/{name}", 4, 4) == b"name"

    def test_the_region_is_learned_from_the_answer(self, s3, file, reader):
        ranges = reader(Access(rules(s3, region="eu-west-1"), KEYS))
        for start in (0, 1000, 2000):
            assert ranges.read("s3://mine/it.bin", start, 10) == file[start : start + 10]
        assert [seen.path.split("/")[1] for seen in s3.seen] == ["eu-west-1", *["us-west-2"] * 3]

    def test_the_region_is_that_of_the_keys_where_the_profile_has_none(self, s3, reader):
        keys = StorageKeys(KEYS.access_key, KEYS.secret_key, "us-west-2")
        reader(Access(rules(s3, region=""), keys)).read("s3://mine/it.bin", 0, 10)
        assert len(s3.seen) == 1

    def test_threads_that_learn_the_region_at_once(self, s3, file, reader):
        ranges = reader(Access(rules(s3, region="eu-west-1"), KEYS))
        starts = range(0, 90_000, 3000)
        with ThreadPoolExecutor(16) as threads:
            found = threads.map(lambda start: ranges.read("s3://mine/it.bin", start, 99), starts)
        assert list(found) == [file[start : start + 99] for start in starts]

    @pytest.mark.parametrize(
        ("keys", "words"),
        [
            (StorageKeys("other", KEYS.secret_key), "does not know the access key"),
            (StorageKeys(KEYS.access_key, "other"), "the secret key is wrong"),
        ],
    )
    def test_wrong_keys_end_the_run_at_once(self, s3, reader, keys, words):
        with pytest.raises(AccessError, match=words) as caught:
            reader(Access(rules(s3), keys)).read("s3://mine/it.bin", 0, 10)
        assert len(s3.seen) == 1
        assert keys.secret_key not in str(caught.value)
        assert str(caught.value).endswith("check them in QGIS's settings.")

    def test_a_wrong_clock(self, s3, reader, monkeypatch):
        signer = pytest.importorskip("requests_aws4auth.aws4auth")

        class Clock(datetime):
            @classmethod
            def now(cls, tz=None):
                return datetime.now(tz) - timedelta(hours=2)

            @classmethod
            def utcnow(cls):
                return datetime.now(timezone.utc).replace(tzinfo=None) - timedelta(hours=2)

        monkeypatch.setattr(signer.datetime, "datetime", Clock)
        with pytest.raises(AccessError, match="this computer's clock is wrong"):
            reader(Access(rules(s3), KEYS)).read("s3://mine/it.bin", 0, 10)

    def test_other_buckets_never_see_the_keys(self, s3, serve, file, reader, monkeypatch):
        public = serve(S3Guard(region="us-east-1"), place=without_region_and_bucket)
        monkeypatch.setattr(storage_module, "S3_ENDPOINT", f"{public.address}/{{region}}")
        access = Access(rules(s3, requester_pays=True), KEYS)
        assert reader(access).read("s3://theirs/it.bin", 0, 10) == file[:10]
        assert not s3.seen
        assert not {"authorization", "x-amz-request-payer"} & set(public.seen[0].headers)

    def test_as_botocore_signs(self):
        auth = pytest.importorskip("botocore.auth", reason="botocore is not here to compare with")
        request_of = pytest.importorskip("botocore.awsrequest").AWSRequest
        keys = pytest.importorskip("botocore.credentials").Credentials(*KEYS_AS_PAIR)
        access = Access(AccessRules(storage=Storage(("b",), requester_pays=True)), KEYS)
        rng = random.Random(1)
        for _ in range(100):
            name = "".join(rng.choice("ab/ .%+&=()!*'~č_-") for _ in range(20)).lstrip("/") + "x"
            if {"", ".", ".."} & set(name.split("/")):
                continue  # no product's name has them, and clients differ
            route = access.route(f"s3://b/{name}")
            moment = datetime.strptime(route.headers["x-amz-date"], "%Y%m%dT%H%M%SZ")
            request = request_of("GET", route.address, headers={"x-amz-request-payer": "requester"})
            request.context["timestamp"] = f"{moment:%Y%m%dT%H%M%SZ}"
            request.headers["X-Amz-Date"] = request.context["timestamp"]
            request.headers["X-Amz-Content-SHA256"] = route.headers["x-amz-content-sha256"]
            signer = auth.S3SigV4Auth(keys, "s3", "us-east-1")
            text = signer.string_to_sign(request, signer.canonical_request(request))
            assert route.headers["Authorization"].endswith(signer.signature(text, request))


class TestForEverybody:
    @pytest.fixture
    def aws(self, serve, monkeypatch):
        server = serve(S3Guard(region="us-west-2"), place=without_region_and_bucket)
        monkeypatch.setattr(storage_module, "S3_ENDPOINT", f"{server.address}/{{region}}")
        return server

    def test_the_region_is_asked_for_once(self, aws, file, reader):
        ranges = reader()
        for start in (0, 50_000):
            assert ranges.read("s3://open/it.bin", start, 100) == file[start : start + 100]
        assert [seen.path for seen in aws.seen] == [
            "/us-east-1/open/it.bin",
            "/us-west-2/open/it.bin",
            "/us-west-2/open/it.bin",
        ]
        assert not any("authorization" in seen.headers for seen in aws.seen)

    def test_the_real_addresses(self):
        route = Access().route("s3://sentinel-cogs/sentinel-s2-l2a-cogs/33/T/a b.tif")
        assert route.address == (
            "https://s3.us-east-1.amazonaws.com/sentinel-cogs/sentinel-s2-l2a-cogs/33/T/a%20b.tif"
        )
        route = Access().route("gs://gcp-public-data-landsat/LC08/x#y?.TIF")
        assert route.address == (
            "https://storage.googleapis.com/gcp-public-data-landsat/LC08/x%23y%3F.TIF"
        )

    def test_what_nobody_can_read(self):
        with pytest.raises(AccessError, match="az:// addresses, which cannot be read"):
            Access().route("az://container/file.tif")


class TestBeforeAnyFileIsRead:
    def test_missing_keys(self, s3):
        for credentials in (None, Headers({"a": "b"})):
            with pytest.raises(
                AccessError, match=r"s3://mine .* keys of your own; choose"
            ) as caught:
                Access(rules(s3), credentials).check(["s3://mine/it.bin"], on_cluster=False)
            assert "access key and secret key" in str(caught.value)
        assert not s3.seen

    def test_what_needs_none(self, s3, tmp_path):
        files = [str(tmp_path), "https://a.example/b.tif", "s3://open/b.tif", "gs://open/b.tif"]
        Access(rules(s3)).check(files, on_cluster=True)
        Access(rules(s3), KEYS).check([*files, "s3://mine/it.bin"], on_cluster=False)

    def test_keys_are_not_sent_to_a_cluster(self, s3):
        with pytest.raises(AccessError, match="not sent to a cluster; leave CLUSTER"):
            Access(rules(s3), KEYS).check(["s3://mine/it.bin"], on_cluster=True)

    def test_the_rules_travel_to_a_cluster_and_the_keys_do_not(self, s3):
        access = Access(rules(s3, requester_pays=True), KEYS)
        travelling = pickle.dumps(access.rules)
        assert pickle.loads(travelling) == access.rules
        assert KEYS.secret_key.encode() not in travelling

    @pytest.mark.usefixtures("needs_signing")
    def test_the_profiles(self):
        cdse = load_profiles()["sentinel-2-l2a-cdse"]
        route = Access(AccessRules(storage=cdse.storage), KEYS).route("s3://eodata/S2/a.jp2")
        assert route.address == "https://eodata.dataspace.copernicus.eu/eodata/S2/a.jp2"
        assert "/default/s3/aws4_request" in route.headers["Authorization"]
        landsat = load_profiles()["landsat-c2-l2"]
        route = Access(AccessRules(storage=landsat.storage), KEYS).route("s3://usgs-landsat/a.TIF")
        assert urlsplit(route.address).netloc == "s3.us-west-2.amazonaws.com"
        assert route.headers["x-amz-request-payer"] == "requester"
