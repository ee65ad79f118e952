"""Asking servers for documents: patience, limits, and errors in words."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO, Any, TypeVar, overload
from urllib.parse import urlencode, urlsplit

import urllib3
from urllib3.exceptions import HTTPError, NewConnectionError, ProtocolError, ProxyError, SSLError
from urllib3.exceptions import TimeoutError as ServerTimeoutError

from .addresses import without_query
from .bodies import read_whole
from .connections import Connections
from .errors import ForbiddenPlaceError, WebError, WrongAnswerError
from .json_text import TooManyValuesError
from .patience import PASSING_STATUSES, Servers
from .private_addresses import PrivateAddressError, PrivateAddresses
from .reasons import reason_in_words
from .retry_after import retry_after
from .routes import Route, RouteTo
from .sending import Answer, send
from .timed_answers import Pace

TIMEOUT = urllib3.Timeout(connect=10, read=60)
# A server may search for a while; one that then sends next to nothing does so on purpose.
PACE = Pace(seconds_of_grace=60, fewest_bytes_a_second=500)
# One answer: no document needs more, and a server that never ends must not fill the memory.
MOST_BYTES = 64 * 2**20
MOST_WORDS = 2**16
FIRST_ERROR = 400
PASSING_ERRORS = (ProtocolError, ServerTimeoutError, NewConnectionError, SSLError, ProxyError)
HEADERS = {
    **urllib3.util.make_headers(accept_encoding=True, user_agent="fairweather"),
    "accept": "*/*",
}

Found = TypeVar("Found")


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


def _as_it_is(answer: WebAnswer) -> WebAnswer:
    return answer


class WebClient:
    """Asks for documents, from any number of threads; connections are kept for the next.

    ``route_to`` adds the keys that an address needs. Without ``private_addresses`` it may go
    anywhere: it is for what the user or the profile names.
    """

    def __init__(
        self,
        route_to: RouteTo = Route,
        private_addresses: PrivateAddresses | None = None,
        connections: int = 4,
    ) -> None:
        """``connections`` are those kept for each server."""
        self._route_to = route_to
        allowed = private_addresses or PrivateAddresses()
        self._connections = Connections(allowed, connections, TIMEOUT, PACE)
        self._servers = Servers()

    @overload
    def ask(self, request: WebRequest) -> WebAnswer: ...

    @overload
    def ask(self, request: WebRequest, read: Callable[[WebAnswer], Found]) -> Found: ...

    def ask(self, request: WebRequest, read: Callable[[WebAnswer], Any] = _as_it_is) -> Any:
        """What ``read`` makes of the answer to ``request``; without it, the answer.

        ``read`` raises a ValueError at what is not what was asked for: then it is asked for again.

        Raises:
            WebError: there is none, it is an error, or it is too large or too slow to be one;
                or the request leads where it must not (``ForbiddenPlaceError``).
            ValueError: as ``read`` does, of the last answer.
        """
        content = io.BytesIO()

        def read_content(address: str) -> Any:
            return read(WebAnswer(content.getvalue(), address))

        return self.ask_into(request, content, MOST_BYTES, read_content)

    def ask_into(
        self,
        request: WebRequest,
        file: IO[bytes],
        most_bytes: int,
        read: Callable[[str], Found],
        before: ValueError | None = None,
    ) -> Found:
        """Write the answer to ``request`` into ``file``; what ``read`` makes of it.

        ``read`` is given the address that it came from in the end. ``before`` is what was raised
        at an answer to the same request that was read only later.

        Raises:
            WebError: as ``ask`` does.
            ValueError: as ``read`` does, of the last answer.
        """
        begin = file.tell()

        def ask() -> Found:
            file.seek(begin)
            file.truncate()
            address = self._ask_once(request, file, most_bytes)
            with _doubting():
                return read(address)

        def ask_again() -> None:
            with open(os.devnull, "wb") as nowhere:  # noqa: PTH123
                self._ask_once(request, nowhere, most_bytes)

        return self._patiently(request.address, ask, ask_again, before)

    def post_form(
        self,
        address: str,
        form: Mapping[str, str],
        most_bytes: int,
        read: Callable[[int, bytes], Found],
    ) -> Found:
        """What ``read`` makes of status and content of the answer to a form, sent nowhere else.

        Raises:
            WebError: there is none, or the server stays too busy for one.
            ValueError: as ``read`` does, of the last answer (see ``ask``).
        """

        def ask() -> Found:
            answer = self._post_once(address, form, most_bytes)
            with _doubting():
                return read(*answer)

        return self._patiently(address, ask)

    def has_lost(self, address: str) -> bool:
        """Whether the server there has sent something, and was given up afterwards."""
        return self._servers.is_lost(address)

    def stop_waiting(self) -> None:
        """Nobody needs an answer any more: nothing is asked again, and nothing new."""
        self._servers.end()

    def close(self) -> None:
        """Close all connections."""
        self._connections.close()

    def _patiently(
        self,
        address: str,
        ask: Callable[[], Found],
        ask_again: Callable[[], object] | None = None,
        before: ValueError | None = None,
    ) -> Found:
        """What ``ask`` finds, asked again while that may help.

        ``ask_again`` asks for the same once it was found, to see whether the server still answers.
        """
        try:
            with self._servers.attempts(address) as attempts:
                if before is not None:
                    attempts.failed(WrongAnswerError(before))
                while True:
                    attempts.begin()
                    try:
                        found = ask()
                    except WebError as error:
                        attempts.failed(error)
                    else:
                        attempts.succeeded(ask_again)
                        return found
        except WrongAnswerError as error:
            fault = error.fault
        # Raised here, it keeps the cause that it has.
        raise fault

    def _post_once(
        self, address: str, form: Mapping[str, str], most_bytes: int
    ) -> tuple[int, bytes]:
        content = io.BytesIO()
        with _in_words():
            response = self._connections.request(
                "POST",
                address,
                fields=form,
                encode_multipart=False,
                headers=HEADERS,
                retries=False,
                redirect=False,
                preload_content=False,
            )
            with _closing(response):
                if response.status in PASSING_STATUSES:
                    raise _failure(f"error {response.status}", response)
                read_whole(response, content, most_bytes)
                return response.status, content.getvalue()

    def _ask_once(self, request: WebRequest, file: IO[bytes], most_bytes: int) -> str:
        is_post = request.method == "POST"
        with _in_words():
            answer = send(
                self._connections,
                self._route_to,
                request.method,
                request.address if is_post else _whole_address(request),
                HEADERS,
                json=request.parameters if is_post else None,
                retries=False,
            )
            with _closing(answer.response):
                _check(answer)
                read_whole(answer.response, file, most_bytes)
                return answer.route.address


@contextmanager
def _doubting() -> Iterator[None]:
    try:
        yield
    except TooManyValuesError:
        # Nobody sends that by mistake.
        raise
    except ValueError as error:
        raise WrongAnswerError(error) from error


def _whole_address(request: WebRequest) -> str:
    """The address of a GET with its parameters."""
    if not request.parameters:
        return request.address
    parts = urlsplit(request.address)
    queries = [parts.query, urlencode(request.parameters, doseq=True)]
    return parts._replace(query="&".join(filter(None, queries))).geturl()


@contextmanager
def _in_words() -> Iterator[None]:
    try:
        yield
    except PrivateAddressError as error:
        raise ForbiddenPlaceError(error.reason, without_query(error.asked)) from error
    except (HTTPError, ValueError) as error:
        raise WebError(reason_in_words(error), may_pass=_may_pass(error)) from error


def _may_pass(error: Exception) -> bool:
    """Whether the same request may well succeed a little later."""
    return isinstance(error, PASSING_ERRORS) and "certificate" not in str(error).lower()


@contextmanager
def _closing(response: urllib3.BaseHTTPResponse) -> Iterator[None]:
    """One that was not read to its end cannot be followed by another on its connection."""
    try:
        yield
    finally:
        response.close()
        response.release_conn()


def _check(answer: Answer) -> None:
    """Check that it is no error.

    Raises:
        WebError: it is one.
    """
    response = answer.response
    if response.status < FIRST_ERROR:
        return
    words = ""
    # Some servers repeat what they were sent, keys and all.
    if not answer.is_keyed:
        content = io.BytesIO()
        with suppress(WebError):
            read_whole(response, content, MOST_WORDS)
        words = " ".join(content.getvalue().decode("utf-8", "replace").split())[:200]
    raise _failure(words or str(response.reason), response)


def _failure(reason: str, response: urllib3.BaseHTTPResponse) -> WebError:
    return WebError(
        reason,
        response.status,
        may_pass=response.status in PASSING_STATUSES,
        retry_after=retry_after(response.headers),
    )
