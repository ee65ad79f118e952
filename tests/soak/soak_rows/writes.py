"""Every write fails once: disk full, I/O error, short write, no permission, folder gone; walked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import pytest
from failing_disk import FAULTS
from local_jobs import Walk
from soak_row import Row, Trial

JOBS = ("searchscenes", "composite", "timeseries", "samplecatalog")
# More than there are: with fewer times, a random part of them is tried.
TIMES = 1000


def run(trial: Trial) -> Mapping[str, object]:
    """Walk; after each there is the old file or the new one, and one sentence."""
    with pytest.MonkeyPatch.context() as patch:
        walk = Walk(trial.folder, patch)
        places = [
            (job, fault, at)
            for job in JOBS
            for at in range(1, len(walk.steps(job)) + 1)
            for fault in FAULTS
        ]
        of_all = Counter(job for job, _, _ in places)
        assert len(places) <= TIMES, f"there are {len(places)} to be walked, more than {TIMES}"
        if trial.times < len(places):
            places = trial.random.sample(places, trial.times)
        tried = {place: walk.fail(*place) for place in places}
    faults = [
        f"{fault} at step {at} of {job}: {found}"
        for (job, fault, at), outcome in tried.items()
        for found in outcome.faults
    ]
    failed = Counter(job for (job, _, _), outcome in tried.items() if outcome.sentence)
    figures = {
        "walked": dict(Counter(job for job, _, _ in places)),
        "of": dict(of_all),
        "ended with a sentence": dict(failed),
    }
    assert not faults, f"{len(faults)} of {len(places)}: {'; '.join(faults[:5])} ({figures})"
    return figures


ROW = Row(
    "writes",
    "every write fails once (disk full, I/O error, short write, no permission, folder gone), "
    "walked: the old file or the new file, never a part",
    TIMES,
    run,
)
