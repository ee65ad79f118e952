"""What tasks of a run share in one worker process of a cluster."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Generic, TypeVar

from distributed import Reschedule

from ..access.access import Access, AccessRules
from ..imagery.readers import READS_IN_FLIGHT, Readers
from ..stack_memory import StackMemory
from .travelling_code import CodeOnWorker

Piece = TypeVar("Piece")
Answer = TypeVar("Answer")


class WorkerTools:
    """Reading threads with their files, memory lent to blocks, and room for so many pieces."""

    def __init__(self, at_once: int, rules: AccessRules, scratch: str) -> None:
        self.readers = Readers(READS_IN_FLIGHT, Path(scratch), access=Access(rules))
        self.memory = StackMemory()
        self.room = threading.BoundedSemaphore(at_once)
        self.is_closed = False

    def close(self) -> None:
        """End the threads, and with them the work that needs them."""
        self.is_closed = True
        self.readers.close(cancel=True)


@dataclass(frozen=True)
class Work(Generic[Piece, Answer]):
    """What a run does with each of its pieces, on whichever worker.

    No more than ``at_once`` pieces are in work in one process, which reads with ``access``.
    """

    compute: Callable[[Piece, WorkerTools], Answer]
    at_once: int
    access: AccessRules


@dataclass(frozen=True)
class Task(Generic[Piece, Answer]):
    """One piece, as it goes to a worker."""

    work: Work[Piece, Answer]
    piece: Piece

    def __call__(self, keeper: CodeOnWorker) -> Answer:
        """Do the work, with the tools that ``keeper`` keeps.

        Raises:
            FairweatherError: of any type.
            Reschedule: the worker is leaving; another shall do it.
        """
        tools: WorkerTools = keeper.keep(partial(WorkerTools, self.work.at_once, self.work.access))
        try:
            with tools.room:
                return self.work.compute(self.piece, tools)
        except Exception as error:
            if tools.is_closed:
                raise Reschedule from error
            raise
