"""What is known of an environment, for people and for the algorithms."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, Optional, Tuple

MANAGED = "managed"
OWN = "own"

HOW_TO_MAKE_IT = (
    "run the algorithm Environment with the action create "
    "(qgis_process run fairweather:environment -- ACTION=create)"
)


@dataclass(frozen=True)
class EnvironmentReport:
    """An environment and what is wrong with it.

    ``kind`` is ``managed`` (made from the lock under FAIRWEATHER_HOME) or ``own`` (the user's own
    interpreter). ``packages`` gives the installed version by distribution name; of an own
    interpreter only the packages that Fairweather imports. ``size`` is in bytes, 0 for an own
    interpreter. ``problems`` are sentences; it is empty exactly when ``ready`` is true.
    """

    kind: str
    python: Optional[Path] = None
    python_version: str = ""
    problems: Tuple[str, ...] = ()
    packages: Dict[str, str] = field(default_factory=dict)
    size: int = 0

    @property
    def ready(self) -> bool:
        """Whether the worker can run in it."""
        return not self.problems
