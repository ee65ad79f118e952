"""Why a worker died without saying so: what its exit code and its last words tell."""

from __future__ import annotations

import contextlib
import re
import signal
import sys
from pathlib import Path
from typing import Optional

from .errors import (
    NO_THREAD_SIGNS,
    OUT_OF_MEMORY_SIGNS,
    EnvironmentNotReadyError,
    FairweatherError,
    WorkerError,
)

# The worker's first words where its memory is limited (as by `ulimit -v`).
MEMORY_IS_LIMITED = "The memory of this process is limited"

OUT_OF_MEMORY = (
    "The worker ran out of memory, or was killed because the machine did; "
    "lower MEMORY, close other programs, or choose a smaller area or a coarser resolution."
)

LIKELY_OUT_OF_MEMORY = (
    "where memory is limited, so most likely it ran out; "
    "raise the limit (ulimit -v), or lower MEMORY."
)

NO_MORE_THREADS = (
    "No further thread or process could be started: memory ran out, or too few are allowed; "
    "lower MEMORY and close other programs, or raise the limit of processes (ulimit -u)."
)

# An update removes the plugin's folder and unpacks the new one, or stops in between.
PLUGIN_CHANGED_SIGNS = ("No module named 'fairweather_", "cannot import name", "can't open file")
PLUGIN_CHANGED = "The plugin was replaced or removed while QGIS ran; restart QGIS, and run again."

# What Python's faulthandler writes of a crash: all threads, each with its place first, and after
# the last one the names of all libraries.
DUMP = re.compile(r"^Fatal Python error: ", re.MULTILINE)
PLACE_OF_CRASH = re.compile(r'^Current thread [^\n]*\n\s+File "([^"\n]+)", ([^\n]+)', re.MULTILINE)

LAST_WORDS = 2000  # characters: a sign that is older was survived


def error_of_death(code: Optional[int], stderr: str) -> FairweatherError:
    """The error for a worker that ended with ``code``, or (None) closed its stream, unasked.

    ``stderr`` is the last that it wrote there.
    """
    words, dump = _words_and_dump(stderr)
    last_line = _last_telling_line(words)
    if (sys.platform != "win32" and code == -signal.SIGKILL) or any(
        sign in words[-LAST_WORDS:] for sign in OUT_OF_MEMORY_SIGNS
    ):
        return WorkerError(OUT_OF_MEMORY)
    if any(sign in words[-LAST_WORDS:] for sign in NO_THREAD_SIGNS):
        return WorkerError(NO_MORE_THREADS)
    if any(sign in last_line for sign in PLUGIN_CHANGED_SIGNS):
        return WorkerError(PLUGIN_CHANGED)
    if last_line.startswith("ModuleNotFoundError"):
        return EnvironmentNotReadyError(
            f"The environment lacks a package ({last_line}); "
            "make it anew with the algorithm environment."
        )
    end = _how_it_ended(code) + _place_of_crash(dump)
    if _is_crash(code) and MEMORY_IS_LIMITED in words:
        return WorkerError(f"The worker {end}, {LIKELY_OUT_OF_MEMORY}")
    said = f" ({last_line[:300]})" if last_line else ""
    return WorkerError(f"The worker {end}, without a result{said}; please report this.")


def _words_and_dump(stderr: str) -> tuple[str, str]:
    found = DUMP.search(stderr)
    return (stderr[: found.start()], stderr[found.start() :]) if found else (stderr, "")


def _place_of_crash(dump: str) -> str:
    found = PLACE_OF_CRASH.search(dump)
    if not found:
        return ""
    path, line_and_function = found.groups()
    return f" in {Path(path).name}, {line_and_function[:100]}"


def _is_crash(code: Optional[int]) -> bool:
    return sys.platform != "win32" and code is not None and code < 0


def _how_it_ended(code: Optional[int]) -> str:
    if code is None:
        return "closed its stream"
    if sys.platform != "win32" and code < 0:
        with contextlib.suppress(ValueError):
            return f"crashed with {signal.Signals(-code).name}"
    return f"ended with code {code}"


def _last_telling_line(text: str) -> str:
    """The last line that is no part of a traceback: the error it ends in, say."""
    for line in reversed(text.splitlines()):
        if line.strip() and not line[0].isspace() and not line.startswith("Traceback"):
            return line.strip()
    return ""
