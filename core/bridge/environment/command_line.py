"""``python core/launch.py environment check|create|remove|clean``: the environment without QGIS."""

from __future__ import annotations

import argparse
import sys
from typing import List

from ..errors import FairweatherError
from .cleaning import clean, freed_in_words, leftovers_in_words, list_leftovers
from .environments import check_environment, create_environment, remove_environment
from .report import EnvironmentReport


def main(arguments: List[str]) -> int:
    """Run one action; 0 is returned where the environment is ready (removed, cleaned), else 1."""
    parser = argparse.ArgumentParser(prog="launch.py environment", description=__doc__)
    parser.add_argument("action", choices=("check", "create", "remove", "clean"))
    action = parser.parse_args(arguments).action
    try:
        if action == "clean":
            print(freed_in_words(clean()))
            _print_leftovers()
            return 0
        if action == "remove":
            print(f"{remove_environment() / 1e6:.0f} MB freed")
            return 0
        report = check_environment() if action == "check" else _create()
    except FairweatherError as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Cancelled; nothing half-made stays behind.", file=sys.stderr)
        return 130
    _print_report(report)
    _print_leftovers()
    return 0 if report.ready else 1


def _create() -> EnvironmentReport:
    return create_environment(_print_progress, lambda: False)


def _print_progress(percent: float, text: str) -> None:
    print(f"{percent:3.0f} % {text}", flush=True)


def _print_report(report: EnvironmentReport) -> None:
    for problem in report.problems:
        print(problem, file=sys.stderr)
    if report.python:
        print(f"{report.kind} environment, Python {report.python_version}: {report.python}")
        print(f"{len(report.packages)} packages, {report.size / 1e6:.0f} MB")


def _print_leftovers() -> None:
    for line in leftovers_in_words(list_leftovers()):
        print(line)
