"""The algorithm ``environment``: check, create, remove or clean the worker's Python environment."""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple

from qgis.core import (
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingOutputBoolean,
    QgsProcessingParameterEnum,
    QgsProcessingParameterFileDestination,
)

from ..core.bridge.environment import (
    EnvironmentReport,
    check_environment,
    clean,
    create_environment,
    freed_in_words,
    leftovers_in_words,
    list_leftovers,
    remove_environment,
)
from ..core.bridge.part_files import real_place, write_whole
from .base import FairweatherAlgorithm, cancel_check, chosen_python
from .parameters import describe

ACTION = "ACTION"
CHECK, CREATE, REMOVE, CLEAN = "check", "create", "remove", "clean"
REPORT = "REPORT"
READY = "READY"

HELP = """Fairweather computes in a Python environment of its own, so that nothing in QGIS's own \
Python changes. This algorithm looks after it:

<b>check</b> tells whether it is whole. <b>create</b> makes it from a fixed list of packages with \
checksums, downloaded from your package index; it tells the size first. <b>remove</b> deletes it. \
<b>clean</b> removes what is left over: environments of other versions, caches, and what runs that \
ended early have left, nothing that is in use. What there is of it, check tells.

A composite that was stopped goes on where it was when the same request runs again, as long as its \
finished parts are there: until you have used Fairweather on 14 other days, while all take no more \
than 20 GB.

It lies in your user data folder, or in the folder that the environment variable FAIRWEATHER_HOME \
names. To use a Python of your own, name it in the environment variable FAIRWEATHER_PYTHON."""


class EnvironmentAlgorithm(FairweatherAlgorithm):
    """Look after the environment that every other algorithm needs."""

    def name(self) -> str:
        """The fixed name."""
        return "environment"

    def displayName(self) -> str:
        """The name in the toolbox."""
        return "Environment: check, create, remove or clean"

    def group(self) -> str:
        """The group in the toolbox."""
        return "Setup"

    def groupId(self) -> str:
        """The group's fixed name."""
        return "setup"

    def tags(self) -> List[str]:
        """Words to find it by."""
        return ["install", "setup", "python", "packages", "dependencies", "virtual", "environment"]

    def shortDescription(self) -> str:
        """What it does, in a line."""
        return (
            "Checks, makes or removes the Python environment in which Fairweather computes, and "
            "cleans up."
        )

    def shortHelpString(self) -> str:
        """The help beside the dialog."""
        return HELP

    def canExecute(self) -> Tuple[bool, str]:
        """Always: it makes what the others need."""
        return True, ""

    def initAlgorithm(self, _configuration: Optional[Dict[str, Any]] = None) -> None:
        """Define parameters and outputs."""
        self.addParameter(
            describe(
                QgsProcessingParameterEnum(
                    ACTION,
                    "Action",
                    options=[CHECK, CREATE, REMOVE, CLEAN],
                    defaultValue=CHECK,
                    usesStaticStrings=True,
                ),
                "check tells how it is, create makes it where it is missing or damaged, remove "
                "deletes it, clean removes what other versions and unfinished runs have left.",
            )
        )
        self.addParameter(
            describe(
                QgsProcessingParameterFileDestination(
                    REPORT, "Report", "HTML files (*.html)", optional=True, createByDefault=True
                ),
                "A page with the packages, what is wrong with them, and what is left over.",
            )
        )
        self.addOutput(QgsProcessingOutputBoolean(READY, "Whether the environment is ready"))

    def run_request(
        self,
        parameters: Dict[str, Any],
        context: QgsProcessingContext,
        feedback: QgsProcessingFeedback,
    ) -> Dict[str, Any]:
        """Do what is asked for, then report how the environment is."""
        path = self.parameterAsFileOutput(parameters, REPORT, context)
        report = _run_action(self.parameterAsEnumString(parameters, ACTION, context), feedback)
        leftovers = leftovers_in_words(list_leftovers())
        for line in (*describe_report(report), *leftovers):
            feedback.pushInfo(line)
        results: Dict[str, Any] = {READY: report.ready}
        if path:
            write_whole(real_place(Path(path)), report_page(report, leftovers).encode("utf-8"))
            results[REPORT] = path
        return results


def describe_report(report: EnvironmentReport) -> List[str]:
    """The report as lines of plain text, the verdict first."""
    lines = ["The environment is ready." if report.ready else "The environment is not ready."]
    lines += report.problems
    if report.python is not None:
        lines.append(f"Python {report.python_version}: {report.python}")
    if report.size:
        lines.append(f"Size: {report.size / 1e6:.0f} MB")
    return lines


def report_page(report: EnvironmentReport, leftovers: Sequence[str] = ()) -> str:
    """The report as one HTML page, with lines on what is left over."""
    lines = (*describe_report(report), *leftovers)
    paragraphs = "".join(f"<p>{html.escape(line)}</p>" for line in lines)
    rows = "".join(
        f"<tr><td>{html.escape(name)}</td><td>{html.escape(version)}</td></tr>"
        for name, version in sorted(report.packages.items())
    )
    table = f"<table><tr><th>Package</th><th>Version</th></tr>{rows}</table>" if rows else ""
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8">'
        "<title>Fairweather's environment</title></head>"
        f"<body><h1>Fairweather's environment</h1>{paragraphs}{table}</body></html>"
    )


def _run_action(action: str, feedback: QgsProcessingFeedback) -> EnvironmentReport:
    if action == CREATE:
        return create_environment(
            lambda percent, text: _show_progress(feedback, percent, text),
            cancel_check(feedback),
            chosen_python(),
        )
    if action == REMOVE:
        freed = remove_environment()
        feedback.pushInfo(f"Removed: {freed / 1e6:.0f} MB are free again.")
    if action == CLEAN:
        feedback.pushInfo(freed_in_words(clean()))
    return check_environment(chosen_python())


def _show_progress(feedback: QgsProcessingFeedback, percent: float, text: str) -> None:
    feedback.setProgress(percent)
    if text:
        feedback.setProgressText(text)
