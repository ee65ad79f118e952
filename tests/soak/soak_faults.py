"""The small job on a server that fails as told, which the tests of tests/science/faults use too."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from faulty_server import FaultyServer, running
from small_job import SmallJob, cut_into_tiles, make_impatient


@contextlib.contextmanager
def served_job(
    folder: Path, days: int, columns: int = 2, *, is_patient: bool = False
) -> Iterator[tuple[SmallJob, FaultyServer]]:
    """The job and its server; without patience the pauses and timeouts are short ones."""
    served = folder / "served"
    served.mkdir()
    with pytest.MonkeyPatch.context() as patch, running(FaultyServer(served)) as server:
        cut_into_tiles(patch)
        if not is_patient:
            make_impatient(patch)
        yield SmallJob(folder, server, days, columns), server
