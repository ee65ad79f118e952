"""The chart as a PNG image: one series, or a few small charts side by side."""

from __future__ import annotations

import math
from io import BytesIO
from typing import Literal

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter, date2num
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from ...bridge.version import plugin_version
from .chart import Chart, ChartedSeries, site_labels

MOST_PANELS = 12
PANELS_IN_A_ROW = 3
DOTS_PER_INCH = 150
LONGEST_LABEL = 46  # characters
# Okabe and Ito's colours, which colour-blind people tell apart
BLUE = "#0072B2"
VERMILION = "#D55E00"
GREY = "#8D999F"
CLOUDY_MARK = 0.035  # of the axes' height


def render_chart_image(chart: Chart) -> memoryview:
    """The first ``MOST_PANELS`` series as the bytes of a PNG."""
    picture = BytesIO()
    with mpl.rc_context():
        # A user's own matplotlib settings are for the user's figures.
        mpl.rcdefaults()
        draw_chart(chart).savefig(
            picture,
            format="png",
            dpi=DOTS_PER_INCH,
            metadata={
                "Title": chart.title,
                "Description": "\n".join((chart.description, *chart.notes)),
                "Software": f"Fairweather {plugin_version()}",
            },
        )
    return picture.getbuffer()


def draw_chart(chart: Chart) -> Figure:
    """The figure of the image, on matplotlib's own canvas: no window and no global state."""
    panels = chart.series[:MOST_PANELS]
    columns = _column_count(panels)
    rows = math.ceil(len(panels) / columns) or 1
    size = (10, 5) if len(panels) < 2 else (4.6 * columns, 2.9 * rows + 1)
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    shared = _shared_values(panels, columns)
    grid = figure.subplots(rows, columns, squeeze=False, sharex=True, sharey=shared)
    labels = site_labels(chart)
    for number, (axes, one) in enumerate(zip(grid.flat, panels, strict=False)):
        _draw_series(axes, one, labels[one.site_id])
        if shared != "all" or number % columns == 0:
            axes.set_ylabel(one.index, fontsize=9)
    for axes in grid.flat[: len(panels)]:
        axes.xaxis.set_visible(any(one.observations.times.size for one in panels))
    for axes in grid.flat[len(panels) :]:
        axes.set_axis_off()
    _show_dates_in_each_column(grid, len(panels))
    _write_around(figure, chart, len(panels))
    return figure


def _column_count(panels: tuple[ChartedSeries, ...]) -> int:
    """Three side by side, two where that fills the rows; two or three indices side by side."""
    indices = len({one.index for one in panels})
    if 1 < indices <= PANELS_IN_A_ROW:
        return indices
    return {0: 1, 1: 1, 2: 2, 4: 2}.get(len(panels), PANELS_IN_A_ROW)


def _shared_values(
    panels: tuple[ChartedSeries, ...], columns: int
) -> Literal["all", "col", "none"]:
    """Which panels share their axis of values: those that show the same index."""
    indices = len({one.index for one in panels})
    if indices < 2:
        return "all"
    return "col" if indices == columns else "none"


def _draw_series(axes: Axes, one: ChartedSeries, label: str) -> None:
    values = one.observations.values
    times = date2num(one.observations.times)  # type: ignore[no-untyped-call]
    clear = np.isfinite(values)
    axes.plot(times[clear], values[clear], "o", color=BLUE, markersize=3.2, alpha=0.8, zorder=3)
    axes.plot(
        times[~clear], np.full(np.count_nonzero(~clear), CLOUDY_MARK / 2), "|", color=GREY,
        markersize=5, transform=axes.get_xaxis_transform(),
    )  # fmt: skip
    for observed, style in ((True, "solid"), (False, (0, (1, 1.6)))):
        axes.add_collection(
            LineCollection(_segments(one, observed), colors=VERMILION, linewidths=1.6,
                           linestyles=[style], capstyle="round"),
            autolim=True,
        )  # fmt: skip
    axes.autoscale_view()
    if not clear.any():
        axes.text(0.5, 0.5, "no value", transform=axes.transAxes, ha="center", color=GREY)
    locator = AutoDateLocator(minticks=3, maxticks=8)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    formatter = ConciseDateFormatter(locator)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_formatter(formatter)
    axes.grid(visible=True, axis="y", color="#E3E8EA", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    # Names may hold a $, which would otherwise begin a formula.
    axes.set_title(_short(label), fontsize=9, loc="left", parse_math=False)
    axes.tick_params(labelsize=8)


def _segments(one: ChartedSeries, observed: bool) -> list[np.ndarray]:
    """The smoothed line's pieces from step to step; ``observed``: between two observed steps."""
    times = date2num(one.series.times)  # type: ignore[no-untyped-call]
    points = np.column_stack([times, one.series.smoothed])
    there = np.isfinite(one.series.smoothed)
    has_value = np.isfinite(one.series.value)
    wanted = there[:-1] & there[1:] & ((has_value[:-1] & has_value[1:]) == observed)
    return [points[step : step + 2] for step in np.flatnonzero(wanted)]


def _show_dates_in_each_column(grid: np.ndarray, panels: int) -> None:
    """Shared axes label only the lowest row, where a column may have no panel."""
    rows, columns = grid.shape
    for column in range(columns):
        lowest = (panels - 1 - column) // columns
        if 0 <= lowest < rows - 1:
            grid[lowest, column].tick_params(axis="x", labelbottom=True)


def _write_around(figure: Figure, chart: Chart, panels: int) -> None:
    others = len(chart.series) - panels
    unseen_sites = chart.site_count - len({one.site_id for one in chart.series})
    more = f"{others:,} more series are not drawn" if others else ""
    if unseen_sites:
        more = f"{chart.site_count:,} sites, of which the first are drawn"
    words = [_short(text, 150) for text in (chart.description, more, *chart.notes[:1]) if text]
    figure.supxlabel("\n".join(words), fontsize=8, x=0.01, ha="left", parse_math=False)
    # The title is the legend's, which so keeps clear of it however long it is.
    legend = figure.legend(
        handles=_legend(), title=" ", loc="outside upper left", alignment="left", ncols=4,
        fontsize=8, title_fontsize=12, frameon=False, borderpad=0.2,
    )  # fmt: skip
    legend.get_title().set_parse_math(False)
    legend.get_title().set_text(_short(chart.title, 100))


def _legend() -> list[Line2D]:
    return [
        Line2D([], [], color=BLUE, marker="o", linestyle="", markersize=4, label="observed"),
        Line2D([], [], color=GREY, marker="|", linestyle="", label="cloudy day"),
        Line2D([], [], color=VERMILION, label="smoothed"),
        Line2D([], [], color=VERMILION, linestyle=(0, (1, 1.6)), label="step without observation"),
    ]


def _short(text: str, length: int = LONGEST_LABEL) -> str:
    printable = "".join(letter if letter.isprintable() else " " for letter in text)
    words = " ".join(printable.split())
    return words if len(words) <= length else f"{words[: length - 1]}…"
