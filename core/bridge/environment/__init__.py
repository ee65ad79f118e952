"""The worker's Python environment: found, checked, made from the lock, and removed.

Everything here runs in QGIS's own Python, with the standard library only.
"""

from .cleaning import clean, freed_in_words, leftovers_in_words, list_leftovers
from .environments import (
    check_environment,
    check_worker_python,
    create_environment,
    find_worker_python,
    remove_environment,
)
from .report import EnvironmentReport

__all__ = [
    "EnvironmentReport",
    "check_environment",
    "check_worker_python",
    "clean",
    "create_environment",
    "find_worker_python",
    "freed_in_words",
    "leftovers_in_words",
    "list_leftovers",
    "remove_environment",
]
