"""Made-up sites for the charts."""

import numpy as np
import pytest
from fairweather.core.bridge.series_recipe import SeriesRecipe
from fairweather.core.science.timeseries.chart import Chart, ChartedSeries
from fairweather.core.science.timeseries.series import Observations, make_series


@pytest.fixture(scope="session")
def make_charted():
    """A year and more of one index at one site, with a cloudy winter."""

    def make(number=0, name="Field", index="NDVI", days=160):
        numbers = np.random.default_rng(number)
        offsets = np.arange(days) * 5 // 2
        times = np.datetime64("2023-01-03T10:12", "ns") + offsets.astype("timedelta64[D]").astype(
            "timedelta64[ns]"
        )
        season = 0.45 + 0.3 * np.sin((offsets - 90 - number % 30) / 365 * 2 * np.pi)
        values = season + numbers.normal(0, 0.03, days)
        all_pixels = np.full(days, 12 + number % 5)
        clear = numbers.integers(0, all_pixels + 1)
        clear[(offsets > 300) & (offsets < 360)] = 0
        clear[numbers.random(days) < 0.4] = 0
        values[clear == 0] = np.nan
        observations = Observations(times, values)
        (series,) = make_series([observations], SeriesRecipe(max_gap=45))
        return ChartedSeries(str(number), name, index, observations, clear, all_pixels, series)

    return make


@pytest.fixture
def make_chart(make_charted):
    """A chart of some sites, each with the indices."""

    def make(sites=1, indices=("NDVI",), **changes):
        series = tuple(
            make_charted(number, f"Field {number}", index)
            for number in range(sites)
            for index in indices
        )
        settings = {
            "title": "NDVI at the fields of Sesvete",
            "description": "Sentinel-2 Level 2A, 2023-01-01 to 2024-02-29; mean of the clear "
            "pixels, steps of 5 days.",
            "series": series,
            "site_count": sites,
            "notes": ("Contains modified Copernicus Sentinel data, 2023–2024",),
        }
        return Chart(**{**settings, **changes})

    return make
