"""One fault of each kind at each request of a job: the same pixels, or the loss named."""

from __future__ import annotations

import faulthandler
import shutil
import time

import numpy as np
from small_job import assert_only_the_named_is_lost, assert_same_pixels
from soak_faults import served_job
from soak_row import Row, Trial

ONCE = ("reset", "stall", "cut", "429 after 0", "503", "long")
FOR_GOOD = ("for good 404", "for good damaged")
KINDS = (*ONCE, *FOR_GOOD)
DAYS = 12  # of three files each, whose header and two tiles are a request each
REQUESTS = 100
SECONDS_OF_A_HANG = 60.0
FAILURES_SHOWN = 5


def run(trial: Trial) -> dict[str, object]:
    """Break one request a run, every request in every way as far as the times reach."""
    cases = [(kind, number) for number in range(1, REQUESTS + 1) for kind in KINDS]
    if trial.times < len(cases):
        cases = [
            (KINDS[n % len(KINDS)], trial.random.randint(1, REQUESTS)) for n in range(trial.times)
        ]
    failures, seconds, lost = [], [], 0
    with served_job(trial.folder, DAYS) as (job, server):
        expected = job.oracle()
        job.run()
        assert server.requests >= REQUESTS, f"the job has only {server.requests} requests"
        for kind, number in cases:
            began = time.monotonic()
            faulthandler.dump_traceback_later(SECONDS_OF_A_HANG, exit=True)
            try:
                lost += _is_lost(job, server, expected, kind, number)
            except Exception as error:
                failures.append(f"{kind} at request {number}: {type(error).__name__} {error}"[:300])
            faulthandler.cancel_dump_traceback_later()
            seconds.append(time.monotonic() - began)
            _clear(job)
    assert not failures, f"{len(failures)} of {len(cases)} runs: {failures[:FAILURES_SHOWN]}"
    return {
        "runs": len(cases),
        "kinds": len(KINDS),
        "requests": REQUESTS,
        "runs_with_a_named_loss": lost,
        "most_seconds": round(max(seconds), 2),
        "median_seconds": round(float(np.median(seconds)), 2),
    }


def _is_lost(job, server, expected, kind, number) -> bool:
    """Whether the run names a loss; anything unnamed raises."""
    server.calm()
    server.script = {number: kind}
    found = job.run()
    assert server.requests >= number, "the request was never made"
    if kind in FOR_GOOD:
        assert_only_the_named_is_lost(found, job)
        return bool(found.named)
    assert_same_pixels(found.pixels, expected)
    assert found.named == []
    assert "FAIRWEATHER_SKIPPED" not in found.tags
    return False


def _clear(job) -> None:
    for path in job.folder.glob("composite-*"):
        path.unlink()
    for path in job.folder.glob("scratch-*"):
        shutil.rmtree(path)


ROW = Row(
    name="single_faults",
    promise="One fault at any of 100 requests, of 8 kinds: the same pixels, or the loss named",
    times=len(KINDS) * REQUESTS,
    run=run,
)
