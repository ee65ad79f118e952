"""The small job on a server that fails as told, which the tests of tests/science/faults use too."""

from __future__ import annotations

import contextlib
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

TESTS = Path(__file__).resolve().parent.parent
FAULTS = TESTS / "science" / "faults"


def load(name: str, folder: Path = FAULTS) -> ModuleType:
    """A module of the tests, by its file's name; loaded once."""
    full_name = f"fairweather_{name}"
    if full_name not in sys.modules:
        spec = importlib.util.spec_from_file_location(full_name, folder / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules[full_name] = module
        spec.loader.exec_module(module)
    return sys.modules[full_name]


def load_package() -> None:
    """Let a new process know the package, as the row's own does."""
    load("launch", TESTS.parent / "core").load_package()


@contextlib.contextmanager
def small_job(
    folder: Path, days: int, columns: int = 2, *, is_patient: bool = False
) -> Iterator[tuple[Any, Any]]:
    """The job and its server; without patience the pauses and timeouts are short ones."""
    faulty_server, jobs = load("faulty_server"), load("small_job")
    served = folder / "served"
    served.mkdir()
    with (
        pytest.MonkeyPatch.context() as patch,
        faulty_server.running(faulty_server.FaultyServer(served)) as server,
    ):
        jobs.cut_into_tiles(patch)
        if not is_patient:
            jobs.make_impatient(patch)
        yield jobs.SmallJob(folder, server, days, columns), server
