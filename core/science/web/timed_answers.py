"""Answers that come in time, from the first byte of their headers to the last, or are given up.

A server may send a byte now and then and never end: in its status line, its headers, after any
number of interim answers, between the chunks of its content or after them. So the time is taken
where bytes come from the network, whatever part of the answer they are.

A connection serves the next request only where it is certain that the answer has ended: what is
left of one would be taken for the next one's.
"""

from __future__ import annotations

import http.client
import io
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any, cast

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util.ssltransport import SSLTransport

WITHOUT_CONTENT = frozenset({HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED})
# One of them says where an answer ends; a second one may say otherwise.
HEADERS_OF_LENGTH = ("Content-Length", "Transfer-Encoding")


@dataclass(frozen=True)
class Pace:
    """How slowly an answer may come.

    After ``seconds_of_grace`` since it was asked for, its content must have come, all in all, with
    ``fewest_bytes_a_second``. What else a server sends is no content.
    """

    seconds_of_grace: float
    fewest_bytes_a_second: float


class _TimedBytes(io.RawIOBase):
    """Bytes from a socket, until the time is over.

    Each wait is also bounded by the time limit that the socket has at the beginning.
    """

    def __init__(self, sock: socket.socket, hold: io.RawIOBase, pace: Pace) -> None:
        """``hold`` lets go of the socket when it is closed."""
        super().__init__()
        self._socket = sock
        self._hold = hold
        self._pace = pace
        self._silence = self._limit = sock.gettimeout()
        self._end = time.monotonic() + pace.seconds_of_grace
        self._is_over = False

    def stop(self) -> None:
        """Take nothing more from the socket."""
        self._is_over = True

    def content_came(self, size: int) -> None:
        """So many bytes of the content have come, which buys time for others."""
        self._end += size / self._pace.fewest_bytes_a_second

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int | None:
        if self._is_over:
            return None
        left = self._end - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        limit = left if self._silence is None else min(left, self._silence)
        if limit != self._limit:
            self._socket.settimeout(limit)
            self._limit = limit
        return self._socket.recv_into(buffer)

    def close(self) -> None:
        self._hold.close()
        super().close()


class _AnswerBytes(io.BufferedReader):
    """The bytes of one answer; ``on_unread`` is called if more have come when it ends."""

    def __init__(self, timed: _TimedBytes, on_unread: Callable[[], None]) -> None:
        super().__init__(timed)
        self._timed = timed
        self._on_unread = on_unread

    def close(self) -> None:
        if not self.closed:
            self._timed.stop()
            if self.peek(1):
                self._on_unread()
        super().close()


class _TimedResponse(http.client.HTTPResponse):
    """An answer whose content is to be read with ``read1``; else it gets the grace alone."""

    def __init__(
        self,
        pace: Pace,
        on_unread: Callable[[], None],
        sock: socket.socket,
        *more: Any,
        **options: Any,
    ) -> None:
        super().__init__(sock, *more, **options)
        self._bytes = _TimedBytes(sock, self.fp.detach(), pace)
        self.fp = _AnswerBytes(self._bytes, on_unread)

    def begin(self) -> None:
        """Read as far as the headers of the final answer (RFC 9110, 15.2).

        Raises:
            BadStatusLine: there is none, as the server wants to go on in another protocol.
        """
        super().begin()
        while self.status < HTTPStatus.OK:
            if self.status == HTTPStatus.SWITCHING_PROTOCOLS:
                raise http.client.BadStatusLine(str(self.status))
            # As if none had come yet.
            self.headers = self.msg = cast("http.client.HTTPMessage", None)
            super().begin()
        self.will_close = self.will_close or not self._has_certain_end

    def read1(self, n: int = -1) -> bytes:
        content = super().read1(n)
        self._bytes.content_came(len(content))
        return content

    @property
    def _has_certain_end(self) -> bool:
        """Whether everybody reads from the headers that the answer ends at the same place."""
        lengths = [value for name in HEADERS_OF_LENGTH for value in self.headers.get_all(name, ())]
        is_readable = not self.headers.defects and not self.headers.get_payload()
        return len(lengths) == 1 and is_readable and self.status not in WITHOUT_CONTENT


class TimedConnection(HTTPConnection):
    """Gives up answers that come too slowly, also those of a proxy before them."""

    def __init__(self, *place: Any, pace: Pace, **options: Any) -> None:
        super().__init__(*place, **options)
        self._has_unread = threading.Event()
        # It is only called.
        response = partial(_TimedResponse, pace, self._has_unread.set)
        self.response_class = cast("type[_TimedResponse]", response)

    @property
    def is_connected(self) -> bool:
        """Whether it can serve another request."""
        return super().is_connected and not self._has_unread.is_set()

    def close(self) -> None:
        """Close the connection, which is made anew for the next request."""
        super().close()
        self._has_unread.clear()


class TimedSecureConnection(TimedConnection, HTTPSConnection):
    """The same by TLS."""

    @property
    def is_connected(self) -> bool:
        """Whether it can serve another request."""
        # What TLS has taken from the network is not seen there.
        return super().is_connected and not _has_unpacked(self.sock)


def _has_unpacked(sock: Any) -> bool:
    """Whether TLS holds bytes that nobody has read."""
    if isinstance(sock, SSLTransport):  # by a proxy that is itself reached by TLS
        return bool(sock.incoming.pending or sock.sslobj.pending())
    return bool(sock.pending())
