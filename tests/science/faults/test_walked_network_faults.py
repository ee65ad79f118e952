"""Every request of a small composite broken in every way, once or for good."""

import pytest

ONCE = (
    *("refuse", "hang up", "reset", "cut", "stall", "drip"),
    *("429 after 0", "500", "502", "503", "403", "long", "short", "html"),
)
FOR_GOOD = ("404", "500", "cut", "damaged")


pytestmark = pytest.mark.usefixtures("impatient")


def walk(server, small_job, same_pixels, fault, step=1):
    """Break request 1, then 2, then 3 …, until a run ends untouched; how many were broken."""
    expected = small_job.oracle()
    number = 1
    while True:
        server.calm()
        server.script = {number: fault}
        found = small_job.run()
        same_pixels(found.pixels, expected)
        assert found.named == []
        assert "FAIRWEATHER_SKIPPED" not in found.tags
        if server.requests < number:
            return number - 1
        number += step


def test_a_fault_at_every_fifth_request_changes_no_pixel(server, small_job, same_pixels):
    assert walk(server, small_job, same_pixels, "reset", step=5) >= 25


@pytest.mark.slow
@pytest.mark.parametrize("fault", ONCE)
def test_a_fault_at_every_request_changes_no_pixel(server, small_job, same_pixels, fault):
    assert walk(server, small_job, same_pixels, fault) >= 25


def walk_for_good(server, small_job, check, fault, step=1):
    """From request 1, 2, 3 … on, break that request's file: each loss is named, and no other."""
    number = 1
    while True:
        server.calm()
        server.script = {number: f"for good {fault}"}
        found = small_job.run()
        if server.requests < number:
            return number - 1
        check(found, small_job)
        number += step


def test_a_file_broken_from_every_fifth_request_on(server, small_job, only_the_named_is_lost):
    assert walk_for_good(server, small_job, only_the_named_is_lost, "damaged", step=5) >= 25


@pytest.mark.slow
@pytest.mark.parametrize("fault", FOR_GOOD)
def test_a_file_broken_from_every_request_on(server, small_job, only_the_named_is_lost, fault):
    assert walk_for_good(server, small_job, only_the_named_is_lost, fault) >= 25


def test_three_of_ten_requests_fail(server, small_job, same_pixels):
    server.rate = 0.3
    small_job.__init__(small_job.folder, server, days=9)
    found = small_job.run()
    assert server.requests > 100
    same_pixels(found.pixels, small_job.oracle())
    assert found.named == []


@pytest.mark.parametrize("fault", ONCE)
def test_every_kind_at_the_third_request(server, small_job, same_pixels, fault):
    server.script = {3: fault}
    found = small_job.run()
    same_pixels(found.pixels, small_job.oracle())
    assert found.named == []
