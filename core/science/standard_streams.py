"""The standard streams of a process that was started without some of them (``>&-``)."""

from __future__ import annotations

import os
import sys

STDIN, STDOUT, STDERR = 0, 1, 2


def open_missing_streams() -> None:
    """Let what is read from, or written to, a stream that was closed come from, or go, nowhere.

    Otherwise the next file that is opened would have the stream's number, and take what is printed.
    """
    for number in (STDIN, STDOUT, STDERR):
        try:
            os.fstat(number)
        except OSError:
            # The lowest number that is free is this one.
            opened = os.open(os.devnull, os.O_RDONLY if number == STDIN else os.O_WRONLY)
            os.set_inheritable(opened, True)
    sys.stdin = sys.stdin or os.fdopen(STDIN, encoding="utf-8", closefd=False)
    sys.stdout = sys.stdout or os.fdopen(STDOUT, "w", encoding="utf-8", closefd=False)
    sys.stderr = sys.stderr or os.fdopen(STDERR, "w", encoding="utf-8", closefd=False)
