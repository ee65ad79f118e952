"""A few files fail for good, and their server sends all others: each costs its day, no more."""

import pytest
from fairweather.core.bridge.errors import ReadError
from fairweather.core.science.imagery.files import byte_ranges
from fairweather.core.science.imagery.files.patience import MOST_FORBIDDEN, RetryPolicy
from small_job import COLUMNS, SmallJob, assert_same_pixels

EVERY_BYTE = (0, 1_000_000_000)
DAYS = 14
FIRST_DAYS = ("red-{}.tif", range(2))
MANY_FIRST_DAYS = ("red-{}.tif", range(5))
MASKS = ("scl-{}.tif", range(3, 9))


@pytest.fixture
def job(small_job, server, monkeypatch):
    policy = RetryPolicy(first_pause=0.001, longest_pause=0.01, longest_in_silence=0.01)
    monkeypatch.setattr(byte_ranges, "retry_policy", lambda: policy)
    return SmallJob(small_job.folder, server, DAYS)


@pytest.mark.parametrize(
    ("names", "days", "fault"),
    [
        (*FIRST_DAYS, "403"),
        (*FIRST_DAYS, "503"),
        (*MANY_FIRST_DAYS, "500"),
        (*MASKS, "403"),
        (*MASKS, "503"),
        (*MASKS, "refuse"),
    ],
)
def test_a_composite_lacks_these_days(server, job, names, days, fault):
    server.lasting = {names.format(day): (fault, *EVERY_BYTE) for day in days}
    found = job.run()
    lost = [(day, column) for day in days for column in range(COLUMNS)]
    assert_same_pixels(found.pixels, job.oracle(without=lost))
    assert f"{len(days)} files of {len(days)} scenes could not be read" in found.named[0]


@pytest.mark.parametrize("fault", ["403", "503"])
@pytest.mark.parametrize(("names", "days"), [FIRST_DAYS, MASKS], ids=["first", "masks"])
def test_a_time_series_lacks_these_days(server, job, names, days, fault):
    server.lasting = {names.format(day): (fault, *EVERY_BYTE) for day in days}
    rows, _ = job.series()
    for row in rows:
        day = int(row["time"][8:10]) - 1
        if day in days:
            assert row["value"] == ""
        else:
            expected = job.expected_value(int(row["site_id"]), row["index"], day)
            assert float(row["value"]) == pytest.approx(expected, abs=1e-9)


def test_a_server_that_fails_later_is_given_up(server, job):
    """It sent a few files, and then answers errors for everything."""
    server.script = {9: "all 503"}
    with pytest.raises(ReadError, match=r"nothing but errors and was given up \(503\); check"):
        job.run()
    assert not list(job.folder.glob("composite-*"))


def test_a_server_that_never_lets_in_is_given_up(server, job):
    server.everything = "403"
    with pytest.raises(ReadError, match="choose its keys as AUTH"):
        job.run()
    # Of 42 files, one after the first, and at worst all masks at once: no band but the first.
    assert server.requests <= (1 + DAYS) * MOST_FORBIDDEN
