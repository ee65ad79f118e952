"""What can go wrong, as few types under one base.

Every message is one sentence that says what is wrong and what to do about it.
"""

from __future__ import annotations


class FairweatherError(Exception):
    """Base of every error that Fairweather raises on purpose."""


class InvalidRequestError(FairweatherError):
    """A parameter, or a combination of them, makes no sense."""


class EnvironmentNotReadyError(FairweatherError):
    """The worker's Python environment is missing, damaged, or cannot be made."""


class CatalogError(FairweatherError):
    """A catalogue cannot be reached, or what it answers is not STAC."""


class NoScenesError(FairweatherError):
    """A search found nothing."""


class ReadError(FairweatherError):
    """Pixels of a scene cannot be read."""


class OutputError(FairweatherError):
    """A result cannot be written."""


class WorkerError(FairweatherError):
    """The worker ended without a result and without saying why."""


class CancelledError(FairweatherError):
    """The user stopped the run."""
