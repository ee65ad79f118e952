"""The chart page: what it holds, and what a browser makes of it."""

import dataclasses
import functools
import html
import http.server
import json
import re
import shutil
import subprocess

import numpy as np
import pytest
from fairweather.core.bridge.series_recipe import SeriesRecipe
from fairweather.core.science.timeseries.chart import ChartedSeries, recipe_in_words, site_labels
from fairweather.core.science.timeseries.chart_page import MOST_SITES, render_chart_page
from fairweather.core.science.timeseries.series import Observations, make_series
from loopback import PLACE, serving

HOSTILE = "</script><script>document.title='hacked'</script><!-- <b>&amp; \"'`${1}\u2028 č"
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", "--window-size=1000,800",
    "--virtual-time-budget=3000",
)  # fmt: skip


@pytest.fixture
def write(tmp_path):
    def write(chart):
        target = tmp_path / "chart.html"
        target.write_text(render_chart_page(chart), encoding="utf-8")
        return target

    return write


def data_of(page):
    text = page.read_text(encoding="utf-8")
    (data,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)
    return json.loads(data)


def charted(times, values, name="Field"):
    times = np.array(times, "datetime64[ns]")
    values = np.array(values, float)
    observations = Observations(times, values)
    (series,) = make_series([observations], SeriesRecipe())
    counts = np.isfinite(values).astype(int)
    return ChartedSeries("1", name, "NDVI", observations, counts, np.ones_like(counts), series)


def test_the_page_names_no_address_and_loads_nothing(write, make_chart):
    text = write(make_chart(3, ("NDVI", "EVI"))).read_text(encoding="utf-8")
    assert not re.search(r"https?:|//[a-z]|@import|url\(|\bsrc=", text.replace("img-src", ""))
    assert re.findall(r'href="([^"]*)"', text) == ["data:,"]
    assert "default-src 'none'" in text


def test_the_data_are_what_was_observed(write, make_chart):
    chart = make_chart(2, ("NDVI", "EVI"))
    data = data_of(write(chart))
    assert data["indices"] == ["NDVI", "EVI"]
    assert [site["name"] for site in data["sites"]] == ["Field 0", "Field 1"]
    one, drawn = chart.series[2], data["sites"][1]["series"][0]
    times = np.array(drawn["times"], "datetime64[m]")
    np.testing.assert_array_equal(times, one.observations.times.astype("datetime64[m]"))
    values = np.array([np.nan if value is None else value for value in drawn["values"]])
    np.testing.assert_allclose(values, one.observations.values, atol=1e-5)
    smoothed = np.array([np.nan if value is None else value for value in drawn["smoothed"]])
    np.testing.assert_allclose(smoothed, one.series.smoothed, atol=1e-5)
    np.testing.assert_array_equal(drawn["clear"], one.clear_pixels)
    np.testing.assert_array_equal(drawn["all"], one.all_pixels)
    np.testing.assert_array_equal(drawn["observed"], np.isfinite(one.series.value))


def test_of_many_sites_the_page_holds_the_first_and_says_so(write, make_chart):
    few = make_chart(1).series[0]
    series = tuple(
        dataclasses.replace(few, site_id=str(number)) for number in range(MOST_SITES + 1)
    )
    chart = make_chart(1, series=series, site_count=9876)
    page = write(chart)
    assert len(data_of(page)["sites"]) == MOST_SITES
    text = page.read_text(encoding="utf-8")
    assert f"This page shows the first {MOST_SITES} of 9,876 sites" in text
    assert "This page shows" not in write(make_chart(2)).read_text(encoding="utf-8")


def test_sites_of_one_name_are_told_apart(make_chart):
    few = make_chart(1).series[0]
    names = ["Field", "Field", " Big\n field ", "", "Field"]
    ids = ["1", "2", "3", "4", "1"]
    series = tuple(
        dataclasses.replace(few, site=name, site_id=site_id)
        for name, site_id in zip(names, ids, strict=True)
    )
    labels = site_labels(make_chart(1, series=series))
    assert labels == {"1": "Field (1)", "2": "Field (2)", "3": "Big field", "4": "Site 4"}


