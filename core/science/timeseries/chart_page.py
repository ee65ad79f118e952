"""The chart as one HTML page, which works without a network and asks for nothing."""

from __future__ import annotations

import base64
import hashlib
import json
import pkgutil
from typing import Any

import numpy as np
from jinja2 import Environment, FunctionLoader, StrictUndefined

from .chart import Chart, ChartedSeries, site_labels

MOST_SITES = 500  # what a browser draws at once without waiting, in some megabytes
DECIMALS = 5


def render_chart_page(chart: Chart) -> str:
    """The page as HTML; it shows the first ``MOST_SITES`` sites."""
    environment = Environment(
        loader=FunctionLoader(_template_text),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    script = _template_text("timeseries_chart.js")
    data = _page_data(chart)
    return environment.get_template("timeseries_chart.html").render(
        chart=chart,
        shown_sites=len(data["sites"]),
        style=_template_text("timeseries_chart.css"),
        script=script,
        # The browser runs this script and no other, whatever a site may be called.
        script_hash=base64.b64encode(hashlib.sha256(script.encode()).digest()).decode(),
        data=_json_for_html(data),
    )


def _template_text(name: str) -> str:
    # From the package's loader: the folder may be another version's meanwhile.
    return (pkgutil.get_data(__name__, f"templates/{name}") or b"").decode("utf-8")


def _page_data(chart: Chart) -> dict[str, Any]:
    """What the script draws; times are minutes since 1970 in UTC."""
    labels = dict(list(site_labels(chart).items())[:MOST_SITES])
    indices = list(dict.fromkeys(one.index for one in chart.series))
    sites: dict[str, dict[str, Any]] = {
        site_id: {"name": label, "series": [None] * len(indices)}
        for site_id, label in labels.items()
    }
    for one in chart.series:
        if one.site_id in sites:
            sites[one.site_id]["series"][indices.index(one.index)] = _series_data(one)
    return {"indices": indices, "sites": list(sites.values())}


def _series_data(one: ChartedSeries) -> dict[str, Any]:
    return {
        "times": _minutes(one.observations.times),
        "values": _numbers(one.observations.values),
        "clear": [int(count) for count in one.clear_pixels],
        "all": [int(count) for count in one.all_pixels],
        "steps": _minutes(one.series.times),
        "smoothed": _numbers(one.series.smoothed),
        "observed": [int(there) for there in np.isfinite(one.series.value)],
    }


def _minutes(times: np.ndarray) -> list[int]:
    return [int(minutes) for minutes in times.astype("datetime64[m]").astype(np.int64)]


def _numbers(values: np.ndarray) -> list[float | None]:
    return [round(float(value), DECIMALS) if np.isfinite(value) else None for value in values]


def _json_for_html(data: dict[str, Any]) -> str:
    """JSON that cannot end the script element that holds it, nor begin a comment."""
    text = json.dumps(data, allow_nan=False, separators=(",", ":"))
    for letter in "<>&":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    return text
