"""Time series with files that cannot be read: which values are missing, and that it is told."""

import socket
from pathlib import Path

import pytest
from fairweather.core.bridge.errors import ReadError
from small_job import assert_values

EVERY_BYTE = (0, 1_000_000_000)
ONCE = (
    *("refuse", "hang up", "reset", "cut", "stall", "drip"),
    *("429 after 0", "500", "502", "503", "403", "long", "short", "html"),
    *("empty", "json", "a part", "a part, packed"),
)
FOR_GOOD = ("404", "500", "cut", "damaged")

pytestmark = pytest.mark.usefixtures("impatient")


def test_a_calm_run(small_job):
    rows, warnings = small_job.series()
    assert_values(small_job, rows)
    assert not any("could not be read" in text for text in warnings)


@pytest.mark.parametrize(
    ("asset", "fault"), [("red", "404"), ("nir", "damaged"), ("scl", "cut"), ("scl", "damaged")]
)
def test_a_tile_costs_its_day_at_the_sites_there(server, small_job, asset, fault):
    name = f"{asset}-1.tif"
    server.lasting = {name: (fault, *small_job.tile_bytes(name, 1))}
    chart = small_job.folder / "chart.html"
    rows, warnings = small_job.series(chart=str(chart))
    assert_values(small_job, rows, without=[(1, 1)])
    summary, one = warnings[:2]
    assert "1 file of 1 scene could not be read" in summary
    assert name in one
    assert "1 file of 1 scene could not be read" in Path(chart).read_text("utf-8")


def test_a_file_costs_its_day_at_all_sites(server, small_job):
    server.lasting = {"red-2.tif": ("404", *EVERY_BYTE)}
    rows, _ = small_job.series()
    assert_values(small_job, rows, without=[(0, 2), (1, 2)])


def test_on_error_fail(server, small_job):
    server.lasting = {"nir-2.tif": ("404", *EVERY_BYTE)}
    with pytest.raises(ReadError, match=r"nir-2\.tif"):
        small_job.series(on_error="fail")
    assert not list(small_job.folder.glob("observations-*"))


def test_most_is_lost(server, small_job):
    for day in (0, 1):
        server.lasting[f"scl-{day}.tif"] = ("404", *EVERY_BYTE)
    with pytest.raises(ReadError, match="Most of the imagery"):
        small_job.series()


def test_the_server_goes_away(server, small_job):
    small_job.__init__(small_job.folder, server, days=9)
    server.script = {8: "all refuse"}
    with pytest.raises(ReadError, match=r"does not answer any more|Most of the imagery"):
        small_job.series()


@pytest.mark.parametrize("fault", ONCE)
def test_every_kind_at_the_third_request(server, small_job, fault):
    server.script = {3: fault}
    rows, warnings = small_job.series()
    assert_values(small_job, rows)
    assert not any("could not be read" in text for text in warnings)


@pytest.mark.parametrize("fault", ["redirect", "html", "short", "cut", "404"])
def test_every_kind_for_good_costs_one_day(server, small_job, fault):
    server.lasting = {"nir-1.tif": (fault, *EVERY_BYTE)}
    rows, warnings = small_job.series()
    assert_values(small_job, rows, without=[(0, 1), (1, 1)])
    assert any("nir-1.tif" in text for text in warnings)


def test_a_server_without_ranges(server, small_job):
    server.has_ranges = False
    rows, _ = small_job.series()
    assert_values(small_job, rows)
    assert server.requests <= 9 + 8


def test_the_pause_that_a_server_asks_for(server, small_job):
    server.script = {5: "429 after 1"}
    rows, _ = small_job.series()
    assert_values(small_job, rows)


def test_names_that_come_back(small_job, monkeypatch):
    resolve, asked = socket.getaddrinfo, []

    def fail_at_first(*arguments, **others):
        asked.append(arguments)
        if len(asked) <= 4:
            raise socket.gaierror("Temporary failure in name resolution")
        return resolve(*arguments, **others)

    monkeypatch.setattr(socket, "getaddrinfo", fail_at_first)
    rows, _ = small_job.series()
    assert_values(small_job, rows)


def test_a_server_that_speaks_no_tls(server, small_job):
    for item in small_job.items:
        for asset in item["assets"].values():
            asset["href"] = asset["href"].replace("http:", "https:")
    with pytest.raises(ReadError):
        small_job.series()


def walk(server, small_job, fault, step=1):
    """Break request 1, then 2, then 3 …, until a run ends untouched; how many were broken."""
    number = 1
    while True:
        server.calm()
        server.script = {number: fault}
        rows, warnings = small_job.series()
        assert_values(small_job, rows)
        assert not any("could not be read" in text for text in warnings), (number, warnings)
        if server.requests < number:
            return number - 1
        number += step


def test_a_fault_at_every_sixth_request_changes_no_value(server, small_job):
    assert walk(server, small_job, "503", step=6) >= 20


@pytest.mark.slow
@pytest.mark.parametrize("fault", ONCE)
def test_a_fault_at_every_request_changes_no_value(server, small_job, fault):
    assert walk(server, small_job, fault) >= 20


@pytest.mark.slow
@pytest.mark.parametrize("fault", ONCE)
def test_nor_does_one_of_a_server_without_ranges(server, small_job, fault):
    server.has_ranges = False
    assert walk(server, small_job, fault) >= 9


@pytest.mark.slow
@pytest.mark.parametrize("fault", FOR_GOOD)
def test_a_file_broken_from_every_request_on_costs_one_day_where_it_is_named(
    server, small_job, fault
):
    number = 1
    while True:
        server.calm()
        server.script = {number: f"for good {fault}"}
        rows, warnings = small_job.series()
        if server.requests < number:
            break
        empty = [row for row in rows if row["value"] == ""]
        lost = {(int(row["site_id"]), int(row["time"][8:10]) - 1) for row in empty}
        assert len({day for _, day in lost}) <= 1
        assert_values(small_job, rows, without=lost)
        assert bool(lost) == any("could not be read" in text for text in warnings)
        number += 1
    assert number > 20