def test_a_site_without_a_name_is_called_by_its_number(make_chart):
    few = make_chart(1).series[0]
    series = (dataclasses.replace(few, site="17"), dataclasses.replace(few, site="4", site_id="2"))
    assert list(site_labels(make_chart(1, series=series)).values()) == ["Site 17", "Site 4"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "Steps of 5 days, gaps filled, mean of 3 steps."),
        (
            {"step": 1, "fill": "none", "smooth": "none"},
            "Steps of 1 day, gaps left open, not smoothed.",
        ),
        (
            {"max_gap": 30, "smooth": "savgol", "window": 7},
            "Steps of 5 days, gaps up to 30 days filled, Savitzky-Golay of 7 steps and order 2.",
        ),
        (
            {"fill": "none", "smooth": "whittaker", "penalty": 1600.0},
            "Steps of 5 days, gaps filled, Whittaker with lambda 1600.",
        ),
    ],
)
def test_the_line_is_explained(changes, words):
    assert recipe_in_words(SeriesRecipe(**changes)) == words


def test_names_cannot_become_a_part_of_the_page(write, make_chart):
    series = dataclasses.replace(make_chart(1).series[0], site=HOSTILE)
    page = write(make_chart(1, series=(series,), title=HOSTILE, notes=(HOSTILE,)))
    assert data_of(page)["sites"][0]["name"] == " ".join(HOSTILE.split())
    text = page.read_text(encoding="utf-8")
    assert text.count("<script") == 2
    assert text.count("</script>") == 2
    assert "<!--" not in text
    assert "<b>" not in text


class _Server(http.server.ThreadingHTTPServer):
    """Serves one folder on loopback, and notes what is asked for."""

    asked: list


class _Handler(http.server.SimpleHTTPRequestHandler):
    def do_GET(self):
        self.server.asked.append(self.path)
        super().do_GET()

    def log_message(self, *_arguments):
        pass


@pytest.fixture
def open_in_browser(tmp_path_factory):
    """The page as the browser has it after its script ran, and what it asked its server for."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        pytest.skip("no Chromium is installed to open the page in")

    def open_page(page, *flags):
        handler = functools.partial(_Handler, directory=page.parent)
        server = _Server(PLACE, handler)
        server.asked = []
        with serving(server) as address:
            profile = f"--user-data-dir={tmp_path_factory.mktemp('profile')}"
            dom = subprocess.run(
                [browser, *FLAGS, *flags, profile, "--dump-dom", f"{address}/{page.name}"],
                check=True, capture_output=True, timeout=120,
            ).stdout.decode()  # fmt: skip
        return dom, server.asked

    return open_page


def with_script(page, script):
    """The page with a script of the test's, which its policy would not let run."""
    text = page.read_text(encoding="utf-8")
    text = re.sub(r'<meta http-equiv="Content-Security-Policy".*?>', "", text)
    page.write_text(text.replace("</body>", f"<script>{script}</script></body>"), encoding="utf-8")
    return page


@pytest.mark.slow
def test_a_browser_draws_every_day_and_asks_for_nothing(write, make_chart, open_in_browser):
    chart = make_chart(3)
    dom, asked = open_in_browser(write(chart))
    assert asked == ["/chart.html"]
    values = chart.series[0].observations.values
    assert dom.count('<circle class="point"') == np.isfinite(values).sum()
    (cloudy, *small) = re.findall(r'<path class="cloudy" d="([^"]*)"', dom)
    assert cloudy.count("M") == np.isnan(values).sum()
    assert len(small) == 3
    assert dom.count('class="small') == 3
    assert re.findall(r"<option[^>]*>([^<]*)", dom) == ["Field 0", "Field 1", "Field 2", "NDVI"]
    assert "Field 0 · NDVI · " in dom
    # The line is broken in the winter's gap, and of another kind where a step has no observation.
    series = chart.series[0].series
    there = np.isfinite(series.smoothed)
    assert not there.all()
    solid = re.search(r'<path class="line" d="([^"]*)"', dom)[1].count("L")
    filled = re.search(r'<path class="filled" d="([^"]*)"', dom)[1].count("L")
    assert solid + filled == (there[:-1] & there[1:]).sum()
    observed = np.isfinite(series.value)
    assert solid == (there[:-1] & there[1:] & observed[:-1] & observed[1:]).sum()


