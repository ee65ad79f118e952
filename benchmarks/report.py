"""The report: tables in Markdown, and a plot."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from goals import all_goals
from measuring import TRANSPORTS
from results import Results, Row
from workloads import CITY, FLOOR

TITLES = {
    "fairweather": "**Fairweather**, through `qgis_process`",
    "floor": "the floor: what this machine can do",
    "rasterio_loop": "a loop of rasterio windows, two threads",
    "notebook": "the notebook",
    "notebook_series": "the notebook",
    "chosen_chunks": "the notebook with chosen chunks",
    "odc_algo_quantile": "odc-algo",
    "stackstac_median": "stackstac",
    "lazycogs_median": "lazycogs",
    "s2mosaic_median": "S2Mosaic",
}
COLOURS = {"fairweather": "#1b7837", "floor": "#9e9e9e"}
OTHER_COLOUR = "#6a8fb5"
STAGES = (
    *("start-up", "search", "plan", "read", "inflate", "reproject", "mask", "reduce", "write"),
    "other",
)
INTRODUCTION = """\
# Benchmarks

Made by `make bench` in one run; [README.md](README.md) says what is measured and how. Seconds are
from the start of a program to its end; processor seconds and memory are of its whole process tree,
QGIS's own included. Requests and megabytes are what the server gave.
"""


def write_report(results: Results, folder: Path) -> None:
    """Write ``REPORT.md`` and ``report.png`` into the folder."""
    plot = folder / "report.png"
    parts = [
        INTRODUCTION,
        _machine(results),
        "## Goals\n",
        _goals(results),
        "## Measurements\n",
    ]
    if _draw(results, plot):
        parts.append(f"![{CITY.name}]({plot.name})\n")
    for workload in dict.fromkeys(row.workload for row in results.rows):
        parts.append(f"### {workload[0].upper()}{workload[1:]}\n")
        parts.append(_measurements([row for row in results.rows if row.workload == workload]))
    parts += [*_profiles(results), *_floor(results), *_cog(results)]
    (folder / "REPORT.md").write_text("\n".join(parts), encoding="utf-8")


def _machine(results: Results) -> str:
    machine = ", ".join(f"{name} {value}" for name, value in results.machine.items())
    versions = ", ".join(f"{name} {version}" for name, version in results.versions.items())
    early = ""
    if len(results.rows) < results.planned:
        early = f"\nEnded early, after {len(results.rows)} of {results.planned} measurements.\n"
    return f"Measured on: {machine}.\n\nWith: {versions}.\n{early}"


def _goals(results: Results) -> str:
    words = {True: "reached", False: "**not reached**", None: "—"}
    rows = [
        (goal.what, goal.goal, goal.measured, words[goal.reached]) for goal in all_goals(results)
    ]
    return _table(("what", "goal", "measured", ""), rows)


def _measurements(rows: Sequence[Row]) -> str:
    measured = [
        (
            TITLES[row.contestant],
            row.transport,
            f"{row.measurement.seconds:.1f}",
            f"{row.measurement.processor_seconds:.1f}",
            f"{row.measurement.peak_bytes / 1e6:,.0f}",
            _or_dash(row.measurement.requests, 1),
            _or_dash(row.measurement.bytes_read, 1e6),
            row.agreement.in_words() if row.agreement else "—",
        )
        for row in rows
        if not row.measurement.failure
    ]
    titles = (
        *("", "over", "seconds", "processor seconds", "MB of memory", "requests", "MB read"),
        "largest difference",
    )
    failures = [
        f"\nNot measured: {TITLES[row.contestant]}, {row.transport}: {row.measurement.failure}\n"
        for row in rows
        if row.measurement.failure
    ]
    compared = next(
        (row for row in rows if not row.agreement and not row.measurement.failure), None
    )
    if compared and any(row.agreement for row in rows):
        words = f"\nDifferences are from {TITLES[compared.contestant]}, {compared.transport}.\n"
        failures.append(words)
    return _table(titles, measured) + "".join(failures)


def _or_dash(value: int | None, unit: float) -> str:
    return "—" if value is None else f"{value / unit:,.0f}"


def _profiles(results: Results) -> Iterable[str]:
    if not results.profiles and not results.profile_failures:
        return
    yield "## Where our own time goes\n"
    for name, failure in results.profile_failures.items():
        yield f"Not measured over {name}: {failure}\n"
    if not results.profiles:
        return
    yield (
        "Every 5 ms, the function that each thread of the worker is in: processor seconds that it "
        "used since, and in brackets the seconds in which at least one thread was there, reading "
        "or waiting for what it reads. Inflating inside GDAL counts as reading.\n"
    )
    names = list(results.profiles)
    rows = []
    for stage in STAGES:
        used, passed = (
            [results.profiles[name][kind].get(stage, 0) for name in names]
            for kind in ("processor seconds", "seconds")
        )
        rows.append((stage, *map("{:.2f} ({:.2f})".format, used, passed)))
    whole = [
        f"{results.profiles[name]['processor seconds of the worker']:.2f} "
        f"({results.profiles[name]['seconds of the worker']:.2f})"
        for name in names
    ]
    rows.append(("the worker in all", *whole))
    yield _table(("stage", *names), rows)
    yield _start_of_qgis(results)
    for name in names:
        functions = results.profiles[name]["processor seconds of functions"]
        yield f"The functions of ours that use most, over {name}:\n"
        yield _table(
            ("function, with what it calls outside", "processor seconds"),
            [(f"`{function}`", f"{seconds:.2f}") for function, seconds in functions.items()],
        )


def _start_of_qgis(results: Results) -> str:
    """What QGIS takes before a worker is started."""
    start = results.start_of_qgis
    if start is None or start.failure:
        return ""
    return (
        "Before that, QGIS: its own start, Processing's and the plugin's take "
        f"{start.seconds:.1f} s ({start.processor_seconds:.1f} s of processors, "
        f"{start.peak_bytes / 1e6:.0f} MB), as "
        "`qgis_process help` shows.\n"
    )


def _floor(results: Results) -> Iterable[str]:
    rows = [row for row in results.rows if (row.workload, row.contestant) == (CITY.name, FLOOR)]
    rows = [row for row in rows if row.notes]
    if not rows:
        return
    yield "## The floor, part by part\n"
    yield f"{CITY.name[0].upper()}{CITY.name[1:]}: processor seconds of all threads.\n"
    parts = list(rows[0].notes["processor seconds"])
    values = [
        (part, *(f"{row.notes['processor seconds'][part]:.2f}" for row in rows)) for part in parts
    ]
    yield _table(("part", *(row.transport for row in rows)), values)
    yield "Seconds, one after the other:\n"
    parts = list(rows[0].notes["seconds"])
    values = [(part, *(f"{row.notes['seconds'][part]:.2f}" for row in rows)) for part in parts]
    yield _table(("part", *(row.transport for row in rows)), values)


def _cog(results: Results) -> Iterable[str]:
    if not results.cogs and not results.cog_failure:
        return
    yield "## The COG alone\n"
    yield "What `benchmarks/cog.py` says of 3 x 4000 x 4000 pixels of float32.\n"
    if results.cog_failure:
        yield f"Not measured: {results.cog_failure}\n"
        return
    rows = [
        (name, f"{cog.seconds:.2f}", f"{cog.megabytes:.1f}") for name, cog in results.cogs.items()
    ]
    yield _table(("writer", "seconds", "MB"), rows)


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [titles, ["---"] * len(titles), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _draw(results: Results, path: Path) -> bool:
    """Bars of the city's composite by transport; False where nothing was measured."""
    rows = [
        row for row in results.rows if row.workload == CITY.name and not row.measurement.failure
    ]
    transports = [one.name for one in TRANSPORTS if any(row.transport == one.name for row in rows)]
    if not transports:
        return False
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    counts = [sum(row.transport == name for row in rows) for name in transports]
    figure, panels = plt.subplots(
        *(len(transports), 2),
        figsize=(10, 1.2 + 0.32 * sum(counts) + 0.5 * len(counts)),
        sharex="col",
        squeeze=False,
        gridspec_kw={"height_ratios": counts, "width_ratios": (2, 1)},
        layout="constrained",
    )
    for line, name in zip(panels, transports, strict=True):
        there = sorted(
            (row for row in rows if row.transport == name),
            key=lambda row: -row.measurement.seconds,
        )
        labels = [TITLES[row.contestant].replace("*", "").replace("`", "") for row in there]
        colours = [COLOURS.get(row.contestant, OTHER_COLOUR) for row in there]
        seconds = line[0].barh(labels, [row.measurement.seconds for row in there], color=colours)
        line[0].bar_label(seconds, fmt="%.1f", padding=3, fontsize=8)
        memory = [row.measurement.peak_bytes / 1e9 for row in there]
        bars = line[1].barh(labels, memory, color=colours)
        line[1].bar_label(bars, fmt="%.2f", padding=3, fontsize=8)
        line[1].set_yticks([])
        line[0].set_title(name, loc="left", fontsize=9, fontweight="bold")
        for panel in line:
            panel.spines[["top", "right"]].set_visible(False)
            panel.margins(x=0.15)
            panel.tick_params(labelsize=8)
    panels[-1][0].set_xlabel("seconds", fontsize=9)
    panels[-1][1].set_xlabel("GB of memory at most", fontsize=9)
    figure.suptitle(CITY.name, fontsize=10)
    figure.savefig(path, dpi=110)
    plt.close(figure)
    return True
