"""What is to be reached, and whether a run of the benchmarks reached it."""

from __future__ import annotations

from dataclasses import dataclass

from measuring import FAR, HTTP, LOCAL, TRANSPORTS, Measurement, Transport
from results import Results
from workloads import (
    CITY,
    FLOOR,
    LOOP,
    MANY_DAYS,
    NOTEBOOK,
    NOTEBOOK_SERIES,
    OURS,
    POINT,
    POINTS,
    TILE_WIDE,
    TOWN,
    Workload,
)

MEMORY_GOAL = 1.1e9
SAME = 1.15  # what still counts as the same memory, or as no more than what is needed
COG_SECONDS = 1.5


@dataclass(frozen=True)
class Goal:
    """One line of the table: ``reached`` is None where something was not measured."""

    what: str
    goal: str
    measured: str
    reached: bool | None


def all_goals(results: Results) -> list[Goal]:
    """The goals in the issue's order."""
    return [
        *_city_goals(results),
        *_memory_goals(results),
        _bytes_goal(results),
        _faster(results, TOWN, LOCAL, NOTEBOOK, 3.5),
        _faster(results, TOWN, FAR, NOTEBOOK, 6),
        _faster(results, POINT, LOCAL, NOTEBOOK_SERIES, 8),
        _faster(results, POINT, FAR, NOTEBOOK_SERIES, 16),
        _faster(results, POINTS, FAR, NOTEBOOK_SERIES, 7),
        *_cog_goals(results),
    ]


def _city_goals(results: Results) -> list[Goal]:
    goals = [
        _faster(results, CITY, LOCAL, NOTEBOOK, 10),
        _faster(results, CITY, LOCAL, LOOP, 2.2),
    ]
    ours, floor = (_measured(results, CITY, who, LOCAL) for who in (OURS, FLOOR))
    what = f"{CITY.name}, {LOCAL.name}: against the floor"
    if ours and floor:
        limit = 1.3 * floor.seconds + 2
        measured = f"{ours.seconds:.1f} s; the floor takes {floor.seconds:.1f} s"
        goals.append(Goal(what, f"at most {limit:.1f} s", measured, ours.seconds <= limit))
    else:
        goals.append(_not_measured(what, "1.3 times the floor plus 2 s"))
    goals.append(_faster(results, CITY, FAR, NOTEBOOK, 11))
    goals.append(_latency_goal(results))
    goals.append(_processor_goal(results, LOCAL))
    goals.append(_processor_goal(results, FAR))
    return goals


def _latency_goal(results: Results) -> Goal:
    what, goal = f"{CITY.name}, {FAR.name}: against {HTTP.name}", "at most 1.15 times"
    far, near = (_measured(results, CITY, OURS, transport) for transport in (FAR, HTTP))
    if not far or not near:
        return _not_measured(what, goal)
    times = far.seconds / near.seconds
    measured = f"{times:.2f} times ({far.seconds:.1f} s and {near.seconds:.1f} s)"
    return Goal(what, goal, measured, times <= 1.15)


def _processor_goal(results: Results, transport: Transport) -> Goal:
    what, goal = f"{CITY.name}, {transport.name}: processor seconds", "an eighth of the notebook's"
    ours, theirs = (_measured(results, CITY, who, transport) for who in (OURS, NOTEBOOK))
    if not ours or not theirs:
        return _not_measured(what, goal)
    share = theirs.processor_seconds / ours.processor_seconds
    measured = (
        f"1/{share:.1f} ({ours.processor_seconds:.1f} s and {theirs.processor_seconds:.1f} s)"
    )
    return Goal(what, goal, measured, share >= 8)


def _memory_goals(results: Results) -> list[Goal]:
    peaks = {
        f"{workload.name}, {transport.name}": found.peak_bytes
        for workload, transport in (
            *((CITY, transport) for transport in TRANSPORTS),
            (TOWN, LOCAL),
            (MANY_DAYS, LOCAL),
            (TILE_WIDE, LOCAL),
        )
        if (found := _measured(results, workload, OURS, transport))
    }
    what, goal = "peak memory, wherever a composite was measured", "at most 1.1 GB"
    if not peaks:
        return [_not_measured(what, goal)]
    worst = max(peaks, key=lambda name: peaks[name])
    measured = f"{peaks[worst] / 1e9:.2f} GB ({worst})"
    return [
        Goal(what, goal, measured, peaks[worst] <= MEMORY_GOAL),
        _same_memory(results, MANY_DAYS, "24 to 240 days"),
        _same_memory(results, TILE_WIDE, "40 to 110 km"),
    ]


def _same_memory(results: Results, larger: Workload, words: str) -> Goal:
    what, goal = f"peak memory from {words}", "the same (at most 1.15 times)"
    small, large = (_measured(results, workload, OURS, LOCAL) for workload in (CITY, larger))
    if not small or not large:
        return _not_measured(what, goal)
    times = large.peak_bytes / small.peak_bytes
    measured = (
        f"{times:.2f} times ({large.peak_bytes / 1e9:.2f} GB and {small.peak_bytes / 1e9:.2f} GB)"
    )
    return Goal(what, goal, measured, times <= SAME)


def _bytes_goal(results: Results) -> Goal:
    what = f"{CITY.name}, {HTTP.name}: bytes read"
    goal = "the tiles that are needed, once each (with headers, 2 % more)"
    ours, floor = (results.find(CITY, who, HTTP) for who in (OURS, FLOOR))
    if not ours or not floor:
        return _not_measured(what, goal)
    read, needed = ours.measurement.bytes_read, floor.notes["bytes needed"]
    measured = f"{read / 1e9:.3f} GB; {needed / 1e9:.3f} GB are needed"
    return Goal(what, goal, measured, read <= 1.02 * needed)


def _faster(
    results: Results, workload: Workload, transport: Transport, other: str, times: float
) -> Goal:
    name = "the loop" if other == LOOP else "the notebook"
    what = f"{workload.name}, {transport.name}: against {name}"
    goal = f"{times:g} times faster"
    ours, theirs = (_measured(results, workload, who, transport) for who in (OURS, other))
    if not ours or not theirs:
        return _not_measured(what, goal)
    ratio = theirs.seconds / ours.seconds
    measured = f"{ratio:.1f} times ({ours.seconds:.1f} s and {theirs.seconds:.1f} s)"
    return Goal(what, goal, measured, ratio >= times)


def _cog_goals(results: Results) -> list[Goal]:
    what = "the COG alone, 3 x 4000 x 4000: "
    ours = results.cogs.get("Fairweather")
    theirs = next((cog for name, cog in results.cogs.items() if name.startswith("notebook")), None)
    if not ours or not theirs:
        return [
            _not_measured(what + "seconds", f"{COG_SECONDS} s"),
            _not_measured(what + "size", "a third smaller"),
        ]
    seconds = f"{ours.seconds:.1f} s and {theirs.seconds:.1f} s"
    sizes = f"{ours.megabytes:.0f} MB and {theirs.megabytes:.0f} MB"
    is_smaller = ours.megabytes <= theirs.megabytes * 2 / 3
    return [
        Goal(what + "seconds", f"{COG_SECONDS} s", seconds, ours.seconds <= COG_SECONDS),
        Goal(what + "size", "a third smaller", sizes, is_smaller),
    ]


def _measured(
    results: Results, workload: Workload, contestant: str, transport: Transport
) -> Measurement | None:
    row = results.find(workload, contestant, transport)
    return row.measurement if row else None


def _not_measured(what: str, goal: str) -> Goal:
    return Goal(what, goal, "not measured", None)
