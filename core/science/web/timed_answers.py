"""Answers that come in time, from the first byte of their headers to the last, or are given up.

A server may send a byte now and then and never end: in its status line, its headers, after any
number of ``100 Continue``, between the chunks of its content or after them. So the time is taken
where bytes come from the network, whatever part of the answer they are.
"""

from __future__ import annotations

import http.client
import io
import socket
import time
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

from urllib3.connection import HTTPConnection, HTTPSConnection


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

    def content_came(self, size: int) -> None:
        """So many bytes of the content have come, which buys time for others."""
        self._end += size / self._pace.fewest_bytes_a_second

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
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


class _TimedResponse(http.client.HTTPResponse):
    """An answer whose content is to be read with ``read1``; else it gets the grace alone."""

    def __init__(self, pace: Pace, sock: socket.socket, *more: Any, **options: Any) -> None:
        super().__init__(sock, *more, **options)
        self._bytes = _TimedBytes(sock, self.fp.detach(), pace)
        self.fp = io.BufferedReader(self._bytes)

    def read1(self, n: int = -1) -> bytes:
        content = super().read1(n)
        self._bytes.content_came(len(content))
        return content


class TimedConnection(HTTPConnection):
    """Gives up answers that come too slowly, also those of a proxy before them."""

    def __init__(self, *place: Any, pace: Pace, **options: Any) -> None:
        super().__init__(*place, **options)
        # It is only called.
        self.response_class = cast("type[_TimedResponse]", partial(_TimedResponse, pace))


class TimedSecureConnection(TimedConnection, HTTPSConnection):
    """The same by TLS."""
