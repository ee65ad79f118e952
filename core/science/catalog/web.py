"""How this package talks to servers: patience, limits, and words for what goes wrong."""

from __future__ import annotations

import io
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import urljoin

import requests
from urllib3 import Retry
from urllib3.exceptions import HTTPError, ProtocolError, ReadTimeoutError

from ...bridge.errors import CatalogError
from ..access.private_addresses import CheckedAdapter, PrivateAddressError, PrivateAddresses
from .documents import PARALLEL_REQUESTS
from .hrefs import without_query

if TYPE_CHECKING:
    from ..access.access import Access

CONNECT_SECONDS = 10.0
READ_SECONDS = 60.0
TIMEOUT = (CONNECT_SECONDS, READ_SECONDS)
# One answer: no catalogue needs more, and a server that never ends must not fill the memory.
MOST_BYTES = 64 * 2**20
MOST_SECONDS = 600.0
# A server that sends next to nothing for so long keeps us waiting on purpose.
PATIENT_SECONDS = 60.0
LEAST_BYTES_PER_SECOND = 500
CHUNK = 2**18
MOST_WORDS = 2**16
MOST_REDIRECTS = 5
# An answer that breaks off is asked for again, as the retry policy sees its beginning only.
MOST_ATTEMPTS = 4
SECONDS_BETWEEN_ATTEMPTS = 0.5
REFUSED = (401, 403)


@dataclass(frozen=True)
class WebRequest:
    """What is asked: ``parameters`` go into the address of a GET and are the body of a POST."""

    address: str
    method: str = "GET"
    parameters: dict[str, Any] | None = None


@dataclass(frozen=True)
class WebAnswer:
    """What was answered, and the address it came from in the end (after redirects)."""

    content: bytes
    address: str


