"""Signals that end a process at once, made to cancel its run first.

``qgis_process`` knows SIGINT only: at SIGTERM or SIGHUP it would be gone before a layer that it
writes is removed.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import contextmanager
from typing import Callable, Iterator, List


@contextmanager
def cancelling_before_the_end(
    cancel: Callable[[], None], *, ends_by_itself: bool = False
) -> Iterator[None]:
    """Call ``cancel`` at a signal that ends this process, which then ends when the block is over.

    With ``ends_by_itself`` the program sees to that, and can remove what it has made for itself.
    A second signal ends it at once. Where the program handles a signal itself, and outside of the
    main thread, which alone is told of signals, nothing is changed.
    """
    came: List[int] = []
    numbers = _signals_without_handler()

    def handle(number: int, _frame: object) -> None:
        for each in numbers:
            signal.signal(each, signal.SIG_DFL)
        came.append(number)
        cancel()

    for each in numbers:
        signal.signal(each, handle)
    try:
        yield
    finally:
        for each in numbers:
            signal.signal(each, signal.SIG_DFL)
        if came and not ends_by_itself:
            os.kill(os.getpid(), came[0])


def _signals_without_handler() -> List[int]:
    if sys.platform == "win32" or threading.current_thread() is not threading.main_thread():
        return []
    numbers = (signal.SIGTERM, signal.SIGHUP)
    return [number for number in numbers if signal.getsignal(number) == signal.SIG_DFL]
