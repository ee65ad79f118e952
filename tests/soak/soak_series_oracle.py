"""A time series in plain numpy and pandas, from what DESIGN.md says a series means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import shapely
from soak_oracle import Band, Grid, Scene, band_of_day, clear_of_day, transformed


@dataclass(frozen=True)
class Observed:
    """One day of a site: the statistic over its clear pixels, NaN without, and their number."""

    value: float
    clear_pixels: int
    all_pixels: int


STATISTICS = {
    "mean": np.mean,
    "median": np.median,
    "min": np.min,
    "max": np.max,
    "std": np.std,
    "p10": lambda values: np.quantile(values, 0.1),
    "p90": lambda values: np.quantile(values, 0.9),
}


def observe(
    scenes: Sequence[Scene],
    site: shapely.Geometry,
    crs: str,
    band: Band,
    *,
    masked: frozenset[int] | None,
    statistic: str,
) -> dict[str, Observed]:
    """What was observed on each day of a site that lies in one tile, by the scene's UTC time."""
    own = [one for one in scenes if one.footprint.intersects(transformed(site, crs, "EPSG:4326"))]
    found = {}
    for scene in sorted(own, key=lambda scene: (scene.moment, scene.id)):
        layers = [scene.bands[name] for name in band.sources]
        finest = min((layer.grid for layer in layers), key=lambda grid: grid.width)
        place = transformed(site, crs, finest.crs)
        grid = _window(finest, place)
        inside = _inside(grid, place)
        clear = clear_of_day([scene], grid, masked) & inside
        own_bands = [band_of_day([layer], grid) for layer in layers]
        with np.errstate(all="ignore"):
            daily = band.index(*own_bands) if band.index else own_bands[0]
        values = daily[clear & np.isfinite(daily)]
        value = float(STATISTICS[statistic](values)) if values.size else np.nan
        time = scene.moment.strftime("%Y-%m-%dT%H:%M:%SZ")
        found[time] = Observed(value, values.size, int(inside.sum()))
    return found


def regular(times: Sequence[str], values: Sequence[float], step: int) -> pd.DataFrame:
    """The defaults: means of steps, gaps filled by steps, and a rolling mean of three."""
    index = pd.DatetimeIndex(times).tz_localize(None)
    series = pd.Series(values, index, dtype=float)
    mean = series.resample(f"{step}D", origin=index.min().normalize()).mean()
    filled = mean.interpolate("linear", limit_area="inside")
    smooth = filled.rolling(3, min_periods=1, center=True).mean()
    return pd.DataFrame({"value": mean, "interpolated": filled, "smoothed": smooth})


def _window(grid: Grid, place: shapely.Geometry) -> Grid:
    """The pixels around ``place``, as a piece of the grid."""
    west, south, east, north = place.bounds
    first, last = (int((x - grid.left) // grid.width) for x in (west, east))
    top, bottom = (int((grid.top - y) // grid.height) for y in (north, south))
    left, upper = grid.left + first * grid.width, grid.top - top * grid.height
    shape = (bottom - top + 1, last - first + 1)
    return Grid(grid.crs, left, upper, grid.width, grid.height, shape)


def _inside(grid: Grid, place: shapely.Geometry) -> np.ndarray:
    if place.geom_type == "Point":
        return np.ones(grid.shape, bool)
    return shapely.contains_xy(place, *grid.centres())
