"""Every request of a small composite broken in every way, once or for good."""

import pytest
from small_job import assert_only_the_named_is_lost, assert_same_pixels

ONCE = (
    *("refuse", "hang up", "reset", "cut", "stall", "drip"),
    *("429 after 0", "500", "502", "503", "403", "long", "short", "html"),
    *("empty", "json", "a part", "a part, packed"),
)
FOR_GOOD = ("404", "500", "cut", "damaged")
# Of three days: two bands and a mask.
FILES = 9


pytestmark = pytest.mark.usefixtures("impatient")


def walk(server, small_job, fault, step=1):
    """Break request 1, then 2, then 3 …, until a run ends untouched; how many were broken."""
    expected = small_job.oracle()
    number = 1
    while True:
        server.calm()
        server.script = {number: fault}
        found = small_job.run()
        assert_same_pixels(found.pixels, expected)
        assert found.named == []
        assert "FAIRWEATHER_SKIPPED" not in found.tags
        if server.requests < number:
            return number - 1
        number += step


def test_a_fault_at_every_fifth_request_changes_no_pixel(server, small_job):
    assert walk(server, small_job, "reset", step=5) >= 25


@pytest.mark.slow
@pytest.mark.parametrize("fault", ONCE)
def test_a_fault_at_every_request_changes_no_pixel(server, small_job, fault):
    assert walk(server, small_job, fault) >= 25


@pytest.mark.slow
@pytest.mark.parametrize("fault", ONCE)
def test_nor_does_one_of_a_server_without_ranges(server, small_job, fault):
    server.has_ranges = False
    assert walk(server, small_job, fault) >= FILES


def test_an_answer_that_is_half_the_file(server, small_job):
    server.has_ranges = False
    assert walk(server, small_job, "short", step=4) >= FILES


def walk_for_good(server, small_job, fault, step=1):
    """From request 1, 2, 3 … on, break that request's file: each loss is named, and no other."""
    number = 1
    while True:
        server.calm()
        server.script = {number: f"for good {fault}"}
        found = small_job.run()
        if server.requests < number:
            return number - 1
        assert_only_the_named_is_lost(found, small_job)
        number += step


def test_a_file_broken_from_every_fifth_request_on(server, small_job):
    assert walk_for_good(server, small_job, "damaged", step=5) >= 25


@pytest.mark.slow
@pytest.mark.parametrize("fault", FOR_GOOD)
def test_a_file_broken_from_every_request_on(server, small_job, fault):
    assert walk_for_good(server, small_job, fault) >= 25


@pytest.mark.slow
@pytest.mark.parametrize("fault", [*FOR_GOOD, "short"])
def test_a_file_of_a_server_without_ranges_broken_from_every_request_on(server, small_job, fault):
    server.has_ranges = False
    assert walk_for_good(server, small_job, fault) >= FILES


def test_three_of_ten_requests_fail(server, small_job):
    server.rate = 0.3
    small_job.__init__(small_job.folder, server, days=9)
    found = small_job.run()
    assert server.requests > 100
    assert_same_pixels(found.pixels, small_job.oracle())
    assert found.named == []


@pytest.mark.parametrize("fault", ONCE)
def test_every_kind_at_the_third_request(server, small_job, fault):
    server.script = {3: fault}
    found = small_job.run()
    assert_same_pixels(found.pixels, small_job.oracle())
    assert found.named == []