@pytest.mark.slow
def test_the_pointer_the_keys_and_the_lists_work(write, make_chart, open_in_browser):
    chart = make_chart(2, ("NDVI", "EVI"))
    script = """
      document.getElementById("next").click();
      const list = document.getElementById("index");
      list.value = 1; list.dispatchEvent(new Event("change"));
      const chart = document.getElementById("chart");
      chart.dispatchEvent(new KeyboardEvent("keydown", {key: "ArrowRight"}));
      chart.dispatchEvent(new KeyboardEvent("keydown", {key: "ArrowRight"}));
      const first = document.getElementById("tip").textContent;
      const frame = chart.getBoundingClientRect();
      chart.dispatchEvent(new MouseEvent("mousemove", {clientX: frame.right, clientY: frame.top}));
      document.title = JSON.stringify([first, document.getElementById("tip").textContent]);
    """
    dom, _ = open_in_browser(with_script(write(chart), script))
    tips = json.loads(html.unescape(re.search("<title>(.*?)</title>", dom, re.S)[1]))
    shown = chart.series[3]
    assert "Field 1 · EVI" in dom
    for tip, day in zip(tips, (1, -1), strict=True):
        moment = shown.observations.times[day].astype("datetime64[D]").item()
        value = shown.observations.values[day]
        clear, pixels = shown.clear_pixels[day], shown.all_pixels[day]
        words = f"{value:.3f}" if np.isfinite(value) else "no value"
        assert tip.splitlines() == [
            f"{moment.day} {moment:%b %Y}",
            f"EVI {words}",
            f"{np.floor(100 * clear / pixels + 0.5):.0f} % clear ({clear} of {pixels} pixels)",
        ]


@pytest.mark.slow
def test_hostile_names_are_text_in_the_browser(write, make_chart, open_in_browser):
    series = dataclasses.replace(make_chart(1).series[0], site=HOSTILE)
    dom, asked = open_in_browser(write(make_chart(1, series=(series,), title="Calm")))
    assert asked == ["/chart.html"]
    assert "<title>Calm</title>" in dom
    assert "hacked" in dom
    assert '<circle class="point"' in dom


@pytest.mark.slow
@pytest.mark.parametrize(
    ("times", "values", "points", "dates"),
    [
        ([], [], 0, ""),
        (["2024-02-29T10:00"], [0.5], 1, "20 Feb|2024|22 Feb|24 Feb|26 Feb|28 Feb|1 Mar"),
        (
            ["2023-12-25T10:00", "2024-01-25T10:00"],
            [np.nan, np.nan],
            0,
            "26 Dec|2023|2 Jan|2024|9 Jan",
        ),
        (
            ["2015-12-30T10:00", "2034-01-04T10:00"],
            [1e6, 1e6],
            2,
            "2016|2018|2020|2022|2024|2026|2028|2030|2032|2034",
        ),
    ],
    ids=["none", "one", "all cloudy", "decades"],
)
def test_few_days_are_drawn_too(write, make_chart, open_in_browser, times, values, points, dates):
    dom, _ = open_in_browser(write(make_chart(1, series=(charted(times, values),))))
    assert dom.count('<circle class="point"') == points
    assert f"{points} of {len(times)} scene day" in dom
    assert dates in "|".join(re.findall("<text[^>]*>([^<]*)", dom))
    drawn = re.sub("<script.*?</script>", "", dom, flags=re.S)
    assert "NaN" not in drawn
    assert "Infinity" not in drawn


@pytest.mark.slow
def test_no_date_is_cut_off_at_the_right(write, make_chart, open_in_browser):
    """Of a calendar year the last tick lies at the end of the axis."""
    script = """
      const cut = Array.from(document.querySelectorAll("svg text")).filter((text) => {
        const own = text.getBoundingClientRect();
        const frame = text.ownerSVGElement.getBoundingClientRect();
        return own.left < frame.left - 0.5 || own.right > frame.right + 0.5;
      });
      document.title = "cut: " + cut.map((text) => text.textContent).join();
    """
    times = [f"2024-{month:02d}-01T10:00" for month in range(1, 13)] + ["2024-12-31T10:00"]
    series = tuple(
        dataclasses.replace(charted(times, np.linspace(0.1, 0.9, 13)), site_id=site)
        for site in "12"
    )
    dom, _ = open_in_browser(with_script(write(make_chart(2, series=series)), script))
    assert ">2025</text>" in dom
    assert "<title>cut: </title>" in dom


@pytest.mark.slow
def test_no_site_is_said(write, make_chart, open_in_browser):
    dom, _ = open_in_browser(write(make_chart(0, site_count=0)))
    assert "No site" in dom
