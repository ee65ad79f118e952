"""Reading the content of an answer, within bounds of size and time."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import IO

import urllib3
from urllib3.exceptions import ProtocolError, ReadTimeoutError

from .errors import BrokenOffError, WebError
from .reasons import reason_in_words

MOST_SECONDS = 600.0
# Larger pieces cost more: the system then clears new memory for each.
PIECE_BYTES = 2**16


def pieces(
    response: urllib3.BaseHTTPResponse, most_bytes: int, *, is_unpacked: bool = True
) -> Iterator[bytes]:
    """The content of an answer, up to ``most_bytes`` of it.

    Without ``is_unpacked`` it is what was sent, however the server says that it is packed.

    Raises:
        HTTPError: it breaks off, or comes too slowly (see ``timed_answers.Pace``).
    """
    received = 0
    while received < most_bytes:
        # Not in pieces of one size, which are waited for: a byte a minute is no piece.
        piece = response.read1(min(PIECE_BYTES, most_bytes - received), decode_content=is_unpacked)
        if not piece:
            return
        received += len(piece)
        yield piece


def read_whole(response: urllib3.BaseHTTPResponse, file: IO[bytes], most_bytes: int) -> None:
    """Write what the server sends into ``file``, unpacked.

    Raises:
        BrokenOffError: it breaks off, or comes too slowly.
        WebError: it is larger than ``most_bytes``, or does not end.
    """
    size = 0
    began = time.monotonic()
    try:
        for piece in pieces(response, most_bytes + 1):
            size += len(piece)
            if size > most_bytes:
                raise WebError(f"it sends more than {most_bytes >> 20} MB")
            file.write(piece)
            if time.monotonic() - began > MOST_SECONDS:
                raise WebError("it took too long")
    except (ProtocolError, ReadTimeoutError) as error:
        raise BrokenOffError(reason_in_words(error)) from error
