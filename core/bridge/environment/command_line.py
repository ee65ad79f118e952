"""``python core/launch.py environment check|create|remove|clean``: the environment without QGIS."""

from __future__ import annotations

import argparse
import os
import sys
from typing import List, Optional

from ..errors import FairweatherError
from .cleaning import clean, freed_in_words, leftovers_in_words, list_leftovers
from .environments import check_environment, create_environment, remove_environment
from .report import EnvironmentReport


def main(arguments: List[str]) -> int:
    """Run one action; 0 is returned where the environment is ready (removed, cleaned), else 1."""
    parser = argparse.ArgumentParser(prog="launch.py environment", description=__doc__)
    parser.add_argument("action", choices=("check", "create", "remove", "clean"))
    action = parser.parse_args(arguments).action
    output = _Output()
    try:
        code = _run(action, output)
    except FairweatherError as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        place = f"{error.filename} " if error.filename else "The disk of FAIRWEATHER_HOME "
        print(
            f"{place}cannot be used ({error.strerror}); see to it, and try again.", file=sys.stderr
        )
        return 1
    except KeyboardInterrupt:
        print("Cancelled; nothing half-made stays behind.", file=sys.stderr)
        return 130
    return output.failed_code() or code


def _run(action: str, output: _Output) -> int:
    """Run the action, and tell what there is to be told."""
    if action == "clean":
        output.write(freed_in_words(clean()))
    elif action == "remove":
        output.write(f"{remove_environment() / 1e6:.0f} MB freed")
        return 0
    else:
        report = check_environment() if action == "check" else _create(output)
        _tell_report(report, output)
    for line in leftovers_in_words(list_leftovers()):
        output.write(line)
    return 0 if action == "clean" or report.ready else 1


class _Output:
    """Standard output: where it takes nothing more, the work goes on without it."""

    def __init__(self) -> None:
        self._error: Optional[OSError] = None
        for stream in (sys.stdout, sys.stderr):
            # No letter of a path ends it.
            reconfigure = getattr(stream, "reconfigure", None)
            if reconfigure is not None:
                reconfigure(errors="backslashreplace")

    def write(self, line: str) -> None:
        """Write a line now."""
        if self._error is None:
            try:
                print(line, flush=True)
            except OSError as error:
                self._error = error
                _leave_stdout()

    def failed_code(self) -> int:
        """1, with a sentence on why, where not all could be written; else 0.

        Nothing need be said to a reader who has left (``| head -1``).
        """
        if self._error is not None and not isinstance(self._error, BrokenPipeError):
            print(
                f"What there was to tell could not be written ({self._error.strerror}); "
                "see to where the output goes, and run the action check.",
                file=sys.stderr,
            )
        return 0 if self._error is None else 1


def _leave_stdout() -> None:
    """Let what still waits to be written go nowhere, and not fail at the end of the process."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _create(output: _Output) -> EnvironmentReport:
    return create_environment(
        lambda percent, text: output.write(f"{percent:3.0f} % {text}"), lambda: False
    )


def _tell_report(report: EnvironmentReport, output: _Output) -> None:
    for problem in report.problems:
        print(problem, file=sys.stderr)
    if report.python:
        output.write(f"{report.kind} environment, Python {report.python_version}: {report.python}")
        output.write(f"{len(report.packages)} packages, {report.size / 1e6:.0f} MB")