class WebError(Exception):
    """A request failed: ``reason`` in words, ``status`` where the server gave one."""

    def __init__(self, reason: str, status: int | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.status = status


class _BrokenOffError(WebError):
    """An answer began, and did not come to its end."""


def ask(session: requests.Session, request: WebRequest) -> WebAnswer:
    """The answer to ``request``; for any number of threads.

    Raises:
        WebError: there is none, it is an error, or it is too large or too slow to be one.
        CatalogError: it is at a private address, where the catalogue must not lead.
    """
    content = io.BytesIO()
    address = ask_into(session, request, content, MOST_BYTES)
    return WebAnswer(content.getvalue(), address)


def ask_into(
    session: requests.Session, request: WebRequest, file: IO[bytes], most_bytes: int
) -> str:
    """Write the answer to ``request`` into ``file``; the address it came from in the end.

    Raises:
        WebError, CatalogError: as ``ask`` does.
    """
    begin = file.tell()
    for attempt in range(1, MOST_ATTEMPTS):
        try:
            return _ask_once(session, request, file, most_bytes)
        except _BrokenOffError:
            time.sleep(SECONDS_BETWEEN_ATTEMPTS * 2 ** (attempt - 1))
            file.seek(begin)
            file.truncate()
    return _ask_once(session, request, file, most_bytes)


def _ask_once(
    session: requests.Session, request: WebRequest, file: IO[bytes], most_bytes: int
) -> str:
    try:
        was_renewed = False
        for _ in range(MOST_REDIRECTS):
            with _send(session, request) as answer:
                _note_accepted(session, answer)
                if not was_renewed and _has_newer(session, answer):
                    was_renewed = True
                    continue
                if not answer.is_redirect:
                    _check_answer(answer, isinstance(session.auth, CatalogKeys))
                    _read_whole(answer, file, most_bytes)
                    return str(answer.url)
                address = urljoin(answer.url, answer.headers["location"])
            # The address of a GET that was moved is whole.
            parameters = request.parameters if request.method == "POST" else None
            request = replace(request, address=address, parameters=parameters)
    except PrivateAddressError as error:
        shown = without_query(request.address)
        raise CatalogError(f"{shown} cannot be read, as {error.reason}.") from error
    except (requests.RequestException, HTTPError, ValueError) as error:
        raise WebError(reason_in_words(error)) from error
    raise WebError("it redirects again and again")


def _send(session: requests.Session, request: WebRequest) -> requests.Response:
    is_post = request.method == "POST"
    return session.request(
        request.method,
        request.address,
        params=None if is_post else request.parameters,
        json=request.parameters if is_post else None,
        timeout=TIMEOUT,
        stream=True,
        # Followed by requests, a POST that was moved would become a GET without its body, and
        # headers with keys would go to whichever host it is moved to.
        allow_redirects=False,
    )


def _has_newer(session: requests.Session, answer: requests.Response) -> bool:
    """Whether a token was refused of which there is a newer one."""
    keys = session.auth
    if not isinstance(keys, CatalogKeys):
        return False
    return answer.status_code in REFUSED and keys.access.renewed(answer.request.headers)


def _note_accepted(session: requests.Session, answer: requests.Response) -> None:
    if isinstance(session.auth, CatalogKeys) and answer.status_code not in REFUSED:
        session.auth.access.accepted(answer.request.headers)


def _check_answer(answer: requests.Response, is_keyed: bool) -> None:
    """Check that it is no error.

    Raises:
        WebError: it is one.
    """
    if answer.ok:
        return
    if is_keyed:
        # Some servers repeat what they were sent, keys and all.
        raise WebError(str(answer.reason), answer.status_code)
    content = io.BytesIO()
    with suppress(WebError):
        _read_whole(answer, content, MOST_WORDS)
    words = " ".join(content.getvalue().decode("utf-8", "replace").split())[:200]
    raise WebError(words or str(answer.reason), answer.status_code)


def _read_whole(answer: requests.Response, file: IO[bytes], most_bytes: int) -> None:
    """Write what the server sends into ``file``, unpacked."""
    size = 0
    began = time.monotonic()
    # Not by ``iter_content``, which waits until a chunk is full: a byte a minute is no chunk.
    while chunk := _next_chunk(answer):
        size += len(chunk)
        if size > most_bytes:
            raise WebError(f"it sends more than {most_bytes >> 20} MB")
        file.write(chunk)
        seconds = time.monotonic() - began
        is_dripping = seconds > PATIENT_SECONDS and size < LEAST_BYTES_PER_SECOND * seconds
        if seconds > MOST_SECONDS or is_dripping:
            raise WebError("it took too long")


def _next_chunk(answer: requests.Response) -> bytes:
    try:
        return bytes(answer.raw.read1(CHUNK, decode_content=True))
    except (ProtocolError, ReadTimeoutError) as error:
        raise _BrokenOffError(reason_in_words(error)) from error


def retry_policy() -> Retry:
    """Try again what a busy server or a shaky network spoils, POST too, with growing pauses.

    A host that cannot be reached at all is given up after about a second.
    """
    return Retry(
        total=6,
        connect=2,
        read=3,
        status=4,
        other=0,
        allowed_methods=frozenset({"GET", "POST"}),
        status_forcelist=(429, 500, 502, 503, 504),
        backoff_factor=0.5,
        backoff_jitter=0.25,
        backoff_max=30,
        retry_after_max=60,
        raise_on_status=False,
    )


class CatalogKeys(requests.auth.AuthBase):
    """Adds to each request what its own host may have of the keys."""

    def __init__(self, access: Access) -> None:
        self.access = access

    def __call__(self, prepared: requests.PreparedRequest) -> requests.PreparedRequest:
        """The request with its keys."""
        prepared.headers.update(self.access.catalog_headers(str(prepared.url)))
        return prepared


def _nothing_more(prepared: requests.PreparedRequest) -> requests.PreparedRequest:
    """The request as it is: requests would look for keys in the user's ``.netrc``."""
    return prepared


def open_session(access: Access | None = None) -> requests.Session:
    """A session with the retry policy, for up to ``PARALLEL_REQUESTS`` threads.

    Without ``access`` it may go anywhere: it is for what the user or the profile names.
    """
    session = requests.Session()
    has_keys = access is not None and access.has_catalog_keys
    session.auth = CatalogKeys(access) if access and has_keys else _nothing_more
    adapter = CheckedAdapter(
        access.rules.private_addresses if access else PrivateAddresses(),
        max_retries=retry_policy(),
        pool_maxsize=PARALLEL_REQUESTS,
    )
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session


def reason_in_words(error: BaseException) -> str:
    """Why a request failed, short enough for a sentence."""
    if isinstance(error, PrivateAddressError):
        return error.reason
    text = f"{type(error).__name__} {error}"
    reasons = {
        "SSLError": "its certificate is not trusted",
        "ProxyError": "the proxy refuses",
        "NameResolutionError": "its host name is not known",
        "Connection refused": "it refuses the connection",
        "actively refused": "it refuses the connection",
        "Timeout": "it took too long",
        "timed out": "it took too long",
        "too many redirects": "it redirects again and again",
        "redirects again": "it redirects again and again",
        "no web address": "it redirects to what is no web address",
        "too many": "it answers errors again and again",
        "web page": "it sends a web page instead of the file",
        "another range": "it sends other bytes than it is asked for",
    }
    found = (words for mark, words in reasons.items() if mark in text)
    return next(found, "the connection broke")
