"""What can go wrong, as few types under one base.

Every message is one sentence that says what is wrong and what to do about it.
"""

from __future__ import annotations

from .plain_text import plain_words

# In the words of errors, and of libraries that end a process: of memory itself, and of the loader
# of libraries.
OUT_OF_MEMORY_SIGNS = (
    *("MemoryError", "std::bad_alloc", "annot allocate memory", "failed to map segment"),
    *("OpenBLAS error: Memory allocation", "out of memory"),
)
# Of Python, of OpenBLAS and of OpenMP: the stack of a thread finds no place, or none more is
# allowed; nothing tells which.
NO_THREAD_SIGNS = ("can't start new thread", "pthread_create failed", "Thread creation failed")


class FairweatherError(Exception):
    """Base of every error that Fairweather raises on purpose.

    Its text, which QGIS may show as HTML, is one plain line, whatever words of a stranger it
    repeats.
    """

    def __str__(self) -> str:
        return plain_words(super().__str__())


class InvalidRequestError(FairweatherError):
    """A parameter, or a combination of them, makes no sense."""


class EnvironmentNotReadyError(FairweatherError):
    """The worker's Python environment is missing, damaged, or cannot be made."""


class CatalogError(FairweatherError):
    """A catalogue cannot be reached, or what it answers is not STAC."""


class NoScenesError(FairweatherError):
    """A search found nothing."""


class ReadError(FairweatherError):
    """Pixels of a scene cannot be read.

    ``href`` is the file and ``reason`` why, in a few words; both are empty where it is not one
    file's fault. With ``host_is_down`` its whole server was given up; with ``is_replaced`` another
    file lies where it was read from before.
    """

    def __init__(
        self,
        text: str,
        href: str = "",
        reason: str = "",
        host_is_down: bool = False,
        is_replaced: bool = False,
    ) -> None:
        super().__init__(text)
        self.href = href
        self.reason = reason
        self.host_is_down = host_is_down
        self.is_replaced = is_replaced


class AccessError(FairweatherError):
    """A server does not let us in: keys are missing, wrong, or of no use there."""


class ClusterError(FairweatherError):
    """A Dask cluster cannot be reached or used, or was lost."""


class OutputError(FairweatherError):
    """A result cannot be written."""


class WorkerError(FairweatherError):
    """The worker ended without a result and without saying why."""


class CancelledError(FairweatherError):
    """The user stopped the run."""
