"""A program that runs a request as QGIS does, and is its own worker: slow enough to be killed.

``soak_job_to_kill.py qgis REQUEST`` runs the job; the worker writes to the file SOAK_LOG which
blocks it has composed and finished, so that this is known whenever it is killed. Each takes at
least SOAK_SECONDS_A_BLOCK; after SOAK_MOST_BLOCKS it stays where it is until it is killed.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import threading
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
EDGE = 64


def main(arguments: list[str]) -> int:
    """Run the request, or the worker that ``run_job`` asks for."""
    spec = importlib.util.spec_from_file_location("soak_launch", ROOT / "core" / "launch.py")
    launch = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(launch)
    launch.load_package()
    if arguments[0] == "worker":
        slow_down()
        worker = importlib.import_module("fairweather.core.science.worker")
        return worker.main(arguments[1:])
    bridge = "fairweather.core.bridge"
    request = importlib.import_module(f"{bridge}.request").read_request(Path(arguments[1]))
    importlib.import_module(f"{bridge}.worker_process").run_job(
        request,
        Path(sys.executable),
        on_event=lambda event: print(event, flush=True),
        is_cancelled=lambda: False,
        launch_script=Path(__file__),
    )
    return 0


def slow_down() -> None:
    """Let the worker's composites be of small blocks, each slow and written down."""
    composite = "fairweather.core.science.composite"
    plan, run, budget = (
        importlib.import_module(name)
        for name in (
            f"{composite}.plan",
            f"{composite}.run",
            "fairweather.core.science.imagery.memory_budget",
        )
    )
    compose, keep = run.compose_block, run.FinishedBlocks.keep
    seconds = float(os.environ.get("SOAK_SECONDS_A_BLOCK", "0.02"))
    blocks_left = threading.Semaphore(int(os.environ.get("SOAK_MOST_BLOCKS", str(sys.maxsize))))

    def compose_slowly(block, *others):
        blocks_left.acquire()
        note("composed", block)
        time.sleep(seconds)
        return compose(block, *others)

    def keep_and_note(finished, block, *others):
        keep(finished, block, *others)
        note("finished", block)

    plan.plan_blocks = lambda *_, **__: budget.BlockPlan(EDGE, 2)
    run.compose_block = compose_slowly
    run.FinishedBlocks.keep = keep_and_note


def note(word, block) -> None:
    """One line, by one write: a kill leaves it whole or not there."""
    descriptor = os.open(os.environ["SOAK_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    line = f"{word} {block.rows.start}-{block.columns.start} {os.getpid()}\n"
    os.write(descriptor, line.encode())
    os.close(descriptor)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
