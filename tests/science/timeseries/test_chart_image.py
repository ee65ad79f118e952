"""The chart image: a PNG that shows what was observed."""

import dataclasses
import sys
from io import BytesIO

import matplotlib as mpl
import numpy as np
import pytest
from fairweather.core.science.timeseries.chart_image import (
    MOST_PANELS,
    draw_chart,
    render_chart_image,
)
from PIL import Image


@pytest.fixture
def write(tmp_path):
    def write(chart):
        return Image.open(BytesIO(render_chart_image(chart)))

    return write


def panels_of(figure):
    return [axes for axes in figure.axes if axes.axison]


def foot_of(figure):
    return figure._supxlabel.get_text()


def test_one_site_is_one_panel_with_all_its_days(write, make_chart):
    chart = make_chart(1)
    image = write(chart)
    assert image.format == "PNG"
    assert image.size == (1500, 750)
    (axes,) = panels_of(draw_chart(chart))
    observed, cloudy = axes.lines
    values = chart.series[0].observations.values
    assert len(observed.get_xdata()) == np.isfinite(values).sum()
    np.testing.assert_array_equal(observed.get_ydata(), values[np.isfinite(values)])
    assert len(cloudy.get_xdata()) == np.isnan(values).sum()
    there = np.isfinite(chart.series[0].series.smoothed)
    pieces = sum(len(lines.get_segments()) for lines in axes.collections)
    assert pieces == (there[:-1] & there[1:]).sum() < len(there) - 1
    assert axes.get_title(loc="left") == "Field 0"
    assert axes.get_ylabel() == "NDVI"


def test_the_dates_on_the_axis_are_the_days(make_chart):
    chart = make_chart(1)
    (axes,) = panels_of(draw_chart(chart))
    first, last = (np.datetime64("1970-01-01") + np.timedelta64(int(day), "D")
                   for day in axes.get_xlim())  # fmt: skip
    times = chart.series[0].observations.times
    assert first <= times[0] <= first + np.timedelta64(40, "D")
    assert last - np.timedelta64(40, "D") <= times[-1] <= last + np.timedelta64(1, "D")


@pytest.mark.parametrize(
    ("sites", "indices", "columns"),
    [
        (2, ("NDVI",), 2),
        (4, ("NDVI",), 2),
        (5, ("NDVI",), 3),
        (2, ("NDVI", "EVI"), 2),
        (2, ("NDVI", "EVI", "NBR"), 3),
    ],
)
def test_several_are_small_panels(make_chart, sites, indices, columns):
    figure = draw_chart(make_chart(sites, indices))
    panels = panels_of(figure)
    assert len(panels) == sites * len(indices)
    assert panels[0].get_subplotspec().get_gridspec().ncols == columns


@pytest.mark.parametrize(("sites", "indices"), [(1, ("NDVI",)), (2, ("NDVI", "EVI"))])
def test_a_long_title_and_the_legend_keep_clear_of_each_other(make_chart, sites, indices):
    figure = draw_chart(make_chart(sites, indices, title="NDVI, NDMI, EVI, NBR, " * 9))
    figure.canvas.draw()
    (legend,) = figure.legends
    title = legend.get_title().get_window_extent()
    lowest = min(text.get_window_extent().y0 for text in legend.get_texts())
    assert title.x1 < figure.bbox.x1
    assert title.y0 >= max(text.get_window_extent().y1 for text in legend.get_texts())
    names = [axes._left_title.get_window_extent() for axes in panels_of(figure)]
    assert all(name.y1 <= lowest for name in names)


def test_panels_of_one_index_share_its_scale(make_chart):
    panels = panels_of(draw_chart(make_chart(3, ("NDVI", "EVI"))))
    scales = {}
    for axes in panels:
        scales.setdefault(axes.get_ylabel(), set()).add(axes.get_ylim())
    assert {name: len(limits) for name, limits in scales.items()} == {"NDVI": 1, "EVI": 1}


def test_what_is_not_drawn_is_said(make_chart):
    figure = draw_chart(make_chart(15))
    assert len(panels_of(figure)) == MOST_PANELS
    assert "3 more series are not drawn" in foot_of(figure)
    many = draw_chart(make_chart(2, site_count=9876))
    assert "9,876 sites, of which the first are drawn" in foot_of(many)
    assert "not drawn" not in foot_of(draw_chart(make_chart(12)))


def test_the_file_tells_what_it_is_and_whose_the_data_are(write, make_chart):
    chart = make_chart(1, notes=("Contains modified Copernicus Sentinel data, 2023", "Request: …"))
    text = write(chart).text
    assert text["Title"] == chart.title
    assert text["Description"].splitlines() == [chart.description, *chart.notes]
    assert text["Software"].startswith("Fairweather ")
    assert chart.notes[0] in foot_of(draw_chart(chart))


@pytest.mark.parametrize(
    "name", ["$x^{$", r"\frac{$\alpha$}", "Ž" * 200, "\x07bell\ttab\nline", "<b>&", ""]
)
def test_any_name_is_only_text(write, make_chart, name):
    series = dataclasses.replace(make_chart(1).series[0], site=name)
    write(make_chart(1, series=(series,), title=name or "t", description=name, notes=(name,)))


@pytest.mark.parametrize("kept", [0, 1, 2])
def test_few_days_are_drawn_too(write, make_chart, make_charted, kept):
    write(make_chart(1, series=(make_charted(days=kept),)))


def test_all_cloudy_and_no_site_are_drawn_too(write, make_chart, make_charted):
    one = make_charted()
    nothing = np.full(len(one.observations.values), np.nan)
    empty = np.full(len(one.series.value), np.nan)
    cloudy = dataclasses.replace(
        one,
        observations=dataclasses.replace(one.observations, values=nothing),
        series=dataclasses.replace(one.series, value=empty, interpolated=empty, smoothed=empty),
    )
    write(make_chart(1, series=(cloudy,)))
    write(make_chart(1, series=(cloudy, one)))
    write(make_chart(0, site_count=0))


def test_the_users_own_settings_are_neither_used_nor_changed(write, make_chart, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)  # importing it fails
    with mpl.rc_context({"savefig.dpi": 33, "figure.facecolor": "black", "text.usetex": True}):
        image = write(make_chart(1))
        assert mpl.rcParams["savefig.dpi"] == 33
    assert image.size == (1500, 750)
    assert image.convert("RGB").getpixel((2, 2)) == (255, 255, 255)
