"""Three of ten range requests fail at random: the same pixels, at most 3 times the calm time."""

from __future__ import annotations

import random
import time

from small_job import assert_same_pixels
from soak_faults import served_job
from soak_row import Row, Trial

SHARE_THAT_FAILS = 0.3
MOST_TIMES_THE_CALM = 3.0
# As long as storage in the cloud takes for a range; the pauses are those of a real run.
LATENCY = 0.08
DAYS = 73
REQUESTS_BY_COLUMN = 3 * DAYS
# One read that fails again and again is a part of the time of so many; of fewer, it is most.
FEWEST_REQUESTS_TO_TIME = 1000


def run(trial: Trial) -> dict[str, object]:
    """A composite in calm, and again with failures, of as many requests as there are times."""
    columns = max(1, -(-trial.times // REQUESTS_BY_COLUMN) - 1)
    with served_job(trial.folder, DAYS, columns, is_patient=True) as (job, server):
        expected = job.oracle()
        server.latency = LATENCY
        calm, calm_seconds = _timed(job)
        calm_requests = server.requests
        server.calm()
        server.rate, server.chance = SHARE_THAT_FAILS, random.Random(trial.random.random())
        found, seconds = _timed(job)
    for one in (calm, found):
        assert_same_pixels(one.pixels, expected)
        assert one.named == [], one.named
    times = seconds / calm_seconds
    if calm_requests >= FEWEST_REQUESTS_TO_TIME:
        assert times <= MOST_TIMES_THE_CALM, f"it took {times:.2f} times as long as in calm"
    return {
        "requests_in_calm": calm_requests,
        "requests_with_failures": server.requests,
        "seconds_in_calm": round(calm_seconds, 1),
        "seconds_with_failures": round(seconds, 1),
        "times_the_calm": round(times, 2),
    }


def _timed(job):
    began = time.monotonic()
    outcome = job.run()
    return outcome, time.monotonic() - began


ROW = Row(
    name="random_faults",
    promise="30 % of 5,000 range requests fail: the same pixels in at most 3 times the calm time",
    times=5000,
    run=run,
)
