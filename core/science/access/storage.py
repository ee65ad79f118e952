"""Cloud storage by https: the addresses of its files, and the signatures of their readers.

S3's are signed by AWS Signature Version 4 (requests-aws4auth); a bucket's region is what the
profile says, until a server names another one. What decides about keys is the bucket that is asked:
no key leads out of it, by whichever server it is read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import quote

from urllib3.exceptions import LocationParseError

from ...bridge.credentials import StorageKeys
from ...bridge.profiles import Storage
from ..web.addresses import has_dot_segments
from ..web.routes import Route

S3_ENDPOINT = "https://s3.{region}.amazonaws.com"
FIRST_REGION = "us-east-1"
GOOGLE_ENDPOINT = "https://storage.googleapis.com"
# Answers that may name the region in which a bucket really is.
ELSEWHERE = frozenset({301, 307, 400, 403})
REGION_HEADER = "x-amz-bucket-region"


class _Place(NamedTuple):
    """``scheme://bucket/key``; a key may hold what is a query or a fragment elsewhere."""

    scheme: str
    bucket: str
    key: str


class CloudStorage:
    """Buckets on S3 and Google's storage: those of ``storage`` with ``keys``, others without."""

    def __init__(self, storage: Storage | None, keys: StorageKeys | None) -> None:
        self._storage = storage
        self._keys = keys
        self._regions: dict[str, str] = {}

    def route(self, href: str) -> StorageRoute:
        """How to ask for ``s3://bucket/key`` or ``gs://bucket/key``.

        Raises:
            LocationParseError: its key may lead out of the bucket, or is none.
        """
        region = self.region(href)
        address = self.address(href, region)
        headers = self.headers(href, address, region)
        return StorageRoute(
            address, headers, is_keyed=bool(headers), storage=self, href=href, region=region
        )

    def takes_keys(self, href: str) -> bool:
        """Whether the file's bucket is one that is read with keys."""
        place = _place(href)
        is_s3 = place.scheme == "s3"
        return is_s3 and self._storage is not None and place.bucket in self._storage.buckets

    def address(self, href: str, region: str) -> str:
        """The https address of ``s3://bucket/key`` or ``gs://bucket/key``.

        Raises:
            LocationParseError: see ``route``.
        """
        place = _place(href)
        is_keyed = self.takes_keys(href)
        # Its signature would be for a key without the empty segments.
        is_unsigned = is_keyed and "//" in f"/{place.key}"
        if is_unsigned or has_dot_segments(f"{place.bucket}/{place.key}"):
            raise LocationParseError("a key that may lead out of its bucket")
        try:
            path = f"{quote(place.bucket)}/{quote(place.key, safe='/~')}"
        except UnicodeEncodeError:
            raise LocationParseError("a key that is no text") from None
        if place.scheme == "gs":
            return f"{GOOGLE_ENDPOINT}/{path}"
        endpoint = self._storage.endpoint if self._storage is not None and is_keyed else S3_ENDPOINT
        return f"{endpoint.rstrip('/').replace('{region}', region)}/{path}"

    def headers(self, href: str, address: str, region: str) -> dict[str, str]:
        """What a GET of ``address`` needs to be let in; for anybody, none."""
        if self._storage is None or self._keys is None or not self.takes_keys(href):
            return {}
        payer = {"x-amz-request-payer": "requester"} if self._storage.requester_pays else {}
        # Imported here: without keys it is not needed.
        import requests  # noqa: PLC0415
        from requests_aws4auth import AWS4Auth  # noqa: PLC0415

        prepared = requests.Request("GET", address, headers=payer).prepare()
        sign = AWS4Auth(self._keys.access_key, self._keys.secret_key, region, "s3")
        return dict(sign(prepared).headers)

    def is_elsewhere(
        self, href: str, asked_in: str, status: int, headers: Mapping[str, str]
    ) -> bool:
        """Whether the answer names another region than ``asked_in``; it is kept for the bucket."""
        region = headers.get(REGION_HEADER, "")
        is_name = region.replace("-", "").isalnum() and region.isascii()
        place = _place(href)
        if place.scheme != "s3" or status not in ELSEWHERE or not is_name:
            return False
        self._regions[place.bucket] = region
        return region != asked_in

    def region(self, href: str) -> str:
        """The region of the file's bucket, as far as it is known."""
        learned = self._regions.get(_place(href).bucket)
        if learned or self._storage is None or not self.takes_keys(href):
            return learned or FIRST_REGION
        return self._storage.region or (self._keys.region if self._keys else "") or FIRST_REGION


@dataclass(frozen=True, repr=False, kw_only=True)
class StorageRoute(Route):
    """To a file in cloud storage, in the ``region`` where its bucket is thought to be."""

    storage: CloudStorage
    href: str
    region: str

    def is_outdated(self, status: int, headers: Mapping[str, str]) -> bool:
        """Whether the answer says that the bucket is in another region."""
        return self.storage.is_elsewhere(self.href, self.region, status, headers)


def _place(href: str) -> _Place:
    scheme, _, rest = href.partition("://")
    bucket, _, key = rest.partition("/")
    return _Place(scheme.lower(), bucket, key)
