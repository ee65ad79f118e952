"""What a worker answers: one JSON object a line.

Exactly one ``Result`` or ``Failure`` ends the stream of a job. No line is longer than
``MAX_LINE_BYTES``.
"""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass, field
from typing import Any, ClassVar, Dict, Union

from .errors import WorkerError

MAX_LINE_BYTES = 1 << 20
MAX_TEXT = 20_000  # characters; escaped, they still fit into a line


@dataclass(frozen=True)
class Progress:
    """How far the job is, 0 to 100, and in words what is going on and how long is left."""

    event: ClassVar[str] = "progress"
    percent: float
    message: str = ""


@dataclass(frozen=True)
class Message:
    """Something worth a line in the log."""

    event: ClassVar[str] = "message"
    text: str


@dataclass(frozen=True)
class WarningMessage:
    """Something the user should know about the result."""

    event: ClassVar[str] = "warning"
    text: str


@dataclass(frozen=True)
class Result:
    """The job is done; ``values`` are the algorithm's outputs by name."""

    event: ClassVar[str] = "result"
    values: Dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Failure:
    """The job failed; ``kind`` is the name of the error's type."""

    event: ClassVar[str] = "error"
    kind: str
    text: str


Event = Union[Progress, Message, WarningMessage, Result, Failure]
EVENT_TYPES = (Progress, Message, WarningMessage, Result, Failure)


def event_to_line(event: Event) -> str:
    """``event`` as one line of ASCII JSON, without the line end."""
    return json.dumps({"event": event.event, **dataclasses.asdict(event)})


def event_from_line(line: str) -> Event:
    """The event that ``line`` describes.

    Raises:
        WorkerError: the line is no event.
    """
    try:
        content = json.loads(line)
        name = content.pop("event")
        kind = next(kind for kind in EVENT_TYPES if kind.event == name)
        event = kind(**content)
        _check(event)
    except (
        ValueError,
        AttributeError,
        KeyError,
        TypeError,
        OverflowError,
        StopIteration,
        RecursionError,
    ) as error:
        raise WorkerError(
            f"The worker sent a line that is no event ({line[:80]!r}); please report this."
        ) from error
    return event


def _check(event: Event) -> None:
    """A stream that is not ours must not pass for one because its fields have the right names."""
    for field_ in dataclasses.fields(event):
        value = getattr(event, field_.name)
        if field_.name == "percent":
            if isinstance(value, bool) or not math.isfinite(value):
                raise ValueError("percent is no number")
        elif not isinstance(value, dict if field_.name == "values" else str):
            raise TypeError(f"{field_.name} has another type")
